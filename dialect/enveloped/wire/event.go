package wire

import "time"

// Event is something that happened, as /v1 shows it.
type Event struct {
	EventID        string         `json:"event_id" example:"evt_01h455vb4pex5vsknk084sn02q" doc:"The webhook-id of its deliveries"`
	At             time.Time      `json:"at"`
	Type           string         `json:"type" example:"key.revoked"`
	OrganizationID *string        `json:"organization_id"`
	ProjectID      *string        `json:"project_id" doc:"null: of the organization as a whole"`
	Target         *Party         `json:"target"`
	Version        int64          `json:"version" doc:"Of the target, after the change: of two events of one target the greater is the newer. 0: it has none"`
	Data           map[string]any `json:"data" nullable:"false" doc:"Ids and hints, as webhooks are sent them; never a secret"`
}

// Webhook is an endpoint as /v1 shows it. It never holds a secret.
type Webhook struct {
	WebhookID           string     `json:"webhook_id" example:"whk_01h455vb4pex5vsknk084sn02q"`
	OrganizationID      string     `json:"organization_id"`
	URL                 string     `json:"url" doc:"Of the format slack only the host and the last characters are shown: the address is a credential"`
	Format              string     `json:"format" enum:"standard,slack,email"`
	Events              []string   `json:"events" nullable:"false"`
	Active              bool       `json:"active"`
	DisabledReason      *string    `json:"disabled_reason" doc:"Why the server made it inactive; null: it did not"`
	CreatedAt           time.Time  `json:"created_at"`
	CreatedBy           string     `json:"created_by"`
	PreviousSecretUntil *time.Time `json:"previous_secret_until" doc:"Until then the secret before the present one signs as well"`
	Version             int64      `json:"version"`
}

// NewSecretWebhook is the answer of making a webhook and of rotating its secret:
// a webhook and, this once, its signing secret.
type NewSecretWebhook struct {
	Webhook
	Secret *string `json:"secret" example:"whsec_…" doc:"Signs what is sent; shown only once. null for the formats slack and email, which are not signed"`
}

// CreateWebhook is the body of POST /v1/webhooks.
type CreateWebhook struct {
	URL            string        `json:"url" maxLength:"2048" doc:"https, on the public internet; of the format email mailto:name@example.com"`
	Events         []string      `json:"events" nullable:"false" maxItems:"64" doc:"Types such as key.revoked, all of a noun such as key.*, or *. Empty: only what names it, such as alert rules"`
	Format         Field[string] `json:"format,omitzero" nullable:"false" enum:"standard,slack,email" doc:"Default: standard"`
	Secret         Field[string] `json:"secret,omitzero" nullable:"false" doc:"Your own signing secret: whsec_ and 24 to 64 bytes in base64. Default: one is made"`
	OrganizationID Field[string] `json:"organization_id,omitzero" nullable:"false" doc:"For operators"`
}

// UpdateWebhook is the body of PATCH /v1/webhooks/{webhook_id}, a merge patch.
type UpdateWebhook struct {
	URL    Field[string]   `json:"url,omitzero" nullable:"false" maxLength:"2048"`
	Events Field[[]string] `json:"events,omitzero" nullable:"false" maxItems:"64"`
	Active Field[bool]     `json:"active,omitzero" nullable:"false" doc:"true forgets why the server disabled it"`
}

// RotateWebhookSecret is the body of POST /v1/webhooks/{webhook_id}/rotate-secret.
type RotateWebhookSecret struct {
	OverlapSeconds Field[int64] `json:"overlap_seconds,omitzero" nullable:"false" minimum:"0" maximum:"2592000" doc:"How long the former secret signs as well. Default: 86400. 0: it is dead at once"`
}

// DeletedWebhook is the answer of DELETE /v1/webhooks/{webhook_id}.
type DeletedWebhook struct {
	WebhookID string `json:"webhook_id"`
}

// Nothing is the body of a call that has nothing to say.
type Nothing struct{}

// Delivery is one event on its way to one webhook.
type Delivery struct {
	DeliveryID string     `json:"delivery_id" example:"dlv_01h455vb4pex5vsknk084sn02q"`
	WebhookID  string     `json:"webhook_id"`
	EventID    string     `json:"event_id"`
	Type       string     `json:"type" example:"key.revoked"`
	State      string     `json:"state" enum:"pending,delivered,failed,canceled"`
	Attempts   int64      `json:"attempts"`
	CreatedAt  time.Time  `json:"created_at"`
	NextAt     *time.Time `json:"next_at" doc:"While pending: when it is tried again"`
	LastAt     *time.Time `json:"last_at"`
	Status     *int       `json:"status" doc:"Of the last answer; null: there was none"`
	TookMS     *int64     `json:"took_ms"`
	Error      *string    `json:"error" doc:"Why the last try failed, or why it is not sent any more"`
}
