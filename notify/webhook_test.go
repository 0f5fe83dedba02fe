package notify

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/halberdhq/halberd"
)

// proxied counts who came to the proxy of this process's environment.
var proxied = &counter{}

type counter struct{ n atomic.Int64 }

// TestMain runs every test with a proxy in the environment, which nothing may use.
func TestMain(m *testing.M) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		proxied.n.Add(1)
		w.WriteHeader(http.StatusTeapot)
	}))
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		_ = os.Setenv(name, proxy.URL)
	}
	_ = os.Unsetenv("NO_PROXY")
	_ = os.Unsetenv("no_proxy")
	code := m.Run()
	proxy.Close()
	os.Exit(code)
}

func now() time.Time { return time.Now() }

func secret(b byte) halberd.Secret {
	return halberd.NewSecret(SecretPrefix + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)))
}

func message(url string) Message {
	return Message{ID: "evt_01", URL: url, Secrets: []halberd.Secret{secret(1)}, Body: []byte(`{"type":"key.created"}`)}
}

// receiver is a real HTTPS server under a public name, and a sender that finds it
// there.
type receiver struct {
	*httptest.Server
	sender *Webhooks
	url    string
}

func receive(t *testing.T, h http.HandlerFunc) *receiver {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // some tests break its handshakes
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	r := &receiver{Server: s, url: "https://hooks.example.com:" + port + "/in", // a name of httptest's certificate
		sender: NewWebhooks(Options{AllowPrivate: true, Resolver: resolving([]string{"127.0.0.1"}), Roots: roots})}
	t.Cleanup(r.sender.Close)
	return r
}

// What arrives is what was signed, and no proxy of the environment was asked.
func TestA89_SignedAsStandardWebhooks(t *testing.T) {
	verified := make(chan error, 4)
	var secrets []halberd.Secret
	r := receive(t, func(_ http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		for _, s := range secrets { // whichever of them a receiver knows
			wh, err := standardwebhooks.NewWebhook(s.Reveal())
			if err == nil {
				err = wh.Verify(body, q.Header)
			}
			verified <- err
		}
		if q.Header.Get("webhook-id") != "evt_01" || q.Header.Get("Content-Type") != "application/json" || string(body) != `{"type":"key.created"}` {
			verified <- errors.New("not what was sent")
		}
	})
	secrets = []halberd.Secret{secret(1), secret(2)} // in the midst of a rotation
	m := message(r.url)
	m.Secrets = secrets
	if got := r.sender.Send(t.Context(), m, now()); !got.Delivered() || got.Status != 200 {
		t.Fatalf("%+v", got)
	}
	close(verified)
	n := 0
	for err := range verified {
		if n++; err != nil {
			t.Error(err)
		}
	}
	if n != 2 || proxied.n.Load() != 0 {
		t.Errorf("%d secrets verified, %d requests came to the proxy", n, proxied.n.Load())
	}
}

func TestA89_ReplayedOrChangedIsNotVerified(t *testing.T) {
	body := []byte(`{"type":"key.created"}`)
	wh, err := standardwebhooks.NewWebhook(secret(1).Reveal())
	if err != nil {
		t.Fatal(err)
	}
	sign := func(at time.Time, s ...halberd.Secret) http.Header {
		h, err := Sign(s, "evt_01", at, body)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	fresh := sign(now(), secret(1))
	if err := wh.Verify(body, fresh); err != nil {
		t.Error(err)
	}
	otherID := fresh.Clone()
	otherID.Set("webhook-id", "evt_02")
	otherTime := fresh.Clone()
	otherTime.Set("webhook-timestamp", strconv.FormatInt(now().Unix()+60, 10))
	for name, is := range map[string]error{
		"replayed after the tolerance": wh.Verify(body, sign(now().Add(-6*time.Minute), secret(1))),
		"body changed":                 wh.Verify([]byte(`{"type":"key.revoked"}`), fresh),
		"id changed":                   wh.Verify(body, otherID),
		"time changed":                 wh.Verify(body, otherTime),
		"another secret":               wh.Verify(body, sign(now(), secret(2))),
	} {
		if is == nil {
			t.Errorf("%s: verified", name)
		}
	}
}

func TestA89_EmptyOrShortSecretSignsNothing(t *testing.T) {
	r := receive(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	for name, s := range map[string][]halberd.Secret{
		"none":          nil,
		"zero":          {{}},
		"prefix only":   {halberd.NewSecret("whsec_")},
		"short":         {halberd.NewSecret("whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23)))},
		"long":          {halberd.NewSecret("whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65)))},
		"no prefix":     {halberd.NewSecret(base64.StdEncoding.EncodeToString(make([]byte, 32)))},
		"no base64":     {halberd.NewSecret("whsec_$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$")},
		"one good only": {secret(1), halberd.NewSecret("whsec_")},
		"too many":      {secret(1), secret(2), secret(3), secret(4), secret(5)},
	} {
		m := message(r.url)
		m.Secrets = s
		got := r.sender.Send(t.Context(), m, now())
		if got.Delivered() || !strings.Contains(got.Why, "signing secret") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	m := message(r.url)
	m.ID = "evt.1" // the dot parts what is signed
	if got := r.sender.Send(t.Context(), m, now()); got.Delivered() {
		t.Error("an id with a dot was signed")
	}
}

func TestA86_RedirectIsNotFollowed(t *testing.T) {
	var inside atomic.Int64
	private := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) }))
	defer private.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{private.URL, "http://169.254.169.254/latest/meta-data/", "//127.0.0.1/", "/again"} {
			var came atomic.Int64
			r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
				came.Add(1)
				w.Header().Set("Location", to)
				w.WriteHeader(status)
			})
			got := r.sender.Send(t.Context(), message(r.url), now())
			if got.Delivered() || got.Status != status || came.Load() != 1 || !strings.Contains(got.Why, "redirect") {
				t.Errorf("%d to %s: %+v after %d requests", status, to, got, came.Load())
			}
		}
	}
	if inside.Load() != 0 {
		t.Errorf("%d requests went where a redirect pointed", inside.Load())
	}
}

