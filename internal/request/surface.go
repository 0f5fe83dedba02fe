package request

import (
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
)

// Surface is one dialect in front of a Service.
type Surface struct {
	Service    *halberd.Service
	Log        *slog.Logger // nil discards
	Operations []Operation
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
	mux := http.NewServeMux()
	for pattern, r := range byPath {
		mux.Handle(pattern, r)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.(*exchange).err = NotFound() //nolint:forcetypeassert // see below
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{ResponseWriter: w, surface: &s, id: ID(r.Header), began: time.Now()}
		defer func() { x.end(r, recover()) }()
		h := w.Header()
		h.Set("X-Request-Id", x.id)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
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
	x.route, x.status = op.Path, op.Status
	x.answer, x.err = x.do(op, r)
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

// do is the order of refusal.
func (x *exchange) do(op *Operation, r *http.Request) (any, error) {
	svc := x.surface.Service
	secret, err := Credential(r.Header)
	if err != nil {
		return nil, err
	}
	x.presented = true
	from := halberd.Request{ID: x.id, ClientIP: ClientAddr(r), UserAgent: r.UserAgent()}
	by, err := svc.Authenticate(r.Context(), secret, from)
	if err != nil {
		return nil, err
	}
	x.actor = by.Ref()
	if err := svc.Permit(by, op.Action); err != nil {
		return nil, err
	}
	c := &Call{Service: svc, ID: x.id, request: r, answer: x.Header()}
	if op.Conditional {
		if c.Version, err = IfMatch(r.Header); err != nil {
			return nil, err
		}
	}
	once, err := idempotencyKey(r)
	if err != nil {
		return nil, err
	}
	if c.Query, err = readQuery(r.URL.RawQuery, op.Query); err != nil {
		return nil, err
	}
	if op.Body != nil && (!op.BodyOptional || !noBody(r)) {
		if c.raw, err = ReadBody(x.ResponseWriter, r, op.Types()...); err != nil {
			return nil, err
		}
	}
	if op.Idempotent {
		from.Idempotency = idempotency(once, r, c.raw)
	}
	c.Actor = by.Via(from)
	return op.serve(c)
}
