package fastlane

import (
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"time"
)

// listener hands out connections whose deadlines cost next to nothing. Those of
// TLS are handed on as they are: fasthttp must know them, and there a deadline
// is the least of what a request costs.
type listener struct {
	net.Listener
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
	if _, secure := c.(*tls.Conn); secure {
		return c, nil
	}
	return &conn{Conn: c, from: remote(c.RemoteAddr()), read: deadline{early: l.read}, write: deadline{early: l.write}}, nil
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
	from        string // the other end, as net/http writes it
	read, write deadline
	answered    bool // since something was read
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
	return c.Conn.Read(b)
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
