package server

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
)

// dialed is a net.Listener whose callers are pipes, with the addresses that a
// test gives them.
type dialed struct{ calls chan net.Conn }

func (d dialed) Accept() (net.Conn, error) {
	c, open := <-d.calls
	if !open {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (d dialed) Close() error   { close(d.calls); return nil }
func (d dialed) Addr() net.Addr { return &net.TCPAddr{} }

type pipe struct {
	net.Conn
	from string
}

func (p pipe) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(p.from), 1))
}

// bounded is a server within bounds, and how to call it.
func bounded(t *testing.T, most, perAddress int) (*connections, func(from string) net.Conn) {
	all := newConnections(most, perAddress, netip.Addr.IsLoopback, prometheus.NewRegistry())
	s := &http.Server{ // no clock in it: nothing but the bounds may end a connection
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }),
		ConnState: all.state,
	}
	l := dialed{make(chan net.Conn)}
	go func() { _ = s.Serve(all.bound(l)) }()
	t.Cleanup(func() { _ = s.Close() })
	return all, func(from string) net.Conn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _ = ours.Close() })
		l.calls <- pipe{theirs, from}
		synctest.Wait()
		return ours
	}
}

// answered sends a request; false: the connection was ended.
func answered(c net.Conn) bool {
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return false
	}
	_, err := c.Read(make([]byte, 512))
	synctest.Wait()
	return err == nil
}

// who only waits makes room for who asks.
func TestAFullListenerEndsTheConnectionThatHasWaitedLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, call := bounded(t, 3, 100)
		honest := call("192.0.2.1")
		if !answered(honest) {
			t.Fatal("refused with room to spare")
		}
		var waiting []net.Conn
		for range 10 {
			waiting = append(waiting, call("192.0.2.2"))
		}
		newcomer := call("192.0.2.3")
		if !answered(newcomer) || !answered(honest) {
			t.Error("the flood keeps others out")
		}
		if all.open != 3 || all.unheard.Len() != 1 {
			t.Errorf("%d open, %d waiting", all.open, all.unheard.Len())
		}
		last := slices.IndexFunc(waiting, answered)
		if last != len(waiting)-1 {
			t.Errorf("number %d of those that waited is there: want the last only", last)
		}
		// Nobody waits any more, and nobody who was answered is ended.
		if answered(call("192.0.2.4")) || !answered(honest) || !answered(newcomer) {
			t.Error("one too many was let in, or in the place of one who was there")
		}
		_ = honest.Close()
		synctest.Wait()
		if !answered(call("192.0.2.4")) {
			t.Error("room again, and nobody is let in")
		}
	})
}

func TestOneAddressHoldsSoManyAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, call := bounded(t, 100, 2)
		first, second := call("2001:db8::1"), call("2001:db8::2")
		if !answered(first) || !answered(second) {
			t.Error("two are refused")
		}
		if answered(call("2001:db8::3")) {
			t.Error("a third of one /64 is let in")
		}
		if !answered(first) {
			t.Error("those that are there suffer from the third")
		}
		if !answered(call("2001:db8:0:1::1")) || !answered(call("192.0.2.1")) {
			t.Error("other addresses suffer from the third")
		}
		for range 5 {
			if !answered(call("127.0.0.1")) || !answered(call("::ffff:127.0.0.1")) {
				t.Error("a proxy on the same machine is bounded")
			}
		}
		if answered(call("::ffff:192.0.2.1")) != true || answered(call("::ffff:192.0.2.1")) {
			t.Error("an address in IPv6's dress is not the same")
		}
		_ = first.Close()
		synctest.Wait()
		if !answered(call("2001:db8::3")) {
			t.Error("one has gone, and nobody is let in")
		}
		if all.from[netip.MustParsePrefix("2001:db8::/64")] != 2 {
			t.Errorf("%v", all.from)
		}
	})
}

func TestWhoHasGoneIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, call := bounded(t, 10, 10)
		for range 5 {
			c := call("192.0.2.1")
			answered(c)
			_ = c.Close()
			_ = call("192.0.2.2").Close()
		}
		synctest.Wait()
		if all.open != 0 || len(all.from) != 0 || all.unheard.Len() != 0 {
			t.Errorf("%d open, %v, %d waiting", all.open, all.from, all.unheard.Len())
		}
	})
}
