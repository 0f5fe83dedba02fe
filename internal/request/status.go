package request

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/halberdhq/halberd"
)

// statuses is the one table from code to status, for every dialect. A test
// fails when a code is missing.
var statuses = map[halberd.Code]int{
	halberd.CodeInvalid:             http.StatusBadRequest,
	halberd.CodeUnauthorized:        http.StatusUnauthorized,
	halberd.CodeForbidden:           http.StatusForbidden,
	halberd.CodeScopeEscalation:     http.StatusForbidden,
	halberd.CodeNotFound:            http.StatusNotFound,
	halberd.CodeEndpointNotFound:    http.StatusNotFound,
	halberd.CodeMethodNotAllowed:    http.StatusMethodNotAllowed,
	halberd.CodeKeyLimitExceeded:    http.StatusConflict,
	halberd.CodeKeyRevoked:          http.StatusConflict,
	halberd.CodeConflict:            http.StatusConflict,
	halberd.CodeLastAdmin:           http.StatusConflict,
	halberd.CodeIdempotencyReplay:   http.StatusConflict,
	halberd.CodeIdempotencyMismatch: http.StatusUnprocessableEntity,
	halberd.CodePayloadTooLarge:     http.StatusRequestEntityTooLarge,
	halberd.CodeHeadersTooLarge:     http.StatusRequestHeaderFieldsTooLarge,
	halberd.CodeUnsupportedMedia:    http.StatusUnsupportedMediaType,
	halberd.CodeRateLimited:         http.StatusTooManyRequests,
	halberd.CodeUnavailable:         http.StatusServiceUnavailable,
	halberd.CodeInternal:            http.StatusInternalServerError,
}

// Status is the HTTP status of a code. Every code has one.
func Status(c halberd.Code) int { return statuses[c] }

// outward is the refusal that may leave: an error that is none of ours is
// INTERNAL and says nothing more.
func outward(err error) *halberd.Error {
	if e, ok := errors.AsType[*halberd.Error](err); ok && statuses[e.Code] != 0 {
		return e
	}
	return &halberd.Error{Code: halberd.CodeInternal, Message: "internal error; the request id finds it in the server's log", Err: err}
}

// refusalHeaders says in headers what RFC 6750 and 9110 ask for. presented is
// whether the caller showed a key at all: why it is not good is never said.
func refusalHeaders(h http.Header, e *halberd.Error, presented bool) {
	switch Status(e.Code) {
	case http.StatusUnauthorized:
		if presented {
			h.Set("WWW-Authenticate", `Bearer realm="halberd", error="invalid_token"`)
		} else {
			h.Set("WWW-Authenticate", `Bearer realm="halberd"`)
		}
	case http.StatusForbidden:
		h.Set("WWW-Authenticate", `Bearer realm="halberd", error="insufficient_scope"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		seconds := int64(math.Ceil(float64(e.RetryAfter) / float64(time.Second)))
		h.Set("Retry-After", strconv.FormatInt(max(seconds, 1), 10))
	}
}
