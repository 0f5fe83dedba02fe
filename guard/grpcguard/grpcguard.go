// Package grpcguard protects a gRPC server with API keys, as package guard
// protects an http.Handler:
//
//	g, err := grpcguard.New(keys, grpcguard.Methods{
//		"/shop.v1.Shop/ListSources": {Scope: "read", Filters: true},
//		"/shop.v1.Shop/AddSource":   {Scope: "write"},
//		"/shop.v1.Shop/GetSource": {Scope: "read", ResourceOf: func(m any) string {
//			return "source/" + m.(*shop.GetSourceRequest).GetId()
//		}},
//		"/grpc.health.v1.Health/Check": {Open: true},
//	}, grpcguard.Options{})
//	…
//	grpc.NewServer(grpc.UnaryInterceptor(g.Unary), grpc.StreamInterceptor(g.Stream))
//
// A key travels in the metadata `authorization: Bearer K` or `x-api-key: K`,
// by the rules of HTTP. The handler finds who called with guard.From. What has
// no line in the table is refused; what is not known is refused; no verdict is
// kept for a later call. A stream is one call: it is checked when it begins,
// and a key that is revoked later ends no stream that runs.
//
// Whoever does not import this package does not link gRPC.
package grpcguard

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/guard"
	"github.com/halberdhq/halberd/internal/ratefield"
)

// Methods says what each method asks of a key, by its full name:
// "/package.Service/Method".
type Methods map[string]Rule

// Rule is what one method asks. The zero Rule asks for a good key and nothing
// else.
type Rule struct {
	// Scope must be held by the key. Empty: any good key will do.
	Scope halberd.Scope
	// Resource must be within the key's resources. Empty, and without
	// ResourceOf: none is named, so that a key limited to some resources is
	// refused.
	Resource string
	// ResourceOf names the resource by the request, instead of Resource. What it
	// returns and is no resource, "" too, is refused. On a stream each message
	// that comes in is asked, and nothing goes out before the first was.
	ResourceOf func(request any) string
	// Filters promises that the handler itself shows only what the key's
	// resources allow (list calls): guard.From(ctx), then Resources.Allows.
	Filters bool
	// Cost is what a call takes of the key's limits; 0 is 1.
	Cost int64
	// Open lets everyone in, with or without a key.
	Open bool
}

// Options tune a Guard. The zero Options are right for most.
type Options struct {
	// Refuse makes the error of a refused call. nil: Status, which also stands in
	// where it returns none.
	Refuse func(ctx context.Context, method string, why guard.Refusal) error
	// ClientIP is where a call comes from, for keys with an address list. nil:
	// the other end of the connection.
	ClientIP func(ctx context.Context) netip.Addr
	// Within bounds whose keys are known here: one organization or project.
	// Zero: every key that the Verifier knows.
	Within halberd.Reach
	// HideLimits leaves ratelimit and ratelimit-policy out of the header metadata,
	// which otherwise tell whoever calls where the limits of the key stand.
	HideLimits bool
}

// Guard is a table of methods with a Verifier behind it. The zero Guard, and a
// nil one, refuse everything.
type Guard struct {
	verifier guard.Verifier
	rules    map[string]Rule
	options  Options
}

// New reads the table. A line that makes no sense is an error here, not a hole
// later.
func New(v guard.Verifier, methods Methods, o Options) (*Guard, error) {
	// The rules of guard hold: a method is a POST to its name.
	routes := guard.Routes{}
	g := &Guard{verifier: v, rules: map[string]Rule{}, options: o}
	for name, r := range methods {
		if err := named(name); err != nil {
			return nil, err
		}
		if r.ResourceOf != nil && (r.Resource != "" || r.Open || r.Filters) {
			return nil, fmt.Errorf("grpcguard: %s: ResourceOf stands alone: without Resource, Filters and Open", name)
		}
		routes["POST "+name] = guard.Rule{Scope: r.Scope, Resource: r.Resource, Filters: r.Filters, Cost: r.Cost, Open: r.Open}
		g.rules[name] = r
	}
	if _, err := guard.New(v, routes, guard.Options{}); err != nil {
		return nil, err
	}
	return g, nil
}

// named says what is wrong with a method's full name.
func named(name string) error {
	service, method, ok := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	if !ok || name[0] != '/' || service == "" || method == "" || strings.ContainsAny(method, "/{}*? ") || strings.ContainsAny(service, "{}*? ") {
		return fmt.Errorf("grpcguard: %q is no method: it is spelled /package.Service/Method", name)
	}
	return nil
}

