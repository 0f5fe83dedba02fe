package fastlane_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// Whoever is slow is ended: an idle one, one who sends a byte now and then, before
// the first answer and after it, and one who does not read. A busy one goes on for
// several times as long.
func TestTheSlowAreEndedAndTheBusyAreNot(t *testing.T) {
	t.Parallel()
	const timeout, asks = 400 * time.Millisecond, 10
	much := strings.Repeat("much ", 1<<20)
	at := serveWithin(t, timeout, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/much" {
			_, _ = io.WriteString(w, much)
			return
		}
		_, _ = io.WriteString(w, "fine")
	})
	const whole = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	trickle := func(c net.Conn) {
		for range 1000 {
			if _, err := io.WriteString(c, "x-a: b\r\n"); err != nil {
				return
			}
			<-time.After(timeout / 20)
		}
	}
	for name, does := range map[string]func(c net.Conn, answers *bufio.Reader){
		"idle from the start": func(net.Conn, *bufio.Reader) {},
		"idle after a request": func(c net.Conn, answers *bufio.Reader) {
			answered(t, c, answers, whole)
		},
		"half a request and no more": func(c net.Conn, _ *bufio.Reader) { _, _ = io.WriteString(c, whole[:20]) },
		"a byte now and then": func(c net.Conn, _ *bufio.Reader) {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n")
			go trickle(c)
		},
		"a byte now and then, of the second request": func(c net.Conn, answers *bufio.Reader) {
			answered(t, c, answers, whole)
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n")
			go trickle(c)
		},
		"does not read": func(c net.Conn, answers *bufio.Reader) {
			answered(t, c, answers, whole)
			for range asks {
				_, _ = io.WriteString(c, strings.Replace(whole, "/", "/much", 1))
			}
			<-time.After(5 * timeout)
			if n, _ := io.Copy(io.Discard, answers); n >= int64(asks*len(much)) {
				t.Error("it was waited for")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, answers := dial(t, at)
			does(c, answers)
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := io.Copy(io.Discard, answers); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("it was not ended")
			}
		})
	}
	t.Run("busy", func(t *testing.T) {
		t.Parallel()
		c, answers := dial(t, at)
		for begin := time.Now(); time.Since(begin) < 4*timeout; {
			answered(t, c, answers, whole)
			<-time.After(timeout / 40)
		}
	})
}

func dial(t *testing.T, at string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, bufio.NewReader(c)
}

// answered asks and reads one answer.
func answered(t *testing.T, c net.Conn, answers *bufio.Reader, ask string) {
	t.Helper()
	if _, err := io.WriteString(c, ask); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "fine" {
		t.Fatalf("%q, %v", body, err)
	}
}
