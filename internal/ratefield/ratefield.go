// Package ratefield writes where the limits of a key stand into the header
// fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11):
//
//	RateLimit-Policy: "default";q=100;w=60
//	RateLimit: "default";r=50;t=30
//
// Both are structured fields (RFC 9651): lists of strings with integers for
// parameters.
package ratefield

import (
	"math"
	"strconv"
	"time"

	"github.com/halberdhq/halberd"
)

// The fields' names, as net/http spells every name. Letter case does not count.
const (
	Policy = "Ratelimit-Policy"
	Limit  = "Ratelimit"
)

// maxInteger is the largest integer of a structured field.
const maxInteger = 999_999_999_999_999

// Set puts both fields into h, which may be an http.Header, in the place of what
// is there under their names. Where there is no limit it puts none. For a
// refused check, retry is when the same one would pass: t is no later, so that it
// never contradicts a Retry-After of Seconds(retry). Otherwise zero.
func Set(h map[string][]string, s *halberd.LimitStates, retry time.Duration) {
	if s.Len() == 0 {
		return
	}
	var room [256]byte
	b := AppendPolicy(room[:0], s)
	n := len(b)
	both := string(AppendLimit(b, s, retry))
	if n == 0 {
		return
	}
	values := []string{both[:n], both[n:]}
	h[Policy], h[Limit] = values[:1:1], values[1:]
}

// AppendPolicy appends the value of RateLimit-Policy: of each limit its name, how
// much it lets through (q) and in how many seconds (w).
func AppendPolicy(b []byte, s *halberd.LimitStates) []byte {
	first := len(b)
	for i := range s.Len() {
		l := s.At(i)
		if !sayable(l.Name) {
			continue
		}
		b = integer(name(b, first, l.Name), ";q=", l.Limit)
		if l.Window > 0 {
			b = integer(b, ";w=", Seconds(l.Window))
		}
	}
	return b
}

// AppendLimit appends the value of RateLimit: of each limit its name, how much is
// left (r) and in how many seconds it is whole again (t). For retry see Set.
func AppendLimit(b []byte, s *halberd.LimitStates, retry time.Duration) []byte {
	first := len(b)
	for i := range s.Len() {
		l := s.At(i)
		if !sayable(l.Name) {
			continue
		}
		reset := l.Reset
		if retry > 0 {
			reset = min(reset, retry)
		}
		b = integer(name(b, first, l.Name), ";r=", l.Remaining)
		b = integer(b, ";t=", Seconds(reset))
	}
	return b
}

// Seconds is d in whole seconds, rounded up: whoever waits as long has waited
// enough.
func Seconds(d time.Duration) int64 {
	if d > math.MaxInt64-time.Second {
		return int64(d / time.Second)
	}
	return int64((d + time.Second - 1) / time.Second)
}

// sayable reports whether a name can be a structured field's string, which holds
// printable ASCII. Ours all can; a name that another process told is left out
// where it cannot, since a header's end could hide in it.
func sayable(name string) bool {
	for i := range len(name) {
		if name[i] < ' ' || name[i] > '~' {
			return false
		}
	}
	return true
}

func name(b []byte, first int, s string) []byte {
	if len(b) > first {
		b = append(b, ", "...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

func integer(b []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(b, name...), min(max(n, 0), maxInteger), 10)
}
