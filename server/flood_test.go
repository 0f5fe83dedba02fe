package server_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/keytext"
	"github.com/halberdhq/halberd/storage/sqlite"
)

//
func TestACompressedBodyIsRefusedAndNotInflated(t *testing.T) {
	p := serve(t, shortDir(t), "--log-level", "error", "--management-limit", "0")
	admin := adminKey(t, p.dir)
	bomb := func(size int64) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := io.CopyN(w, zeros{}, size); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	small, large := bomb(10<<20), bomb(int64(crowd(100, 10_000))<<20) // 10 KB, and 100 KB or 10 MB
	before := p.metric("go_memstats_alloc_bytes_total")
	asked := 0
	for _, r := range p.routes() {
		if r.method == "GET" || r.method == "DELETE" || r.path == "/v1/auth/forward" {
			continue
		}
		path := strings.NewReplacer("{", "", "}", "").Replace(r.path)
		for name, body := range map[string]string{"10 MB": small, "much more": large, "an honest one": "{}"} {
			for _, coding := range []string{"gzip", "deflate", "br", "zstd", "identity", "", "gzip, gzip"} {
				if body == large && coding != "gzip" {
					continue
				}
				a, err := p.try(r.method, path, admin, body, "Content-Encoding", coding)
				if err != nil && body == large {
					continue // the answer was there before the body had been sent
				}
				asked++
				if err != nil || a.status != 415 && !bodyless(a, r) {
					t.Errorf("%s %s, %s in %q: %d %s %v", r.method, r.path, name, coding, a.status, a.body, err)
				}
			}
		}
	}
	if asked < 50 {
		t.Errorf("%d requests", asked)
	}
	if grown := (p.metric("go_memstats_alloc_bytes_total") - before) / float64(asked); grown > 1<<20 {
		t.Errorf("%.0f bytes a request", grown)
	}
}

// bodyless operations do not look at a body at all.
func bodyless(a answer, r route) bool {
	return strings.HasSuffix(r.path, "/overlap") || a.status == 404 && !strings.Contains(r.path, "}")
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// keys whose checksum is right and that nobody has made, at every surface,
// from the address of an honest caller.
func TestAFloodOfUnknownKeysAsksNoStoreAndHindersNobody(t *testing.T) {
	p := serve(t, shortDir(t), "--log-level", "error")
	good := p.create("honest")
	ask := p.check(good)
	door := p.ok("GET", "/v1/api-keys/"+good.id, adminKey(t, p.dir), "")
	if door.text("data", "key_id") != good.id {
		t.Fatal(door)
	}
	before := p.before(ask)

	stop := make(chan struct{})
	var unknown, throttled atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				secret := keytext.Mint("hb_live")
				for _, path := range []string{"/v1/whoami", "/api/api-keys", "/v1/auth/forward?scopes=read", "/v1/auth/nginx?scopes=read"} {
					req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.url+path, nil)
					if err != nil {
						t.Error(err)
						return
					}
					req.Header.Set("X-API-Key", secret)
					res, err := c.Do(req)
					if err != nil {
						t.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
					switch {
					case res.StatusCode == 401:
						unknown.Add(1)
					case res.StatusCode == 429 && res.Header.Get("Retry-After") != "", res.StatusCode == 403 && res.Header.Get("X-Auth-Status") == "429":
						throttled.Add(1)
					default:
						t.Errorf("%s: %d", path, res.StatusCode)
					}
				}
			}
		})
	}
	over := make(chan struct{})
	lasts := time.Duration(crowd(3, 60)) * time.Second
	time.AfterFunc(lasts, func() { close(over) })
	during := p.honest(over, ask)
	// A good key from the flood's address is as good as ever.
	for _, path := range []string{"/v1/auth/forward?scopes=read", "/v1/whoami", "/v1/auth/nginx?scopes=read"} {
		if a := p.call("GET", path, good.secret, ""); a.status != 200 {
			t.Errorf("a good key at %s: %d %s", path, a.status, a.body)
		}
	}
	close(stop)
	all.Wait()
	if throttled.Load() == 0 {
		t.Error("none was throttled")
	}
	t.Logf("%d unknown keys in %s, %d of them throttled", unknown.Load()+throttled.Load(), lasts, throttled.Load())
	t.Logf("honest p99 before %s of %d, during %s of %d", percentile(before, .99), len(before), percentile(during, .99), len(during))
}

