package pgtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// Fault stands before a Server and passes on what is said, until a client says
// certain words: then, once, every connection through it is lost, and the next few
// are as soon as they are made.
type Fault struct {
	server   *Server
	listener net.Listener
	words    []byte
	done     sync.WaitGroup

	mu     sync.Mutex // guards the rest
	struck bool
	refuse int // connections that are still to be lost
	open   map[net.Conn]struct{}
}

// Fault makes one that ends with the test.
func (s *Server) Fault(t testing.TB, words string, refuse int) *Fault {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &Fault{server: s, listener: l, words: []byte(words), refuse: refuse, open: map[net.Conn]struct{}{}}
	f.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.done.Go(func() { f.carry(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		f.cut()
		f.done.Wait()
	})
	return f
}

// Address is a database's, as Server.Address has it, through the Fault.
func (f *Fault) Address(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", f.listener.Addr(), database)
}

// Struck reports whether the words were said.
func (f *Fault) Struck() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.struck
}

func (f *Fault) carry(in net.Conn) {
	defer func() { _ = in.Close() }()
	out, err := new(net.Dialer).DialContext(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", f.server.port))
	if err != nil {
		return
	}
	defer func() { _ = out.Close() }()
	if !f.keep(in, out) {
		return
	}
	f.done.Go(func() {
		defer func() { _ = in.Close() }()
		_, _ = io.Copy(in, out)
	})
	said := make([]byte, 64<<10)
	for {
		n, err := in.Read(said)
		if err != nil {
			return
		}
		if bytes.Contains(said[:n], f.words) && f.strike() {
			return
		}
		if _, err := out.Write(said[:n]); err != nil {
			return
		}
	}
}

// keep notes a connection, unless it is one to be lost.
func (f *Fault) keep(both ...net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.struck && f.refuse > 0 {
		f.refuse--
		return false
	}
	for _, c := range both {
		f.open[c] = struct{}{}
	}
	return true
}

// strike reports whether it did: it does so once.
func (f *Fault) strike() bool {
	f.mu.Lock()
	former := f.struck
	f.struck = true
	f.mu.Unlock()
	if !former {
		f.cut()
	}
	return !former
}

func (f *Fault) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.open {
		_ = c.Close()
	}
	clear(f.open)
}
