package wire

import (
	"strings"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// ErrorBody is what an upstream's error body says, each "" if it does not.
type ErrorBody struct {
	Code    string // "context_length_exceeded"; numbers as they are written
	Type    string // "invalid_request_error"
	Message string
	Param   string
}

// ReadError reads an upstream's error body in any form known here: OpenAI's,
// Anthropic's, Google's (also within an array), {"error":"text"},
// {"message":…}, FastAPI's {"detail":…}. ok is false when the body is not JSON
// or says none of these; body then is worth showing as it is.
func ReadError(body []byte) (e ErrorBody, ok bool) {
	r := lex.New(body)
	switch r.Kind() {
	case '[':
		if r.Array() && r.Elem() {
			e.object(&r, 0)
			for r.Elem() {
				r.Skip()
			}
		}
	case '{':
		e.object(&r, 0)
	default:
		return ErrorBody{}, false
	}
	if !r.Done() || e == (ErrorBody{}) {
		return ErrorBody{}, false
	}
	return e, true
}

// object reads the members of one object; those of an inner error win.
func (e *ErrorBody) object(r *lex.Reader, depth int) {
	var inner ErrorBody
	var reason string
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "error", "detail", "errors":
			inner.nested(r, depth)
		case "message", "Message", "msg", "error_description": // AWS writes both
			e.Message = scalar(r)
		case "type", "status": // Google puts its name of the error in status
			if t := scalar(r); t != "error" && e.Type == "" {
				e.Type = t
			}
		case "code":
			e.Code = scalar(r)
		case "param":
			e.Param = scalar(r)
		case "details":
			reason = googleDetails(r)
		}
	}
	e.googleCode(reason)
	if inner != (ErrorBody{}) {
		e.Message, e.Type = or(inner.Message, e.Message), or(inner.Type, e.Type)
		e.Code, e.Param = or(inner.Code, e.Code), or(inner.Param, e.Param)
	}
}

// nested reads the value of error or detail: an object, a text, or an array of either.
func (e *ErrorBody) nested(r *lex.Reader, depth int) {
	switch {
	case depth > 2:
		r.Skip()
	case r.Kind() == '{':
		e.object(r, depth+1)
	case r.Kind() == '[':
		for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
			var one ErrorBody
			one.nested(r, depth+1)
			if *e == (ErrorBody{}) {
				*e = one
			}
		}
	default:
		e.Message = scalar(r)
	}
}

// scalar takes a string or a number as text; anything else is "".
func scalar(r *lex.Reader) string {
	switch r.Kind() {
	case '"':
		return string(r.Text())
	case '0':
		return string(r.Skip())
	}
	r.Skip()
	return ""
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// codeClasses and typeClasses are the words of OpenAI, Anthropic and the
// services that copy them; a code says more than a type, a type more than the status.
var (
	codeClasses = map[string]Class{
		"context_length_exceeded": ClassContextLength, "string_above_max_length": ClassContextLength,
		"model_not_found": ClassModelNotFound, "DeploymentNotFound": ClassModelNotFound,
		"content_filter": ClassContentFilter, "content_policy_violation": ClassContentFilter,
		"insufficient_quota": ClassQuota, "billing_hard_limit_reached": ClassQuota, "billing_not_active": ClassQuota,
		"rate_limit_exceeded": ClassRateLimit, "invalid_prompt": ClassInvalid,
	}
	typeClasses = map[string]Class{
		"insufficient_quota": ClassQuota, "billing_error": ClassQuota,
		"not_found_error": ClassModelNotFound, "overloaded_error": ClassOverloaded, "timeout_error": ClassTimeout,
		"rate_limit_error": ClassRateLimit, "rate_limit_exceeded": ClassRateLimit,
		"authentication_error": ClassAuth, "permission_error": ClassAuth,
	}
	// telling are the words of services that give no code for these.
	telling = [...]struct {
		words string
		class Class
	}{
		{"prompt is too long", ClassContextLength},
		{"maximum context length", ClassContextLength},
		{"exceed context limit", ClassContextLength},
		{"context window", ClassContextLength},
		{"credit balance is too low", ClassQuota},
		{"exceeds the maximum number of tokens allowed", ClassContextLength},
		{"api key not valid", ClassAuth},
		{"api key expired", ClassAuth},
	}
)

// Class is the class of an upstream's error by what its body says; where the
// body says nothing telling, it is the class of the status. A status below 400
// means that the error came within a stream.
func (e ErrorBody) Class(status int) Class {
	if c, ok := codeClasses[e.Code]; ok {
		return c
	}
	if c, ok := typeClasses[e.Type]; ok {
		return c
	}
	if c := e.googleClass(); c != ClassNone {
		return c
	}
	if status < 500 && status != 429 {
		message := strings.ToLower(e.Message)
		for _, t := range telling {
			if strings.Contains(message, t.words) {
				return t.class
			}
		}
	}
	switch {
	case status >= 400:
		return ClassOfStatus(status)
	case e.Type == "invalid_request_error", e.Type == "INVALID_ARGUMENT", e.Type == "FAILED_PRECONDITION":
		return ClassInvalid
	}
	return ClassServer
}
