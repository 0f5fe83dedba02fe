package server_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// envoy is a gateway that asks by gRPC.
type envoy struct {
	t *testing.T
	c *grpc.ClientConn
}

func dialEnvoy(t *testing.T, target string, trust credentials.TransportCredentials) envoy {
	t.Helper()
	c, err := grpc.NewClient(target, grpc.WithTransportCredentials(trust))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return envoy{t, c}
}

// code asks about a request on a route that says what it needs.
func (e envoy) code(key, scopes string) int32 {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), 10*time.Second)
	defer cancel()
	a, err := authv3.NewAuthorizationClient(e.c).Check(ctx, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: map[string]string{"scopes": scopes},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Method: "GET", Path: "/", Headers: map[string]string{"x-api-key": key},
		}},
	}})
	if err != nil {
		e.t.Fatal(err)
	}
	return a.GetStatus().GetCode()
}

// address is what the log says that ext_authz is answered on.
func (p *process) extAuthz() string {
	p.t.Helper()
	p.logs("ext_authz is answered")
	_, rest, _ := strings.Cut(p.log.String(), "ext_authz is answered")
	_, rest, _ = strings.Cut(rest, "listen=")
	at, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(at)
}

// The gRPC door of a real server, revocation included, and its end: a stop is
// clean with the gateway's connection open.
func TestGatewaysAskByGRPC(t *testing.T) {
	p := serve(t, shortDir(t), "--ext-authz-listen", "127.0.0.1:0")
	p.logs("ready")
	e := dialEnvoy(t, p.extAuthz(), insecure.NewCredentials())
	k := p.create("gateway")
	if got := e.code(k.secret, "read"); got != 0 {
		t.Errorf("a good key: %d", got)
	}
	if got := e.code(k.secret, "admin"); got != 7 {
		t.Errorf("a key without the scope: %d", got)
	}
	p.revoke(k)
	if got := e.code(k.secret, "read"); got != 16 {
		t.Errorf("a revoked key: %d", got)
	}
	if a, err := healthv1.NewHealthClient(e.c).Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil || a.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("%v %v", a, err)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("it ended with %d:\n%s", code, p.log)
	}
	if strings.Contains(p.log.String(), "cut off") || strings.Contains(p.log.String(), k.secret) {
		t.Errorf("the log:\n%s", p.log)
	}
}

// With a certificate the gRPC door has TLS, and nothing else gets an answer.
func TestGatewaysAskByTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	roots := certificate(t, cert, key, "gateway")
	p := serve(t, shortDir(t), "--tls-cert", cert, "--tls-key", key, "--ext-authz-listen", "127.0.0.1:0")
	p.logs("ready")
	e := dialEnvoy(t, p.extAuthz(), credentials.NewClientTLSFromCert(roots, ""))
	if got := e.code("hb_live_abc", "read"); got != 16 {
		t.Errorf("%d", got)
	}
	plain := dialEnvoy(t, p.extAuthz(), insecure.NewCredentials())
	if _, err := authv3.NewAuthorizationClient(plain.c).Check(t.Context(), &authv3.CheckRequest{}); err == nil {
		t.Error("it answers without TLS")
	}
}

// A socket is for the owner and the group, and goes with the server.
func TestGatewaysAskOnASocket(t *testing.T) {
	dir := shortDir(t)
	path := filepath.Join(dir, "gate.sock")
	p := serve(t, filepath.Join(dir, "data"), "--ext-authz-listen", "unix:"+path)
	p.logs("ready")
	at, err := os.Stat(path)
	if err != nil || at.Mode().Perm() != 0o660 {
		t.Fatalf("%v %v", at, err)
	}
	e := dialEnvoy(t, "unix:"+path, insecure.NewCredentials())
	if got := e.code(p.create("gateway").secret, "read"); got != 0 {
		t.Errorf("%d", got)
	}
	p.stop()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// A door that cannot be opened is a start that failed, not one door less.
func TestAGRPCAddressThatIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := launch(t, shortDir(t), "--ext-authz-listen", l.Addr().String())
	if code := p.wait(); code != 1 || !strings.Contains(p.log.String()+p.out.String(), "--ext-authz-listen") {
		t.Errorf("%d:\n%s", code, p.log)
	}
	p = serve(t, shortDir(t), "--ext-authz-listen", "0.0.0.0:0")
	p.logs("NO TLS")
}
