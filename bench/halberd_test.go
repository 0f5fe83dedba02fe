package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// halberd is a real server on a folder of n keys, with a rate limit on its
// project and a service's key to ask with.
type halberd struct {
	address, checks, socket, gateways string // where it listens: TCP, for checks alone, Unix, ext_authz
	caller, keys                      string
	pid                               int
}

// folder is where populations are kept between runs.
func folder(b *testing.B) string {
	b.Helper()
	dir := os.Getenv("HALBERD_BENCH_FOLDER")
	if dir == "" {
		dir = filepath.Join("..", "bin", "bench")
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

// build makes the program as it ships.
func build(b *testing.B) string {
	b.Helper()
	hb := filepath.Join(b.TempDir(), "hb")
	run(b, nil, "go", "build", "-ldflags", "-s -w", "-o", hb, "../cmd/hb")
	return hb
}

func run(b *testing.B, env []string, program string, args ...string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), program, args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s %s: %s: %v", program, strings.Join(args, " "), out, err)
	}
}

// start starts hb on n keys; they are made where they are not there yet.
func start(b *testing.B, hb string, n int) *halberd {
	b.Helper()
	data := filepath.Join(folder(b), "keys-"+strconv.Itoa(n))
	if _, err := os.Stat(data + ".secrets"); err != nil {
		fmt.Fprintf(os.Stderr, "filling %s with %d keys, once: a minute a million\n", data, n)
		run(b, []string{"HALBERD_BENCH_FOLDER=" + folder(b), "HALBERD_BENCH_KEYS=" + strconv.Itoa(n)},
			"go", "test", "-run", "^$", "-bench", "^BenchmarkPopulation$", "-benchtime", "1x", "-timeout", "2h", "..")
	}
	s := &halberd{keys: data + ".secrets", socket: filepath.Join(b.TempDir(), "s")}
	for _, at := range []*string{&s.address, &s.checks, &s.gateways} { // that are free now
		l, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		*at = l.Addr().String()
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
	cmd := pinned(context.WithoutCancel(b.Context()), serverCore, hb, "serve", "--data", data,
		"--listen", s.address+",unix:"+s.socket, "--check-listen", s.checks, "--ext-authz-listen", s.gateways)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "HALBERD_") })
	log := &bytes.Buffer{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	b.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); <-ended })
	s.pid = cmd.Process.Pid
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	for began := time.Now(); ; {
		select {
		case err := <-ended:
			ended <- err
			b.Fatalf("%v: %s", err, log.String())
		case <-every.C:
		}
		if code, _, _ := ask(b.Context(), s.address, http.MethodGet, "/readyz", "", ""); code == http.StatusOK {
			break
		}
		if time.Since(began) > 5*time.Minute {
			b.Fatalf("not ready after five minutes: %s", log.String())
		}
	}
	admin, err := os.ReadFile(filepath.Join(data, "admin.key"))
	if err != nil {
		b.Fatal(err)
	}
	s.prepare(b, strings.TrimSpace(string(admin)))
	return s
}

// prepare turns on what the figures are to include.
func (s *halberd) prepare(b *testing.B, admin string) {
	b.Helper()
	var projects struct {
		Data []struct {
			ID string `json:"project_id"`
		}
	}
	s.must(b, admin, http.MethodGet, "/v1/projects", "", &projects)
	s.must(b, admin, http.MethodPatch, "/v1/projects/"+projects.Data[0].ID,
		`{"rate_limits":[{"name":"default","limit":1000000,"window_seconds":1}]}`, nil)
	var made struct {
		Data struct {
			ID     string `json:"key_id"`
			Secret string `json:"key"`
		}
	}
	s.must(b, admin, http.MethodPost, "/v1/api-keys", `{"label":"benchmark","project_id":null,"scopes":["verify"]}`, &made)
	s.caller = made.Data.Secret
	b.Cleanup(func() { s.must(b, admin, http.MethodDelete, "/v1/api-keys/"+made.Data.ID, "", nil) })
}

func (s *halberd) must(b *testing.B, key, method, path, body string, into any) {
	b.Helper()
	code, _, text := ask(context.WithoutCancel(b.Context()), s.address, method, path, key, body)
	if code < 200 || code > 299 {
		b.Fatalf("%s %s: %d %s", method, path, code, text)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			b.Fatal(err)
		}
	}
}

// ask is one request; code 0 is no answer.
func ask(ctx context.Context, address, method, path, key, body string) (code int, head http.Header, text []byte) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, []byte(err.Error())
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, []byte(err.Error())
	}
	defer func() { _ = res.Body.Close() }()
	text, err = io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, fmt.Append(nil, err)
	}
	return res.StatusCode, res.Header, text
}
