package pipeline

import (
	"fmt"

	"github.com/agnivade/levenshtein"
)

// near is ", did you mean …?" with the name that name is most likely a slip of.
func near(name string, known []string) string {
	best, at := max(2, len(name)/3)+1, ""
	for _, k := range known {
		if d := levenshtein.ComputeDistance(name, k); d < best {
			best, at = d, k
		}
	}
	if at == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", at)
}
