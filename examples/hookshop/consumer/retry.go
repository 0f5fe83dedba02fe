package consumer

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/http"
	"time"
)

const (
	tries     = 5
	firstWait = 500 * time.Millisecond
	// maxWaiting bounds the waiting of one call, all tries together. An API that
	// asks for more is not asked again.
	maxWaiting = 2 * time.Minute
)

// persist runs try until it succeeds, cannot be helped or was tried enough
// (S1-25).
func (c *Caller) persist(ctx context.Context, method string, try func() error) error {
	var waited time.Duration
	for n := 1; ; n++ {
		err := try()
		e, ok := errors.AsType[*Error](err)
		if !ok || n == tries || !again(method, e) {
			return err
		}
		pause := e.RetryAfter + backoff(n)
		if waited += pause; waited > maxWaiting {
			e.Message += "; the API asks to wait " + e.RetryAfter.String()
			return e
		}
		if c.Wait(ctx, pause) != nil {
			return &Error{Exit: ExitInterrupted, Message: "interrupted"}
		}
	}
}

// again reports whether the same request may go out once more. 429 is said
// before anything is done; 503 only promises that of a request that does
// nothing.
func again(method string, e *Error) bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable && method == http.MethodGet
}

// backoff doubles with each try and lies between half and all of that: many
// programs that were refused together must not return together.
func backoff(n int) time.Duration {
	full := firstWait << (n - 1)
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return full/2 + time.Duration(binary.LittleEndian.Uint64(b[:])%uint64(full/2))
}

// wait is a Caller's own Wait.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
