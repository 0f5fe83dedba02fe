package halberd

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Code is what a program may decide on when a call is refused. Each surface
// maps every code once to its own words (status, exit code); a test there
// fails when one is missing. The list is Codes.
type Code string

// The codes, as published (docs/reference/errors.md).
const (
	CodeInvalid             Code = "INVALID_REQUEST"        // a value makes no sense; Field names it
	CodeUnauthorized        Code = "UNAUTHORIZED"           // no credential, or one that is not good
	CodeForbidden           Code = "FORBIDDEN"              // known, and not allowed
	CodeScopeEscalation     Code = "SCOPE_ESCALATION"       // would grant more than the grantor holds
	CodeNotFound            Code = "NOT_FOUND"              // absent, or outside the caller's reach: identical
	CodeEndpointNotFound    Code = "ENDPOINT_NOT_FOUND"     // no such webhook (S2)
	CodeMethodNotAllowed    Code = "METHOD_NOT_ALLOWED"     // the route exists, the method does not
	CodeKeyLimitExceeded    Code = "KEY_LIMIT_EXCEEDED"     // the project's ceiling of keys (S2-15)
	CodeKeyRevoked          Code = "KEY_REVOKED"            // revoked is terminal
	CodeConflict            Code = "CONFLICT"               // the state, or a stale version, forbids it
	CodeLastAdmin           Code = "LAST_ADMIN"             // would lock everyone out
	CodeIdempotencyReplay   Code = "IDEMPOTENT_REPLAY"      // done before under this Idempotency-Key; KeyID says what
	CodeIdempotencyMismatch Code = "IDEMPOTENCY_MISMATCH"   // the same Idempotency-Key with another request
	CodePayloadTooLarge     Code = "PAYLOAD_TOO_LARGE"      // the body is over its bound
	CodeHeadersTooLarge     Code = "HEADERS_TOO_LARGE"      // the headers are over their bound
	CodeUnsupportedMedia    Code = "UNSUPPORTED_MEDIA_TYPE" // not application/json, or compressed
	CodeRateLimited         Code = "RATE_LIMITED"           // too fast; RetryAfter says when
	CodeUnavailable         Code = "UNAVAILABLE"            // the answer is not known now; RetryAfter says when
	CodeInternal            Code = "INTERNAL"               // our fault; only the request id leaves
)

// Codes lists every Code, so that a surface can prove its table complete.
func Codes() []Code {
	return []Code{
		CodeInvalid, CodeUnauthorized, CodeForbidden, CodeScopeEscalation, CodeNotFound,
		CodeEndpointNotFound, CodeMethodNotAllowed, CodeKeyLimitExceeded, CodeKeyRevoked,
		CodeConflict, CodeLastAdmin, CodeIdempotencyReplay, CodeIdempotencyMismatch,
		CodePayloadTooLarge, CodeHeadersTooLarge, CodeUnsupportedMedia, CodeRateLimited,
		CodeUnavailable, CodeInternal,
	}
}

// Error is the one error type of the ground. Message is a sentence for the
// person who asked and holds nothing internal; Err, which may be nil, is for
// the operator's log and never leaves.
type Error struct {
	Code       Code
	Message    string
	Field      string        // only for CodeInvalid: the field at fault, in the ground's words
	KeyID      KeyID         // only for CodeIdempotencyReplay: the key made the first time
	RetryAfter time.Duration // only for CodeRateLimited and CodeUnavailable; zero is "a moment"
	Err        error
}

// Error writes the code and the message; the inner error stays inside, so that
// printing an Error can never leak it.
func (e *Error) Error() string {
	if e.Field != "" {
		return fmt.Sprintf("%s: %s: %s", e.Code, e.Field, e.Message)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// LogValue implements slog.LogValuer: an operator's log says the cause too.
func (e *Error) LogValue() slog.Value {
	if e.Err == nil {
		return slog.StringValue(e.Error())
	}
	return slog.StringValue(e.Error() + " (" + e.Err.Error() + ")")
}

// Unwrap returns the cause, for errors.Is and the log.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of err: CodeInternal for anything that is not an
// *Error, the empty code for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// Invalid says that field cannot have its value. The message completes
// "<field> …" and says what would be right.
func Invalid(field, format string, args ...any) *Error {
	return &Error{Code: CodeInvalid, Field: field, Message: field + " " + fmt.Sprintf(format, args...)}
}

func refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// The two answers that must be the same wherever they arise.
func errNotFound() *Error     { return refuse(CodeNotFound, "not found") }
func errUnauthorized() *Error { return refuse(CodeUnauthorized, "Invalid or missing API key") } // S2-14, to the letter

// What an engine may return besides nil and a wrapped error of its own.
var (
	// ErrNotFound says that a row is not there.
	ErrNotFound = errors.New("halberd: not found")
	// ErrConflict says that a unique value is taken or a row changed meanwhile.
	ErrConflict = errors.New("halberd: conflict")
	// ErrClosed says that the engine or the service was closed.
	ErrClosed = errors.New("halberd: closed")
)
