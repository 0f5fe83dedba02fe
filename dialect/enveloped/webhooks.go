package enveloped

import (
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

func listWebhooks(c *request.Call) (out many[wire.Webhook], err error) {
	org, err := organizationNamed(c.Query["organization_id"])
	if err != nil {
		return out, err
	}
	page, err := c.Service.ListWebhooks(c.Context(), c.Actor, org, pageOf(c))
	if err != nil {
		return out, err
	}
	return manyOf(c, page.List, page.Next, webhook), nil
}

func createWebhook(c *request.Call, body *wire.CreateWebhook) (out one[wire.NewSecretWebhook], err error) {
	n := halberd.NewWebhook{URL: body.URL, Format: halberd.WebhookFormat(body.Format.Value), Events: body.Events}
	switch {
	case body.Events == nil:
		return out, halberd.Invalid("events", "must be a list; an empty one is sent only what names the webhook")
	case body.Format.Null:
		return out, mustNotBeNull("format")
	case body.Secret.Null:
		return out, mustNotBeNull("secret")
	case body.Secret.Set && body.Secret.Value == "":
		return out, halberd.Invalid("secret", "must not be empty; leave it out, and one is made")
	}
	n.Secret = halberd.NewSecret(body.Secret.Value)
	if n.Organization, err = organizationIn(body.OrganizationID); err != nil {
		return out, err
	}
	made, err := c.Service.CreateWebhook(c.Context(), c.Actor, n)
	return newSecretWebhook(c, &made, err)
}

func getWebhook(c *request.Call) (out one[wire.Webhook], err error) {
	h, err := c.Service.GetWebhook(c.Context(), c.Actor, webhookID(c))
	if err != nil {
		return out, err
	}
	return oneOf(c, webhook(&h)), nil
}

func updateWebhook(c *request.Call, body *wire.UpdateWebhook) (out one[wire.Webhook], err error) {
	p := halberd.WebhookPatch{URL: maybe(body.URL), Events: maybe(body.Events)}
	switch {
	case body.URL.Null:
		return out, mustNotBeNull("url")
	case body.Events.Null:
		return out, mustNotBeNull("events")
	}
	if p.Active, err = flagIn("active", body.Active); err != nil {
		return out, err
	}
	h, err := c.Service.UpdateWebhook(c.Context(), c.Actor, webhookID(c), p, c.Version)
	if err != nil {
		return out, err
	}
	return oneOf(c, webhook(&h)), nil
}

func rotateWebhook(c *request.Call, body *wire.RotateWebhookSecret) (out one[wire.NewSecretWebhook], err error) {
	overlap := halberd.WebhookOverlap
	if body.OverlapSeconds.Null {
		return out, mustNotBeNull("overlap_seconds")
	}
	if body.OverlapSeconds.Set {
		overlap = time.Duration(number(body.OverlapSeconds.Value)) * time.Second
	}
	made, err := c.Service.RotateWebhook(c.Context(), c.Actor, webhookID(c), overlap)
	return newSecretWebhook(c, &made, err)
}

// newSecretWebhook is where a signing secret leaves, once.
func newSecretWebhook(c *request.Call, made *halberd.ChangedWebhook, err error) (out one[wire.NewSecretWebhook], _ error) {
	if err != nil {
		return out, err
	}
	return oneOf(c, wire.NewSecretWebhook{Webhook: webhook(&made.Webhook), Secret: textOrNull(made.Secret.Reveal())}), nil
}

func deleteWebhook(c *request.Call) (out one[wire.DeletedWebhook], err error) {
	id := webhookID(c)
	if err := c.Service.DeleteWebhook(c.Context(), c.Actor, id, c.Version); err != nil {
		return out, err
	}
	return oneOf(c, wire.DeletedWebhook{WebhookID: id.String()}), nil
}

func testWebhook(c *request.Call, _ *wire.Nothing) (out one[wire.Event], err error) {
	e, err := c.Service.TestWebhook(c.Context(), c.Actor, webhookID(c))
	if err != nil {
		return out, err
	}
	return oneOf(c, event(&e)), nil
}

func listDeliveries(c *request.Call) (out many[wire.Delivery], err error) {
	page, err := c.Service.WebhookDeliveries(c.Context(), c.Actor, webhookID(c), halberd.DeliveryState(c.Query["state"]), pageOf(c))
	if err != nil {
		return out, err
	}
	return manyOf(c, page.List, page.Next, delivery), nil
}

func redeliver(c *request.Call, _ *wire.Nothing) (out one[wire.Delivery], err error) {
	id, _ := halberd.ParseDeliveryID(c.Path("delivery_id")) // what is no id is not there
	d, err := c.Service.Redeliver(c.Context(), c.Actor, webhookID(c), id)
	if err != nil {
		return out, err
	}
	return oneOf(c, delivery(&d)), nil
}

// webhookID reads the path's webhook. What is no id cannot be there, which the
// Service says of none in a webhook's own words.
func webhookID(c *request.Call) halberd.WebhookID {
	id, _ := halberd.ParseWebhookID(c.Path("webhook_id"))
	return id
}

func webhook(h *halberd.Webhook) wire.Webhook {
	return wire.Webhook{
		WebhookID: h.ID.String(), OrganizationID: h.Organization.String(), URL: h.URL, Format: string(h.Format),
		Events: append([]string{}, h.Events...), Active: h.Active, DisabledReason: textOrNull(h.Disabled),
		CreatedAt: h.CreatedAt, CreatedBy: h.CreatedBy, PreviousSecretUntil: timeOrNull(h.PreviousSecretUntil), Version: h.Version,
	}
}

func delivery(d *halberd.Delivery) wire.Delivery {
	out := wire.Delivery{
		DeliveryID: d.ID.String(), WebhookID: d.Webhook.String(), EventID: d.Event.String(), Type: string(d.Type),
		State: string(d.State), Attempts: d.Attempts, CreatedAt: d.CreatedAt,
		NextAt: timeOrNull(d.NextAt), LastAt: timeOrNull(d.LastAt), Error: textOrNull(d.Error),
	}
	if d.Status != 0 {
		out.Status = &d.Status
	}
	if !d.LastAt.IsZero() {
		out.TookMS = new(d.Took.Milliseconds())
	}
	return out
}
