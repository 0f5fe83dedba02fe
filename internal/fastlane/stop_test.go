package fastlane_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/halberdhq/halberd/internal/fastlane"
)

// A stop waits for a request under way, and for nobody who has asked nothing: not
// for one who never said a word, with TLS or without, nor for one who was answered
// and is idle.
func TestAStopWaitsForRequestsOnly(t *testing.T) {
	t.Parallel()
	for name, secured := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, goOn := make(chan struct{}), make(chan struct{})
			raw, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l, dial := raw, func() net.Conn {
				t.Helper()
				c, err := net.Dial("tcp", raw.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = c.Close() })
				return c
			}
			open := dial
			if secured {
				l = tls.NewListener(raw, &tls.Config{Certificates: []tls.Certificate{certificate(t)}})
				open = func() net.Conn {
					t.Helper()
					c := tls.Client(dial(), &tls.Config{InsecureSkipVerify: true})
					if err := c.Handshake(); err != nil {
						t.Fatal(err)
					}
					return c
				}
			}
			const forever = time.Hour
			s := fastlane.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					close(begun)
					<-goOn
				}
				_, _ = io.WriteString(w, "fine")
			}), raw.Addr(), fastlane.Options{
				MaxHeader: 4 << 10, MaxBody: 1 << 10, ReadTimeout: forever, WriteTimeout: forever, IdleTimeout: forever,
				Refuse: func(http.ResponseWriter, *http.Request, int) { t.Error("one who said nothing was to be answered") },
			})
			served := make(chan error, 1)
			go func() { served <- s.Serve(l) }()

			silent, idle, busy := []net.Conn{dial(), open()}, open(), open()
			const whole = " HTTP/1.1\r\nHost: h\r\n\r\n"
			answered(t, idle, bufio.NewReader(idle), "GET /"+whole)
			if _, err := io.WriteString(busy, "GET /slow"+whole); err != nil {
				t.Fatal(err)
			}
			<-begun
			ctx, end := context.WithTimeout(t.Context(), time.Minute)
			defer end()
			stopped := make(chan error, 1)
			go func() { stopped <- s.Shutdown(ctx) }()
			for _, c := range append(silent, idle) {
				_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
				if n, err := io.Copy(io.Discard, c); n > 0 {
					t.Errorf("it was told %d bytes", n)
				} else if e, ok := err.(net.Error); ok && e.Timeout() { //nolint:errorlint // as net.Conn has it
					t.Error("it was not ended")
				}
			}
			select {
			case err := <-stopped:
				t.Fatalf("the stop did not wait for the request: %v", err)
			default:
			}
			close(goOn)
			res, err := http.ReadResponse(bufio.NewReader(busy), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if body, err := io.ReadAll(res.Body); string(body) != "fine" {
				t.Errorf("%q, %v", body, err)
			}
			if err := <-stopped; err != nil {
				t.Error(err)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
