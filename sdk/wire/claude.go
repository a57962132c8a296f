package wire

import (
	"strconv"
	"strings"
)

// claude is what the name of a model says about the parameters that it takes.
// Source: https://platform.claude.com/docs/en/about-claude/models/migration-guide
// and …/build-with-claude/thinking, as of November 2026.
type claude struct {
	thinks     thinkingForm
	always     bool  // thinking cannot be turned off
	byDefault  bool  // thinks unless it is turned off
	sampling   bool  // takes temperature, top_p and top_k
	both       bool  // takes temperature and top_p together
	structured bool  // takes output_config.format and strict tools
	maxOutput  int64 // tokens of one answer
	xhigh      bool  // takes the effort xhigh, and hides its thinking unless asked to show it
	max        bool  // takes the effort max
}

type thinkingForm uint8

const (
	noThinking thinkingForm = iota
	budgetThinking
	adaptiveThinking
)

// claudeOf knows models by family and generation; names without a number are
// taken for the newest. Models of other makers that speak this dialect get
// the plainest form.
func claudeOf(model string) claude {
	i := strings.LastIndex(model, "claude-")
	if i < 0 {
		return claude{thinks: budgetThinking, sampling: true, both: true, maxOutput: 8192}
	}
	family, v := generation(model[i+len("claude-"):])
	c := claude{
		sampling:   v < 47,
		both:       v < 41,
		structured: v >= 45 || v == 41,
		xhigh:      v >= 47,
		max:        v >= 47 || v == 46 && family == "opus",
		byDefault:  v >= 50,
		always:     v >= 50 && (family == "fable" || family == "mythos" || v >= 55 && family != "haiku"),
		maxOutput:  128_000,
	}
	switch {
	case v < 37:
		c.thinks = noThinking
	case v < 46:
		c.thinks = budgetThinking
	default:
		c.thinks = adaptiveThinking
	}
	switch {
	case v < 35:
		c.maxOutput = 4096
	case v < 37:
		c.maxOutput = 8192
	case v < 45 && family == "opus":
		c.maxOutput = 32_000
	case v < 47 && family != "opus" || v < 46:
		c.maxOutput = 64_000
	}
	return c
}

// generation reads "opus-4-7-20260416" and "3-5-sonnet-20240620" as a family
// and ten times the version: 47, 35.
func generation(name string) (family string, version int) {
	version = -1
	for _, word := range strings.FieldsFunc(name, func(c rune) bool { return c == '-' || c == '.' || c == '@' || c == ':' }) {
		n, err := strconv.Atoi(word)
		switch {
		case err != nil && family == "":
			family = word
		case err != nil || len(word) > 2: // a date, "latest", a cloud's suffix
		case version < 0:
			version = 10 * n
		case version%10 == 0 && n < 10:
			version += n
		}
	}
	if version < 0 {
		version = 999
	}
	return family, version
}
