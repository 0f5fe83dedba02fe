package extauthz_test

import (
	"context"
	"net"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/gateway/extauthz"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/request"
)

// blind is a service that answers the same bytes without looking.
type blind struct {
	authv3.UnimplementedAuthorizationServer
	answer *authv3.CheckResponse
}

func (b *blind) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return b.answer, nil
}

// A check beside the same call that looks at nothing: what is left is gRPC.
func BenchmarkCheck(b *testing.B) {
	w := fixture.New(b)
	k := w.Make(halberd.NewKey{ExternalID: "customer-7", RateLimits: halberd.Some(halberd.RateLimits{{Name: "default", Limit: 1_000_000_000, WindowSeconds: 1}})})
	doors := gateway.New(func() *halberd.Service { return w.Service }, nil)
	proxies, err := request.ParseProxies("127.0.0.1")
	if err != nil {
		b.Fatal(err)
	}
	doors.Trust(proxies)
	service := extauthz.New(doors, nil)
	q := asked("GET", "/api/sources?limit=50", "authorization", "Bearer "+k.Secret.Reveal(), "x-request-id", "4bf92f3577b34da6a3ce929d0e0e4736",
		"user-agent", "curl/8", "accept", "*/*", "x-forwarded-for", "203.0.113.7", "x-forwarded-proto", "https", "accept-encoding", "gzip")
	q.Attributes.ContextExtensions = map[string]string{"scopes": "read"}

	sample, err := service.Check(b.Context(), q)
	if err != nil || sample.GetOkResponse() == nil {
		b.Fatalf("%v %v", sample, err)
	}
	b.Run("server=halberd", func(b *testing.B) {
		s := extauthz.NewServer(service, nil, func() bool { return true })
		ask(b, q, s.Serve, s.Close)
	})
	b.Run("server=bare", func(b *testing.B) {
		bare := grpc.NewServer()
		authv3.RegisterAuthorizationServer(bare, &blind{answer: proto.CloneOf(sample)})
		ask(b, q, bare.Serve, bare.Stop)
	})
	b.Run("decision", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := service.Check(b.Context(), q); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// ask asks on one connection from several goroutines, as a gateway does.
func ask(b *testing.B, q *authv3.CheckRequest, serve func(net.Listener) error, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = serve(l) }()
	defer stop()
	c, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	client := authv3.NewAuthorizationClient(c)
	b.ReportAllocs()
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if a, err := client.Check(b.Context(), q); err != nil || a.GetStatus().GetCode() != 0 {
				b.Error(a, err)
				return
			}
		}
	})
}