// An answer without end is read to 64 KiB, and the rest never.
func TestA88_HugeAnswer(t *testing.T) {
	wrote := make(chan int, 1)
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		n, part := 0, make([]byte, 64<<10)
		for n < 10<<30 {
			if _, err := w.Write(part); err != nil {
				break
			}
			n += len(part)
		}
		wrote <- n
	})
	got := r.sender.Send(t.Context(), message(r.url), now())
	if !got.Delivered() {
		t.Errorf("%+v", got)
	}
	if n := <-wrote; n > 64<<20 { // what the system buffers between the two
		t.Errorf("%d bytes of an answer were taken", n)
	}
}

func TestA88_AnswerThatDoesNotEnd(t *testing.T) {
	end := make(chan struct{})
	r := receive(t, func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/slow" {
			_, _ = w.Write([]byte("."))
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-end:
		case <-q.Context().Done():
		}
	})
	defer close(end)
	r.sender.sendWithin = 300 * time.Millisecond
	for path, status := range map[string]int{"/slow": 200, "/silent": 0} {
		got := r.sender.Send(t.Context(), message(strings.TrimSuffix(r.url, "/in")+path), now())
		if got.Delivered() || got.Status != status || !strings.Contains(got.Why, "no answer in time") {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func TestA88_BrokenReceivers(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	_, plainPort, _ := net.SplitHostPort(plain.Listener.Addr().String())
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, closedPort, _ := net.SplitHostPort(closed.Addr().String())
	_ = closed.Close()
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 32<<10)) })
	stranger := NewWebhooks(Options{AllowPrivate: true, Resolver: resolving([]string{"127.0.0.1"})})
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, c := range map[string]struct {
		got  Result
		want string
	}{
		"no TLS":              {r.sender.Send(t.Context(), message("https://hooks.example.com:"+plainPort), now()), "no TLS at this address"},
		"nobody there":        {r.sender.Send(t.Context(), message("https://hooks.example.com:"+closedPort), now()), "the connection was refused"},
		"unknown signer":      {stranger.Send(t.Context(), message(r.url), now()), "the certificate is not good for this host, or nobody known has signed it"},
		"another name":        {r.sender.Send(t.Context(), message(strings.Replace(r.url, "hooks.example.com", "other.org", 1)), now()), "the certificate is not good for this host, or nobody known has signed it"},
		"headers without end": {r.sender.Send(t.Context(), message(r.url), now()), "the connection failed"},
		"stopped":             {r.sender.Send(stopped, message(r.url), now()), "interrupted by the server's stop"},
	} {
		if c.got.Delivered() || c.got.Why != c.want {
			t.Errorf("%s: %+v", name, c.got)
		}
	}
}

func TestA86_NoCookiesAndNoCredentials(t *testing.T) {
	var mu sync.Mutex
	var seen []http.Header
	r := receive(t, func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, q.Header.Clone())
		w.Header().Set("Set-Cookie", "a=b; Path=/")
	})
	for range 2 {
		r.sender.Send(t.Context(), message(r.url), now())
	}
	for _, h := range seen {
		for name := range h {
			switch name {
			case "Content-Type", "Content-Length", "User-Agent", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature":
			default:
				t.Errorf("%s is sent", name)
			}
		}
	}
	if len(seen) != 2 {
		t.Errorf("%d requests", len(seen))
	}
}

func TestRetryAfterIsRead(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "0": 0, "-1": 0, "soon": 0, "1e9": 0, "99999999999999999999": 0, "4294967295": maxRetryAfter,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2020 03:05:05 GMT": 0, "Fri, 02 Jan 2126 03:05:05 GMT": maxRetryAfter,
	} {
		if got := retryAfter(v, at); got != want {
			t.Errorf("%q: %s, want %s", v, got, want)
		}
	}
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(503)
	})
	if got := r.sender.Send(t.Context(), message(r.url), now()); got.RetryAfter != 7*time.Second || got.Why != "answered 503" || got.Gone() {
		t.Errorf("%+v", got)
	}
}

func TestGoneIsHeard(t *testing.T) {
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) })
	if got := r.sender.Send(t.Context(), message(r.url), now()); !got.Gone() || got.Delivered() {
		t.Errorf("%+v", got)
	}
}

func TestAllowPrivateIsLoggedLoudly(t *testing.T) {
	var log bytes.Buffer
	NewWebhooks(Options{AllowPrivate: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "HALBERD_WEBHOOKS_ALLOW_PRIVATE") {
		t.Errorf("logged: %s", log.String())
	}
}
