package hookshop

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/guard"
)

const (
	maxBody = 16 << 10 // bytes
	maxText = 255      // code points
	maxURL  = 2048     // bytes
)

// call is one request that guard let through. While an operation runs, the shop
// is its own.
type call struct {
	*shop // of the caller's organization
	api   *api
	key   *halberd.Verdict
	id    string // of the path
}

// operation answers a call: with an object, a file, or a *problem.
type operation func(c *call) (any, error)

// file is an answer that is no JSON.
type file struct{ name, media, text string }

// problem is a refusal, as this API says it.
type problem struct {
	status        int
	code, message string
}

func (p *problem) Error() string { return p.message }

func invalid(field, format string, args ...any) error {
	return &problem{http.StatusBadRequest, "INVALID_REQUEST", field + " " + fmt.Sprintf(format, args...)}
}

func notFound() error { return &problem{http.StatusNotFound, "NOT_FOUND", "not found"} }

// answers is an operation without a body.
func answers(a *api, status int, do operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			a.fail(w, r, invalid("body", "must not be there: this call takes none"))
			return
		}
		a.run(w, r, status, do)
	})
}

// takes is an operation with a body, one JSON object with no other fields than
// B's.
func takes[B any](a *api, status int, do func(c *call, body B) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body B
		if err := readBody(w, r, &body); err != nil {
			a.fail(w, r, err)
			return
		}
		a.run(w, r, status, func(c *call) (any, error) { return do(c, body) })
	})
}

func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return &problem{http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "the body must be application/json"}
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		_, err = d.Token()
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return &problem{http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE", "the body must be at most 16 KiB"}
	}
	if !errors.Is(err, io.EOF) { // what was sent is not repeated: it may hold a key
		return invalid("body", "must be one JSON object with the fields of this call and no others")
	}
	return nil
}

// run runs an operation with the lock and answers without it.
func (a *api) run(w http.ResponseWriter, r *http.Request, status int, do operation) {
	key, ok := guard.From(r.Context())
	if !ok || key.Organization.IsZero() { // whose shop would it be?
		a.fail(w, r, errors.New("no key was asked for, or it belongs to no organization"))
		return
	}
	text, out, err := a.locked(&call{api: a, key: key, id: r.PathValue("id")}, do)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if f, ok := out.(file); ok {
		w.Header().Set("Content-Type", f.media)
		w.Header().Set("Content-Disposition", `attachment; filename="`+f.name+`"`)
	}
	a.write(w, r, status, text, slog.String("by", key.KeyID.String()))
}

// locked runs an operation and writes its answer down, before anyone else may
// change what is in it.
func (a *api) locked(c *call, do operation) ([]byte, any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.shop = a.shop(c.key.Organization)
	out, err := do(c)
	if err != nil {
		return nil, nil, err
	}
	if f, ok := out.(file); ok {
		return []byte(f.text), out, nil
	}
	text, err := json.Marshal(out)
	return append(text, '\n'), out, err
}

// refuse answers what guard refuses. The truth about the key goes to the log
// only.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, why guard.Refusal) {
	why.Header(w.Header())
	var more []slog.Attr
	if v := why.Verdict; v != nil {
		more = append(more, slog.String("verdict", string(v.Code)))
		if !v.KeyID.IsZero() {
			more = append(more, slog.String("by", v.KeyID.String()))
		}
	}
	if why.Err != nil {
		more = append(more, slog.String("why", why.Err.Error()))
	}
	a.problem(w, r, &problem{why.Status, why.Code, why.Message}, more...)
}

// fail answers what an operation refuses.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		p = &problem{http.StatusInternalServerError, "INTERNAL", "internal error"}
		a.problem(w, r, p, slog.String("why", err.Error()))
		return
	}
	a.problem(w, r, p)
}

func (a *api) problem(w http.ResponseWriter, r *http.Request, p *problem, more ...slog.Attr) {
	type detail struct {
		Code      string `json:"code"`
		Message   string `json:"message"`
		RequestID string `json:"requestId"`
	}
	text, err := json.Marshal(map[string]detail{"error": {p.code, p.message, w.Header().Get("X-Request-Id")}})
	if err != nil {
		text = []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json")
	a.write(w, r, p.status, append(text, '\n'), append(more, slog.String("code", p.code))...)
}

// write sends the answer and logs the request by its route: a path may hold
// anything.
func (a *api) write(w http.ResponseWriter, r *http.Request, status int, text []byte, more ...slog.Attr) {
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text)
	a.log.LogAttrs(r.Context(), slog.LevelInfo, "request", append(more,
		slog.String("route", r.Pattern), slog.Int("status", status), slog.String("request_id", w.Header().Get("X-Request-Id")))...)
}

func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"status":"ok"}`+"\n")
}

// set takes a field that was sent.
func set[T any](to, sent *T) {
	if sent != nil {
		*to = *sent
	}
}

// named refuses a text that is empty or too long.
func named(field, text string) error {
	if n := utf8.RuneCountInString(text); n == 0 || n > maxText {
		return invalid(field, "must have 1 to %d characters", maxText)
	}
	return nil
}

// address refuses what is no http or https address.
func address(field, text string) error {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURL || u.Hostname() == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return invalid(field, "must be an http or https address without a user, at most %d bytes", maxURL)
	}
	return nil
}
