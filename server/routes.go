package server

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/console"
	"github.com/halberdhq/halberd/dialect/apidoc"
	"github.com/halberdhq/halberd/dialect/enveloped"
	"github.com/halberdhq/halberd/dialect/plain"
	"github.com/halberdhq/halberd/internal/request"
)

// maxHeader is what the headers of a request may take. net/http's own bound is
// twice as high: its answer is bare text, ours names the code.
const maxHeader = 16 << 10

// routes is the public listener: the dialects, their reference, and two
// questions about the instance itself. It is no http.ServeMux, which would
// answer `//` and `..` with a redirect before a dialect sees them.
type routes struct {
	in        *instance
	enveloped http.Handler // nil until every key is loaded
	plain     http.Handler
	console   http.Handler
	reference http.Handler
}

func (in *instance) routes(svc *halberd.Service) *routes {
	r := &routes{in: in, reference: apidoc.Handler(), console: in.console}
	if svc != nil {
		r.enveloped = enveloped.Handler(svc, in.log, enveloped.PublicURL(in.current().PublicURL))
		r.plain = plain.Handler(svc, in.log)
	}
	return r
}

// pages is the console.
func (in *instance) pages(svc *halberd.Service) (http.Handler, error) {
	c := in.current()
	o := console.Options{Log: in.log, PublicURL: c.PublicURL, Version: in.version, Closed: c.noSignIn()}
	o.AdminKeyLeft = func() bool { return there(filepath.Join(c.Data, adminKeyFile)) }
	var err error
	if o.Provider, err = c.provider(); err != nil {
		return nil, err
	}
	return console.New(svc, in.store, o)
}

// noSignIn is why nobody may sign in to the console; "": they may.
func (c *Config) noSignIn() string {
	if !c.exposed() || strings.HasPrefix(c.PublicURL, "https://") {
		return ""
	}
	return "This server has no TLS and other machines reach it, so passwords would travel in the clear. " +
		"Set tls_cert and tls_key, or public_url to the https address of the proxy in front."
}

// ServeHTTP implements http.Handler.
func (r *routes) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if unsure(req) {
		w.Header().Set("Connection", "close")
	}
	if r.atDoor(w, req) {
		return // off the path below: it is asked for every request of somebody's API
	}
	r.in.doors.Proxies().Settle(req)
	begin := time.Now()
	out := &statusWriter{ResponseWriter: w}
	room, h := r.find(req)
	route := room
	if size := headerSize(req); size > maxHeader {
		h = refusal(http.StatusRequestHeaderFieldsTooLarge, halberd.CodeHeadersTooLarge, "the headers are larger than 16 KiB")
	}
	defer func() {
		if req.Pattern != "" && req.Pattern != "/" { // set by the room's own mux
			route = req.Pattern
		}
		r.in.metrics.answered(room, route, method(req.Method), out, time.Since(begin))
		if r.in.traces != nil && route != "/healthz" && route != "/readyz" {
			r.in.traces.request(req, route, out, begin)
		}
	}()
	h.ServeHTTP(out, req)
}

// atDoor answers what came to a door. The doors count for themselves.
func (r *routes) atDoor(w http.ResponseWriter, req *http.Request) bool {
	if r.in.traces == nil {
		return r.in.doors.Serve(w, req)
	}
	begin, out := time.Now(), &statusWriter{ResponseWriter: w}
	if !r.in.doors.Serve(out, req) {
		return false
	}
	route := "/v1/auth/envoy/" // and the client's path below it
	if p := req.URL.Path; p == "/v1/auth/forward" || p == "/v1/auth/nginx" {
		route = p
	}
	r.in.traces.request(req, route, out, begin)
	return true
}

