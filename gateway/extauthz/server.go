package extauthz

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

// What one server takes. A gateway has a few connections and many requests on
// each. A question larger than maxMessage is an error of gRPC, so it is far
// above what Envoy takes from a client (60 KiB of headers, unless told more).
const (
	maxConnections = 1024
	maxStreams     = 1024 // at once on a connection; more wait
	maxMessage     = 256 << 10
	maxMetadata    = 16 << 10 // of a gRPC call, which is not the client's request

	// workers are goroutines that answer one call after the other: the stack of a
	// new one must grow for each, which is a tenth of a call. Where all are busy, a
	// call gets a new one after all.
	workers = 64
)

// Server answers on one listener.
type Server struct {
	grpc *grpc.Server
}

// NewServer makes a server of a service; without certificates it speaks plain
// HTTP/2. It also answers grpc.health.v1, for the whole and by the name
// envoy.service.auth.v3.Authorization: it serves while ready says so.
func NewServer(s *Service, certificates *tls.Config, ready func() bool) *Server {
	options := []grpc.ServerOption{
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxSendMsgSize(maxMessage),
		grpc.MaxHeaderListSize(maxMetadata),
		grpc.ConnectionTimeout(5 * time.Second),
		grpc.WaitForHandlers(true),
		grpc.NumStreamWorkers(workers),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 5 * time.Minute, Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	}
	if certificates != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(certificates)))
	}
	g := grpc.NewServer(options...)
	authv3.RegisterAuthorizationServer(g, s)
	healthv1.RegisterHealthServer(g, &health{ready: ready})
	return &Server{g}
}

// Serve answers until Shutdown; it returns nil then.
func (s *Server) Serve(l net.Listener) error {
	err := s.grpc.Serve(&bounded{Listener: l, room: make(chan struct{}, maxConnections), closed: make(chan struct{})})
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// Shutdown takes no new questions and lets those under way be answered, until
// ctx ends; then it cuts them off and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
		return ctx.Err()
	}
}

// Close cuts off what is under way, if Shutdown has not been there before.
func (s *Server) Close() { s.grpc.Stop() }

// health is grpc.health.v1. Watch, whose calls end when the client likes, is
// not there: a stop would wait for them.
type health struct {
	healthv1.UnimplementedHealthServer
	ready func() bool
}

// Check implements grpc.health.v1.Health.
func (h *health) Check(_ context.Context, q *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	if name := q.GetService(); name != "" && name != authv3.Authorization_ServiceDesc.ServiceName {
		return nil, status.Error(codes.NotFound, "no such service")
	}
	if !h.ready() {
		return &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_NOT_SERVING}, nil
	}
	return &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_SERVING}, nil
}

// bounded is a listener with so many connections open at once; the next waits
// in the system's queue until one of them is closed.
type bounded struct {
	net.Listener
	room   chan struct{}
	once   sync.Once
	closed chan struct{}
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.room <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.room
		return nil, err
	}
	return &held{Conn: c, leave: sync.OnceFunc(func() { <-b.room })}, nil
}

// Close implements net.Listener.
func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// held is a connection that has a place in a bounded listener.
type held struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (h *held) Close() error {
	defer h.leave()
	return h.Conn.Close()
}