// Unary is a grpc.UnaryServerInterceptor.
func (g *Guard) Unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	r, listed := g.rule(info.FullMethod)
	if r.Open {
		return handler(ctx, request)
	}
	c := g.check(ctx, r)
	nameable := true
	if r.ResourceOf != nil {
		c.Resource = r.ResourceOf(request)
		if nameable = halberd.ValidResource(c.Resource); !nameable {
			c.Resource, c.FiltersResources = "", true // whose key it is comes first
		}
	}
	v, why := g.judge(ctx, c)
	switch {
	case why != nil:
	case !listed:
		why = forbidden("No key may call this method")
	case !nameable:
		why = forbidden("This resource cannot be named so")
	default:
		return handler(guard.With(ctx, v), request)
	}
	return nil, g.refuse(ctx, info.FullMethod, why)
}

// Stream is a grpc.StreamServerInterceptor.
func (g *Guard) Stream(service any, s grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	r, listed := g.rule(info.FullMethod)
	if r.Open {
		return handler(service, s)
	}
	ctx := s.Context()
	c := g.check(ctx, r)
	c.FiltersResources = r.Filters || r.ResourceOf != nil
	v, why := g.judge(ctx, c)
	if why == nil && !listed {
		why = forbidden("No key may call this method")
	}
	if why != nil {
		return g.refuse(ctx, info.FullMethod, why)
	}
	out := &stream{ServerStream: s, ctx: guard.With(ctx, v)}
	if r.ResourceOf == nil {
		return handler(service, out)
	}
	named := &namedStream{stream: out, resourceOf: r.ResourceOf, allows: v.Resources.Allows}
	named.refuse = func(message string) error { return g.refuse(ctx, info.FullMethod, forbidden(message)) }
	if err := handler(service, named); err != nil {
		return err
	}
	return named.refused() // a handler that does not look at Recv's error
}

// rule is what a method asks; false: it has no line.
func (g *Guard) rule(method string) (Rule, bool) {
	if g == nil {
		return Rule{}, false
	}
	r, ok := g.rules[method]
	return r, ok
}

// check is what is asked about every call.
func (g *Guard) check(ctx context.Context, r Rule) halberd.Check {
	c := halberd.Check{Resource: r.Resource, FiltersResources: r.Filters, Cost: r.Cost}
	if r.Scope != "" {
		c.Scopes = []halberd.Scope{r.Scope}
	}
	if g == nil {
		return c
	}
	c.Within = g.options.Within
	if g.options.ClientIP != nil {
		c.ClientIP = g.options.ClientIP(ctx)
	} else {
		c.ClientIP = PeerAddr(ctx)
	}
	if agent := metadata.ValueFromIncomingContext(ctx, "user-agent"); len(agent) > 0 {
		c.UserAgent = agent[0]
	}
	return c
}

func (g *Guard) judge(ctx context.Context, c halberd.Check) (halberd.Verdict, *guard.Refusal) {
	var v guard.Verifier
	if g != nil {
		v = g.verifier
	}
	md, _ := metadata.FromIncomingContext(ctx)
	// Metadata is in small letters; nothing but these two names is looked at.
	verdict, why := guard.Judge(ctx, v, map[string][]string{
		"Authorization": md["authorization"], "X-Api-Key": md["x-api-key"],
	}, c)
	if g != nil && !g.options.HideLimits {
		tell(ctx, &verdict)
	}
	return verdict, why
}

// tell puts where the limits stand into the header metadata, as the fields of
// HTTP say it. Where no header can be set any more there is none.
func tell(ctx context.Context, v *halberd.Verdict) {
	if v.RateLimits.Len() == 0 {
		return
	}
	fields := map[string][]string{}
	ratefield.Set(fields, &v.RateLimits, v.RetryAfter)
	md := metadata.MD{}
	for name, values := range fields {
		md[strings.ToLower(name)] = values
	}
	_ = grpc.SetHeader(ctx, md)
}

func (g *Guard) refuse(ctx context.Context, method string, why *guard.Refusal) error {
	if g != nil && g.options.Refuse != nil {
		if err := g.options.Refuse(ctx, method, *why); err != nil {
			return err
		}
	}
	return Status(*why)
}

// PeerAddr is the address at the other end of the connection, the zero Addr
// where there is none (a Unix socket). No metadata is believed.
func PeerAddr(ctx context.Context) netip.Addr {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return netip.Addr{}
	}
	at, err := netip.ParseAddrPort(p.Addr.String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}
