package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// freePort is an address on which nothing listens now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var (
	requestID = regexp.MustCompile(`req_[0-9a-z]{26}`)
	remaining = regexp.MustCompile(`"remaining":\d+|r=\d+;t=\d+|"reset_seconds":\d+`)
)

// answered is what a listener says, but for what differs from one moment to the
// next.
func answered(t *testing.T, r *http.Request, body string) string {
	t.Helper()
	r.Body = io.NopCloser(strings.NewReader(body))
	r.ContentLength = int64(len(body))
	if body == "" {
		r.Body = http.NoBody
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	res.Header.Del("Date")
	var head bytes.Buffer
	if err := res.Header.Write(&head); err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%d\n%s\n%s", res.StatusCode, head.String(), text)
	return remaining.ReplaceAllString(requestID.ReplaceAllString(all, "req"), "some")
}

// The listener for checks answers to the letter what the public one answers,
// whatever is asked, and nothing but checks.
func TestTheListenerForChecksAnswersAsThePublicOne(t *testing.T) {
	at := freePort(t)
	p := serve(t, shortDir(t), "--check-listen", at, "--management-limit", "0", "--guesses-per-minute", "0", "--trusted-proxies", "127.0.0.1/32")
	good, dead := p.create("good"), p.create("dead")
	p.revoke(dead)
	verifier := p.ok("POST", "/v1/api-keys", adminKey(t, p.dir), `{"label":"v","scopes":["verify"],"project_id":null}`).text("data", "key")
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	wrong := good.secret[:len(good.secret)-1] + "0"
	for n := range 1500 {
		method := pick("GET", "GET", "POST", "HEAD", "PUT", "OPTIONS")
		path := pick("/v1/auth/forward", "/v1/auth/nginx", "/v1/api-keys/verify", "/v1/api-keys/verify-batch", "/readyz") +
			pick("", "", "?scopes=read", "?scopes=admin", "?resource=a/1", "?scopes=nonsense", "?x=%zz", "?scopes=read&scopes=write")
		body := pick("", "{}", `{"key":"`+good.secret+`"}`, `{"key":"`+good.secret+`","scopes":["read"]}`, `{"key":"`+dead.secret+`"}`,
			`{"key":"`+wrong+`"}`, `{"key":"a","key":"b"}`, `[]`, `{"key":"`+good.secret+`","cost":0}`, `nonsense`,
			`{"checks":[{"key":"`+good.secret+`"},{"key":"x"}]}`, `{"key":"`+strings.Repeat("x", 70<<10)+`"}`)
		if method == "GET" || method == "HEAD" {
			body = ""
		}
		header := http.Header{}
		for _, name := range []string{"Authorization", "X-Api-Key"} {
			if v := pick("", "", good.secret, dead.secret, wrong, verifier, verifier); v != "" {
				if name == "Authorization" {
					v = pick("Bearer ", "bearer ", "Basic ") + v
				}
				header.Set(name, v)
			}
		}
		for name, of := range map[string][]string{
			"X-Forwarded-Method": {"", "GET", "POST"}, "X-Forwarded-Uri": {"", "/a", "/a?scopes=read"}, "X-Forwarded-For": {"", "192.0.2.1", "x"},
			"X-Request-Id": {"", "mine-1"}, "Content-Type": {"application/json", "text/plain", ""}, "Content-Encoding": {"", "", "", "gzip"},
			"X-Real-Ip": {"", "192.0.2.2"}, "X-Original-Method": {"", "GET"}, "If-Match": {"", "\"1\""},
		} {
			if v := pick(of...); v != "" {
				header.Set(name, v)
			}
		}
		var answers [2]string
		for i, base := range []string{p.url, "http://" + at} {
			r, err := http.NewRequest(method, base+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = header.Clone()
			r.Host = "keys.internal"
			answers[i] = answered(t, r, body)
		}
		if answers[0] != answers[1] {
			t.Fatalf("%d: %s %s %v %.80s\npublic: %s\nchecks: %s", n, method, path, header, body, answers[0], answers[1])
		}
	}
	for _, path := range []string{"/v1/api-keys", "/v1/whoami", "/", "/sign-in", "/openapi.json", "/v1/auth/envoy/x", "/api/api-keys", "/v1/auth/forward/"} {
		r, err := http.NewRequest(http.MethodGet, "http://"+at+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Api-Key", adminKey(t, p.dir))
		if got := answered(t, r, ""); !strings.HasPrefix(got, "404\n") || !json.Valid([]byte(got[strings.LastIndexByte(got, '\n')+1:])) {
			t.Errorf("%s: %s", path, got)
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("stopped with %d", code)
	}
}

// Slow and silent connections of the listener for checks are ended as well, and
// its socket is one for gateways.
func TestTheListenerForChecksEndsWhoIsSlow(t *testing.T) {
	socket := shortDir(t) + "/checks.sock"
	p := serve(t, shortDir(t), "--check-listen", "unix:"+socket)
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /readyz HTTP/1.1\r\nHost: "); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(25 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("still open: %v", err)
	}
	_ = p
}
