package guard

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/ratefield"
)

// Refusal is why a request does not reach the handler, as far as whoever
// presents a key may know: a key that is malformed, unknown, revoked, expired
// or inactive is one and the same 401.
type Refusal struct {
	Status     int           // 400, 401, 403, 429 or 503
	Code       string        // UNAUTHORIZED, FORBIDDEN, RATE_LIMITED, UNAVAILABLE, INVALID_REQUEST
	Message    string        // a sentence for the caller
	RetryAfter time.Duration // with 429 and 503; 0 with 429: the same call never passes

	// Verdict is the whole truth, for the API's own log; nil where no check was
	// made. Do not show it to the caller.
	Verdict *halberd.Verdict
	// Err is why the answer is not known, for the log.
	Err error
}

// Header sets what belongs to the refusal whatever its body is: Retry-After,
// WWW-Authenticate (RFC 6750), and that nobody keeps the answer.
func (f Refusal) Header(h http.Header) {
	h.Set("Cache-Control", "no-store")
	switch f.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests:
		if f.RetryAfter > 0 {
			h.Set("Retry-After", strconv.FormatInt(ratefield.Seconds(f.RetryAfter), 10))
		}
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.FormatInt(max(1, ratefield.Seconds(f.RetryAfter)), 10))
	}
}

// WriteJSON is the refusal as {"error":{"code","message"}}.
func WriteJSON(w http.ResponseWriter, _ *http.Request, f Refusal) {
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	body.Error.Code, body.Error.Message = f.Code, f.Message
	text, err := json.Marshal(body)
	if err != nil {
		text = []byte(`{}`)
	}
	f.Header(w.Header())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Status)
	_, _ = w.Write(append(text, '\n')) // a caller who has gone needs no answer
}

// refused says what a verdict means for the caller.
func refused(v *halberd.Verdict) Refusal {
	f := Refusal{Status: http.StatusForbidden, Code: "FORBIDDEN", Verdict: v}
	switch v.Code {
	case halberd.InsufficientScope, halberd.ResourceNotAllowed, halberd.IPNotAllowed:
		f.Message = map[halberd.VerdictCode]string{
			halberd.InsufficientScope:  "This API key does not hold the scope that this call needs",
			halberd.ResourceNotAllowed: "This API key may not act on this resource",
			halberd.IPNotAllowed:       "This API key may not be used from this address",
		}[v.Code]
	case halberd.RateLimited, halberd.QuotaExceeded:
		f.Status, f.Code, f.RetryAfter = http.StatusTooManyRequests, "RATE_LIMITED", v.RetryAfter
		f.Message = "Too many requests: wait, then retry with exponential backoff"
	default:
		f.Status, f.Code, f.Message = http.StatusUnauthorized, "UNAUTHORIZED", "Invalid or missing API key"
	}
	return f
}

// credential says what is wrong with the headers.
func credential(err error) Refusal {
	if halberd.CodeOf(err) == halberd.CodeInvalid {
		return Refusal{Status: http.StatusBadRequest, Code: "INVALID_REQUEST", Message: "More than one API key was sent", Err: err}
	}
	return Refusal{Status: http.StatusUnauthorized, Code: "UNAUTHORIZED", Message: "Invalid or missing API key", Err: err}
}

// ambiguous is the refusal of a path, or of its values, that could be read in
// more than one way.
func ambiguous() Refusal {
	return Refusal{Status: http.StatusForbidden, Code: "FORBIDDEN", Message: "This resource cannot be named so"}
}

// unknown is the refusal where nobody can say.
func unknown(err error) Refusal {
	return Refusal{Status: http.StatusServiceUnavailable, Code: "UNAVAILABLE", Message: "API keys cannot be checked now: try again", RetryAfter: time.Second, Err: err}
}
