package wire

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/shared"
	"github.com/openai/openai-go/v3"
)

func TestAppendErrorOpenAI(t *testing.T) {
	f := func(e *Error, typ, code string) {
		t.Helper()
		body := AppendError(nil, OpenAIChat, e, "req_1")
		var outer struct{ Error openai.Error }
		if err := json.Unmarshal(body, &outer); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if got := outer.Error; got.Type != typ || got.Code != code || got.Message != e.Message || got.Param != e.Param {
			t.Errorf("%s reads as type %q code %q; want %q %q", body, got.Type, got.Code, typ, code)
		}
	}
	f(&Error{Status: 400, Class: ClassInvalid, Code: "invalid_type", Message: "max_tokens must be \"whole\"\n", Param: "max_tokens"}, "invalid_request_error", "invalid_type")
	f(&Error{Status: 401, Class: ClassAuth}, "authentication_error", "invalid_api_key")
	f(&Error{Status: 403, Class: ClassPolicy, Code: "model_denied"}, "permission_error", "model_denied")
	f(&Error{Status: 404, Class: ClassModelNotFound}, "invalid_request_error", "model_not_found")
	f(&Error{Status: 413, Class: ClassInvalid}, "invalid_request_error", "invalid_request")
	f(&Error{Status: 429, Class: ClassRateLimit}, "rate_limit_exceeded", "rate_limit_exceeded")
	f(&Error{Status: 429, Class: ClassQuota}, "insufficient_quota", "insufficient_quota")
	f(&Error{Status: 429, Class: ClassPolicy, Code: "budget_exceeded"}, "insufficient_quota", "budget_exceeded")
	f(&Error{Status: 400, Class: ClassContextLength}, "invalid_request_error", "context_length_exceeded")
	f(&Error{Status: 502, Class: ClassNetwork}, "server_error", "upstream_unreachable")
	f(&Error{Status: 504, Class: ClassTimeout}, "server_error", "timeout")
}

func TestAppendErrorAnthropic(t *testing.T) {
	f := func(status int, typ shared.ErrorType) {
		t.Helper()
		e := &Error{Status: status, Class: ClassOfStatus(status), Message: "why, and \"what\" to do"}
		body := AppendError(nil, AnthropicMessages, e, "req_1")
		var got shared.ErrorResponse
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if got.RequestID != "req_1" || got.Error.Message != e.Message || string(got.Type) != "error" {
			t.Errorf("%s reads as %+v", body, got)
		}
		if got.Error.Type != string(typ) {
			t.Errorf("%d: type %q; want %q", status, got.Error.Type, typ)
		}
	}
	f(400, shared.ErrorTypeInvalidRequestError)
	f(401, shared.ErrorTypeAuthenticationError)
	f(402, shared.ErrorTypeBillingError)
	f(403, shared.ErrorTypePermissionError)
	f(404, shared.ErrorTypeNotFoundError)
	f(422, shared.ErrorTypeInvalidRequestError)
	f(429, shared.ErrorTypeRateLimitError)
	f(500, shared.ErrorTypeAPIError)
	f(502, shared.ErrorTypeAPIError)
	f(503, shared.ErrorTypeOverloadedError)
	f(504, shared.ErrorTypeTimeoutError)
	f(529, shared.ErrorTypeOverloadedError)
	f(http.StatusRequestEntityTooLarge, "request_too_large")
}

func TestAppendErrorEvent(t *testing.T) {
	f := func(d Dialect, want string) {
		t.Helper()
		e := &Error{Status: 502, Class: ClassServer, Code: "stream_cut", Message: "m"}
		if got := string(AppendErrorEvent([]byte("x"), d, e, "")); got != "x"+want {
			t.Errorf("AppendErrorEvent(%s) = %q; want %q", d, got, want)
		}
	}
	f(OpenAIChat, "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,\"code\":\"stream_cut\"}}\n\n")
	f(OpenAIResponses, "event: error\ndata: {\"type\":\"error\",\"code\":\"stream_cut\",\"message\":\"m\",\"param\":null,\"sequence_number\":0}\n\n")
	f(AnthropicMessages, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\",\"code\":\"stream_cut\"},\"request_id\":null}\n\n")
}

