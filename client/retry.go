package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"time"
)

const (
	tries     = 4
	firstWait = 200 * time.Millisecond
	// maxWaiting bounds the waiting of one call, all tries together. A server
	// that asks for more gets its caller told so (Error.RetryAfter).
	maxWaiting = 10 * time.Second
)

// persist runs try until it succeeds, cannot be helped or was tried enough.
func (c *conn) persist(ctx context.Context, what *call, try func() error) error {
	var waited time.Duration
	for n := 1; ; n++ {
		err := try()
		if err == nil {
			return nil
		}
		e := asError(err)
		if ctx.Err() != nil || n == tries || !again(what, e) {
			return e
		}
		wait := e.RetryAfter + backoff(n) // told the same time, all would return at once
		if waited += wait; waited > maxWaiting {
			return e
		}
		if c.waiting != nil {
			c.waiting(wait, e.without(append(what.asked, c.key())...))
		}
		if !pause(ctx, wait) {
			return e
		}
	}
}

// again reports whether what may be repeated after e. A repeat that carries a
// version would be refused by its own first try, had that one arrived.
func again(what *call, e *Error) bool {
	switch e.Status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusServiceUnavailable:
		return what.version == 0 && (what.spends || what.repeatable())
	case 0, http.StatusBadGateway, http.StatusGatewayTimeout:
		if e.Status == 0 && e.Code != CodeUnreachable || distrusted(e) {
			return false
		}
		return !what.spends && what.repeatable() && what.version == 0 || neverSent(e)
	}
	return false
}

// repeatable reports whether doing it twice comes to the same as once.
func (c *call) repeatable() bool { return c.method != http.MethodPost || c.idempotency != "" }

// distrusted reports whether the server's certificate is why there is no answer:
// asking again does not mend it.
func distrusted(err error) bool {
	_, is := errors.AsType[*tls.CertificateVerificationError](err)
	return is
}

// neverSent reports whether the connection was not even made.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// backoff doubles with each try and lies between half and all of that: many
// clients that fail together must not return together.
func backoff(n int) time.Duration {
	full := firstWait << (n - 1)
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return full/2 + time.Duration(binary.LittleEndian.Uint64(b[:])%uint64(full/2))
}

// pause waits d and reports whether ctx is still there.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
