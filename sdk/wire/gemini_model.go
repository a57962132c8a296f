package wire

import (
	"strconv"
	"strings"
)

// gemini is what the name of a model says about the parameters that it takes.
// Source: https://ai.google.dev/gemini-api/docs/thinking and
// https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/thinking,
// as of November 2026.
type gemini struct {
	thinks      geminiThinking
	always      bool  // cannot stop thinking
	minimal     bool  // takes the level minimal
	medium      bool  // takes the level medium
	least, most int64 // bounds of a thinking budget
	formatTools bool  // takes a response schema beside functions
	mediaResult bool  // takes images within a function's response
}

type geminiThinking uint8

const (
	geminiNoThinking geminiThinking = iota
	geminiBudget                    // thinkingBudget: 2.5
	geminiLevel                     // thinkingLevel: 3 and later
)

// geminiOf knows models by generation; names without a number are taken for
// the newest. Models of other makers get no thinking parameters.
func geminiOf(model string) gemini {
	i := strings.LastIndex(model, "gemini-")
	if i < 0 {
		return gemini{formatTools: true}
	}
	name := model[i+len("gemini-"):]
	v := geminiVersion(name)
	g := gemini{
		always:      !strings.Contains(name, "flash"), // Pro, Argon
		formatTools: v >= 3,
		mediaResult: v >= 3,
	}
	quiet := strings.Contains(name, "-tts") || strings.Contains(name, "-image") && v < 3
	switch {
	case v < 2.5 || quiet:
	case v < 3:
		g.thinks, g.least, g.most = geminiBudget, 1, 24_576
		if g.always {
			g.least, g.most = 128, 32_768
		} else if strings.Contains(name, "lite") {
			g.least = 512
		}
	default:
		g.thinks = geminiLevel
		g.minimal, g.medium = !g.always, !g.always || v > 3
	}
	return g
}

// geminiVersion reads "2.5-flash" as 2.5, "3-pro-preview" as 3, "flash-latest" as a large number.
func geminiVersion(name string) float64 {
	word, _, _ := strings.Cut(name, "-")
	if v, err := strconv.ParseFloat(word, 64); err == nil {
		return v
	}
	return 999
}

// Budgets that Google's own OpenAI-compatible endpoint takes an effort for.
var geminiBudgets = map[string]int64{"minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 32_768}

// appendGeminiThinking appends the members of thinkingConfig.
func appendGeminiThinking(dst []byte, q *request, g gemini) []byte {
	t := &q.thinking
	if !t.set() {
		return dst
	}
	if g.thinks == geminiNoThinking {
		if !t.off {
			q.drop(t.asked)
		}
		return dst
	}
	dst = append(dst, `,"thinkingConfig":{`...)
	from := len(dst)
	if g.thinks == geminiBudget {
		dst = append(dst, `"thinkingBudget":`...)
		dst = appendInt(dst, geminiBudgetOf(q, g))
	} else if level := geminiLevelOf(q, g); level != "" {
		dst = append(append(append(dst, `"thinkingLevel":"`...), level...), '"')
	}
	if !t.off && t.show != hidden {
		if len(dst) > from {
			dst = append(dst, ',')
		}
		dst = append(dst, `"includeThoughts":true`...)
	}
	return append(dst, '}')
}

func geminiBudgetOf(q *request, g gemini) int64 {
	t := &q.thinking
	switch {
	case t.off && g.always:
		q.drop(t.asked)
		return g.least // the least that there is
	case t.off:
		return 0
	case t.budget > 0:
		return min(max(t.budget, g.least), g.most)
	case t.effort != "":
		return min(max(geminiBudgets[t.effort], g.least), g.most)
	}
	return -1 // left to the model
}

// geminiLevelOf is the model's word for how much to think, "" to leave it to the model.
func geminiLevelOf(q *request, g gemini) string {
	t := &q.thinking
	effort := t.effort
	switch {
	case t.off:
		if g.always {
			q.drop(t.asked)
		}
		effort = "minimal" // the least that there is
	case effort == "xhigh" || effort == "max":
		q.drop(q.names.effort)
		effort = "high"
	case effort != "":
	case t.budget == 0:
		return ""
	case t.budget <= 2048:
		effort = "low"
	case t.budget <= 8192:
		effort = "medium"
	default:
		effort = "high"
	}
	switch {
	case effort == "minimal" && !g.minimal:
		return "LOW"
	case effort == "medium" && !g.medium:
		return "HIGH"
	}
	return geminiLevels[effort]
}

var geminiLevels = map[string]string{"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
