package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// The codes that this package gives itself. Every other code is the server's,
// as published.
const (
	// CodeUnreachable: no answer came. Whether the call was carried out is not
	// known.
	CodeUnreachable = "UNREACHABLE"
	// CodeBadAnswer: whatever answered is not Halberd's /v1.
	CodeBadAnswer = "BAD_ANSWER"

	codeInvalid     = "INVALID_REQUEST"
	codeNotFound    = "NOT_FOUND"
	codeReplay      = "IDEMPOTENT_REPLAY"
	codeUnavailable = "UNAVAILABLE"
)

// Error is every refusal and failure of a call. It never holds the key.
type Error struct {
	Status     int    // of the answer; 0 when none came
	Code       string // the server's, CodeUnreachable or CodeBadAnswer
	Message    string // a sentence for people
	Field      string // with INVALID_REQUEST: the field at fault
	KeyID      string // with a lost secret: the key it belongs to
	RequestID  string // for whoever runs the server
	RetryAfter time.Duration

	err error
}

// Error is the code, the message and the request id.
func (e *Error) Error() string {
	s := e.Code + ": " + e.Message
	if e.RequestID != "" {
		s += " (" + e.RequestID + ")"
	}
	return s
}

// Unwrap returns the network's error, if there was one.
func (e *Error) Unwrap() error { return e.err }

// without is e with nothing of secrets in it. Halberd repeats none; something
// before it may answer with the very headers it was sent. What is too short to be a
// secret stays: it would be taken out of the middle of words.
func (e *Error) without(secrets ...string) *Error {
	const shortest = 8
	out := *e
	for _, secret := range secrets {
		if len(secret) < shortest {
			continue
		}
		var cause string
		if out.err != nil {
			cause = out.err.Error()
		}
		before := cause
		for _, text := range []*string{&out.Code, &out.Message, &out.Field, &out.KeyID, &out.RequestID, &cause} {
			*text = strings.ReplaceAll(*text, secret, "[key]")
		}
		if cause != before {
			out.err = errors.New(cause)
		}
	}
	return &out
}

// asError is err as this package's own; every error that leaves is one.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeUnreachable, Message: err.Error(), err: err}
}

// refusal reads an answer that is not a success.
func refusal(resp *http.Response, body []byte, now time.Time) *Error {
	e := &Error{Status: resp.StatusCode, RequestID: resp.Header.Get("X-Request-Id")}
	e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), now)
	if e.Status == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "" {
		e.RetryAfter = longestReset(resp.Header.Values("RateLimit"))
	}
	var env wire.ErrorEnvelope
	if err := json.Unmarshal(body, &env); err == nil && env.Error.Code != "" {
		e.Code, e.Message = env.Error.Code, env.Error.Message
		e.Field, e.KeyID = env.Error.Field, env.Error.KeyID
		if env.Meta.RequestID != "" {
			e.RequestID = env.Meta.RequestID
		}
		return e
	}
	switch e.Status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.Code = codeUnavailable
		e.Message = "something before the server answered " + strconv.Itoa(e.Status)
	case http.StatusTooManyRequests:
		e.Code, e.Message = "RATE_LIMITED", "something before the server answered 429"
	default:
		e.Code = CodeBadAnswer
		e.Message = fmt.Sprintf("the address answered %d, and not as Halberd does", e.Status)
		if e.Status/100 == 3 {
			e.Message = fmt.Sprintf("the address redirects (%d), which is not followed with a key: give the final one", e.Status)
		}
	}
	return e
}

// longestReset is the longest t of a RateLimit field: "default";r=0;t=30. What it
// cannot read is 0.
func longestReset(fields []string) (longest time.Duration) {
	for part := range strings.SplitSeq(strings.ReplaceAll(strings.Join(fields, ","), ",", ";"), ";") {
		if t, ok := strings.CutPrefix(strings.TrimSpace(part), "t="); ok {
			longest = max(longest, retryAfter(t, time.Time{}))
		}
	}
	return longest
}

// retryAfter reads seconds or a date; anything else is 0.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
