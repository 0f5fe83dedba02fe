package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// UsageVerdicts lists what is counted for keys, by the names in wire.Usage:
// VALID, then the refusals in the order in which they are judged.
func UsageVerdicts() []string {
	out := []string{string(halberd.Valid)}
	for _, code := range halberd.VerdictCodes() {
		if code != halberd.Malformed && code != halberd.NotFound && code != halberd.Valid { // the first two are of no key
			out = append(out, string(code))
		}
	}
	return out
}

// UsageQuery selects a series. The zero query is the last 24 hours, by hour, of
// all that the caller reaches.
type UsageQuery struct {
	KeyID          string // by itself
	ProjectID      string
	ExternalID     string // every key that has it, at most 1,000
	OrganizationID string // for operators
	From, To       string // instants or dates; empty: see /v1/usage
	Step           string // minute, hour or day; empty: by the length of the span
}

// Usage reads how often each verdict fell, step by step.
func (c *Client) Usage(ctx context.Context, q UsageQuery) (wire.Usage, error) {
	v := url.Values{}
	put(v, "key_id", q.KeyID)
	put(v, "project_id", q.ProjectID)
	put(v, "external_id", q.ExternalID)
	put(v, "organization_id", q.OrganizationID)
	put(v, "from", q.From)
	put(v, "to", q.To)
	put(v, "step", q.Step)
	a, err := send[wire.Usage](ctx, c.conn, call{method: http.MethodGet, path: "usage", query: v})
	return a.Data, err
}

// Usage reads how often each verdict fell on a key, in q's span.
func (k Keys) Usage(ctx context.Context, id string, q UsageQuery) (wire.Usage, error) {
	v := url.Values{}
	put(v, "from", q.From)
	put(v, "to", q.To)
	put(v, "step", q.Step)
	a, err := send[wire.Usage](ctx, k.conn, call{method: http.MethodGet, path: "api-keys/{id}/usage", id: id, query: v})
	return a.Data, err
}
