package server_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// HTTP/2 by hand, since no client does what these tests do (RFC 9113).
const (
	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameGoAway       = 7
	frameContinuation = 9

	flagAck        = 1 // of settings and pings
	flagEndStream  = 1
	flagEndHeaders = 4

	// In HPACK: https, a method and a path of the static table, ours spelled out.
	getHealthz  = "\x82\x87\x04\x08/healthz\x01\x01x"
	postHealthz = "\x83\x87\x04\x08/healthz\x01\x01x"
)

func frame(kind, flags byte, stream uint32, payload string) string {
	h := make([]byte, 9, 9+len(payload))
	h[0], h[1], h[2] = byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload))
	h[3], h[4] = kind, flags
	binary.BigEndian.PutUint32(h[5:], stream)
	return string(append(h, payload...))
}

// goneAway reads frames until the connection ends, or GOAWAY, whose code it
// returns.
func goneAway(c net.Conn) (code uint32, said bool) {
	in := bufio.NewReader(c)
	h := make([]byte, 9)
	for {
		if _, err := io.ReadFull(in, h); err != nil {
			return 0, false
		}
		payload := make([]byte, int(h[0])<<16|int(h[1])<<8|int(h[2]))
		if _, err := io.ReadFull(in, payload); err != nil {
			return 0, false
		}
		if h[3] == frameGoAway && len(payload) >= 8 {
			return binary.BigEndian.Uint32(payload[4:]), true
		}
	}
}

// streams that are begun and reset at once, and other frames that cost
// their sender nothing.
func TestFloodsOfFramesEndTheirConnectionOrCostNoMoreThanRequests(t *testing.T) {
	p, roots := serveTLS(t)
	p.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	ask := p.check(p.create("honest"))
	before := p.before(ask)
	reset := func(stream uint32) string {
		return frame(frameHeaders, flagEndHeaders|flagEndStream, stream, getHealthz) + frame(frameReset, 0, stream, "\x00\x00\x00\x08")
	}
	floods := map[string]func(i int) string{
		"rapid reset": func(i int) string { return reset(uint32(2*i + 1)) },
		"reset of a body": func(i int) string {
			s := uint32(2*i + 1)
			return frame(frameHeaders, flagEndHeaders, s, postHealthz) + frame(frameReset, 0, s, "\x00\x00\x00\x08")
		},
		"settings": func(int) string { return frame(frameSettings, 0, 0, "\x00\x04\x00\x00\xff\xff") },
		"pings":    func(int) string { return frame(framePing, 0, 0, "12345678") },
		"endless headers": func(i int) string {
			if i == 0 {
				return frame(frameHeaders, 0, 1, getHealthz)
			}
			return frame(frameContinuation, 0, 1, "\x00\x01a\x01b")
		},
		"streams not ended": func(i int) string { return frame(frameHeaders, flagEndHeaders, uint32(2*i+1), postHealthz) },
	}
	cpu := p.metric("process_cpu_seconds_total")
	begin := time.Now()
	trust := &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}}
	lasts := time.Duration(crowd(1, 20)) * time.Second
	var all sync.WaitGroup
	for name, next := range floods {
		for range crowd(1, 4) {
			all.Go(func() { p.flood(name, trust, lasts, next) })
		}
	}
	over := make(chan struct{})
	go func() { all.Wait(); close(over) }()
	during := p.honest(over, ask)
	t.Logf("%.1f s of floods took %.1f s of the server's processors", time.Since(begin).Seconds(), p.metric("process_cpu_seconds_total")-cpu)
	t.Logf("honest p99 before %s of %d, during %s of %d", percentile(before, .99), len(before), percentile(during, .99), len(during))
	eventually(t, "the floods' goroutines at their end", func() bool { return p.metric("go_goroutines") < 100 })
}

// flood sends what next makes until the server ends the connection, or for a
// time. Either is right; which one is logged.
func (p *process) flood(name string, trust *tls.Config, lasts time.Duration, next func(i int) string) {
	t := p.t
	c, err := tls.Dial("tcp", strings.TrimPrefix(p.url, "https://"), trust)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer c.Close()
	end := time.Now().Add(lasts)
	if err := c.SetWriteDeadline(end); err != nil {
		t.Error(err)
	}
	const ended = "the end of the connection"
	told := make(chan string, 1)
	go func() {
		if code, said := goneAway(c); said {
			told <- "GOAWAY " + goAwayCodes[code]
		} else {
			told <- ended
		}
	}()
	out := bufio.NewWriter(c)
	_, err = out.WriteString(preface + frame(frameSettings, 0, 0, ""))
	n := 0
	for ; err == nil && time.Now().Before(end); n++ {
		_, err = out.WriteString(next(n))
	}
	ours := err == nil || errors.Is(err, os.ErrDeadlineExceeded)
	if ours {
		_ = c.Close()
	}
	if last := <-told; ours && last == ended {
		t.Logf("%s: %d in %s, and it may go on", name, n, lasts)
	} else {
		t.Logf("%s: %d, then %s", name, n, last)
	}
}

var goAwayCodes = map[uint32]string{0: "NO_ERROR", 1: "PROTOCOL_ERROR", 9: "COMPRESSION_ERROR", 11: "ENHANCE_YOUR_CALM"}

// metric is one of the server's own numbers, which has no labels.
func (p *process) metric(name string) float64 {
	p.t.Helper()
	for line := range strings.Lines(private(p.t, filepath.Join(p.dir, "private.sock"), "/metrics").body) {
		if text, found := strings.CutPrefix(line, name+" "); found {
			n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return n
		}
	}
	p.t.Fatalf("there is no %s", name)
	return 0
}
