package fastlane_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/halberdhq/halberd/internal/fastlane"
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

// short is a listener that is short of files several times before it accepts.
type short struct {
	net.Listener
	times atomic.Int32
}

// Accept implements net.Listener.
func (l *short) Accept() (net.Conn, error) {
	if l.times.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

// a server that is out of files answers when it has some again.
func TestTooManyOpenFilesPass(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tight := &short{Listener: l}
	tight.times.Store(5)
	const timeout = 10 * time.Second
	at := serveOn(t, tight, fastlane.Options{ReadTimeout: timeout, WriteTimeout: timeout, IdleTimeout: timeout}, echo)
	if got := said(t, at, last); !strings.HasPrefix(got, "HTTP/1.1 418 ") {
		t.Errorf("%q", got)
	}
}

// Who has not asked to the end is told nothing: it could be taken for the answer to a
// request that is on its way. Who has asked, however long after an answer, is told.
func TestOnlyWhoAskedIsAnswered(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const brief = 200 * time.Millisecond
	at := serveOn(t, l, fastlane.Options{ReadTimeout: brief, WriteTimeout: brief, IdleTimeout: time.Minute}, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "fine")
	})
	for _, begun := range []string{"", "GET / HTTP/1.1\r\nHo", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel"} {
		if got := said(t, at, begun); got != "" {
			t.Errorf("%q was answered %q", begun, got)
		}
	}
	c, answers := dial(t, at)
	answered(t, c, answers, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	<-time.After(2 * brief)
	if _, err := io.WriteString(c, "nonsense\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal("long after an answer: ", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Error(res.Status)
	}
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
