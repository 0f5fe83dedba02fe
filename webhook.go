package halberd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// WebhookFormat is the language in which an endpoint is spoken to.
type WebhookFormat string

// The formats. The address of an email is a mailto: URL.
const (
	FormatStandard WebhookFormat = "standard" // the event's JSON, signed as Standard Webhooks says
	FormatSlack    WebhookFormat = "slack"    // a message, for Slack and those that speak like it
	FormatEmail    WebhookFormat = "email"
)

// Webhook is where an organization wants to hear of its events. Everything that
// is sent to it names ids and hints, never a secret or a digest.
type Webhook struct {
	ID           WebhookID
	Organization OrganizationID
	// URL is the address as it may be shown. A Slack address is a credential
	// itself: of it only the host and the last characters are shown.
	URL    string
	Format WebhookFormat
	// Events are the types it subscribes to: `key.revoked`, all of a noun `key.*`,
	// or all `*`. None: it is sent only what names it, such as the alerts of rules
	// whose channel it is.
	Events    []string
	Active    bool
	Disabled  string // why the server made it inactive; "": it did not
	CreatedAt time.Time
	CreatedBy string // Actor.Ref
	// PreviousSecretUntil is when the secret before the present one signs no more.
	PreviousSecretUntil time.Time
	Version             int64

	secrets []hiddenSecret // newest first
	address string         // the address itself, hidden; "": it is URL
	since   int64          // the Seq of the last event before it was made or activated
}

// hiddenSecret is a signing secret as it is kept.
type hiddenSecret struct {
	Hidden string    `json:"hidden"`
	Until  time.Time `json:"until,omitzero"` // zero: it has no end
}

// NewWebhook is a webhook to be made.
type NewWebhook struct {
	Organization OrganizationID // operators only; zero: the maker's
	URL          string
	Format       WebhookFormat // "" is FormatStandard
	Events       []string
	// Secret is the signing secret, for who moves here and keeps theirs; zero: one
	// is made.
	Secret Secret
}

// WebhookPatch changes a webhook; what is not Set stays. A format stays for good.
type WebhookPatch struct {
	URL    Maybe[string]
	Events Maybe[[]string]
	Active Maybe[bool]
}

// ChangedWebhook is the outcome of making one or of rotating its secret, which is
// never shown again. FormatStandard alone has one.
type ChangedWebhook struct {
	Webhook Webhook
	Secret  Secret
}

// Webhooks is one page. Next is empty at the end.
type Webhooks struct {
	List []Webhook
	Next string
}

// Endpoints says whether an address may be called: the ground knows no resolver.
type Endpoints interface {
	// Judge returns nil, or an error of CodeInvalid on `url`, for an https or
	// mailto URL, within three seconds. It must refuse what is not on the public
	// internet.
	Judge(ctx context.Context, address string) error
}

const (
	maxWebhooks = 100 // of an organization
	maxURL      = 2048
	// maxSubscriptions bounds one webhook's list of events.
	maxSubscriptions = 64
)

// wants reports whether an event is to be sent to the webhook.
func (h *Webhook) wants(e *EventRecord) bool {
	if e.Seq <= h.since {
		return false
	}
	if e.To != "" {
		if slices.Contains(strings.Fields(e.To), h.ID.String()) {
			return true
		}
		if e.Type == string(EventWebhookTest) {
			return false // it is for nobody else; an alert is for those that ask for alerts, too
		}
	}
	return slices.ContainsFunc(h.Events, func(word string) bool {
		noun, all := strings.CutSuffix(word, "*")
		return word == e.Type || all && strings.HasPrefix(e.Type, noun)
	})
}

func errEndpointNotFound() *Error { return refuse(CodeEndpointNotFound, "endpoint not found") } // S2, to the letter

func errEndpoint() *Error {
	return &Error{Code: CodeInvalid, Field: "url", Message: "endpoint must be a valid HTTPS URL"} // S2, to the letter
}

