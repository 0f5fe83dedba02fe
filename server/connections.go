package server

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// connections bounds what strangers can hold open on a listener, and keeps it
// open for whoever has something to say. The bound in total makes room for a
// newcomer by ending the connection that has waited longest without having been
// answered once: under a flood of connections that only wait, these are the
// flood's, since an honest one is answered within moments. The bound for one
// address keeps one machine from taking the whole, whatever it says.
type connections struct {
	most       int
	perAddress int
	// alone reports whether the bound for one address is not for this one:
	// gateways stand for many.
	alone func(netip.Addr) bool
	ended *prometheus.CounterVec // by why

	mu      sync.Mutex // guards what follows
	open    int
	from    map[netip.Prefix]int // open ones that are bounded; none is 0
	unheard list.List            // of *connection, that were not answered yet; the oldest in front
}

// Why a connection was ended by its bound, as a label.
const (
	endedForAddress = "address" // its address has as many as it may
	endedForTotal   = "total"   // there was no room
	endedForOther   = "waiting" // it waited, and another one came
)

func newConnections(most, perAddress int, alone func(netip.Addr) bool, in *prometheus.Registry) *connections {
	c := &connections{most: most, perAddress: perAddress, alone: alone, from: map[netip.Prefix]int{}}
	c.ended = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "halberd_connections_ended_total",
		Help: "Connections to the public listener and the one for checks that a bound ended.",
	}, []string{"why"})
	for _, why := range []string{endedForAddress, endedForTotal, endedForOther} {
		c.ended.WithLabelValues(why)
	}
	in.MustRegister(c.ended, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "halberd_connections",
		Help: "Open connections to the public listener and the one for checks.",
	}, func() float64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return float64(c.open)
	}))
	return c
}

// bound is l within the bounds.
func (c *connections) bound(l net.Listener) net.Listener { return boundListener{l, c} }

type boundListener struct {
	net.Listener
	all *connections
}

// Accept implements net.Listener.
func (l boundListener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.all.admit(raw); c != nil {
			return c, nil
		}
		abort(raw)
	}
}

// connection is one that counts, until it is closed.
type connection struct {
	net.Conn
	all  *connections
	from netip.Prefix // not valid: the bound for one address is not for it

	heard atomic.Bool // it was answered; spares later answers the lock

	// Guarded by all.mu.
	place *list.Element // in unheard; nil once it was answered
	gone  bool
}

// answered is called after every answer.
func (c *connection) answered() {
	if c.heard.Load() {
		return
	}
	c.heard.Store(true)
	c.all.mu.Lock()
	c.all.hear(c)
	c.all.mu.Unlock()
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.all.mu.Lock()
	c.all.leave(c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite is how net/http lets an answer arrive before it closes a connection
// of which something is unread: without it, the system resets the connection.
func (c *connection) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// admit is nil where there is no room.
func (c *connections) admit(raw net.Conn) net.Conn {
	n := &connection{Conn: raw, all: c, from: c.prefix(raw.RemoteAddr())}
	c.mu.Lock()
	if n.from.IsValid() && c.from[n.from] >= c.perAddress {
		c.mu.Unlock()
		c.ended.WithLabelValues(endedForAddress).Inc()
		return nil
	}
	var oldest *connection
	if c.open >= c.most {
		front := c.unheard.Front()
		if front == nil {
			c.mu.Unlock()
			c.ended.WithLabelValues(endedForTotal).Inc()
			return nil
		}
		oldest = front.Value.(*connection) //nolint:forcetypeassert // only these are in it
		c.leave(oldest)
	}
	c.open++
	if n.from.IsValid() {
		c.from[n.from]++
	}
	n.place = c.unheard.PushBack(n)
	c.mu.Unlock()
	if oldest != nil {
		abort(oldest.Conn)
		c.ended.WithLabelValues(endedForOther).Inc()
	}
	return n
}

// leave counts a connection no more. Called with mu held.
func (c *connections) leave(n *connection) {
	if n.gone {
		return
	}
	n.gone = true
	c.open--
	c.hear(n)
	if !n.from.IsValid() {
		return
	}
	if c.from[n.from]--; c.from[n.from] == 0 {
		delete(c.from, n.from)
	}
}

// hear takes a connection out of those that wait. Called with mu held.
func (c *connections) hear(n *connection) {
	if n.place != nil {
		c.unheard.Remove(n.place)
		n.place = nil
	}
}

// state is the server's ConnState. Idle is what a connection becomes when its
// first request has been answered, or its HTTP/2 has been agreed on.
func (c *connections) state(conn net.Conn, s http.ConnState) {
	if s != http.StateIdle {
		return
	}
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if n, ok := conn.(*connection); ok {
		n.answered()
	}
}

// prefix is what the bound for one address counts by. An IPv6 customer has a
// /64 at least.
func (c *connections) prefix(remote net.Addr) (p netip.Prefix) {
	at, err := netip.ParseAddrPort(remote.String())
	if err != nil { // a Unix socket
		return p
	}
	a := at.Addr().Unmap().WithZone("")
	if c.alone(a) {
		return p
	}
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ = a.Prefix(bits) // of an address that has so many
	return p
}

// abort ends a connection without a word and without keeping anything of it.
func abort(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
