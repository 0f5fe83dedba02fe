package fastlane_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/halberdhq/halberd/internal/fastlane"
)

// serve starts a server of h and returns its address.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	return serveWithin(t, 10*time.Second, h)
}

// serveWithin is serve with a timeout for all three waits.
func serveWithin(t *testing.T, timeout time.Duration, h http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, fastlane.Options{ReadTimeout: timeout, WriteTimeout: timeout, IdleTimeout: timeout}, h)
}

// serveOn is serve on a listener and within the times of options.
func serveOn(t *testing.T, l net.Listener, o fastlane.Options, h http.HandlerFunc) string {
	t.Helper()
	o.MaxHeader, o.MaxBody = 16<<10, 1<<10
	o.Refuse = func(w http.ResponseWriter, _ *http.Request, status int) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "refused")
	}
	s := fastlane.New(h, l.Addr(), o)
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.Serve(l); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		ctx, end := context.WithTimeout(context.Background(), 10*time.Second)
		defer end()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		done.Wait()
	})
	return l.Addr().String()
}

// echo says what it was asked, in a fixed order.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header()["X-Twice"] = []string{"a", "b"}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusTeapot)
	_, _ = fmt.Fprintf(w, "%s %s %s %s host=%s key=%q many=%q len=%d body=%q local=%v",
		r.Method, r.RequestURI, r.URL.Path, r.URL.RawQuery, r.Host, r.Header["X-Api-Key"], r.Header["Many"], r.ContentLength, body,
		r.Context().Value(http.LocalAddrContextKey) != nil)
}

// said is everything that is answered to bytes, until the connection ends or
// nothing more comes.
func said(t *testing.T, at, bytes string) string {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(c, bytes) }()
	all, err := io.ReadAll(c)
	if err != nil && !strings.Contains(err.Error(), "reset by peer") {
		t.Fatalf("%v after %q", err, all)
	}
	return string(all)
}

const last = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

// A handler is told the same here as under net/http.
func TestAHandlerIsToldAsByNetHTTP(t *testing.T) {
	at := serve(t, echo)
	reference := httptest.NewServer(http.HandlerFunc(echo))
	defer reference.Close()
	for _, ask := range []string{
		"GET /a?b=c&d HTTP/1.1\r\nHost: h\r\nx-api-key: k\r\n",
		"GET / HTTP/1.1\r\nhOsT: h\r\nMany: 1\r\nMany:  2 \r\nmany:\r\n",
		"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
		"POST /p? HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n",
		"DELETE //a/../b HTTP/1.1\r\nHost: h\r\n",
	} {
		if !strings.Contains(ask, "\r\n\r\n") {
			ask += "\r\n"
		}
		got, want := said(t, at, ask+last), said(t, strings.TrimPrefix(reference.URL, "http://"), ask+last)
		if g, w := bodies(t, got), bodies(t, want); g != w {
			t.Errorf("%q\n got %s\nwant %s", ask, g, w)
		}
	}
}

// HEAD is told the length that GET would have been told, where it is known (RFC
// 9110, 8.6).
func TestHeadIsToldTheLengthAsByNetHTTP(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"said, and nothing written": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "7") },
		"said to be nothing": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Length"] = []string{"0"}
			w.WriteHeader(http.StatusOK)
		},
		"said, and written": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4")
			_, _ = io.WriteString(w, "fine")
		},
		"written": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") },
		"neither": func(http.ResponseWriter, *http.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			reference := httptest.NewServer(h)
			defer reference.Close()
			told := func(at string) string {
				t.Helper()
				answers := bufio.NewReader(strings.NewReader(said(t, at, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"+strings.Replace(last, "GET", "HEAD", 1))))
				var lengths []string
				for range 2 { // the second shows that the first has no body
					res, err := http.ReadResponse(answers, &http.Request{Method: http.MethodHead})
					if err != nil {
						t.Fatal(err)
					}
					_ = res.Body.Close()
					lengths = append(lengths, fmt.Sprint(res.StatusCode, res.Header["Content-Length"]))
				}
				return strings.Join(lengths, ", ")
			}
			if got, want := told(serve(t, h)), told(strings.TrimPrefix(reference.URL, "http://")); got != want {
				t.Errorf("%s, and by net/http %s", got, want)
			}
		})
	}
}

