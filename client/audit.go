package client

import (
	"context"
	"iter"
	"net/url"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// Audit is /v1/audit-events.
type Audit struct{ conn *conn }

// AuditQuery selects events. The zero query is all that the caller reaches,
// newest first.
type AuditQuery struct {
	OrganizationID string // for operators
	Action         string // such as key.create
	Actor          string // an id
	Target         string // an id
	Outcome        string // done or denied
	From, To       string // from <= at < to
	// After leaves out what was recorded up to this event, and it; for
	// following.
	After     string
	Ascending bool // oldest first
	PageOf
}

// List is one page.
func (a Audit) List(ctx context.Context, q AuditQuery) (Page[wire.AuditEvent], error) {
	v := q.put(url.Values{})
	put(v, "organization_id", q.OrganizationID)
	put(v, "action", q.Action)
	put(v, "actor", q.Actor)
	put(v, "target", q.Target)
	put(v, "outcome", q.Outcome)
	put(v, "from", q.From)
	put(v, "to", q.To)
	put(v, "after", q.After)
	if q.Ascending {
		v.Set("sort", "at")
	}
	return page[wire.AuditEvent](ctx, a.conn, "audit-events", v)
}

// All walks every page from q's on.
func (a Audit) All(ctx context.Context, q AuditQuery) iter.Seq2[wire.AuditEvent, error] {
	return all(q.PageOf, func(at PageOf) (Page[wire.AuditEvent], error) {
		q.PageOf = at
		return a.List(ctx, q)
	})
}
