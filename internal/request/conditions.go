package request

import (
	"crypto/sha256"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
)

// IfMatch reads the version a change is conditional on: `"7"`. Absent, or `*`,
// it is 0: any.
func IfMatch(h http.Header) (int64, error) {
	given := h.Values("If-Match")
	if len(given) == 0 {
		return 0, nil
	}
	bad := halberd.Invalid("If-Match", `must be the version in quotes, such as "7", or *`)
	if len(given) > 1 {
		return 0, bad
	}
	if given[0] == "*" {
		return 0, nil
	}
	text, opened := strings.CutPrefix(given[0], `"`)
	text, closed := strings.CutSuffix(text, `"`)
	version, err := strconv.ParseInt(text, 10, 64)
	if !opened || !closed || err != nil || version < 1 || strconv.FormatInt(version, 10) != text {
		return 0, bad
	}
	return version, nil
}

// idempotencyKey reads the Idempotency-Key of a request; empty where there is
// none. It is for POST, whose repetition would do a thing twice.
func idempotencyKey(r *http.Request) (string, error) {
	given := r.Header.Values("Idempotency-Key")
	if len(given) == 0 {
		return "", nil
	}
	const name = "Idempotency-Key"
	switch {
	case r.Method != http.MethodPost:
		return "", halberd.Invalid(name, "is for POST: %s may be repeated as it is", r.Method)
	case len(given) > 1:
		return "", halberd.Invalid(name, "must be sent once")
	case given[0] == "" || len(given[0]) > 255 || strings.ContainsFunc(given[0], func(c rune) bool { return c <= ' ' || c > '~' }):
		return "", halberd.Invalid(name, "must be 1 to 255 visible ASCII characters")
	}
	return given[0], nil
}

// idempotency is one use of key, by the path it was sent to and a digest of the
// body as it came.
func idempotency(key string, r *http.Request, raw []byte) halberd.Idempotency {
	if key == "" {
		return halberd.Idempotency{}
	}
	return halberd.Idempotency{Key: key, Route: r.Method + " " + r.URL.Path, Fingerprint: sha256.Sum256(raw)}
}

// longestWait is how long a call waits for other nodes: an answer that comes later
// finds its caller gone.
const longestWait = 25 * time.Second

// prefer reads `Prefer: respond-async, wait=5` (RFC 7240). What is not understood
// is passed over, as the standard has it.
func prefer(asked []string, into *halberd.Request) {
	wait, waits := time.Duration(0), false
	for one := range strings.SplitSeq(strings.ToLower(strings.Join(asked, ",")), ",") {
		one, _, _ = strings.Cut(one, ";")
		name, value, _ := strings.Cut(one, "=")
		switch strings.TrimSpace(name) {
		case "respond-async":
			into.Async = true
		case "wait":
			seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
			if err == nil && !waits {
				wait, waits = time.Duration(seconds)*time.Second, true
			}
		}
	}
	switch {
	case waits && (into.Async || wait > 0):
		into.Wait = min(wait, longestWait)
	case into.Async:
		into.Wait = 0
	}
}
