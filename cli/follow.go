package cli

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/halberdhq/halberd/client"
)

// The poll slows down while nothing happens and while the server is away.
const (
	pollSoon = time.Second
	pollIdle = 10 * time.Second
	pollAway = 30 * time.Second
)

// feed is a list that only grows at its end: the audit log, the events.
type feed[T any] struct {
	listing[T]
	// after lists what came after the given id ("": from the feed's own beginning),
	// oldest first.
	after func(ctx context.Context, id string) (client.Page[T], error)
}

// follow prints what is recorded after the given id, until ctx ends, which is how
// it is meant to end. What it has printed it never prints again: it asks for
// what came after the last that it saw.
func follow[T any](ctx context.Context, a *app, f feed[T], after string) error {
	for wait := pollSoon; ; {
		n, err := f.printNew(ctx, a, &after)
		e, refused := errors.AsType[*client.Error](err)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // being interrupted is how it is meant to end
		case refused && away(e):
			wait = min(max(2*wait, e.RetryAfter), pollAway)
			a.tell("hb: %s; trying again in %v", clean(e.Message), wait)
		case err != nil:
			return err
		case n > 0:
			wait = pollSoon
		default:
			wait = min(wait*5/4, pollIdle)
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
}

// away reports whether an error may pass by itself.
func away(e *client.Error) bool {
	how := refusals[e.Code].exit
	return how == exitUnavailable || how == exitRateLimited
}

// printNew prints what was recorded after an id and moves it on, page by page,
// so that an interruption repeats at most what was being written.
func (f *feed[T]) printNew(ctx context.Context, a *app, after *string) (n int, err error) {
	for {
		got, err := f.after(ctx, *after)
		if err != nil || len(got.Items) == 0 {
			return n, err
		}
		text, err := f.lines(a, got.Items)
		if err != nil {
			return n, err
		}
		if err := a.write(text); err != nil {
			return n, err
		}
		n += len(got.Items)
		*after = f.id(&got.Items[len(got.Items)-1])
		if got.Next == "" {
			return n, nil
		}
	}
}

// lines is one thing a line: an object each with -o json, a document each with
// -o yaml, else a row without a head.
func (f *feed[T]) lines(a *app, list []T) ([]byte, error) {
	var buf bytes.Buffer
	for i := range list {
		v := &list[i]
		switch a.format {
		case "json":
			b, err := asJSON(v, "")
			if err != nil {
				return nil, err
			}
			buf.Write(b)
		case "yaml":
			b, err := asYAML(v)
			if err != nil {
				return nil, err
			}
			buf.WriteString("---\n")
			buf.Write(b)
		default:
			p := &page{colored: a.colored()}
			p.row(f.row(v))
			buf.Write(p.buf.Bytes())
		}
	}
	return buf.Bytes(), nil
}
