package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrAbsent says that PostgreSQL's programs are not installed.
var ErrAbsent = errors.New("no PostgreSQL (Debian's package postgresql)")

// Options say what a Server is like. The zero value is durable and empty.
type Options struct {
	Dir      string   // empty: a new temporary folder; otherwise one that Server.Dir told of
	Port     int      // 0: a free one
	Settings []string // name=value, as in postgresql.conf
}

// Server is a running PostgreSQL. It ends with the process that started it,
// however that ends.
type Server struct {
	dir  string
	data string
	port int

	mu      sync.Mutex // guards the rest
	process *os.Process
	ended   chan struct{} // closed when the process has
	log     []string      // its last lines
}

// startTime bounds how long initdb, and the start of a server, may take.
const startTime = time.Minute

// Start starts a server, in a new folder or in one that a server left.
func Start(o Options) (_ *Server, err error) {
	s := &Server{dir: o.Dir, port: o.Port}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "hpg-*"); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				_ = os.RemoveAll(s.dir)
			}
		}()
	}
	s.data = filepath.Join(s.dir, "data")
	if err := s.initialize(); err != nil {
		return nil, err
	}
	for range 3 { // a port that was free may be taken in the meantime
		if o.Port == 0 {
			if s.port, err = freePort(); err != nil {
				return nil, err
			}
		}
		if err = s.run(o.Settings); err == nil {
			return s, nil
		}
	}
	return nil, err
}

// Dir is the server's folder: the socket, and the data.
func (s *Server) Dir() string { return s.dir }

// Data is the folder that initdb made.
func (s *Server) Data() string { return s.data }

// Port is where the server listens, on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Address is a database's, over TCP, for the superuser, who needs no password.
func (s *Server) Address(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// SocketAddress is a database's, over the Unix socket.
func (s *Server) SocketAddress(database string) string {
	return fmt.Sprintf("postgres://postgres@/%s?host=%s&port=%d", database, s.dir, s.port)
}

// Log is the last lines of the server's log.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.log, "\n")
}

// Kill ends the server and all its sessions at once, without a checkpoint, as a
// crash of its machine would, and waits for the end.
func (s *Server) Kill() { s.Signal(syscall.SIGQUIT) }

// Remove kills the server and removes its folder.
func (s *Server) Remove() {
	s.Kill()
	_ = os.RemoveAll(s.dir)
}

// Signal sends the server a signal that ends it, and waits for the end. SIGINT
// is an orderly stop.
func (s *Server) Signal(signal os.Signal) {
	s.mu.Lock()
	process, ended := s.process, s.ended
	s.mu.Unlock()
	_ = process.Signal(signal) // one that has ended is no harm
	<-ended
}

// Restart starts a server that has ended, in its folder and on its port.
func (s *Server) Restart(settings ...string) error {
	_ = os.Remove(filepath.Join(s.dir, fmt.Sprintf(".s.PGSQL.%d.lock", s.port))) // left by a kill
	return s.run(settings)
}

// Program is the path of one of PostgreSQL's programs.
func Program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%s: %w", name, ErrAbsent)
	}
	return slices.Max(found), nil
}

// Command is one of PostgreSQL's programs, to be run as who owns the data.
func (s *Server) Command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	path, err := Program(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // tests name it
	cmd.Dir = s.dir
	cmd.Env = []string{"LC_ALL=C", "HOME=" + s.dir, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = attributes()
	if cred, err := other(); err != nil {
		return nil, err
	} else if cred != nil {
		cmd.SysProcAttr.Credential = cred
	}
	return cmd, nil
}

// initialize makes the data folder, if it is not there.
func (s *Server) initialize() error {
	if _, err := os.Stat(filepath.Join(s.data, "PG_VERSION")); err == nil {
		return nil
	}
	cred, err := other()
	if err != nil {
		return err
	}
	if err := os.Mkdir(s.data, 0o700); err != nil {
		return err
	}
	if cred != nil {
		for _, dir := range []string{s.dir, s.data} {
			if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
				return err
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	cmd, err := s.Command(ctx, "initdb", "-D", s.data, "-U", "postgres", "--auth=trust", "--no-sync",
		"--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en-US")
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// run starts the server and returns when it is ready, or has failed.
func (s *Server) run(settings []string) error {
	args := []string{"-D", s.data, "-p", fmt.Sprint(s.port), "-k", s.dir}
	for _, setting := range slices.Concat([]string{
		"listen_addresses=127.0.0.1", "max_connections=200", "shared_buffers=32MB", "timezone=Asia/Kathmandu",
	}, settings) {
		args = append(args, "-c", setting)
	}
	cmd, err := s.Command(context.Background(), "postgres", args...)
	if err != nil {
		return err
	}
	output, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	ended, started, ready := make(chan struct{}), make(chan error, 1), make(chan struct{})
	go func() {
		// The system ends the child when the thread that started it ends.
		runtime.LockOSThread()
		defer close(ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			s.follow(output, ready)
			_ = cmd.Wait() // how it ended is in its log
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.mu.Lock()
	s.process, s.ended = cmd.Process, ended
	s.mu.Unlock()
	late := time.NewTimer(startTime)
	defer late.Stop()
	select {
	case <-ready:
		return nil
	case <-ended:
		return fmt.Errorf("PostgreSQL did not start:\n%s", s.Log())
	case <-late.C:
		s.Kill()
		return fmt.Errorf("PostgreSQL was not ready after %s:\n%s", startTime, s.Log())
	}
}

// follow keeps the last lines of the log, and tells when the server is ready.
func (s *Server) follow(output io.Reader, ready chan struct{}) {
	told := false
	for in := bufio.NewScanner(output); in.Scan(); {
		s.mu.Lock()
		s.log = append(s.log, in.Text())
		if len(s.log) > 60 {
			s.log = slices.Delete(s.log, 0, 20)
		}
		s.mu.Unlock()
		if !told && strings.Contains(in.Text(), "database system is ready to accept") {
			told = true
			close(ready)
		}
	}
}

func freePort() (int, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }() // nobody spoke on it
	return l.Addr().(*net.TCPAddr).Port, nil
}
