//go:build linux

package prove

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
)

// proxies is the network where namespaces are not to be had: all on the
// loopback, with a proxy between each node and the database that stops passing
// on what it reads.
type proxies struct {
	nodes []*proxy
}

func openProxies(t testing.TB, nodes int) *proxies {
	t.Helper()
	p := &proxies{}
	for range nodes {
		p.nodes = append(p.nodes, &proxy{t: t, at: map[int]string{}, to: map[int]int{}, open: map[net.Conn]struct{}{}, gates: map[direction]*gate{asks: newGate(), answers: newGate()}})
	}
	t.Cleanup(func() {
		for _, one := range p.nodes {
			one.close()
		}
	})
	return p
}

func (p *proxies) under(int) []string { return nil }
func (p *proxies) host(int) string    { return "127.0.0.1" }
func (p *proxies) name() string       { return "proxies on the loopback" }

func (p *proxies) port(t testing.TB, _ int) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (p *proxies) database(t testing.TB, node, port int) (string, int) {
	t.Helper()
	host, at, err := net.SplitHostPort(p.nodes[node].before(port))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(at)
	if err != nil {
		t.Fatal(err)
	}
	return host, n
}

func (p *proxies) cut(node int, which direction) {
	if which != asks {
		p.nodes[node].gates[answers].shut()
	}
	if which != answers {
		p.nodes[node].gates[asks].shut()
	}
}

func (p *proxies) heal(node int) {
	p.nodes[node].gates[answers].open()
	p.nodes[node].gates[asks].open()
}

// redirect makes a node find another database where it found one, as an address
// that moves does. What was connected is cut.
func (p *proxies) redirect(node, from, to int) {
	one := p.nodes[node]
	one.before(from)
	one.mu.Lock()
	defer one.mu.Unlock()
	one.to[from] = to
	for c := range one.open {
		c.Close()
	}
}

// proxy is one node's.
type proxy struct {
	t     testing.TB
	gates map[direction]*gate // asks, answers

	mu        sync.Mutex
	at        map[int]string // where the node finds the database, by its port
	to        map[int]int    // and the port that it is led to
	listeners []net.Listener
	open      map[net.Conn]struct{}
	done      sync.WaitGroup
	closed    bool
}

// before is where the node finds the database that listens on a port.
func (p *proxy) before(port int) string {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := p.at[port]; ok {
		return at
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	p.at[port], p.to[port], p.listeners = l.Addr().String(), port, append(p.listeners, l)
	p.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.done.Go(func() { p.carry(c, port) })
		}
	})
	return p.at[port]
}

// carry passes on what a connection says until either side ends.
func (p *proxy) carry(in net.Conn, port int) {
	defer in.Close()
	if !p.keep(in) {
		return
	}
	defer p.drop(in)
	if !p.gates[asks].pass() {
		return
	}
	p.mu.Lock()
	to := p.to[port]
	p.mu.Unlock()
	out, err := new(net.Dialer).DialContext(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(to)))
	if err != nil {
		return
	}
	defer out.Close()
	if !p.keep(out) {
		return
	}
	defer p.drop(out)
	var both sync.WaitGroup
	way := func(to, from net.Conn, g *gate) {
		both.Go(func() {
			defer to.Close()
			defer from.Close()
			_, _ = io.Copy(&gated{to, g}, from)
		})
	}
	way(out, in, p.gates[asks])
	way(in, out, p.gates[answers])
	both.Wait()
}

func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[c] = struct{}{}
	return !p.closed
}

func (p *proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

func (p *proxy) close() {
	p.mu.Lock()
	p.closed = true
	for _, l := range p.listeners {
		l.Close()
	}
	for c := range p.open {
		c.Close()
	}
	p.mu.Unlock()
	for _, g := range p.gates {
		g.end()
	}
	p.done.Wait()
}

// gate lets through while it is open.
type gate struct {
	mu     sync.Mutex
	opened chan struct{} // closed while open
	ended  chan struct{}
	once   sync.Once
}

func newGate() *gate {
	g := &gate{opened: make(chan struct{}), ended: make(chan struct{})}
	close(g.opened)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.opened:
		g.opened = make(chan struct{})
	default:
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.opened:
	default:
		close(g.opened)
	}
}

func (g *gate) end() { g.once.Do(func() { close(g.ended) }) }

// pass waits until it is open; false: it never will be.
func (g *gate) pass() bool {
	for {
		g.mu.Lock()
		opened := g.opened
		g.mu.Unlock()
		select {
		case <-g.ended:
			return false
		case <-opened:
			return true
		}
	}
}

type gated struct {
	net.Conn
	gate *gate
}

func (g *gated) Write(p []byte) (int, error) {
	if !g.gate.pass() {
		return 0, io.ErrClosedPipe
	}
	return g.Conn.Write(p)
}