// bodies are the statuses, the repeated header and the texts of several answers.
func bodies(t *testing.T, text string) string {
	t.Helper()
	var out []string
	r := bufio.NewReader(strings.NewReader(text))
	for {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return strings.Join(out, "\n")
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(res.StatusCode, res.Header["X-Twice"], res.Header["Content-Type"], string(body)))
	}
}

// What may be read in two ways is refused, and what follows on the connection is
// never a request: it may be the body of the first.
func TestNothingIsReadInTwoWays(t *testing.T) {
	at := serve(t, echo)
	head := func(lines ...string) string {
		return "POST /p HTTP/1.1\r\nHost: h\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
	}
	for name, bytes := range map[string]string{
		"chunks":                 head("Transfer-Encoding: chunked") + "0\r\n\r\n",
		"chunks and a length":    head("Content-Length: 4", "Transfer-Encoding: chunked") + "0\r\n\r\n",
		"chunks, spelled oddly":  head("Transfer-Encoding: xchunked", "Content-Length: 3") + "abc",
		"chunks with a tab":      head("Transfer-Encoding:\tchunked", "Content-Length: 3") + "abc",
		"two lengths":            head("Content-Length: 3", "Content-Length: 3") + "abc",
		"two different lengths":  head("Content-Length: 3", "Content-Length: 0") + "abc",
		"a list of lengths":      head("Content-Length: 3, 3") + "abc",
		"a length with a sign":   head("Content-Length: +3") + "abc",
		"a length below zero":    head("Content-Length: -1"),
		"a length in hex":        head("Content-Length: 0x3") + "abc",
		"a length with spaces":   head("Content-Length: 1 2") + "abc",
		"a space before a colon": head("X-Api-Key : k"),
		"a folded line":          head("X-A: b", " c"),
		"a name with a space":    head("X A: b"),
		"no name":                head(": b"),
		"no colon":               head("nonsense"),
		"a bare line feed":       "GET /p HTTP/1.1\nHost: h\n\n",
		"a line feed in between": "GET /p HTTP/1.1\r\nHost: h\nX-A: b\r\n\r\n",
		"a carriage return":      head("X-A: b\rc"),
		"a NUL":                  head("X-A: b\x00c"),
		"a form feed":            head("X-A: b\x0cc"),
		"a DEL":                  head("X-A: b\x7fc"),
		"a space in the path":    "GET /p /q HTTP/1.1\r\nHost: h\r\n\r\n",
		"a space in the query":   "GET /p?a b HTTP/1.1\r\nHost: h\r\n\r\n",
		"a tab in the query":     "GET /p?a\tb HTTP/1.1\r\nHost: h\r\n\r\n",
		"a NUL in the query":     "GET /p?a\x00b HTTP/1.1\r\nHost: h\r\n\r\n",
		"no space after it":      "GET  HTTP/1.1\r\nHost: h\r\n\r\n",
		"no method":              " /p HTTP/1.1\r\nHost: h\r\n\r\n",
		"a method no token":      "GE(T /p HTTP/1.1\r\nHost: h\r\n\r\n",
		"a method with a tab":    "GET\t/p HTTP/1.1\r\nHost: h\r\n\r\n",
		"a space in the host":    "GET /p HTTP/1.1\r\nHost: h i\r\n\r\n",
		"a host with a path":     "GET /p HTTP/1.1\r\nHost: h/i\r\n\r\n",
		"no host":                "GET /p HTTP/1.1\r\n\r\n",
		"two hosts":              head("Host: h"),
		"HTTP/1.0":               "GET /p HTTP/1.0\r\nHost: h\r\n\r\n",
		"HTTP/0.9":               "GET /p\r\n\r\n",
		"an absolute form":       "GET http://h/p HTTP/1.1\r\nHost: h\r\n\r\n",
		"an asterisk":            "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
		"an encoded path":        "GET /%70 HTTP/1.1\r\nHost: h\r\n\r\n",
		"a fragment":             "GET /p#q HTTP/1.1\r\nHost: h\r\n\r\n",
		"an upgrade":             head("Connection: Upgrade", "Upgrade: h2c"),
		"an expectation":         head("Expect: 100-continue", "Content-Length: 3") + "abc",
		"trailers":               head("Trailer: X-Api-Key"),
		"too many headers":       head(strings.TrimSuffix(strings.Repeat("a: b\r\n", 4000), "\r\n")),
		"too large a body":       head("Content-Length: 2000") + strings.Repeat("x", 2000),
	} {
		t.Run(name, func(t *testing.T) {
			got := said(t, at, bytes+last)
			if strings.Contains(got, "/last") || strings.Contains(got, " 418 ") {
				t.Errorf("%q", got)
			}
			if n := strings.Count(got, "HTTP/1.1 ") - strings.Count(got, "HTTP/1.1 100 "); n > 1 {
				t.Errorf("%d answers: %q", n, got)
			}
		})
	}
}

