package server_test

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// said is what a server answers to bytes, until it ends the connection.
func (p *process) said(bytes string) (text string, err error) {
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return "", err
	}
	go func() { _, _ = io.WriteString(c, bytes) }() // it may be ended before all is written
	all, err := io.ReadAll(c)
	if err != nil && strings.Contains(err.Error(), "reset by peer") {
		err = nil // ended with bytes of ours unread
	}
	return string(all), err
}

var statusLine = regexp.MustCompile(`HTTP/1\.[01] (\d\d\d) `)

func statuses(answer string) (all []string) {
	for _, m := range statusLine.FindAllStringSubmatch(answer, -1) {
		all = append(all, m[1])
	}
	return all
}

// Bytes that two readers may take apart differently, ours and a proxy's, are
// one request or none: never is a second one made of what may have been the
// body of the first. /smuggled is that second one; it would be a 404.
func TestNoRequestIsMadeOfTheBodyOfAnother(t *testing.T) {
	p := serve(t, shortDir(t), "--log-level", "error")
	const (
		smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
		last     = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	)
	post := func(headers ...string) string {
		return "POST /healthz HTTP/1.1\r\nHost: x\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n"
	}
	length := fmt.Sprintf("Content-Length: %d", len(smuggled))
	many := strings.Repeat("a: b\r\n", 6000)
	for name, c := range map[string]struct {
		bytes string
		want  []string
	}{
		"as it should be":              {post(length) + smuggled + last, []string{"405", "200"}},
		"chunks as they should be":     {post("Transfer-Encoding: chunked") + "4\r\nGET \r\n0\r\n\r\n" + last, []string{"405"}},
		"a chunk's extension":          {post("Transfer-Encoding: chunked") + "4;a=b\r\nGET \r\n0;c\r\n\r\n" + last, []string{"405"}},
		"length and chunks":            {post(length, "Transfer-Encoding: chunked") + "0\r\n\r\n" + smuggled, []string{"405"}},
		"length and chunks at a door":  {strings.Replace(post(length, "Transfer-Encoding: chunked"), "/healthz", "/v1/auth/forward", 1) + "0\r\n\r\n" + smuggled, []string{"401"}},
		"chunks and length":            {post("Transfer-Encoding: chunked", "Content-Length: 5") + "0\r\n\r\n" + smuggled, []string{"405"}},
		"two lengths that differ":      {post("Content-Length: 0", length) + smuggled, []string{"400"}},
		"two lengths in one":           {post(fmt.Sprintf("Content-Length: 0, %d", len(smuggled))) + smuggled, []string{"400"}},
		"a length with a sign":         {post("Content-Length: +5") + "aaaaa" + smuggled, []string{"400"}},
		"a negative length":            {post("Content-Length: -1") + smuggled, []string{"400"}},
		"a length in hexadecimal":      {post("Content-Length: 0x0") + smuggled, []string{"400"}},
		"a length beyond 64 bits":      {post("Content-Length: 18446744073709551616") + smuggled, []string{"400"}},
		"an empty length":              {post("Content-Length: ") + smuggled, []string{"400"}},
		"a space before the colon":     {post("Content-Length : 5") + "aaaaa" + smuggled, []string{"400"}},
		"a tab before the colon":       {post("Transfer-Encoding\t: chunked") + "0\r\n\r\n" + smuggled, []string{"400"}},
		"a space before a name":        {"POST /healthz HTTP/1.1\r\n Host: x\r\n\r\n" + smuggled, []string{"400"}},
		"a line that goes on":          {post("X: a", "\tTransfer-Encoding: chunked", length) + smuggled + last, []string{"405", "200"}},
		"a folded coding":              {post("Transfer-Encoding:", " chunked", length) + "0\r\n\r\n" + smuggled, []string{"405"}},
		"another coding":               {post("Transfer-Encoding: gzip") + smuggled, []string{"501"}},
		"two codings":                  {post("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n" + smuggled, []string{"501"}},
		"two headers of coding":        {post("Transfer-Encoding: chunked", "Transfer-Encoding: identity") + "0\r\n\r\n" + smuggled, []string{"501"}},
		"a coding with a form feed":    {post("Transfer-Encoding: \x0cchunked") + "0\r\n\r\n" + smuggled, []string{"400"}},
		"a coding of HTTP/1.0":         {"POST /healthz HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []string{"405"}},
		"a coding of HTTP/1.0, kept":   {"POST /healthz HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []string{"405"}},
		"a zero byte in a value":       {post("X: a\x00b") + smuggled, []string{"400"}},
		"a bare CR in a value":         {post("X: a\rContent-Length: 5") + smuggled, []string{"400"}},
		"a chunk size with 0x":         {post("Transfer-Encoding: chunked") + "0x0\r\n\r\n" + smuggled, []string{"405"}},
		"a chunk size with a sign":     {post("Transfer-Encoding: chunked") + "-1\r\n\r\n" + smuggled, []string{"405"}},
		"a chunk size beyond 64 bits":  {post("Transfer-Encoding: chunked") + "10000000000000000\r\n\r\n" + smuggled, []string{"405"}},
		"a chunk that is too long":     {post("Transfer-Encoding: chunked") + "1\r\nGET /\r\n0\r\n\r\n" + smuggled, []string{"405"}},
		"a chunk's bare LF":            {post("Transfer-Encoding: chunked") + "1;a\nb\r\nx\r\n0\r\n\r\n" + smuggled, []string{"405"}},
		"bad bytes, then a good one":   {"\x16\x03\x01\r\n\r\n" + last, []string{"400"}},
		"a bad one, then a good one":   {"GET / HTTP/9.9\r\nHost: x\r\n\r\n" + last, []string{"505"}},
		"no host":                      {"GET /healthz HTTP/1.1\r\n\r\n" + last, []string{"400"}},
		"two hosts":                    {"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + last, []string{"400"}},
		"a whole address":              {"GET http://other/healthz HTTP/1.1\r\nHost: x\r\n\r\n" + last, []string{"200", "200"}},
		"a whole address of a door":    {"GET http://other/v1/whoami HTTP/1.1\r\nHost: x\r\n\r\n" + last, []string{"401", "200"}},
		"an address without a path":    {"GET http://other HTTP/1.1\r\nHost: x\r\n\r\n" + last, []string{"404", "200"}},
		"a tunnel":                     {"CONNECT other:443 HTTP/1.1\r\nHost: x\r\n\r\n" + last, []string{"404", "200"}},
		"a star":                       {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n" + last, []string{"200", "200"}},
		"a space in the path":          {"GET /healthz /smuggled HTTP/1.1\r\nHost: x\r\n\r\n" + last, []string{"400"}},
		"a method that is no token":    {"GE(T /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + last, []string{"400"}},
		"lines that end in LF":         {"POST /healthz HTTP/1.1\nHost: x\n" + length + "\n\n" + smuggled + last, []string{"405", "200"}},
		"more headers still":           {"GET /healthz HTTP/1.1\r\nHost: x\r\n" + many + many + "\r\n" + last, []string{"431"}},
		"many headers":                 {"GET /healthz HTTP/1.1\r\nHost: x\r\n" + many + "\r\n" + last, []string{"431", "200"}},
		"an upgrade to HTTP/2":         {"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + last, []string{"200", "200"}},
		"the beginning of HTTP/2":      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + smuggled, []string{"404"}},
		"a name that another would be": {post("Content_Length: 5", "X-Content-Length: 5", length) + smuggled + last, []string{"405", "200"}},
	} {
		answer, err := p.said(c.bytes)
		if got := statuses(answer); !slices.Equal(got, c.want) || err != nil {
			t.Errorf("%s: %v, want %v (%v)", name, got, c.want, err)
		}
		if strings.Contains(answer, "\r\nLocation:") {
			t.Errorf("%s: sent elsewhere:\n%s", name, answer)
		}
	}
}
