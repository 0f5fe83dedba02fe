// Package gateways_test runs the configurations of this folder as they stand:
// nginx, Caddy and HAProxy of Debian, with an API behind them and a real hb
// beside them. Only the three addresses that every file names are replaced.
package gateways_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/halberdhq/halberd/internal/fixture"
)

// The addresses in the files, and what they are.
const (
	halberdAddress = "127.0.0.1:8080"
	apiAddress     = "127.0.0.1:8081"
	gatewayAddress = "127.0.0.1:8000"
)

// built is where hb is built, once, by the first test that needs it.
var built string

var hb = sync.OnceValues(func() (string, error) {
	exe := filepath.Join(built, "hb")
	if out, err := exec.Command("go", "build", "-o", exe, "../../cmd/hb").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building hb: %w\n%s", err, out)
	}
	return exe, nil
})

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "hb-*"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(built)
	os.Exit(code)
}

// free is an address that nothing listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// shortDir is a folder whose path leaves room for a socket's name, and that
// nginx, which gives root away, can enter.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hbg-*") //nolint:usetesting // its path has the test's name in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// written is what a process said.
type written struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// process is a program that runs until stop, and no longer than its test.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	said *written
	done chan struct{}
}

// run starts a program.
func run(t *testing.T, exe string, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, said: &written{}, done: make(chan struct{})}
	p.cmd = exec.Command(exe, args...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(p.stop)
	return p
}

// stop ends the program, and all that it started.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// kill ends it without a word.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// eventually waits for what another process does and does not announce.
func (p *process) eventually(what string, ok func() bool) {
	p.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-p.done:
			p.t.Fatalf("it ended without %s:\n%s", what, p.said)
		case <-timeout:
			p.t.Fatalf("20 s passed without %s:\n%s", what, p.said)
		}
	}
}

// listens waits until an address takes connections.
func (p *process) listens(address string) {
	p.t.Helper()
	p.eventually("listening on "+address, func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// seen is a request as it reached the API.
type seen struct {
	method, target string
	header         http.Header
	body           string
}

// api is what a gateway protects. It keeps what reaches it.
type api struct {
	*httptest.Server
	live *fixture.Live // for requests that are not answered at once
	mu   sync.Mutex
	seen []seen
}

func openAPI(t *testing.T) *api {
	t.Helper()
	a := &api{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		a.mu.Lock()
		a.seen = append(a.seen, seen{r.Method, r.RequestURI, r.Header.Clone(), string(body)})
		a.mu.Unlock()
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || r.Header.Get("Accept") == "text/event-stream" {
			a.live.ServeHTTP(w, r)
			return
		}
		fmt.Fprintf(w, "the API: %s %s", r.Method, body)
	}))
	t.Cleanup(a.Close)
	a.live = fixture.NewLive(t, func(r *http.Request) string { return strings.Join(r.Header.Values("X-Auth-Key-Id"), " and ") })
	return a
}

func (a *api) address() string { return a.Listener.Addr().String() }

// take returns what came since the last time.
func (a *api) take() []seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.seen
	a.seen = nil
	return seen
}

// answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   string
}

// code is the code of a refusal; empty where the body is none in JSON.
func (a answer) code() string {
	var v struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal([]byte(a.body), &v) != nil {
		return ""
	}
	return v.Error.Code
}

// raw sends a request as it stands, to the byte: no library tidies it.
func raw(t *testing.T, address, method, target string, lines ...string) answer {
	t.Helper()
	a, err := tryRaw(address, method, target, lines...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return a
}

func tryRaw(address, method, target string, lines ...string) (answer, error) {
	c, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return answer{}, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	text := method + " " + target + " HTTP/1.1\r\nHost: " + address + "\r\nConnection: close\r\n" +
		strings.Join(append(lines, "", ""), "\r\n")
	if _, err := io.WriteString(c, text); err != nil {
		return answer{}, err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(body)}, err
}
