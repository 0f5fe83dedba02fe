// Package extauthz is the door for gateways that ask by gRPC: Envoy's external
// authorization, version 3 (envoy.service.auth.v3.Authorization/Check), which
// Istio, Contour and Kubernetes gateways speak too.
//
// A request is judged as at every other door. What a route needs stands in its
// context_extensions (project, scopes, resource), which the gateway writes and
// no client, in the policy, or in both. Every way of not being sure is a no
// with a status of its own, never an error of gRPC: those are what
// failure_mode_allow lets through.
package extauthz

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/peer"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/internal/request"
)

// Service is Envoy's Authorization in front of the doors' decision.
type Service struct {
	authv3.UnimplementedAuthorizationServer
	doors *gateway.Doors
	log   *slog.Logger
	wants wants
	said  atomic.Int64 // the minute of the last complaint
}

// New makes a service. A nil log discards.
func New(doors *gateway.Doors, log *slog.Logger) *Service {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Service{doors: doors, log: log}
}

// complain says what is wrong with a gateway's configuration, once a minute and
// not for each request.
func (s *Service) complain(why error) {
	minute := time.Now().Unix() / 60
	if last := s.said.Load(); last == minute || !s.said.CompareAndSwap(last, minute) {
		return
	}
	s.log.Warn("a gateway's request was refused with 401 because of how it is set up", "why", why)
}

// Check implements envoy.service.auth.v3.Authorization. It returns no error.
func (s *Service) Check(ctx context.Context, q *authv3.CheckRequest) (answer *authv3.CheckResponse, err error) {
	var id string
	defer func() {
		if p := recover(); p != nil { // gRPC would end the process; the value may hold what was sent
			s.log.Error("panic in ext_authz", "what", fmt.Sprintf("a %T", p), "request_id", id, "stack", string(debug.Stack()))
			answer, err = refuse(&gateway.Answer{Status: 503, Code: halberd.CodeUnavailable, Message: "API keys cannot be checked now: try again"}, id), nil
		}
	}()
	var t told
	t.read(q.GetAttributes())
	id = request.IDOf(t.requestID)

	a := gateway.Ask{
		Authorization: t.bearer, APIKey: t.key, UserAgent: t.agent,
		Method: t.method, Target: t.target, Host: t.host,
	}
	proxies := s.doors.Proxies()
	if from, ok := peer.FromContext(ctx); ok {
		a.Client, a.Trusted = proxies.TrustedPeer(from.Addr)
	}
	if a.Trusted {
		a.Client = t.client(proxies, a.Client)
	}
	var known bool
	if a.Want, known, err = s.wants.of(q.GetAttributes().GetContextExtensions()); err != nil {
		s.complain(err)
		out := gateway.Answer{Status: 401, Code: halberd.CodeUnauthorized, Message: "Invalid or missing API key"}
		s.doors.Answered(&out)
		return refuse(&out, id), nil
	}

	var out gateway.Answer
	s.doors.Decide(ctx, &a, &out)
	s.doors.Answered(&out)
	if !out.Allowed() {
		return refuse(&out, id), nil
	}
	if !known {
		s.wants.remember(q.GetAttributes().GetContextExtensions(), a.Want)
	}
	return allow(&out, id, t.aliases), nil
}
