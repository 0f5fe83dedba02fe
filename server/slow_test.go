package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// crowd is small in the gate, and what the row says in the campaign.
func crowd(gate, campaign int) int {
	if os.Getenv("HALBERD_CAMPAIGN") != "" {
		return campaign
	}
	return gate
}

// slow is a way to hold a connection: what is sent at once, and what one byte
// at a time, again and again.
type slow struct {
	name  string
	dial  func() (net.Conn, error)
	first string
	drip  string
}

// held is how long the server let it hold the connection; an error says that
// it would have gone on.
func (s slow) held(every time.Duration) (time.Duration, error) {
	c, err := s.dial()
	if err != nil {
		return 0, fmt.Errorf("not let in: %w", err)
	}
	defer c.Close()
	begin := time.Now()
	if err := c.SetDeadline(begin.Add(90 * time.Second)); err != nil {
		return 0, err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		_, err := io.WriteString(c, s.first)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for i := 0; err == nil && s.drip != ""; i++ {
			select {
			case <-tick.C:
				_, err = c.Write([]byte{s.drip[i%len(s.drip)]})
			case <-done:
				return
			}
		}
	}()
	_, err = io.Copy(io.Discard, c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return time.Since(begin), fmt.Errorf("%s: still open after %s", s.name, time.Since(begin))
	}
	return time.Since(begin), nil
}

// honest asks until it is told to stop, and returns how long the answers took.
func (p *process) honest(until <-chan struct{}, ask func() (answer, error)) (took []time.Duration) {
	for {
		select {
		case <-until:
			return took
		default:
		}
		begin := time.Now()
		a, err := ask()
		if err != nil || a.status != 200 {
			p.t.Errorf("an honest request: %d %s %v", a.status, a.body, err)
			return took
		}
		took = append(took, time.Since(begin))
	}
}

func percentile(took []time.Duration, p float64) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[int(p*float64(len(took)-1))]
}

// check is an honest caller's request.
func (p *process) check(m made) func() (answer, error) {
	admin := adminKey(p.t, p.dir)
	return func() (answer, error) {
		return p.try("POST", "/v1/api-keys/verify", admin, fmt.Sprintf(`{"key":%q}`, m.secret))
	}
}

// before is how long honest answers take when nothing else goes on.
func (p *process) before(ask func() (answer, error)) []time.Duration {
	stop := make(chan struct{})
	time.AfterFunc(time.Second, func() { close(stop) })
	return p.honest(stop, ask)
}

