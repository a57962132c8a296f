package wire

import "strconv"

func above(number []byte, limit float64) bool {
	f, err := strconv.ParseFloat(string(number), 64)
	return number != nil && err == nil && f > limit
}

func isOne(number []byte) bool {
	f, err := strconv.ParseFloat(string(number), 64)
	return err == nil && f == 1
}

// appendClaudeThinking appends thinking and output_config in the form that the
// model takes, and reports whether the model has been asked to think.
func appendClaudeThinking(dst []byte, q *request, c claude) (out []byte, thinks bool) {
	dst, thinks, effort := q.claudeThinking(dst, c)
	return appendOutputConfig(dst, q, c, effort), thinks
}

// claudeThinking appends thinking, and returns the effort that goes elsewhere.
func (q *request) claudeThinking(dst []byte, c claude) (out []byte, thinks bool, effort string) {
	switch t := &q.thinking; {
	case !t.set():
	case t.off && c.always:
		q.drop(t.asked)
		effort = "low" // the least that there is
	case t.off && c.byDefault:
		dst = append(dst, `,"thinking":{"type":"disabled"}`...)
	case t.off:
	case c.thinks == noThinking:
		q.drop(t.asked)
	case c.thinks == budgetThinking:
		dst, thinks = appendBudget(dst, q)
	default:
		effort = c.effort(t)
		dst, thinks = appendAdaptive(dst, q, c)
	}
	return dst, thinks, effort
}

func appendOutputConfig(dst []byte, q *request, c claude, effort string) []byte {
	format := q.format
	if format != nil && (!c.structured || format.schema == nil) {
		q.drop(format.asked)
		format = nil
	}
	if effort == "" && format == nil {
		return dst
	}
	dst = append(dst, `,"output_config":{`...)
	if effort != "" {
		dst = append(append(append(dst, `"effort":"`...), effort...), '"')
	}
	if format != nil {
		if effort != "" {
			dst = append(dst, ',')
		}
		dst = append(dst, `"format":{"type":"json_schema"`...)
		dst = appendJSON(dst, "schema", format.schema)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// forced reports whether the model must call a tool, which rules thinking out.
func (q *request) forced() bool {
	return len(q.tools) > 0 && (q.choice.mode == chooseAny || q.choice.mode == chooseOne)
}

func appendAdaptive(dst []byte, q *request, c claude) (out []byte, thinks bool) {
	if q.forced() {
		if !c.byDefault {
			q.drop(q.thinking.asked)
		}
		return dst, false
	}
	dst = append(dst, `,"thinking":{"type":"adaptive"`...)
	switch {
	case q.thinking.show == hidden && c.xhigh:
		dst = append(dst, `,"display":"omitted"`...)
	case c.xhigh:
		dst = append(dst, `,"display":"summarized"`...)
	}
	return append(dst, '}'), true
}

// effort is the model's word for how much to think, "" to leave it to the model.
func (c claude) effort(t *thinking) string {
	switch {
	case t.effort == "minimal":
		return "low"
	case t.effort == "xhigh" && !c.xhigh, t.effort == "max" && !c.max:
		return "high"
	case t.effort != "":
		return t.effort
	case t.budget == 0:
		return ""
	case t.budget <= 2048:
		return "low"
	case t.budget <= 8192:
		return "medium"
	}
	return "high"
}

// Bounds of a thinking budget: the API's least, and the most that is chosen
// for a caller who names an effort.
const (
	minBudget = 1024
	maxBudget = 32_000
)

// budgetShare is what part of max_tokens an effort may think, in percent.
var budgetShare = map[string]int64{"minimal": 10, "low": 20, "medium": 50, "high": 80, "xhigh": 90, "max": 95}

func appendBudget(dst []byte, q *request) (out []byte, thinks bool) {
	t := &q.thinking
	budget := t.budget
	if budget == 0 {
		share := budgetShare[t.effort]
		if share == 0 {
			share = budgetShare["medium"]
		}
		budget = min(q.maxTokens*share/100, maxBudget)
	}
	budget = min(max(budget, minBudget), q.maxTokens-1)
	if budget < minBudget || q.forced() || q.unsealedCalls() {
		q.drop(t.asked)
		return dst, false
	}
	dst = append(dst, `,"thinking":{"type":"enabled","budget_tokens":`...)
	return append(appendInt(dst, budget), '}'), true
}

// unsealedCalls reports whether the last turn of the assistant called tools
// without the sealed thinking that led to it: the API then refuses to think on.
func (q *request) unsealedCalls() bool {
	for i := len(q.messages) - 1; i >= 0; i-- {
		if m := &q.messages[i]; m.role == assistantRole {
			calls, sealed := false, false
			for j := range m.parts {
				p := &m.parts[j]
				calls = calls || p.kind == toolCallPart
				sealed = sealed || p.seal.anthropic()
			}
			return calls && !sealed
		}
	}
	return false
}
