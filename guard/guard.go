// Package guard protects an http.Handler with API keys in a few lines:
//
//	routes := guard.Routes{
//		"GET /api/sources":       {Scope: "read"},
//		"POST /api/sources":      {Scope: "write"},
//		"GET /engagements":       {Scope: "read", Filters: true},
//		"GET /engagements/{id}":  {Scope: "read", Resource: "engagement/{id}"},
//		"GET /healthz":           {Open: true},
//	}
//	g, err := guard.New(keys, routes, guard.Options{})
//	…
//	http.ListenAndServe(addr, g.Protect(api))
//
// keys is a *halberd.Service (a check is a lookup in this process) or a
// *client.Client (a check asks the server). The handler finds who called with
// From. What has no line in the table is refused; what is not known is refused;
// no verdict is kept for a later request.
package guard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"path"
	"reflect"
	"strings"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/ratefield"
	"github.com/halberdhq/halberd/internal/request"
)

// Verifier answers checks: *halberd.Service and *client.Client do. An error
// means that the answer is not known; guard then refuses with 503.
type Verifier interface {
	Verify(ctx context.Context, c halberd.Check) (halberd.Verdict, error)
}

// Routes says what each route asks of a key. The patterns are those of
// http.ServeMux: "GET /engagements/{id}".
type Routes map[string]Rule

// Rule is what one route asks. The zero Rule asks for a good key and nothing
// else.
type Rule struct {
	// Scope must be held by the key. Empty: any good key will do.
	Scope halberd.Scope
	// Resource must be within the key's resources. The pattern's wildcards
	// stand for their values: "engagement/{id}". Empty: none is named, so that
	// a key limited to some resources is refused.
	Resource string
	// Filters promises that the handler itself shows only what the key's
	// resources allow (list calls): From(ctx).Resources.Allows.
	Filters bool
	// Cost is what a call takes of the key's limits; 0 is 1.
	Cost int64
	// Open lets everyone in, with or without a key.
	Open bool
}

// Options tune a Guard. The zero Options are right for most.
type Options struct {
	// Refuse answers a refused request in the API's own shape. nil: WriteJSON.
	Refuse func(w http.ResponseWriter, r *http.Request, why Refusal)
	// ClientIP is where a request comes from, for keys with an address list.
	// nil: the other end of the socket. Behind a proxy, take what the proxy
	// says only where the proxy cannot be gone around.
	ClientIP func(r *http.Request) netip.Addr
	// Within bounds whose keys are known here: one organization or project.
	// Zero: every key that the Verifier knows.
	Within halberd.Reach
	// HideLimits leaves the header fields RateLimit and RateLimit-Policy out, which
	// otherwise tell whoever calls where the limits of the key stand.
	HideLimits bool
}

// Guard is a table of routes with a Verifier behind it. The zero Guard, and a
// nil one, refuse everything.
type Guard struct {
	verifier Verifier
	rules    map[string]*rule
	options  Options
}

// New reads the table. A pattern or a template that makes no sense is an error
// here, not a hole later.
func New(v Verifier, routes Routes, o Options) (*Guard, error) {
	if absent(v) {
		return nil, errors.New("guard: a Verifier is needed")
	}
	if o.Refuse == nil {
		o.Refuse = WriteJSON
	}
	if o.ClientIP == nil {
		o.ClientIP = request.ClientAddr
	}
	g := &Guard{verifier: v, rules: map[string]*rule{}, options: o}
	for pattern, r := range routes {
		ready, err := r.ready(pattern)
		if err != nil {
			return nil, fmt.Errorf("guard: %s: %w", pattern, err)
		}
		g.rules[pattern] = ready
	}
	return g, g.try()
}

// absent reports whether there is no Verifier, or one that is a nil pointer:
// asking that would panic, which in some protocols ends the program.
func absent(v Verifier) bool {
	if v == nil {
		return true
	}
	p := reflect.ValueOf(v)
	return p.Kind() == reflect.Pointer && p.IsNil()
}

// try registers the patterns once, to turn a panic of the mux into an error.
func (g *Guard) try() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("guard: %v", p)
		}
	}()
	g.mux(http.NotFoundHandler())
	return nil
}

// Protect lets through to next what the table allows.
func (g *Guard) Protect(next http.Handler) http.Handler {
	if g == nil || g.verifier == nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			WriteJSON(w, r, unknown(nil))
		})
	}
	return g.mux(next)
}

func (g *Guard) mux(next http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	all := false
	for pattern, r := range g.rules {
		all = all || pattern == "/"
		mux.Handle(pattern, &door{g, r, next})
	}
	if !all {
		mux.Handle("/", &door{g, &rule{unlisted: true}, next})
	}
	return mux
}

// door is one route of the table, in front of the handler.
type door struct {
	*Guard
	rule *rule
	next http.Handler
}

