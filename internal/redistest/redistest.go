// Package redistest gives tests a Redis of their own: Debian's redis-server, on
// a free port, keeping nothing. Only tests import it.
package redistest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Server is a running Redis. It ends with the test.
type Server struct {
	port    int
	dir     string // where it leaves what it was told to SAVE, and finds it at the next start
	process *exec.Cmd
}

// Start starts one. Where redis-server is not installed the test is skipped;
// under CI, or for root, who could install it, it fails.
func Start(t testing.TB) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "true" && os.Geteuid() != 0 {
			t.Skip("no Redis (Debian's package redis-server)")
		}
		t.Fatal("no Redis: install Debian's package redis-server")
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{port: l.Addr().(*net.TCPAddr).Port, dir: t.TempDir()} //nolint:forcetypeassert // of a TCP listener
	_ = l.Close()
	s.Restart(t)
	t.Cleanup(s.Kill)
	return s
}

// Address is the server's, as a URL.
func (s *Server) Address() string { return fmt.Sprintf("redis://127.0.0.1:%d/0", s.port) }

// Do sends a command of plain words, and waits for its answer.
func (s *Server) Do(t testing.TB, words ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "redis-cli", append([]string{"-p", strconv.Itoa(s.port)}, words...)...).CombinedOutput() //nolint:gosec // a test says what
	if err != nil {
		t.Fatalf("redis-cli %v: %v: %s", words, err, out)
	}
}

// Signal sends the process a signal.
func (s *Server) Signal(signal os.Signal) { _ = s.process.Process.Signal(signal) }

// Kill ends the server, as a crash would, and waits for the end.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	s.Signal(syscall.SIGKILL)
	_ = s.process.Wait() // it was killed
	s.process = nil
}

// Restart starts a server that has ended on its port, empty unless it was told to
// SAVE.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.process = exec.Command("redis-server", "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", //nolint:noctx,gosec // it outlives the call; the port is ours
		"--save", "", "--appendonly", "no", "--dir", s.dir, "--loglevel", "warning")
	endWithParent(s.process)
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			_ = c.Close()
			return
		}
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(deadline) {
			t.Fatalf("redis-server does not answer: %v", err)
		}
		<-time.After(10 * time.Millisecond)
	}
}
