package extauthz

import (
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/gateway"
)

// pipes is a listener to which everybody connects at once.
type pipes struct{}

func (pipes) Accept() (net.Conn, error) {
	here, _ := net.Pipe()
	return here, nil
}
func (pipes) Close() error   { return nil }
func (pipes) Addr() net.Addr { return &net.TCPAddr{} }

// So many connections are open at once and no more; who closes one twice makes
// room for one; and a stop does not wait for room.
func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &bounded{Listener: pipes{}, room: make(chan struct{}, 2), closed: make(chan struct{})}
		in := make(chan net.Conn, 10)
		ended := make(chan error, 1)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					ended <- err
					return
				}
				in <- c
			}
		}()
		synctest.Wait()
		if len(in) != 2 {
			t.Fatalf("%d connections, want 2", len(in))
		}
		first := <-in
		_, _ = first.Close(), first.Close()
		synctest.Wait()
		if len(in) != 2 {
			t.Errorf("%d connections beside the closed one, want 2", len(in))
		}
		_, _ = l.Close(), l.Close()
		synctest.Wait()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// A panic of ours is a no, and the process goes on. What was sent is not logged.
func TestAPanicIsANo(t *testing.T) {
	var said strings.Builder
	doors := gateway.New(func() *halberd.Service { panic("hb_live_secret") }, nil)
	s := New(doors, slog.New(slog.NewTextHandler(&said, nil)))
	a, err := s.Check(t.Context(), &authv3.CheckRequest{})
	if err != nil || a.GetStatus().GetCode() != 14 || a.GetDeniedResponse().GetStatus().GetCode() != 503 {
		t.Errorf("%v %v", a, err)
	}
	if text := said.String(); !strings.Contains(text, "panic in ext_authz") || strings.Contains(text, "hb_live_secret") {
		t.Errorf("the log: %s", text)
	}
}
