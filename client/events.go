package client

import (
	"context"
	"iter"
	"net/url"
	"strings"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// Events is /v1/events.
type Events struct{ conn *conn }

// EventQuery selects events. The zero query is all that the caller reaches, in
// the order in which it happened.
type EventQuery struct {
	OrganizationID string   // for operators
	Types          []string // such as key.revoked, or key.* for all of a noun; none: all
	Target         string   // an id
	From, To       string   // from <= at < to
	After          string   // only events later than this one; for following
	Descending     bool     // newest first
	PageOf
}

// List is one page.
func (e Events) List(ctx context.Context, q EventQuery) (Page[wire.Event], error) {
	v := q.put(url.Values{})
	put(v, "organization_id", q.OrganizationID)
	put(v, "type", strings.Join(q.Types, ","))
	put(v, "target", q.Target)
	put(v, "from", q.From)
	put(v, "to", q.To)
	put(v, "after", q.After)
	if q.Descending {
		v.Set("sort", "-at")
	}
	return page[wire.Event](ctx, e.conn, "events", v)
}

// All walks every page from q's on.
func (e Events) All(ctx context.Context, q EventQuery) iter.Seq2[wire.Event, error] {
	return all(q.PageOf, func(at PageOf) (Page[wire.Event], error) {
		q.PageOf = at
		return e.List(ctx, q)
	})
}
