// Package pgtest gives tests a PostgreSQL of their own: Debian's package, a
// cluster in a temporary folder, on a free port and a socket. Only tests import
// it.
//
//	var postgres pgtest.Shared
//
//	func TestMain(m *testing.M) { m.Run(); postgres.Stop() }
//
//	func TestSomething(t *testing.T) { address := postgres.Empty(t) ... }
//
// Its databases sort by a language's rules and its sessions keep another time
// zone than UTC, so that what relies on either is found.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Shared is the one PostgreSQL of a test binary, started when it is first asked
// for. The zero value is ready to use.
type Shared struct {
	mu      sync.Mutex // guards the next three
	begun   bool
	server  *Server
	err     error
	counter atomic.Int64 // of databases
}

// Stop ends the server, if there is one. TestMain calls it.
func (s *Shared) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		s.server.Remove()
		s.server = nil
	}
}

// Server is the running server. Where PostgreSQL is not installed the test is
// skipped; under CI, or for root, who could install it, it fails.
func (s *Shared) Server(t testing.TB) *Server {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun {
		s.begun = true
		// Nothing here outlives the test, so nothing need be on a disk.
		s.server, s.err = Start(Options{Settings: []string{"fsync=off", "full_page_writes=off"}})
	}
	Need(t, s.err)
	return s.server
}

// Need ends the test if err is not nil: as skipped where PostgreSQL is not
// there and need not be, as failed otherwise.
func Need(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrAbsent) && os.Getenv("CI") != "true" && os.Geteuid() != 0:
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}

// Empty makes an empty database, which ends with the test, and returns its
// address.
func (s *Shared) Empty(t testing.TB) string {
	t.Helper()
	return s.Copy(t, "template1")
}

// Copy makes a database as Empty does, with what is in another, to which nobody
// may be connected.
func (s *Shared) Copy(t testing.TB, template string) string {
	t.Helper()
	server := s.Server(t)
	name := fmt.Sprintf("t%d", s.counter.Add(1))
	server.Do(t, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, pgx.Identifier{template}.Sanitize()))
	t.Cleanup(func() { server.Do(t, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	return server.Address(name)
}

// Do runs a statement as the superuser, in the database named postgres.
func (s *Server) Do(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, s.Address("postgres"))
	if err == nil {
		_, err = c.Exec(ctx, statement)
		err = errors.Join(err, c.Close(ctx))
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", statement, err, s.Log())
	}
}
