package call

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// MemberError is what is wrong with a value that people write, and the member
// of it that is at fault.
type MemberError struct {
	Member string // "window.unit", "": the value as a whole
	Says   string // with the remedy
}

// Error implements error.
func (e *MemberError) Error() string { return e.Says }

func wrong(member, format string, args ...any) error {
	return &MemberError{member, fmt.Sprintf(format, args...)}
}

// within is err as one of a member.
func within(member string, err error) error {
	var e *MemberError
	if !errors.As(err, &e) {
		return &MemberError{member, err.Error()}
	}
	if e.Member != "" {
		member += "." + e.Member
	}
	return &MemberError{member, e.Says}
}

// memberOf is an error of encoding/json as one of the member that it is about;
// example is a value as it should be.
func memberOf(err error, example string) error {
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		what := typed.Field
		if what == "" {
			what = "it"
		} else if wants := map[string]string{"int64": "a whole number", "int": "a whole number", "string": "a text", "bool": "true or false"}[typed.Type.String()]; wants != "" {
			example = wants
		}
		return wrong(typed.Field, "%s is of the wrong type, a JSON %s: give %s", what, typed.Value, example)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return wrong(strings.Trim(name, `"`), "unknown field %s: leave it out; one that is right is %s", name, example)
	}
	return err
}
