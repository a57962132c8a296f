package filter

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/signalbox-ai/signalbox/sdk/abi"
)

// native is a filter that is part of the host.
type native interface {
	// look judges s.window, which is of channel ch at stage i.
	look(s *Screen, i int, ch *channel, v *verdict) error
	// limit is how many bytes of text a window holds at most.
	limit() int
}

// natives make filters of their configurations.
var natives = map[string]func(config []byte) (native, error){"length": newLength, "regex": newRegex, "schema": newSchema}

// decode reads a configuration strictly.
func decode(config []byte, into any) error {
	if len(config) == 0 {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(config)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("cannot read its config: %w", err)
	}
	return nil
}

// length bounds the characters of prompts and answers.
type length struct {
	Prompt int64 `json:"max_prompt_chars"` // 0: any number
	Answer int64 `json:"max_answer_chars"` // of all choices, with reasoning and tool calls
}

// Codes of blocks by length.
const codeTooLong = 1

func newLength(config []byte) (native, error) {
	l := &length{}
	if err := decode(config, l); err != nil {
		return nil, err
	}
	if l.Prompt < 0 || l.Answer < 0 || l.Prompt == 0 && l.Answer == 0 {
		return nil, fmt.Errorf("its config says no bound: set max_prompt_chars or max_answer_chars")
	}
	return l, nil
}

func (l *length) limit() int { return abi.MaxWindow }

func (l *length) look(s *Screen, i int, _ *channel, v *verdict) error {
	w, most, what := &s.window, l.Prompt, "prompt"
	if s.answer {
		most, what = l.Answer, "answer"
	}
	v.action, v.consumed = abi.ActionPass, len(w.Text)
	if most == 0 || s.repeat {
		return nil
	}
	s.totals[i] += int64(utf8.RuneCount(w.Text))
	if s.totals[i] > most {
		*v = verdict{action: abi.ActionBlock, code: codeTooLong, output: v.output}
		v.because(fmt.Sprintf("the %s has more than %d characters", what, most))
	}
	return nil
}
