package provider

import (
	"strings"
	"testing"
)

// TestLastWordsAreHeard: what an adapter prints right before it exits is the
// most telling of all.
func TestLastWordsAreHeard(t *testing.T) {
	log, out := debugLog()
	s := newSupervisor(t, log)
	set := mustApply(t, s, self(t, "fake", nil))
	set.Commit()
	if resp, err := send(set.Provider("fake"), "farewell", ""); err == nil {
		resp.Body.Close()
	}
	until(t, "restart", func() bool { return s.Stats()[0].Restarts == 1 })
	text := out.String()
	for _, want := range []string{"out: so long", "err: farewell", `"last_words":"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}
