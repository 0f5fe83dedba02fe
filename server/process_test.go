package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests below run hb itself: what a start leaves on a disk, what a killed
// process loses and what a signal does cannot be seen from inside.

// hb is the program, built once.
var hb = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "hb-*")
	if err != nil {
		return "", err
	}
	exe := filepath.Join(dir, "hb")
	if out, err := exec.Command("go", "build", raceFlag, "-o", exe, "../cmd/hb").CombinedOutput(); err != nil {
		return dir, fmt.Errorf("building hb: %w\n%s", err, out)
	}
	return exe, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	postgres.Stop()
	if exe, _ := hb(); exe != "" {
		os.RemoveAll(filepath.Dir(exe))
	}
	os.Exit(code)
}

func program(t *testing.T) string {
	t.Helper()
	exe, err := hb()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// shortDir is a folder whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hbt-*") //nolint:usetesting // its path has the test's name in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// outcome is how a verb ended.
type outcome struct {
	out, err string
	code     int
}

func (o outcome) String() string { return fmt.Sprintf("exit %d\n%s%s", o.code, o.out, o.err) }

// run runs a verb to its end.
func run(t *testing.T, args ...string) outcome {
	t.Helper()
	return runEnv(t, nil, args...)
}

func runEnv(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t), args...)
	cmd.Env = append(environ(t), env...)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return outcome{out.String(), words.String(), cmd.ProcessState.ExitCode()}
}

// environ has nothing of ours in it.
func environ(t *testing.T) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
}

// must ends the test unless the verb ended well.
func (o outcome) must(t *testing.T) outcome {
	t.Helper()
	if o.code != 0 {
		t.Fatal(o)
	}
	return o
}

// refused ends the test unless the verb failed with these words.
func (o outcome) refused(t *testing.T, code int, words ...string) {
	t.Helper()
	if o.code != code {
		t.Fatalf("want exit %d, got %v", code, o)
	}
	for _, w := range words {
		if !strings.Contains(o.err, w) {
			t.Errorf("no %q in: %v", w, o)
		}
	}
}

// process is a running server.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	dir  string
	url  string
	out  *lockedBuffer
	log  *lockedBuffer
	done chan struct{} // closed when it has ended
	http *http.Client
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// serve starts a server on dir and waits until it says that it listens.
func serve(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := launch(t, dir, args...)
	if p.url == "" {
		t.Fatalf("the server did not start: %s%s", p.out, p.log)
	}
	return p
}

// launch is serve for starts that may fail: then url is empty.
func launch(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	return launchUnder(t, nil, dir, args...)
}

// launchUnder is launch by a program, such as a shell that sets limits, which
// becomes the server.
func launchUnder(t *testing.T, by []string, dir string, args ...string) *process {
	t.Helper()
	p := &process{t: t, dir: dir, out: &lockedBuffer{}, log: &lockedBuffer{}, done: make(chan struct{})}
	args = append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0"}, args...)
	line := append(append(slices.Clone(by), program(t)), args...)
	p.cmd = exec.Command(line[0], line[1:]...)
	p.cmd.Env = environ(t)
	p.cmd.Stderr = p.log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listens := make(chan string, 1)
	go func() {
		defer close(p.done)
		defer close(listens)
		in := bufio.NewReader(io.TeeReader(stdout, p.out))
		if line, err := in.ReadString('\n'); err == nil {
			listens <- strings.TrimSpace(strings.TrimPrefix(line, "Halberd listens on "))
		}
		_, _ = io.Copy(io.Discard, in)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if strings.Contains(p.log.String(), "DATA RACE") || strings.Contains(p.log.String(), "panic: ") {
			t.Errorf("the server says:\n%s", p.log)
		}
	})
	p.url = <-listens
	p.http = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	t.Cleanup(p.http.CloseIdleConnections)
	return p
}

// stop asks the server to end and returns its exit code.
func (p *process) stop() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	return p.wait()
}

func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.t.Fatalf("the server did not end:\n%s", p.log)
	}
	return p.cmd.ProcessState.ExitCode()
}

// kill ends the server as a loss of power would, but for the disk.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
	p.http.CloseIdleConnections()
}

// logs waits until the log holds a text.
func (p *process) logs(text string) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%q in the log", text), func() bool { return strings.Contains(p.log.String(), text) })
}

// eventually waits for what another process does and does not announce.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("20 s passed without %s", what)
		}
	}
}

// adminKey is the secret of the first start.
func adminKey(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// answer is what came back over HTTP.
type answer struct {
	status int
	header http.Header
	body   string
}

// data reads a value of the answer by its path, such as data.key_id.
func (a answer) get(path ...string) any {
	var v any
	if json.Unmarshal([]byte(a.body), &v) != nil {
		return nil
	}
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func (a answer) text(path ...string) string {
	s, _ := a.get(path...).(string)
	return s
}

// try sends one request; an error is one of the transport.
func (p *process) try(method, path, key, body string, header ...string) (answer, error) {
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, p.url+path, in)
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := p.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(text)}, err
}

func (p *process) call(method, path, key, body string, header ...string) answer {
	p.t.Helper()
	a, err := p.try(method, path, key, body, header...)
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", method, path, err, p.log)
	}
	return a
}

// ok is call for what must succeed.
func (p *process) ok(method, path, key, body string) answer {
	p.t.Helper()
	a := p.call(method, path, key, body)
	if a.status/100 != 2 {
		p.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	return a
}

// made is a key that the server acknowledged.
type made struct{ id, secret string }

func (p *process) create(label string) made {
	p.t.Helper()
	a := p.ok("POST", "/v1/api-keys", adminKey(p.t, p.dir), fmt.Sprintf(`{"label":%q,"project_id":null}`, label))
	m := made{a.text("data", "key_id"), a.text("data", "key")}
	if m.id == "" || m.secret == "" {
		p.t.Fatalf("no key in %s", a.body)
	}
	return m
}

func (p *process) revoke(m made) {
	p.t.Helper()
	p.ok("DELETE", "/v1/api-keys/"+m.id, adminKey(p.t, p.dir), "")
}

// verdict is the code of a check.
func (p *process) verdict(m made) string {
	p.t.Helper()
	a := p.ok("POST", "/v1/api-keys/verify", adminKey(p.t, p.dir), fmt.Sprintf(`{"key":%q}`, m.secret))
	return a.text("data", "code")
}

func (p *process) wants(m made, want string) {
	p.t.Helper()
	if got := p.verdict(m); got != want {
		p.t.Errorf("%s is %s, want %s", m.id, got, want)
	}
}

// private asks on a unix socket.
func private(t *testing.T, socket, path string) answer {
	t.Helper()
	c := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	res, err := c.Get("http://halberd" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}
