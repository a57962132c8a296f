package policy

import (
	"fmt"
	"strings"

	"github.com/signalbox-ai/signalbox/host/call"
)

// messages are the texts of the engine's own codes; {v} is the reason's value.
var messages = map[string]string{
	CodePolicyError:  "The gateway's policy could not decide on this request, so it is refused. Ask its operator to look at the log under this request's id.",
	CodeNotPermitted: "The gateway's policy does not permit this request. Ask its operator for access.",
	codeNoPolicy:     "Nobody has pushed a policy to this gateway yet, so every request is refused. Its operator does so with signalbox policy push.",
	CodeNoTarget:     "No target that could serve this model is allowed for you. Ask for another model, or the gateway's operator for access.",
}

const maxShownValue = 200 // bytes

// Message renders a denial for the caller: what was refused and what to do.
func Message(r call.Reason) string { return render(messages, r) }

// Message renders a denial by the bundle's own text for its code
// (data.signalbox.messages) where it has one.
func (e *Engine) Message(r call.Reason) string { return e.snap.Load().message(r) }

func (s *snapshot) message(r call.Reason) string {
	if s.messages[r.Code] != "" {
		return render(s.messages, r)
	}
	return render(messages, r)
}

func render(messages map[string]string, r call.Reason) string {
	v := r.Value
	if len(v) > maxShownValue {
		v = strings.ToValidUTF8(v[:maxShownValue], "") + "…"
	}
	if text := messages[r.Code]; text != "" {
		return strings.ReplaceAll(text, "{v}", v)
	}
	if v != "" {
		v = " (" + v + ")"
	}
	return fmt.Sprintf("Refused by policy %s: %s%s. Ask the gateway's operator for access.", r.Unit, r.Code, v)
}

// messagesOf reads data.signalbox.messages.
func messagesOf(src *source) (map[string]string, error) {
	raw, ok := signalboxData(src)["messages"]
	if !ok {
		return nil, nil
	}
	byCode, ok := raw.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("data.signalbox.messages must be an object of code: text, got %T", raw)
	}
	out := make(map[string]string, len(byCode))
	for code, text := range byCode {
		if out[code], ok = text.(string); !ok {
			return nil, fmt.Errorf("data.signalbox.messages.%s must be text, got %T", code, text)
		}
	}
	return out, nil
}
