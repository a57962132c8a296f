package wire

import "github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"

// AppendError appends the body of an error answer in dialect d: what the
// vendor's own clients turn into their typed errors. The status goes in the
// HTTP response, beside it.
func AppendError(dst []byte, d Dialect, e *Error, requestID string) []byte {
	if d == GeminiGenerate {
		return appendGoogleError(dst, e, requestID)
	}
	if d == AnthropicMessages {
		dst = append(dst, `{"type":"error","error":{"type":"`...)
		dst = append(dst, anthropicErrorType(e)...)
		dst = append(dst, `","message":`...)
		dst = lex.AppendString(dst, e.Message)
		dst = append(dst, `,"code":`...)
		dst = lex.AppendString(dst, errorCode(e))
		dst = append(dst, `},"request_id":`...)
		dst = appendStringOrNull(dst, requestID)
		return append(dst, '}')
	}
	dst = append(dst, `{"error":{"message":`...)
	dst = lex.AppendString(dst, e.Message)
	dst = append(dst, `,"type":"`...)
	dst = append(dst, openAIErrorType(e)...)
	dst = append(dst, `","param":`...)
	dst = appendStringOrNull(dst, e.Param)
	dst = append(dst, `,"code":`...)
	dst = lex.AppendString(dst, errorCode(e))
	return append(dst, "}}"...)
}

// AppendErrorEvent appends the server-sent event that ends a stream which has
// begun and cannot go on.
func AppendErrorEvent(dst []byte, d Dialect, e *Error, requestID string) []byte {
	switch d {
	case OpenAIResponses:
		return appendResponsesError(dst, e, 0)
	case AnthropicMessages:
		dst = append(dst, "event: error\n"...)
	}
	dst = append(dst, "data: "...)
	dst = AppendError(dst, d, e, requestID)
	return append(dst, "\n\n"...)
}

// AppendStreamError is AppendErrorEvent for a caller of st: it goes on with
// the numbers of its events where they have some.
func AppendStreamError(dst []byte, st StreamTranslation, d Dialect, e *Error, requestID string) []byte {
	if s, ok := st.(*stream); ok {
		if w, ok := s.write.(*responsesStream); ok {
			w.seq++
			return appendResponsesError(dst, e, w.seq-1)
		}
	}
	return AppendErrorEvent(dst, d, e, requestID)
}

// appendResponsesError appends a stream's error event as the Responses API has
// it. Its number is 0 where whoever ends a stream that broke does not know how
// far it had come; clients take the event as the last one by its type.
func appendResponsesError(dst []byte, e *Error, number int64) []byte {
	dst = append(dst, "event: error\ndata: {\"type\":\"error\",\"code\":"...)
	dst = lex.AppendString(dst, errorCode(e))
	dst = append(dst, `,"message":`...)
	dst = lex.AppendString(dst, e.Message)
	dst = append(dst, `,"param":`...)
	dst = appendStringOrNull(dst, e.Param)
	dst = append(dst, `,"sequence_number":`...)
	return append(appendInt(dst, number), eventEnd...)
}

func appendStringOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return lex.AppendString(dst, s)
}

// defaultCodes are the codes of errors that carry none, as OpenAI writes them.
var defaultCodes = [NumClasses]string{
	ClassInvalid: "invalid_request", ClassAuth: "invalid_api_key", ClassRateLimit: "rate_limit_exceeded",
	ClassQuota: "insufficient_quota", ClassOverloaded: "overloaded", ClassServer: "server_error",
	ClassTimeout: "timeout", ClassNetwork: "upstream_unreachable", ClassContextLength: "context_length_exceeded",
	ClassModelNotFound: "model_not_found", ClassContentFilter: "content_filter", ClassPolicy: "policy_denied",
}

func errorCode(e *Error) string {
	if e.Code == "" && e.Class < NumClasses {
		return defaultCodes[e.Class]
	}
	return e.Code
}

// openAIErrorType is error.type as api.openai.com gives it. Its clients choose
// their exception by the status and show type and code.
func openAIErrorType(e *Error) string {
	switch {
	case e.Class == ClassQuota, e.Status == 402, e.Class == ClassPolicy && e.Status == 429:
		return "insufficient_quota"
	case e.Status == 401:
		return "authentication_error"
	case e.Status == 403:
		return "permission_error"
	case e.Status == 429:
		return "rate_limit_exceeded"
	case e.Status >= 500, e.Status == 408:
		return "server_error"
	}
	return "invalid_request_error"
}

// anthropicErrorType is error.type as https://platform.claude.com/docs/en/api/errors
// pairs it with statuses.
func anthropicErrorType(e *Error) string {
	switch e.Status {
	case 401:
		return "authentication_error"
	case 402:
		return "billing_error"
	case 403:
		return "permission_error"
	case 404:
		return "not_found_error"
	case 408, 504:
		return "timeout_error"
	case 413:
		return "request_too_large"
	case 429:
		return "rate_limit_error"
	case 503, 529:
		return "overloaded_error"
	}
	if e.Status >= 500 {
		return "api_error"
	}
	return "invalid_request_error"
}