// while the keys are loaded nothing is answered from a part of them.
func TestUntilEveryKeyIsLoadedNoneIsUnknown(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	p := serve(t, dir, "--log-level", "error")
	admin := adminKey(t, dir)
	n := crowd(3000, 100_000)
	p.stop()
	keys := populate(t, dir, n)

	// The database is read slowly, so that there is a while.
	address := strings.TrimPrefix(p.url, "http://")
	var verified, early, ready atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := worker; ; i += 8 {
				select {
				case <-stop:
					return
				default:
				}
				k := keys[len(keys)-1-i%len(keys)] // those that are loaded last first
				isReady := false
				if a, err := p.try("GET", "/readyz", "", ""); err == nil && a.status == 200 {
					isReady = true
					ready.Add(1)
				}
				for _, ask := range []func() (answer, error){
					func() (answer, error) { return p.try("POST", "/v1/api-keys/verify", admin, `{"key":"`+k+`"}`) },
					func() (answer, error) { return p.try("GET", "/v1/auth/forward?scopes=read", k, "") },
					func() (answer, error) { return p.try("GET", "/v1/auth/nginx?scopes=read", k, "") },
					func() (answer, error) { return p.try("GET", "/v1/whoami", k, "") },
				} {
					a, err := ask()
					switch {
					case err != nil: // nobody listens yet
					case a.status == 200 && !strings.Contains(a.body, `"valid":false`):
						verified.Add(1)
					case (a.status == 503 || a.status == 403 && a.header.Get("X-Auth-Status") == "503") && !isReady:
						early.Add(1)
					default:
						t.Errorf("ready %v: %d %s", isReady, a.status, a.body)
						return
					}
				}
			}
		})
	}
	slow := []string{"strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-P", dir + "/halberd.db",
		"-e", "trace=pread64,read", "-e", "inject=pread64,read:delay_enter=" + strconv.Itoa(crowd(5000, 100))} // µs
	q := launchUnder(t, slow, dir, "--listen", address, "--log-level", "error")
	if q.url == "" {
		t.Fatalf("did not start: %s", q.log)
	}
	eventually(t, "checks", func() bool { return ready.Load() > 50 && verified.Load() > 500 })
	close(stop)
	all.Wait()
	t.Logf("%d keys: %d answers were 503 while they were loaded, %d checks after that", n, early.Load(), verified.Load())
	if early.Load() == 0 {
		t.Error("nobody asked while the keys were loaded")
	}
}

// populate makes keys in a folder that no server holds.
func populate(t *testing.T, dir string, n int) []string {
	t.Helper()
	ctx := context.Background()
	store, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	svc, err := halberd.New(ctx, store, halberd.Options{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := svc.Authenticate(ctx, halberd.NewSecret(adminKey(t, dir)), halberd.Request{})
	if err != nil {
		t.Fatal(err)
	}
	keys := make([]string, n)
	var all sync.WaitGroup
	for worker := range 64 {
		all.Go(func() {
			for i := worker; i < n; i += 64 {
				c, err := svc.Create(ctx, root, halberd.NewKey{Name: fmt.Sprint("k", i), Wide: true})
				if err != nil {
					t.Error(err)
					return
				}
				keys[i] = c.Secret.Reveal()
			}
		})
	}
	all.Wait()
	if err := svc.Close(); err != nil {
		t.Fatal(err)
	}
	if t.Failed() {
		t.FailNow()
	}
	return keys
}