// checkAddress judges what can be judged without a resolver.
func checkAddress(format WebhookFormat, address string) error {
	if len(address) > maxURL {
		return errEndpoint()
	}
	u, err := url.Parse(address)
	switch format {
	case FormatStandard, FormatSlack:
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			return errEndpoint() // http is for Endpoints to refuse: an operator may allow it
		}
	case FormatEmail:
		if err != nil || u.Scheme != "mailto" || u.RawQuery != "" || u.Fragment != "" {
			return Invalid("url", "must be mailto: and an address, such as mailto:ops@example.com")
		}
		if _, err := checkEmail(u.Opaque); err != nil {
			return Invalid("url", "must be mailto: and an address, such as mailto:ops@example.com")
		}
	default:
		return Invalid("format", "must be standard, slack or email")
	}
	return nil
}

// shownAddress is what may be shown of an address.
func shownAddress(format WebhookFormat, address string) string {
	u, err := url.Parse(address)
	if format != FormatSlack || err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host + "/…" + address[max(len(address)-4, len(u.Scheme)+3+len(u.Host)):]
}

func checkSubscriptions(events []string) error {
	if len(events) > maxSubscriptions {
		return Invalid("events", "must be at most %d", maxSubscriptions)
	}
	_, err := expandTypes("events", events)
	return err
}

func (r *WebhookRecord) pack(p *packer) {
	p.text("webhook 1")
	p.bytes(r.ID[:])
	p.bytes(r.Organization[:])
	p.text(r.URL)
	p.text(r.Format)
	p.text(r.Events)
	p.bool(r.Active)
	p.text(r.Stopped)
	p.int(r.CreatedAt)
	p.int(r.Version)
	p.text(r.Detail)
}

type webhookDetail struct {
	CreatedBy string         `json:"created_by"`
	Secrets   []hiddenSecret `json:"secrets,omitempty"`
	Address   string         `json:"address,omitempty"`
	Since     int64          `json:"since,omitempty"`
}

func (h *Webhook) record() WebhookRecord {
	return WebhookRecord{
		ID: h.ID, Organization: h.Organization, URL: h.URL, Format: string(h.Format), Events: strings.Join(h.Events, " "),
		Active: h.Active, Stopped: h.Disabled, CreatedAt: seconds(h.CreatedAt), Version: h.Version,
		Detail: encodeJSON(webhookDetail{h.CreatedBy, h.secrets, h.address, h.since}),
	}
}

func (s *Service) openWebhook(r *WebhookRecord) (Webhook, error) {
	if !s.seal.genuine(r, r.MAC, new(packer)) {
		return Webhook{}, damagedRow(r.ID, errMAC)
	}
	var d webhookDetail
	if err := json.Unmarshal([]byte(r.Detail), &d); err != nil {
		return Webhook{}, fmt.Errorf("detail of a webhook: %w", err)
	}
	h := Webhook{
		ID: r.ID, Organization: r.Organization, URL: r.URL, Format: WebhookFormat(r.Format), Events: strings.Fields(r.Events),
		Active: r.Active, Disabled: r.Stopped, CreatedAt: instant(r.CreatedAt), CreatedBy: d.CreatedBy, Version: r.Version,
		address: d.Address, since: d.Since,
	}
	now := s.now()
	for _, secret := range d.Secrets {
		if secret.Until.IsZero() || now.Before(secret.Until) {
			h.secrets = append(h.secrets, secret)
			h.PreviousSecretUntil = secret.Until
		}
	}
	return h, nil
}

func webhookFields(h *Webhook) map[string]any {
	secret := ""
	if len(h.secrets) > 0 {
		secret = "a signing secret"
	}
	return map[string]any{
		"url": h.URL, "format": string(h.Format), "events": orNil(len(h.Events) == 0, h.Events), "active": h.Active,
		"disabled_reason": h.Disabled, "secret": secret, "previous_secret_until": timeOrNil(h.PreviousSecretUntil),
	}
}
