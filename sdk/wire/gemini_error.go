package wire

import (
	"bytes"
	"strings"
	"time"

	"github.com/signalbox-ai/signalbox/sdk/wire/internal/lex"
)

// Google's errors: https://cloud.google.com/apis/design/errors, google.rpc.Code
// and google/rpc/error_details.proto, as of November 2026.

// googleStatus is error.status that goes with an HTTP status.
func googleStatus(status int) string {
	switch status {
	case 401:
		return "UNAUTHENTICATED"
	case 403:
		return "PERMISSION_DENIED"
	case 404:
		return "NOT_FOUND"
	case 402, 429:
		return "RESOURCE_EXHAUSTED"
	case 408, 504:
		return "DEADLINE_EXCEEDED"
	case 409:
		return "ABORTED"
	case 499:
		return "CANCELLED"
	case 501:
		return "UNIMPLEMENTED"
	case 502, 503, 529:
		return "UNAVAILABLE"
	}
	if status >= 500 {
		return "INTERNAL"
	}
	return "INVALID_ARGUMENT"
}

// googleClasses are Google's words for what a status alone says less about.
var googleClasses = map[string]Class{
	"UNAUTHENTICATED": ClassAuth, "PERMISSION_DENIED": ClassAuth, "NOT_FOUND": ClassModelNotFound,
	"RESOURCE_EXHAUSTED": ClassRateLimit, "UNAVAILABLE": ClassOverloaded, "DEADLINE_EXCEEDED": ClassTimeout,
	// Reasons of google.rpc.ErrorInfo: https://docs.cloud.google.com/api-gateway/docs/reference/rpc/google.api.
	"API_KEY_INVALID": ClassAuth, "API_KEY_SERVICE_BLOCKED": ClassAuth, "API_KEY_HTTP_REFERRER_BLOCKED": ClassAuth,
	"API_KEY_IP_ADDRESS_BLOCKED": ClassAuth, "API_KEY_ANDROID_APP_BLOCKED": ClassAuth, "API_KEY_IOS_APP_BLOCKED": ClassAuth,
	"ACCESS_TOKEN_EXPIRED": ClassAuth, "ACCESS_TOKEN_SCOPE_INSUFFICIENT": ClassAuth, "ACCESS_TOKEN_TYPE_UNSUPPORTED": ClassAuth,
	"ACCOUNT_STATE_INVALID": ClassAuth, "CREDENTIALS_MISSING": ClassAuth, "CONSUMER_SUSPENDED": ClassAuth, "CONSUMER_INVALID": ClassAuth,
	"IAM_PERMISSION_DENIED": ClassAuth, "SERVICE_DISABLED": ClassAuth,
	"BILLING_DISABLED": ClassQuota, "RATE_LIMIT_EXCEEDED": ClassRateLimit,
}

// googleClass is the class that a Google error's words stand for, ClassNone: they say nothing telling.
func (e ErrorBody) googleClass() Class {
	if strings.Contains(e.Code, "PerDay") { // the id of a quota that is used up until tomorrow
		return ClassQuota
	}
	if c, ok := googleClasses[e.Code]; ok {
		return c
	}
	return googleClasses[e.Type]
}

// googleCode replaces the status that Google repeats as a code by the reason
// that its details give, if any.
func (e *ErrorBody) googleCode(reason string) {
	if e.Type == "" || strings.ToUpper(e.Type) != e.Type {
		return
	}
	for _, c := range e.Code {
		if c < '0' || c > '9' {
			return
		}
	}
	e.Code = reason
}

// googleDetails takes error.details: an ErrorInfo's reason, or the id of a
// daily quota that a QuotaFailure names.
func googleDetails(r *lex.Reader) (reason string) {
	for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
		for ok := r.Object() && r.Key(); ok; ok = r.Key() {
			switch string(r.Name()) {
			case "reason":
				reason = or(reason, scalar(r))
			case "violations":
				for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
					for ok := r.Object() && r.Key(); ok; ok = r.Key() {
						if string(r.Name()) != "quotaId" {
							continue
						}
						if id := scalar(r); strings.Contains(id, "PerDay") {
							reason = id
						}
					}
				}
			}
		}
	}
	return reason
}

// maxRetryDelay bounds what an upstream can ask for.
const maxRetryDelay = 24 * time.Hour

// RetryDelay is how long an upstream's error body asks to wait, 0: it does not
// say. Google tells it there (google.rpc.RetryInfo) and in no header.
func RetryDelay(body []byte) time.Duration {
	if !bytes.Contains(body, []byte(`"retryDelay"`)) {
		return 0
	}
	r := lex.New(body)
	var delay time.Duration
	if r.Kind() == '[' {
		if r.Array() && r.Elem() {
			delay = retryDelay(&r)
		}
		return delay
	}
	return retryDelay(&r)
}

func retryDelay(r *lex.Reader) (delay time.Duration) {
	for ok := r.Object() && r.Key(); ok; ok = r.Key() {
		switch string(r.Name()) {
		case "error":
			delay = max(delay, retryDelay(r))
		case "details":
			for ok := r.Array() && r.Elem(); ok; ok = r.Elem() {
				delay = max(delay, retryDelay(r))
			}
		case "retryDelay":
			if d, err := time.ParseDuration(string(r.Text())); err == nil && d > 0 {
				delay = max(delay, min(d, maxRetryDelay))
			}
		}
	}
	return delay
}

// appendGoogleError appends an error as Google's clients read it. The stable
// code is the reason of an ErrorInfo.
func appendGoogleError(dst []byte, e *Error, requestID string) []byte {
	dst = append(dst, `{"error":{"code":`...)
	dst = appendInt(dst, int64(e.Status))
	dst = append(dst, `,"message":`...)
	dst = lex.AppendString(dst, e.Message)
	dst = append(dst, `,"status":"`...)
	dst = append(dst, googleStatus(e.Status)...)
	dst = append(dst, `","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":`...)
	dst = lex.AppendString(dst, errorCode(e))
	dst = append(dst, `,"domain":"signalbox","metadata":{`...)
	if e.Param != "" {
		dst = append(dst, `"param":`...)
		dst = lex.AppendString(dst, e.Param)
	}
	if requestID != "" {
		if e.Param != "" {
			dst = append(dst, ',')
		}
		dst = append(dst, `"requestId":`...)
		dst = lex.AppendString(dst, requestID)
	}
	dst = append(dst, "}}"...)
	if e.RetryAfter > 0 {
		dst = append(dst, `,{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"`...)
		dst = appendInt(dst, int64((e.RetryAfter+time.Second-1)/time.Second))
		dst = append(dst, `s"}`...)
	}
	return append(dst, "]}}"...)
}
