package request

import (
	"errors"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/ratefield"
)

// Surface is one dialect in front of a Service.
type Surface struct {
	Service    *halberd.Service
	Log        *slog.Logger // nil discards
	Operations []Operation
	// PublicURL is how people reach the server, for links; empty: they are paths.
	PublicURL string
	// Refusal is the dialect's body for a refusal.
	Refusal func(requestID string, e *halberd.Error) any
}

// Handler serves the table. It must see paths as they were sent.
func (s Surface) Handler() http.Handler {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	byPath := map[string]resource{}
	for i := range s.Operations {
		op := &s.Operations[i]
		if byPath[op.Path] == nil {
			byPath[op.Path] = resource{}
		}
		byPath[op.Path][op.Method] = op
	}
	mux, fixed := http.NewServeMux(), map[string]resource{}
	for pattern, r := range byPath {
		mux.Handle(pattern, r)
		if !strings.Contains(pattern, "{") {
			fixed[pattern] = r
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.(*exchange).err = NotFound() //nolint:forcetypeassert // see below
	})
	pool := &sync.Pool{New: func() any { return &exchange{} }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := pool.Get().(*exchange) //nolint:forcetypeassert // the pool holds nothing else
		x.ResponseWriter, x.surface, x.id, x.began = w, &s, ID(r.Header), time.Now()
		defer func() {
			x.end(r, recover())
			x.clear()
			pool.Put(x)
		}()
		x.named = []string{x.id, ""} // the answer's: net/http reads them after end
		h := w.Header()
		h["X-Request-Id"], h["Cache-Control"], h["X-Content-Type-Options"] = x.named[:1:1], noStore, nosniff
		// A path without parts is known without asking the mux, as the mux would
		// know it: to the letter.
		if found := fixed[r.URL.Path]; found != nil && r.URL.RawPath == "" {
			r.Pattern = r.URL.Path
			found.ServeHTTP(x, r)
			return
		}
		// The mux would answer such a path with a redirect.
		if path.Clean(r.URL.Path) != r.URL.Path {
			x.err = NotFound()
			return
		}
		mux.ServeHTTP(x, r)
	})
}

// NotFound is the refusal for what is absent or out of reach, to the letter the
// one of the Service.
func NotFound() *halberd.Error {
	return &halberd.Error{Code: halberd.CodeNotFound, Message: "not found"}
}

// resource is the operations of one path, by method.
type resource map[string]*Operation

// ServeHTTP is called by the mux, which hands on the exchange it was given and
// has put the path's parts into r.
func (res resource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := w.(*exchange) //nolint:forcetypeassert // the mux is called in one place
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op := res[method]
	if op == nil {
		x.route = res.path()
		x.Header().Set("Allow", strings.Join(res.methods(), ", "))
		x.err = &halberd.Error{Code: halberd.CodeMethodNotAllowed, Message: "this path takes " + oneOf(res.methods())}
		return
	}
	x.route, x.status, x.quiet = op.Path, op.Status, op.Quiet
	x.err = x.do(op, r)
}

func (res resource) path() string {
	for _, op := range res {
		return op.Path
	}
	return ""
}

func (res resource) methods() []string {
	var out []string
	for m := range res {
		out = append(out, m)
		if m == http.MethodGet {
			out = append(out, http.MethodHead)
		}
	}
	slices.Sort(out)
	return out
}

// charge takes the call from its caller's limit, and says in the answer where that
// stands, whatever else the answer is.
func (x *exchange) charge(by halberd.Actor) error {
	states, err := x.surface.Service.Charge(by)
	retry := time.Duration(0)
	if e, ok := errors.AsType[*halberd.Error](err); ok {
		retry = e.RetryAfter
	}
	ratefield.Set(x.Header(), &states, retry)
	return err
}

// do is the order of refusal.
func (x *exchange) do(op *Operation, r *http.Request) error {
	svc := x.surface.Service
	secret, err := Credential(r.Header)
	if err != nil {
		return err
	}
	x.presented = true
	from := halberd.Request{ID: x.id, ClientIP: ClientAddr(r), UserAgent: r.UserAgent(), Wait: longestWait}
	by, err := svc.Authenticate(r.Context(), secret, from)
	if err != nil {
		return err
	}
	x.actor = by
	if !op.Free {
		if err := x.charge(by); err != nil {
			return err
		}
	}
	if err := svc.Permit(by, op.Action); err != nil {
		return err
	}
	c := &x.call
	c.Service, c.ID, c.PublicURL, c.request, c.answer = svc, x.id, x.surface.PublicURL, r, x.Header()
	if op.Conditional {
		if c.Version, err = IfMatch(r.Header); err != nil {
			return err
		}
	}
	once, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	if c.Query, err = readQuery(r.URL.RawQuery, op.Query); err != nil {
		return err
	}
	if op.Body != nil && (!op.BodyOptional || !noBody(r)) {
		if c.raw, err = readBody(x.ResponseWriter, r, x.in, op.Types()...); err != nil {
			x.in = nil // what was read of it is not in c.raw
			return err
		}
		x.in = c.raw
	}
	if op.Idempotent {
		from.Idempotency = idempotency(once, r, c.raw)
	}
	if asked := r.Header["Prefer"]; asked != nil {
		prefer(asked, &from)
	}
	c.Actor = by.Via(from)
	if op.append == nil {
		x.answer, err = op.serve(c)
		if c.status != 0 {
			x.status = c.status
		}
		return err
	}
	x.out, err = op.append(c, c.raw, x.out[:0])
	x.written = x.out
	return err
}
