package halberd

import (
	"crypto/rand"
	"time"

	"github.com/google/uuid"

	"github.com/halberdhq/halberd/internal/typeid"
)

// ID is a 128-bit identifier: a UUIDv7 written as a TypeID, `key_01h455vb4…`.
// It is never reused. The zero value means "none" and is written as the empty
// text.
type ID[K kind] [16]byte

type kind interface{ prefix() string }

type (
	keyKind          struct{}
	projectKind      struct{}
	organizationKind struct{}
	memberKind       struct{}
	auditKind        struct{}
	requestKind      struct{}
	eventKind        struct{}
	webhookKind      struct{}
	deliveryKind     struct{}
	alertKind        struct{}
	alertRuleKind    struct{}
)

func (keyKind) prefix() string          { return "key" }
func (projectKind) prefix() string      { return "prj" }
func (organizationKind) prefix() string { return "org" }
func (memberKind) prefix() string       { return "mem" }
func (auditKind) prefix() string        { return "aud" }
func (requestKind) prefix() string      { return "req" }
func (eventKind) prefix() string        { return "evt" }
func (webhookKind) prefix() string      { return "whk" }
func (deliveryKind) prefix() string     { return "dlv" }
func (alertKind) prefix() string        { return "alr" }
func (alertRuleKind) prefix() string    { return "rul" }

// The identifiers of the product.
type (
	KeyID          = ID[keyKind]          // key_…
	ProjectID      = ID[projectKind]      // prj_…
	OrganizationID = ID[organizationKind] // org_…
	MemberID       = ID[memberKind]       // mem_…
	AuditID        = ID[auditKind]        // aud_…
	RequestID      = ID[requestKind]      // req_…
	EventID        = ID[eventKind]        // evt_…
	WebhookID      = ID[webhookKind]      // whk_…
	DeliveryID     = ID[deliveryKind]     // dlv_…
	AlertID        = ID[alertKind]        // alr_…
	AlertRuleID    = ID[alertRuleKind]    // rul_…
)

// NewID makes an identifier that sorts after every earlier one of this process.
func NewID[K kind]() ID[K] { return ID[K](uuid.Must(uuid.NewV7())) }

// NewRequestID makes the identifier of one request (S2-11). Those of one
// millisecond are in no order: requests that come at once need not wait for each
// other to be named.
func NewRequestID() (id RequestID) {
	_, _ = rand.Read(id[6:]) // never fails: it ends the program instead
	ms := time.Now().UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70 // version 7
	id[8] = id[8]&0x3f | 0x80 // variant of RFC 9562
	return id
}

// ParseID reads the canonical text of an identifier; anything else is an error,
// zeros too: read as "none", they would ask for all where one was meant.
func ParseID[K kind](text string) (ID[K], error) {
	var k K
	id, err := typeid.Parse(k.prefix(), text)
	if err == nil && id == [16]byte{} {
		err = typeid.ErrMalformed
	}
	return ID[K](id), err
}

// ParseKeyID reads `key_…`.
func ParseKeyID(text string) (KeyID, error) { return ParseID[keyKind](text) }

// ParseProjectID reads `prj_…`.
func ParseProjectID(text string) (ProjectID, error) { return ParseID[projectKind](text) }

// ParseOrganizationID reads `org_…`.
func ParseOrganizationID(text string) (OrganizationID, error) { return ParseID[organizationKind](text) }

// ParseMemberID reads `mem_…`.
func ParseMemberID(text string) (MemberID, error) { return ParseID[memberKind](text) }

// ParseAuditID reads `aud_…`.
func ParseAuditID(text string) (AuditID, error) { return ParseID[auditKind](text) }

// ParseEventID reads `evt_…`.
func ParseEventID(text string) (EventID, error) { return ParseID[eventKind](text) }

// ParseWebhookID reads `whk_…`.
func ParseWebhookID(text string) (WebhookID, error) { return ParseID[webhookKind](text) }

// ParseDeliveryID reads `dlv_…`.
func ParseDeliveryID(text string) (DeliveryID, error) { return ParseID[deliveryKind](text) }

// ParseAlertID reads `alr_…`.
func ParseAlertID(text string) (AlertID, error) { return ParseID[alertKind](text) }

// ParseAlertRuleID reads `rul_…`.
func ParseAlertRuleID(text string) (AlertRuleID, error) { return ParseID[alertRuleKind](text) }

// IsZero reports whether id means "none".
func (id ID[K]) IsZero() bool { return id == ID[K]{} }

// Append writes the text of id to dst; nothing for the zero value.
func (id ID[K]) Append(dst []byte) []byte {
	if id.IsZero() {
		return dst
	}
	var k K
	return typeid.Append(dst, k.prefix(), id)
}

// String is the text of id, empty for the zero value.
func (id ID[K]) String() string {
	var room [8 + typeid.TextLen]byte
	return string(id.Append(room[:0]))
}

// MarshalText makes id a plain string in JSON and logs.
func (id ID[K]) MarshalText() ([]byte, error) { return id.Append(nil), nil }

// UnmarshalText reads what MarshalText writes.
func (id *ID[K]) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID[K]{}
		return nil
	}
	got, err := ParseID[K](string(b))
	if err != nil {
		return err
	}
	*id = got
	return nil
}

// NewKeyID makes a key's identifier.
func NewKeyID() KeyID { return NewID[keyKind]() }

// NewProjectID makes a project's identifier.
func NewProjectID() ProjectID { return NewID[projectKind]() }

// NewOrganizationID makes an organization's identifier.
func NewOrganizationID() OrganizationID { return NewID[organizationKind]() }

// NewAuditID makes an audit record's identifier.
func NewAuditID() AuditID { return NewID[auditKind]() }

// NewMemberID makes a member's identifier.
func NewMemberID() MemberID { return NewID[memberKind]() }

// NewEventID makes an event's identifier.
func NewEventID() EventID { return NewID[eventKind]() }

// NewWebhookID makes a webhook's identifier.
func NewWebhookID() WebhookID { return NewID[webhookKind]() }

// NewDeliveryID makes a delivery's identifier.
func NewDeliveryID() DeliveryID { return NewID[deliveryKind]() }

// NewAlertID makes an alert's identifier.
func NewAlertID() AlertID { return NewID[alertKind]() }

// NewAlertRuleID makes the identifier of a rule of alerts.
func NewAlertRuleID() AlertRuleID { return NewID[alertRuleKind]() }