func TestReadError(t *testing.T) {
	f := func(status int, body string, want ErrorBody, class Class) {
		t.Helper()
		got, ok := ReadError([]byte(body))
		if !ok || got != want {
			t.Errorf("ReadError(%s) = %+v, %v; want %+v", body, got, ok, want)
		}
		if c := got.Class(status); c != class {
			t.Errorf("%s with status %d: class %s; want %s", body, status, c, class)
		}
	}
	f(404, `{"error":{"message":"The model x does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}`,
		ErrorBody{"model_not_found", "invalid_request_error", "The model x does not exist", ""}, ClassModelNotFound)
	f(400, `{"error":{"message":"m","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`,
		ErrorBody{"context_length_exceeded", "invalid_request_error", "m", "messages"}, ClassContextLength)
	f(429, `{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`,
		ErrorBody{"insufficient_quota", "insufficient_quota", "m", ""}, ClassQuota)
	f(400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"},"request_id":"req_1"}`,
		ErrorBody{"", "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", ""}, ClassContextLength)
	f(404, `{"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}}`,
		ErrorBody{"", "not_found_error", "model: claude-9", ""}, ClassModelNotFound)
	f(200, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`,
		ErrorBody{"", "overloaded_error", "Overloaded", ""}, ClassOverloaded)
	f(400, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}`,
		ErrorBody{"", "invalid_request_error", "Your credit balance is too low to access the Anthropic API.", ""}, ClassQuota)
	f(400, `[{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}]`,
		ErrorBody{"", "INVALID_ARGUMENT", "API key not valid", ""}, ClassAuth)
	f(404, `{"error":"model \"x\" not found, try pulling it first"}`, ErrorBody{"", "", `model "x" not found, try pulling it first`, ""}, ClassInvalid)
	f(422, `{"detail":[{"loc":["body","n"],"msg":"must be 1","type":"value_error"}]}`, ErrorBody{"", "value_error", "must be 1", ""}, ClassInvalid)
	f(401, `{"detail":"Invalid token"}`, ErrorBody{"", "", "Invalid token", ""}, ClassAuth)
	f(500, `{"object":"error","message":"boom","type":"internal","code":1500}`, ErrorBody{"1500", "internal", "boom", ""}, ClassServer)
	f(200, `{"error":{"message":"m","type":"invalid_request_error"}}`, ErrorBody{"", "invalid_request_error", "m", ""}, ClassInvalid)
	f(200, `{"error":{"message":"m"}}`, ErrorBody{"", "", "m", ""}, ClassServer)
}

func TestReadErrorRefuses(t *testing.T) {
	for _, body := range []string{"", "null", "<html>502</html>", `{}`, `[]`, `{"error":null}`, `{"error":{"message":"m"}`, `{"ok":true}`} {
		if got, ok := ReadError([]byte(body)); ok {
			t.Errorf("ReadError(%s) = %+v; want none", body, got)
		}
	}
}

func FuzzReadError(f *testing.F) {
	f.Add(200, []byte(`[{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}]`))
	f.Add(404, []byte(`{"detail":[{"loc":["body"],"msg":"must be 1"},"x"],"type":"error","error":{"type":"t"}}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e, _ := ReadError(body)
		for _, d := range [...]Dialect{OpenAIChat, AnthropicMessages} {
			out := AppendError(nil, d, &Error{Status: status, Class: e.Class(status), Code: e.Code, Message: e.Message, Param: e.Param}, e.Type)
			if !json.Valid(out) {
				t.Fatalf("AppendError(%s) for %q is not JSON: %s", d, body, out)
			}
		}
	})
}
