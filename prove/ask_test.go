//go:build linux

package prove

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answer is what came back over HTTP.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get reads a value by its path of names and places.
func (a answer) get(path ...any) any {
	var v any
	if json.Unmarshal(a.body, &v) != nil {
		return nil
	}
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			l, _ := v.([]any)
			if s >= len(l) {
				return nil
			}
			v = l[s]
		}
	}
	return v
}

func (a answer) text(path ...any) string { s, _ := a.get(path...).(string); return s }

func (a answer) good() bool { return a.status/100 == 2 }

// ask sends one request; an error is one of the transport.
func (n *node) ask(ctx context.Context, method, path, key, body string, headers ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+n.public+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := n.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, text}, err
}

// must is ask for what has to succeed.
func (n *node) must(method, path, key, body string, headers ...string) answer {
	n.c.t.Helper()
	a, err := n.ask(context.Background(), method, path, key, body, headers...)
	if err != nil || !a.good() {
		n.c.t.Fatalf("node %d: %s %s: %d %s %v\n%s", n.number, method, path, a.status, a.body, err, n.log)
	}
	return a
}

// line is a connection on which checks are asked, one after the other. It speaks
// the HTTP/1.1 that it meets here and no more, so that asking costs little.
type line struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
}

func dial(address string, within time.Duration) (*line, error) {
	conn, err := (&net.Dialer{Timeout: within}).DialContext(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	return &line{conn: conn, in: bufio.NewReaderSize(conn, 16<<10)}, nil
}

// send puts a question; receive waits for its answer.
func (l *line) send(caller, secret, scope string) error {
	body := `{"key":"` + secret + `","scopes":["` + scope + `"]}`
	l.out = append(l.out[:0], "POST /v1/api-keys/verify HTTP/1.1\r\nHost: keys\r\nAuthorization: Bearer "...)
	l.out = append(l.out, caller...)
	l.out = append(l.out, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	l.out = strconv.AppendInt(l.out, int64(len(body)), 10)
	l.out = append(l.out, "\r\n\r\n"...)
	l.out = append(l.out, body...)
	_, err := l.conn.Write(l.out)
	return err
}

var errStrange = errors.New("an answer that is no HTTP")

// receive waits until the deadline at the latest. After an error the line is of no
// more use, unless it is a timeout before the first byte.
func (l *line) receive(deadline time.Time) (verdict, error) {
	if err := l.conn.SetReadDeadline(deadline); err != nil {
		return silent, err
	}
	if _, err := l.in.Peek(1); err != nil {
		return silent, err
	}
	if err := l.conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return silent, err
	}
	status, length := 0, -1
	for first := true; ; first = false {
		text, err := l.in.ReadSlice('\n')
		if err != nil {
			return silent, noTimeout(err)
		}
		if first {
			if len(text) < 12 {
				return silent, errStrange
			}
			status, _ = strconv.Atoi(string(text[9:12]))
			continue
		}
		if len(text) == 2 {
			break
		}
		if len(text) > 16 && bytes.EqualFold(text[:15], []byte("Content-Length:")) {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(text[15:])))
		}
	}
	if length < 0 || length > 16<<10 {
		return silent, errStrange
	}
	body, err := l.in.Peek(length)
	if err != nil {
		return silent, noTimeout(err)
	}
	v := read(status, body)
	_, err = l.in.Discard(length)
	return v, err
}

// noTimeout hides that an error is a timeout: half an answer is no answer to wait
// on for longer.
func noTimeout(err error) error { return errors.Join(errStrange, errors.New(err.Error())) }

// read is the verdict in an answer.
func read(status int, body []byte) verdict {
	if status != http.StatusOK {
		return silent
	}
	_, rest, ok := bytes.Cut(body, []byte(`"code":"`))
	code, _, _ := bytes.Cut(rest, []byte(`"`))
	switch {
	case !ok:
		return silent
	case bytes.Contains(body, []byte(`"valid":true`)):
		return accepted
	case string(code) == "NOT_FOUND":
		return unknown
	case string(code) == "REVOKED":
		return revoked
	}
	return forbidden
}

func (l *line) close() { l.conn.Close() }
