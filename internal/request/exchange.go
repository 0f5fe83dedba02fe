package request

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/halberdhq/halberd"
)

// exchange is one request on its way through a Surface. It is the
// ResponseWriter that the mux hands on; nothing is written to it before end.
type exchange struct {
	http.ResponseWriter
	surface *Surface
	id      string
	began   time.Time

	route     string // the pattern; empty: none
	presented bool   // a credential was there
	actor     string
	status    int // of success
	answer    any
	err       error
}

// end writes the answer and the log line, also after a panic, which is p. The line never
// holds a header, a body, a query or the path itself: a key may be in any.
func (x *exchange) end(r *http.Request, p any) {
	var stack []byte
	if p != nil {
		if err, ok := p.(error); ok && err == http.ErrAbortHandler { //nolint:errorlint // the very value is the signal
			panic(p)
		}
		stack = debug.Stack()
		x.err = fmt.Errorf("panic: %s", panicText(p))
	}
	var body []byte
	if x.err == nil {
		body, x.err = encode(x.answer)
	}
	var refusal *halberd.Error
	if x.err != nil {
		refusal = outward(x.err)
		x.status = Status(refusal.Code)
		refusalHeaders(x.Header(), refusal, x.presented)
		body, _ = encode(x.surface.Refusal(x.id, refusal))
	}
	h := x.Header()
	h.Set("Content-Type", JSON)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.WriteHeader(x.status)
	_, _ = x.Write(body)
	x.log(r, refusal, stack)
}

func (x *exchange) log(r *http.Request, refusal *halberd.Error, stack []byte) {
	line := []slog.Attr{
		slog.String("method", knownMethod(r.Method)), slog.String("route", x.route), slog.Int("status", x.status),
		slog.Duration("took", time.Since(x.began)), slog.String("request_id", x.id),
	}
	if x.actor != "" {
		line = append(line, slog.String("by", x.actor))
	}
	level := slog.LevelInfo
	if refusal != nil {
		line = append(line, slog.String("code", string(refusal.Code)))
		if x.status >= http.StatusInternalServerError && r.Context().Err() == nil {
			level = slog.LevelError
			if refusal.Err != nil {
				line = append(line, slog.String("why", refusal.Err.Error()))
			}
		}
	}
	if stack != nil {
		line = append(line, slog.String("stack", string(stack)))
	}
	x.surface.Log.LogAttrs(r.Context(), level, "request", line...)
}

// panicText is what may be logged of a panic: the runtime's own words, else
// only the type, since a value may hold what was sent.
func panicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a %T", p)
}

// knownMethod keeps a made-up method, which is the caller's text, out of the
// log.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}
