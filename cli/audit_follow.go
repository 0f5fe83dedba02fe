package cli

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// The poll slows down while nothing happens and while the server is away.
const (
	pollSoon = time.Second
	pollIdle = 10 * time.Second
	pollAway = 30 * time.Second
)

// followAudit prints events as they are recorded, until ctx ends, which is how
// it is meant to end. What it has printed it never prints again: it asks for
// what came after the last event it saw.
func (a *app) followAudit(ctx context.Context, api *client.Client, q client.AuditQuery) error {
	q.Ascending = true
	if q.After == "" && q.From == "" {
		last, err := api.Audit.List(ctx, client.AuditQuery{OrganizationID: q.OrganizationID, PageOf: client.PageOf{Limit: 1}})
		if err != nil {
			return err
		}
		if len(last.Items) > 0 {
			q.After = last.Items[0].AuditID
		}
	}
	for wait := pollSoon; ; {
		n, err := a.printNew(ctx, api, &q)
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

// printNew prints what was recorded after q.After and moves it on, page by
// page, so that an interruption repeats at most what was being written.
func (a *app) printNew(ctx context.Context, api *client.Client, q *client.AuditQuery) (n int, err error) {
	q.Limit = pageSize
	for {
		got, err := api.Audit.List(ctx, *q)
		if err != nil || len(got.Items) == 0 {
			return n, err
		}
		text, err := a.eventLines(got.Items)
		if err != nil {
			return n, err
		}
		if err := a.write(text); err != nil {
			return n, err
		}
		n += len(got.Items)
		q.After = got.Items[len(got.Items)-1].AuditID
		if got.Next == "" {
			return n, nil
		}
	}
}

// eventLines is one event a line: an object each with -o json, a document each
// with -o yaml, else a row without a head.
func (a *app) eventLines(events []wire.AuditEvent) ([]byte, error) {
	var buf bytes.Buffer
	for i := range events {
		e := &events[i]
		switch a.format {
		case "json":
			b, err := asJSON(e, "")
			if err != nil {
				return nil, err
			}
			buf.Write(b)
		case "yaml":
			b, err := asYAML(e)
			if err != nil {
				return nil, err
			}
			buf.WriteString("---\n")
			buf.Write(b)
		default:
			p := &page{colored: a.colored()}
			p.row(auditRow(e))
			buf.Write(p.buf.Bytes())
		}
	}
	return buf.Bytes(), nil
}