// A-70, G14.
func TestSlowClientsAreEndedAndOthersGoOn(t *testing.T) {
	t.Parallel() // it waits most of the time
	p := serve(t, shortDir(t), "--log-level", "error")
	address := strings.TrimPrefix(p.url, "http://")
	plain := func() (net.Conn, error) { return net.Dial("tcp", address) }
	const head = "POST /v1/api-keys/verify HTTP/1.1\r\nHost: x\r\n"
	admin := "Authorization: Bearer " + adminKey(t, p.dir) + "\r\nContent-Type: application/json\r\n"
	headers, bodies := crowd(300, 10_000), crowd(50, 1000)
	ways := map[int][]slow{
		headers: {{"slow headers", plain, "GET / HTTP/1.1\r\nHost: x\r\nX-A: ", "a"}},
		bodies: {
			{"a slow body", plain, head + admin + "Content-Length: 1000\r\n\r\n{", " "},
			{"a slow body in chunks", plain, head + admin + "Transfer-Encoding: chunked\r\n\r\n1\r\n", "{\r\n1\r\n"},
			{"a slow body of nobody", plain, head + "Content-Length: 100000\r\n\r\n{", " "},
		},
		10: {
			{"the beginning of HTTP/2 in the clear", plain, "PRI * HTTP/2.0\r\n\r\nSM", ""},
			{"half of that", plain, "PRI * HT", ""},
			{"a request line", plain, "GET /v1/", "a"},
			{"nothing", plain, "", ""},
			{"a request, and the beginning of another", plain, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /hea", "l"},
			{"a handshake in the clear", plain, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ""},
		},
	}
	victim := p.create("honest")
	ask := p.check(victim)
	before := p.before(ask)

	var all sync.WaitGroup
	var mu sync.Mutex
	longest := map[string]time.Duration{}
	for n, ways := range ways {
		for i := range n {
			way := ways[i%len(ways)]
			all.Go(func() {
				took, err := way.held(5 * time.Second)
				mu.Lock()
				defer mu.Unlock()
				longest[way.name] = max(longest[way.name], took)
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	over := make(chan struct{})
	go func() { all.Wait(); close(over) }()
	during := p.honest(over, ask)
	t.Logf("%d slow headers, %d slow bodies: longest held %v", headers, bodies, longest)
	t.Logf("honest p99 before %s of %d, during %s of %d", percentile(before, .99), len(before), percentile(during, .99), len(during))
	if strings.Contains(p.log.String(), "too many open files") {
		t.Error(p.log)
	}
}

// A-70 behind TLS: handshakes, the preface of HTTP/2, and its frames.
func TestSlowClientsBehindTLSAreEnded(t *testing.T) {
	t.Parallel()
	p, roots := serveTLS(t)
	address := strings.TrimPrefix(p.url, "https://")
	plain := func() (net.Conn, error) { return net.Dial("tcp", address) }
	secured := func() (net.Conn, error) {
		return tls.Dial("tcp", address, &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}})
	}
	begun := preface + frame(frameSettings, 0, 0, "")
	half := frame(frameHeaders, 0, 1, getHealthz) // without END_HEADERS
	post := frame(frameHeaders, flagEndHeaders, 1, postHealthz)
	ways := []slow{
		{"half a handshake", plain, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x00"},
		{"no preface", secured, "", ""},
		{"half a preface", secured, preface[:10], ""},
		{"a preface and no settings", secured, preface, ""},
		{"half a frame", secured, begun + half[:5], ""},
		{"half of the headers", secured, begun + half, ""},
		{"a body that does not come", secured, begun + post, ""},
		{"nothing after the settings", secured, begun, ""},
	}
	var all sync.WaitGroup
	for _, way := range ways {
		all.Go(func() {
			took, err := way.held(5 * time.Second)
			if err != nil {
				t.Error(err)
			}
			t.Logf("%s: held for %s", way.name, took.Round(time.Second/10))
		})
	}
	all.Wait()
}

// serveTLS is serve with a certificate of its own.
func serveTLS(t *testing.T, args ...string) (*process, *x509.CertPool) {
	t.Helper()
	files := t.TempDir()
	cert, key := filepath.Join(files, "cert.pem"), filepath.Join(files, "key.pem")
	roots := certificate(t, cert, key, "first")
	return serve(t, shortDir(t), append([]string{"--tls-cert", cert, "--tls-key", key, "--log-level", "error"}, args...)...), roots
}

// however few files the system lets us open, the listener does not take
// those that the database needs.
func TestConnectionsNeverTakeTheFilesOfTheDatabase(t *testing.T) {
	checks := freePort(t)
	p := launchUnder(t, []string{"sh", "-c", `ulimit -n 300 && exec "$@"`, "sh"}, shortDir(t), "--check-listen", checks)
	if p.url == "" {
		t.Fatalf("did not start: %s", p.log)
	}
	p.logs("max_connections is more than the system lets this process open")
	asks, err := net.Dial("tcp", checks)
	if err != nil {
		t.Fatal(err)
	}
	defer asks.Close()
	answered := func() {
		t.Helper()
		if _, err := io.WriteString(asks, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if n, err := asks.Read(make([]byte, 4<<10)); n == 0 {
			t.Fatal(err)
		}
	}
	answered()
	for n := range 500 {
		c, err := net.Dial("tcp", []string{strings.TrimPrefix(p.url, "http://"), checks}[n%2])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	answered()
	p.wants(p.create("made in the crowd"), "VALID")
	for range 20 { // connections of their own
		p.http.CloseIdleConnections()
		p.ok("GET", "/v1/api-keys", adminKey(t, p.dir), "")
	}
	a := private(t, filepath.Join(p.dir, "private.sock"), "/metrics")
	var ended int // of both listeners together
	_, after, _ := strings.Cut(a.body, `halberd_connections_ended_total{why="waiting"} `)
	if _, err := fmt.Sscan(after, &ended); err != nil || ended < 300 {
		t.Errorf("%d, %d ended (%v): %s", a.status, ended, err, a.body)
	}
	if strings.Contains(p.log.String(), "too many open files") {
		t.Error(p.log)
	}
}
