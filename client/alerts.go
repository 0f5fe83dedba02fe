package client

import (
	"context"
	"crypto/rand"
	"iter"
	"net/http"
	"net/url"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// Alerts is /v1/alerts and /v1/alert-rules: what the service noticed, and what
// it looks for.
type Alerts struct{ conn *conn }

// AlertQuery selects alerts; the zero query is all that the caller reaches.
type AlertQuery struct {
	State          string // open, acknowledged or resolved; several are parted by commas
	Kind           string
	KeyID          string
	ProjectID      string
	OrganizationID string // for operators
	PageOf
}

// AlertRuleQuery selects rules; the zero query is those of the caller's own
// organization.
type AlertRuleQuery struct {
	OrganizationID string // for operators
	PageOf
}

// List is one page, latest first.
func (a Alerts) List(ctx context.Context, q AlertQuery) (Page[wire.Alert], error) {
	v := q.put(url.Values{})
	put(v, "state", q.State)
	put(v, "kind", q.Kind)
	put(v, "key_id", q.KeyID)
	put(v, "project_id", q.ProjectID)
	put(v, "organization_id", q.OrganizationID)
	return page[wire.Alert](ctx, a.conn, "alerts", v)
}

// All walks every page from q's on.
func (a Alerts) All(ctx context.Context, q AlertQuery) iter.Seq2[wire.Alert, error] {
	return all(q.PageOf, func(at PageOf) (Page[wire.Alert], error) {
		q.PageOf = at
		return a.List(ctx, q)
	})
}

// Get reads one alert.
func (a Alerts) Get(ctx context.Context, id string) (wire.Alert, error) {
	got, err := send[wire.Alert](ctx, a.conn, call{method: http.MethodGet, path: "alerts/{id}", id: id})
	return got.Data, err
}

// Acknowledge says that somebody has seen it.
func (a Alerts) Acknowledge(ctx context.Context, id string) (wire.Alert, error) {
	got, err := send[wire.Alert](ctx, a.conn, call{method: http.MethodPost, path: "alerts/{id}/acknowledge", id: id})
	return got.Data, err
}

// Silence lets nobody be told of an alert, or of its return, until a time.
func (a Alerts) Silence(ctx context.Context, id string, in wire.SilenceAlert) (wire.Alert, error) {
	got, err := send[wire.Alert](ctx, a.conn, call{method: http.MethodPost, path: "alerts/{id}/silence", id: id, body: in})
	return got.Data, err
}

// Rules is one page of rules, oldest first.
func (a Alerts) Rules(ctx context.Context, q AlertRuleQuery) (Page[wire.AlertRule], error) {
	v := q.put(url.Values{})
	put(v, "organization_id", q.OrganizationID)
	return page[wire.AlertRule](ctx, a.conn, "alert-rules", v)
}

// AllRules walks every page of rules from q's on.
func (a Alerts) AllRules(ctx context.Context, q AlertRuleQuery) iter.Seq2[wire.AlertRule, error] {
	return all(q.PageOf, func(at PageOf) (Page[wire.AlertRule], error) {
		q.PageOf = at
		return a.Rules(ctx, q)
	})
}

// Rule reads one rule.
func (a Alerts) Rule(ctx context.Context, id string) (wire.AlertRule, error) {
	got, err := send[wire.AlertRule](ctx, a.conn, call{method: http.MethodGet, path: "alert-rules/{id}", id: id})
	return got.Data, err
}

// CreateRule makes a rule.
func (a Alerts) CreateRule(ctx context.Context, in wire.CreateAlertRule, opts ...CallOption) (wire.AlertRule, error) {
	what := call{method: http.MethodPost, path: "alert-rules", body: in, idempotency: rand.Text()}
	got, err := send[wire.AlertRule](ctx, a.conn, what, opts...)
	return got.Data, err
}

// UpdateRule changes what in sets; the rest stays.
func (a Alerts) UpdateRule(ctx context.Context, id string, in wire.UpdateAlertRule, opts ...CallOption) (wire.AlertRule, error) {
	got, err := send[wire.AlertRule](ctx, a.conn, call{method: http.MethodPatch, path: "alert-rules/{id}", id: id, body: in}, opts...)
	return got.Data, err
}

// DeleteRule ends a rule for good.
func (a Alerts) DeleteRule(ctx context.Context, id string, opts ...CallOption) error {
	_, err := send[wire.AlertRule](ctx, a.conn, call{method: http.MethodDelete, path: "alert-rules/{id}", id: id}, opts...)
	return err
}
