package consumer

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How a program ends: the same numbers as hb's.
const (
	ExitFailure     = 1
	ExitUsage       = 2
	ExitNotFound    = 3
	ExitAuth        = 4
	ExitRateLimited = 6
	ExitUnavailable = 7
	ExitInterrupted = 130
)

// Error is why a call failed. It never holds the key.
type Error struct {
	Exit       int
	Status     int // 0: there was no answer
	Message    string
	RetryAfter time.Duration // as the API asked; 0: it did not
}

func (e *Error) Error() string { return e.Message }

// Exit is the number a program ends with after err.
func Exit(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Exit
	}
	return ExitFailure
}

// refusal reads an answer that is no success.
func refusal(resp *http.Response, text []byte, now time.Time) *Error {
	var body struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(text, &body) // another body says nothing to us
	e := &Error{
		Exit: ExitFailure, Status: resp.StatusCode,
		Message:    Printable(body.Error.Message),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), now),
	}
	if e.Message == "" {
		e.Message = "the API answers " + strconv.Itoa(resp.StatusCode)
	}
	switch resp.StatusCode {
	case http.StatusBadRequest:
		e.Exit = ExitUsage
	case http.StatusUnauthorized:
		e.Exit = ExitAuth
		e.Message += "; check that the key is active, is not expired and belongs to this API"
	case http.StatusForbidden:
		e.Exit = ExitAuth
	case http.StatusNotFound:
		e.Exit = ExitNotFound
	case http.StatusTooManyRequests:
		e.Exit = ExitRateLimited
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.Exit = ExitUnavailable
	}
	return e
}

// retryAfter reads the header: seconds, or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// Printable is text without what would move a terminal's cursor.
func Printable(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == '\u2028' || c == '\u2029' || c >= '\u202a' && c <= '\u202e' || c >= '\u2066' && c <= '\u2069' {
			return -1
		}
		return c
	}, text)
}