// find picks the room by the path's beginning. room is its name, and that of
// the route where the room does not tell more.
func (r *routes) find(req *http.Request) (room string, h http.Handler) {
	path := req.URL.Path
	dialect := func(h http.Handler) http.Handler {
		if h == nil {
			return refusal(http.StatusServiceUnavailable, halberd.CodeUnavailable, errStarting.Error())
		}
		return h
	}
	switch {
	case strings.HasPrefix(path, "/v1/"):
		return "/v1/", dialect(r.enveloped)
	case strings.HasPrefix(path, "/api/"):
		return "/api/", dialect(r.plain)
	case path == "/openapi.json", path == "/docs", strings.HasPrefix(path, "/docs/"):
		return "/docs", r.reference
	case console.Serves(path):
		return "console", dialect(r.console)
	case path == "/healthz":
		return path, http.HandlerFunc(r.in.healthz)
	case path == "/readyz":
		return path, http.HandlerFunc(r.in.readyz)
	}
	return "other", refusal(http.StatusNotFound, halberd.CodeNotFound, "not found")
}

// unsure reports whether a proxy before us may have seen the request end
// elsewhere than we do: a Content-Length beside chunks is deleted by net/http
// before anyone can look, and Transfer-Encoding is nothing to HTTP/1.0. What
// follows on the connection might be the body still, so nothing may (RFC 9112,
// 6.1).
func unsure(r *http.Request) bool {
	return len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1)
}

// answer is what strangers reach, on whatever listener.
func (in *instance) answer(w http.ResponseWriter, r *http.Request) {
	defer func() { in.contain(w, r, recover()) }()
	in.public.Load().ServeHTTP(w, r)
}

// contain answers 500 where a room of the public listener panics, and logs no
// more than where: what was thrown may hold what was sent. p is what recover
// returned.
func (in *instance) contain(w http.ResponseWriter, r *http.Request, p any) {
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && err == http.ErrAbortHandler { //nolint:errorlint // the very value is the signal
		panic(p)
	}
	w.Header().Set("Connection", "close")
	refusal(http.StatusInternalServerError, halberd.CodeInternal, "internal error; the request id finds it in the server's log").ServeHTTP(w, r)
	in.log.Error("panic", "why", request.PanicText(p), "request_id", w.Header().Get("X-Request-Id"), "stack", string(debug.Stack()))
}

// headerSize is about what the request line and the headers took on the wire.
func headerSize(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}

// healthz says that the process answers.
func (in *instance) healthz(w http.ResponseWriter, r *http.Request) {
	state(w, r, http.StatusOK, "ok")
}

// readyz says whether checks are answered: every key is in the index, a node of
// several holds a lease, and no stop is under way.
func (in *instance) readyz(w http.ResponseWriter, r *http.Request) {
	switch {
	case in.stopping.Load():
		state(w, r, http.StatusServiceUnavailable, "stopping")
	case in.service.Load() == nil:
		state(w, r, http.StatusServiceUnavailable, "starting")
	case in.service.Load().Ready() != nil:
		state(w, r, http.StatusServiceUnavailable, "without a lease")
	default:
		state(w, r, http.StatusOK, "ready")
	}
}

func state(w http.ResponseWriter, r *http.Request, status int, word string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refusal(http.StatusMethodNotAllowed, halberd.CodeMethodNotAllowed, "only GET and HEAD").ServeHTTP(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(word + "\n"))
}

// refusal answers what no dialect is there to answer, in the envelope of the
// dialect that was asked for.
func refusal(status int, code halberd.Code, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := halberd.NewRequestID().String()
		said := map[string]any{"code": code, "message": message}
		body := map[string]any{"error": said}
		if strings.HasPrefix(r.URL.Path, "/api/") {
			said["requestId"] = id
		} else {
			body["meta"] = map[string]any{"request_id": id}
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Request-Id", id)
		request.Tell(w, id, string(code))
		if status == http.StatusServiceUnavailable {
			h.Set("Retry-After", "1")
		}
		text, _ := json.Marshal(body) // of texts only
		w.WriteHeader(status)
		_, _ = w.Write(text)
	}
}
