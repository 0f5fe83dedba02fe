package fastlane_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whatever byte stands wherever in a request, what net/http refuses is refused
// here, and what is taken is told alike.
func TestNoByteIsTakenThatNetHTTPRefuses(t *testing.T) {
	t.Parallel()
	at := serve(t, echo)
	reference := httptest.NewServer(http.HandlerFunc(echo))
	defer reference.Close()
	for _, frame := range []string{
		"GE%sT /p HTTP/1.1\r\nHost: h\r\n\r\n",
		"%sGET /p HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET %s/p HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /p%sq HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /p?a%sb HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /p HTTP/1.1%s\r\nHost: h\r\n\r\n",
		"GET /p HTTP/%s1.1\r\nHost: h\r\n\r\n",
		"GET /p HTTP/1.1\r\nHost: h%si\r\n\r\n",
		"GET /p HTTP/1.1\r\nHost:%sh\r\n\r\n",
		"GET /p HTTP/1.1\r\nHost: h\r\nX-Api%s-Key: k\r\n\r\n",
		"GET /p HTTP/1.1\r\nHost: h\r\n%sX-Api-Key: k\r\n\r\n",
		"GET /p HTTP/1.1\r\nHost: h\r\nX-Api-Key%s: k\r\n\r\n",
		"GET /p HTTP/1.1\r\nHost: h\r\nX-Api-Key:%sk\r\n\r\n",
		"GET /p HTTP/1.1\r\nHost: h\r\nX-Api-Key: k%sl\r\n\r\n",
		"GET /p HTTP/1.1\r\nHost: h\r\nX-Api-Key: k%s\r\n\r\n",
		"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length:%s3\r\n\r\nabc",
		"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3%s\r\n\r\nabc",
	} {
		for b := range 256 {
			if b == '\n' && strings.HasPrefix(frame, "%s") {
				continue // an empty line before a request is passed over (RFC 9112, 2.2)
			}
			ask := strings.Replace(frame, "%s", string([]byte{byte(b)}), 1)
			got := first(t, at, ask)
			if strings.HasPrefix(got, "400 ") || got == "" {
				continue
			}
			if want := first(t, strings.TrimPrefix(reference.URL, "http://"), ask); got != want {
				t.Errorf("%q\n got %s\nwant %s", ask, got, want)
			}
		}
	}
}

// first is the first answer to bytes after which nothing comes; empty: there is
// none.
func first(t *testing.T, at, bytes string) string {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, bytes); err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite() //nolint:forcetypeassert // it was dialed as one
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return fmt.Sprint(res.StatusCode, " ", string(body), err)
}