// Who asks for the connection's end, however it is spelt, gets it.
func TestAConnectionEndsWhenItIsAskedFor(t *testing.T) {
	at := serve(t, echo)
	for _, lines := range []string{
		"Connection: close", "connection: Close", "Connection: CLOSE", "Connection: keep-alive, close", "Connection: close , x", "Connection:\tclose\t",
		"Connection: close\r\nConnection: keep-alive", "Connection: keep-alive\r\nConnection: close",
	} {
		got := said(t, at, "GET /p HTTP/1.1\r\nHost: h\r\n"+lines+"\r\n\r\n"+last)
		if strings.Count(got, "HTTP/1.1 418 ") != 1 || !strings.Contains(got, "\r\nConnection: close\r\n") {
			t.Errorf("%q: %q", lines, got)
		}
	}
	for _, lines := range []string{"Connection: keep-alive", "Connection: closer", "Connection: x-close", "X-Connection: close"} {
		if got := said(t, at, "GET /p HTTP/1.1\r\nHost: h\r\n"+lines+"\r\n\r\n"+last); strings.Count(got, "HTTP/1.1 418 ") != 2 {
			t.Errorf("%q: %q", lines, got)
		}
	}
}

// What one request sent is never seen by another, though their memory is the same.
func TestNothingOfOneRequestIsSeenByAnother(t *testing.T) {
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for name := range r.Header {
			w.Header()["Got-"+name] = r.Header[name]
		}
		if r.URL.Path == "/empty" {
			return
		}
		_, _ = w.Write(body)
	})
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i := range 300 {
				path, mine := "/full", fmt.Sprint(n, "-", i)
				var body io.Reader = strings.NewReader(mine)
				if i%3 == 0 {
					path, body = "/empty", nil
				}
				r, _ := http.NewRequest(http.MethodPost, "http://"+at+path, body)
				if i%2 == 0 {
					r.Header.Set("Mine", mine)
				}
				res, err := client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				got, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				wantBody, wantMine := mine, ""
				if i%3 == 0 {
					wantBody = ""
				}
				if i%2 == 0 {
					wantMine = mine
				}
				if string(got) != wantBody || res.Header.Get("Got-Mine") != wantMine || res.StatusCode != http.StatusOK {
					t.Errorf("%s: %d, %q, %q", mine, res.StatusCode, got, res.Header.Get("Got-Mine"))
				}
			}
		})
	}
	all.Wait()
}

// A panic ends its connection and nothing else.
func TestAPanicEndsItsConnectionOnly(t *testing.T) {
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			_, _ = io.WriteString(w, "half a secret")
			panic("boom")
		}
		_, _ = io.WriteString(w, "fine")
	})
	if got := said(t, at, "GET /panic HTTP/1.1\r\nHost: h\r\n\r\n"+last); !strings.HasPrefix(got, "HTTP/1.1 500 ") || strings.Contains(got, "secret") || strings.Contains(got, "fine") {
		t.Errorf("%q", got)
	}
	if got := said(t, at, last); !strings.HasSuffix(got, "fine") {
		t.Errorf("%q", got)
	}
}
