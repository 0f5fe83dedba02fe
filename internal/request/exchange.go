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
//
// Exchanges are used again: nothing keeps one, or what is in it, after end.
type exchange struct {
	http.ResponseWriter
	surface *Surface
	id      string
	named   []string // the values of two headers: the id, and the length of the answer
	began   time.Time

	route     string // the pattern; empty: none
	presented bool   // a credential was there
	actor     halberd.Actor
	status    int  // of success
	quiet     bool // about a success
	answer    any
	written   []byte // the answer, where the operation wrote it by hand
	err       error

	call    Call
	in, out []byte // room for a body and for an answer
}

// maxRoom is what an exchange keeps for the next one.
const maxRoom = 16 << 10

// clear forgets everything but the room. What was sent is a key, as a rule.
func (x *exchange) clear() {
	in, out := x.in, x.out
	if cap(in) > maxRoom {
		in = nil
	}
	if cap(out) > maxRoom {
		out = nil
	}
	clear(in)
	*x = exchange{in: in[:0], out: out[:0]}
}

// Values of headers that are always the same. net/http only reads them.
var (
	noStore  = []string{"no-store"}
	nosniff  = []string{"nosniff"}
	jsonType = []string{JSON}
)

// end writes the answer and the log line, also after a panic, which is p. The line never
// holds a header, a body, a query or the path itself: a key may be in any.
func (x *exchange) end(r *http.Request, p any) {
	var stack []byte
	if p != nil {
		if err, ok := p.(error); ok && err == http.ErrAbortHandler { //nolint:errorlint // the very value is the signal
			panic(p)
		}
		stack = debug.Stack()
		x.err = fmt.Errorf("panic: %s", PanicText(p))
	}
	body := x.written
	if x.err == nil && body == nil {
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
	x.named[1] = strconv.Itoa(len(body))
	h["Content-Type"], h["Content-Length"] = jsonType, x.named[1:2:2]
	code := x.call.Verdict
	if refusal != nil {
		code = string(refusal.Code)
	}
	Tell(x.ResponseWriter, x.id, code)
	x.WriteHeader(x.status)
	_, _ = x.Write(body)
	x.log(r, refusal, stack)
}

func (x *exchange) log(r *http.Request, refusal *halberd.Error, stack []byte) {
	level := slog.LevelInfo
	// A node that may not answer has said so once; saying it for every check fills
	// the disk.
	if x.quiet && (refusal == nil || refusal.Code == halberd.CodeUnavailable && refusal.Err == nil) {
		if level = slog.LevelDebug; !x.surface.Log.Enabled(r.Context(), level) {
			return
		}
	}
	line := []slog.Attr{
		slog.String("method", knownMethod(r.Method)), slog.String("route", x.route), slog.Int("status", x.status),
		slog.Duration("took", time.Since(x.began)), slog.String("request_id", x.id),
	}
	if !x.actor.IsZero() {
		line = append(line, slog.String("by", x.actor.Ref()))
	}
	if refusal != nil {
		line = append(line, slog.String("code", string(refusal.Code)))
		if x.status >= http.StatusInternalServerError && r.Context().Err() == nil && level != slog.LevelDebug {
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

// PanicText is what may be logged of a panic: the runtime's own words, else
// only the type, since a value may hold what was sent.
func PanicText(p any) string {
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