// ServeHTTP asks, and lets through or refuses.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	plain := settle(r)
	if d.rule.Open {
		if !plain {
			d.options.Refuse(w, r, ambiguous())
			return
		}
		d.next.ServeHTTP(w, r)
		return
	}
	secret, err := request.Credential(r.Header)
	if err != nil {
		d.options.Refuse(w, r, credential(err))
		return
	}
	resource, ok := d.rule.resource(r)
	if !ok || !plain {
		d.options.Refuse(w, r, ambiguous())
		return
	}
	p := &presenter{Context: r.Context()}
	p.verdict, err = d.verifier.Verify(p.Context, halberd.Check{
		Secret: secret, Scopes: d.rule.scopes, Resource: resource, FiltersResources: d.rule.Filters,
		ClientIP: d.options.ClientIP(r), UserAgent: r.UserAgent(), Cost: d.rule.Cost, Within: d.options.Within,
	})
	if err == nil && !d.options.HideLimits {
		ratefield.Set(w.Header(), &p.verdict.RateLimits, p.verdict.RetryAfter)
	}
	switch {
	case err != nil:
		d.options.Refuse(w, r, unknown(err))
	case !p.verdict.Valid():
		d.options.Refuse(w, r, refused(&p.verdict))
	case d.rule.unlisted:
		d.options.Refuse(w, r, Refusal{Status: http.StatusForbidden, Code: "FORBIDDEN", Message: "No key may call this route"})
	default:
		// In place: the request is ours until the handler returns, and a copy on
		// the heap would be the second allocation.
		*r = *r.WithContext(p)
		d.next.ServeHTTP(w, r)
	}
}

// settle leaves one reading of the path for whatever router comes next: some
// match the path as it was sent, some as it is decoded, and a request must not
// be one route here and another one there. False: no such reading exists, as
// with an encoded slash or dots that are a step up.
func settle(r *http.Request) bool {
	u := r.URL
	if u.RawPath == "" && r.Method != http.MethodConnect {
		return true // decoding changed nothing that matters, and ServeMux has cleaned it
	}
	if strings.Count(u.EscapedPath(), "/") != strings.Count(u.Path, "/") {
		return false
	}
	clean := path.Clean(u.Path)
	if u.Path != clean && u.Path != clean+"/" {
		return false
	}
	u.RawPath = ""
	return true
}

// presenter is a request's context with the verdict on its key.
type presenter struct {
	context.Context
	verdict halberd.Verdict
}

type presenterKey struct{}

// Value implements context.Context.
func (p *presenter) Value(key any) any {
	if _, ours := key.(presenterKey); ours {
		return &p.verdict
	}
	return p.Context.Value(key)
}

// From is the verdict on the key that a request came with: who called, with
// which scopes and resources. False where no key was asked for.
func From(ctx context.Context) (*halberd.Verdict, bool) {
	v, ok := ctx.Value(presenterKey{}).(*halberd.Verdict)
	return v, ok
}

// With is a context that From finds v in. For middleware of other protocols,
// and for tests of handlers.
func With(ctx context.Context, v halberd.Verdict) context.Context {
	return &presenter{ctx, v}
}

// Judge is one check without a route around it, for middleware of other
// protocols: h holds the headers (or the metadata) by their names as HTTP
// spells them, c all but the Secret. A nil Refusal lets through; a nil Verifier
// lets nobody through.
func Judge(ctx context.Context, v Verifier, h http.Header, c halberd.Check) (halberd.Verdict, *Refusal) {
	var why Refusal
	var verdict halberd.Verdict
	if absent(v) {
		why = unknown(errors.New("guard: there is no Verifier"))
		return verdict, &why
	}
	var err error
	if c.Secret, err = request.Credential(h); err != nil {
		why = credential(err)
		return verdict, &why
	}
	verdict, err = v.Verify(ctx, c)
	switch {
	case err != nil:
		why = unknown(err)
	case !verdict.Valid():
		why = refused(&verdict)
	default:
		return verdict, nil
	}
	return verdict, &why
}

// rule is a Rule made ready.
type rule struct {
	Rule
	scopes   []halberd.Scope
	template []part // empty: no resource is named
	unlisted bool
}

// part is a piece of a resource's template: text, or the name of a wildcard.
type part struct {
	text string
	name string
}

func (r Rule) ready(pattern string) (*rule, error) {
	out := &rule{Rule: r}
	if r.Scope != "" {
		if _, err := halberd.ParseScopes([]string{string(r.Scope)}); err != nil {
			return nil, err
		}
		out.scopes = []halberd.Scope{r.Scope}
	}
	if r.Cost < 0 || r.Cost > halberd.MaxCost {
		return nil, fmt.Errorf("cost must be from 0 to %d", halberd.MaxCost)
	}
	if r.Open && (r.Scope != "" || r.Resource != "" || r.Filters || r.Cost != 0) {
		return nil, errors.New("an open route asks for nothing")
	}
	for text := r.Resource; text != ""; {
		before, after, found := strings.Cut(text, "{")
		if before != "" {
			out.template = append(out.template, part{text: before})
		}
		if !found {
			break
		}
		name, rest, closed := strings.Cut(after, "}")
		switch {
		case !closed:
			return nil, fmt.Errorf("the resource %q has an open brace", r.Resource)
		case strings.Contains(pattern, "{"+name+"}"), strings.Contains(pattern, "{"+name+"...}"):
			out.template = append(out.template, part{name: name})
		default:
			return nil, fmt.Errorf("the resource %q names {%s}, which the pattern does not have", r.Resource, name)
		}
		text = rest
	}
	if len(out.template) == 1 && out.template[0].name == "" && !halberd.ValidResource(r.Resource) {
		return nil, fmt.Errorf("%q is no resource", r.Resource)
	}
	return out, nil
}

// resource fills the template from a request. False: the values make no
// resource.
func (r *rule) resource(req *http.Request) (string, bool) {
	if len(r.template) == 0 {
		return "", true
	}
	if len(r.template) == 1 && r.template[0].name == "" {
		return r.Resource, true
	}
	var b strings.Builder
	for _, p := range r.template {
		value := p.text
		if p.name != "" {
			value = req.PathValue(p.name)
		}
		b.WriteString(value)
	}
	return b.String(), halberd.ValidResource(b.String())
}
