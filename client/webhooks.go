package client

import (
	"context"
	"crypto/rand"
	"iter"
	"net/http"
	"net/url"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// Webhooks is /v1/webhooks: where an organization hears of its events.
type Webhooks struct{ conn *conn }

// WebhookQuery selects webhooks; the zero query is those of the caller's own
// organization.
type WebhookQuery struct {
	OrganizationID string // for operators
	PageOf
}

// DeliveryQuery selects deliveries of one webhook; the zero query is all.
type DeliveryQuery struct {
	State string // pending, delivered, failed or canceled
	PageOf
}

// List is one page, oldest first.
func (w Webhooks) List(ctx context.Context, q WebhookQuery) (Page[wire.Webhook], error) {
	v := q.put(url.Values{})
	put(v, "organization_id", q.OrganizationID)
	return page[wire.Webhook](ctx, w.conn, "webhooks", v)
}

// All walks every page from q's on.
func (w Webhooks) All(ctx context.Context, q WebhookQuery) iter.Seq2[wire.Webhook, error] {
	return all(q.PageOf, func(at PageOf) (Page[wire.Webhook], error) {
		q.PageOf = at
		return w.List(ctx, q)
	})
}

// Create makes a webhook. Its signing secret is in this answer and nowhere else,
// ever. When an answer is lost on the way, the repeat is IDEMPOTENT_REPLAY and
// names the webhook: RotateSecret makes another secret.
func (w Webhooks) Create(ctx context.Context, in wire.CreateWebhook, opts ...CallOption) (wire.NewSecretWebhook, error) {
	what := call{method: http.MethodPost, path: "webhooks", body: in, idempotency: rand.Text()}
	a, err := send[wire.NewSecretWebhook](ctx, w.conn, what, opts...)
	return a.Data, err
}

// Get reads one webhook.
func (w Webhooks) Get(ctx context.Context, id string) (wire.Webhook, error) {
	a, err := send[wire.Webhook](ctx, w.conn, call{method: http.MethodGet, path: "webhooks/{id}", id: id})
	return a.Data, err
}

// Update changes what in sets; the rest stays.
func (w Webhooks) Update(ctx context.Context, id string, in wire.UpdateWebhook, opts ...CallOption) (wire.Webhook, error) {
	a, err := send[wire.Webhook](ctx, w.conn, call{method: http.MethodPatch, path: "webhooks/{id}", id: id, body: in}, opts...)
	return a.Data, err
}

// RotateSecret gives a webhook a new signing secret, which is in this answer
// only. in.OverlapSeconds is a day unless it is set.
func (w Webhooks) RotateSecret(ctx context.Context, id string, in wire.RotateWebhookSecret, opts ...CallOption) (wire.NewSecretWebhook, error) {
	what := call{method: http.MethodPost, path: "webhooks/{id}/rotate-secret", id: id, body: in, idempotency: rand.Text()}
	a, err := send[wire.NewSecretWebhook](ctx, w.conn, what, opts...)
	return a.Data, err
}

// Delete takes a webhook out: nothing is sent to it any more.
func (w Webhooks) Delete(ctx context.Context, id string, opts ...CallOption) error {
	_, err := send[wire.DeletedWebhook](ctx, w.conn, call{method: http.MethodDelete, path: "webhooks/{id}", id: id}, opts...)
	return err
}

// Test sends an event of the type webhook.test to this webhook only.
func (w Webhooks) Test(ctx context.Context, id string) (wire.Event, error) {
	a, err := send[wire.Event](ctx, w.conn, call{method: http.MethodPost, path: "webhooks/{id}/test", id: id})
	return a.Data, err
}

// Deliveries is one page of what was sent to a webhook, newest first.
func (w Webhooks) Deliveries(ctx context.Context, id string, q DeliveryQuery) (Page[wire.Delivery], error) {
	v := q.put(url.Values{})
	put(v, "state", q.State)
	return pageUnder[wire.Delivery](ctx, w.conn, "webhooks/{id}/deliveries", id, v)
}

// AllDeliveries walks every page from q's on.
func (w Webhooks) AllDeliveries(ctx context.Context, id string, q DeliveryQuery) iter.Seq2[wire.Delivery, error] {
	return all(q.PageOf, func(at PageOf) (Page[wire.Delivery], error) {
		q.PageOf = at
		return w.Deliveries(ctx, id, q)
	})
}

// Redeliver sends the event of a delivery once more, under the same event id.
func (w Webhooks) Redeliver(ctx context.Context, id, delivery string) (wire.Delivery, error) {
	if !idShaped(delivery) {
		delivery = "dlv_" // no delivery has it, and what it is instead goes nowhere
	}
	a, err := send[wire.Delivery](ctx, w.conn, call{method: http.MethodPost, path: "webhooks/{id}/deliveries/" + delivery + "/redeliver", id: id})
	return a.Data, err
}
