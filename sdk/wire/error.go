package wire

import (
	"fmt"
	"time"
)

// Class says what kind of failure an error is, so that whoever retries or
// falls back need not know every provider's codes.
type Class uint8

// The classes. Their names are stable: leases and ledger rows use them.
const (
	ClassNone          Class = iota // no failure
	ClassInvalid                    // the caller's mistake: never retried
	ClassAuth                       // the provider refused the credential (401, 403)
	ClassRateLimit                  // 429: too many requests or tokens for now
	ClassQuota                      // the account has no money or quota left: other credentials may
	ClassOverloaded                 // 503, 529: the provider is too busy
	ClassServer                     // other 5xx, 408, 409
	ClassTimeout                    // connect, first byte, idle or total deadline
	ClassNetwork                    // no connection, or it broke
	ClassContextLength              // the prompt does not fit the model
	ClassModelNotFound              // the provider does not know the model
	ClassContentFilter              // the provider refused the content
	ClassPolicy                     // refused by the gateway's own policy, budget or limits
	NumClasses
)

var classNames = [NumClasses]string{"", "invalid_request", "auth", "rate_limit", "quota", "overloaded", "server",
	"timeout", "network", "context_length", "model_not_found", "content_filter", "policy"}

// String returns the stable name, "" for ClassNone.
func (c Class) String() string { return nameOf(classNames[:], int(c)) }

// ParseClass returns the class called name, or ClassNone.
func ParseClass(name string) Class { return Class(indexOf(classNames[:], name)) }

// ClassOfStatus is the class of an HTTP status that no lease rule says more about.
func ClassOfStatus(status int) Class {
	switch {
	case status < 400:
		return ClassNone
	case status == 401, status == 403:
		return ClassAuth
	case status == 402:
		return ClassQuota
	case status == 408, status == 409:
		return ClassServer
	case status == 413:
		return ClassInvalid
	case status == 429:
		return ClassRateLimit
	case status == 503, status == 529:
		return ClassOverloaded
	case status >= 500:
		return ClassServer
	}
	return ClassInvalid
}

// Error is the one typed error that carries an HTTP status. It is rendered
// once, at the edge, in the caller's dialect.
type Error struct {
	Status     int    // HTTP status, 400–599
	Class      Class  // what kind of failure it is
	Code       string // stable, machine readable: "model_not_found", "budget_exceeded"
	Message    string // names the field at fault and the remedy
	Param      string // the field of the request at fault, "" if none
	RetryAfter time.Duration
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// Errorf makes an Error of the class that its status implies.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Class: ClassOfStatus(status), Code: code, Message: fmt.Sprintf(format, args...)}
}
