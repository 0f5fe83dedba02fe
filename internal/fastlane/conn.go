package fastlane

import (
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"sync"
	"time"
)

// listener hands out connections whose deadlines cost next to nothing. Those of
// TLS keep theirs: fasthttp must know them, and there a deadline is the least of
// what a request costs.
type listener struct {
	net.Listener
	quiet       *quiet
	read, write time.Duration // by how much a deadline may come early
}

// Accept implements net.Listener. fasthttp would take any error for the end of the
// listener; too many open files pass.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	for wait := 5 * time.Millisecond; passing(err); wait = min(2*wait, time.Second) {
		<-time.After(wait)
		c, err = l.Listener.Accept()
	}
	if err != nil {
		return nil, err
	}
	if t, ok := c.(*tls.Conn); ok {
		n := &secure{Conn: t, quiet: l.quiet}
		l.quiet.add(n)
		return n, nil
	}
	n := &conn{Conn: c, quiet: l.quiet, from: remote(c.RemoteAddr()), read: deadline{early: l.read}, write: deadline{early: l.write}}
	l.quiet.add(n)
	return n, nil
}

// passing reports whether what kept a listener from accepting will be over.
func passing(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Temporary() //nolint:staticcheck // what net/http goes by as well, and nothing else says it
}

// conn sets a deadline when something is about to wait for it, and not anew for
// every request: the loop asks for three a request, and most requests have come
// whole before the second. One goroutine reads, writes and sets deadlines; others
// may only close.
type conn struct {
	net.Conn
	quiet       *quiet
	from        string // the other end, as net/http writes it
	read, write deadline
	answered    bool // since something was read
	asked       bool // something was read
}

// deadline is the one that is wanted and the one that is set, which is never
// later, and earlier by no more than early. The zero time is none.
type deadline struct {
	wanted, set time.Time
	early       time.Duration
}

// due reports whether the one that is wanted must be set, and takes it for set.
func (d *deadline) due() bool {
	if d.wanted.IsZero() == d.set.IsZero() {
		if late := d.wanted.Sub(d.set); late >= 0 && late <= d.early {
			return false
		}
	}
	d.set = d.wanted
	return true
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.read.wanted = t
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.write.wanted = t
	return nil
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.read.wanted, c.write.wanted = t, t
	return nil
}

// Read implements net.Conn. Right after an answer it lets others go first: on a
// busy server the next request is there when it is its turn again, and need not be
// looked for in vain, waited for and woken for.
func (c *conn) Read(b []byte) (int, error) {
	if c.answered {
		c.answered = false
		runtime.Gosched()
	}
	if c.read.due() {
		if err := c.Conn.SetReadDeadline(c.read.set); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Read(b)
	if !c.asked && n > 0 {
		c.asked = true
		c.quiet.leave(c)
	}
	return n, err
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.quiet.leave(c)
	return c.Conn.Close()
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	if c.write.due() {
		if err := c.Conn.SetWriteDeadline(c.write.set); err != nil {
			return 0, err
		}
	}
	c.answered = true
	return c.Conn.Write(b)
}

// secure is a connection of TLS.
type secure struct {
	*tls.Conn
	quiet *quiet
	asked bool // something was read, after TLS was agreed on
}

// Read implements net.Conn.
func (c *secure) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.asked && n > 0 {
		c.asked = true
		c.quiet.leave(c)
	}
	return n, err
}

// Close implements net.Conn.
func (c *secure) Close() error {
	c.quiet.leave(c)
	return c.Conn.Close()
}

// quiet are the open connections from which nothing has come. The zero value is
// ready.
type quiet struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func (q *quiet) add(c net.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.conns == nil {
		q.conns = map[net.Conn]struct{}{}
	}
	q.conns[c] = struct{}{}
}

func (q *quiet) leave(c net.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.conns, c)
}

// end closes them all.
func (q *quiet) end() {
	q.mu.Lock()
	all := q.conns
	q.conns = nil
	q.mu.Unlock()
	for c := range all {
		_ = c.Close()
	}
}
