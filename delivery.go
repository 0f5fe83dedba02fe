package halberd

import (
	"encoding/json"
	"time"
)

// DeliveryState is where one event is on its way to one webhook.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"   // it waits for its first try, or for the next
	DeliveryDelivered DeliveryState = "delivered" // the endpoint has taken it
	DeliveryFailed    DeliveryState = "failed"    // it was given up
	DeliveryCanceled  DeliveryState = "canceled"  // it was not to be sent any more; Error says why
)

// Delivery is one event on its way to one webhook: a line of the webhook's log.
type Delivery struct {
	ID        DeliveryID
	Webhook   WebhookID
	Event     EventID
	Type      EventType
	State     DeliveryState
	Attempts  int64
	CreatedAt time.Time
	NextAt    time.Time // of the next try, while it is pending
	LastAt    time.Time // of the last try; zero: there was none
	Status    int       // of the last answer; 0: there was none
	Took      time.Duration
	Error     string // why the last try failed, in a sentence; "": it did not
}

// Deliveries is one page. Next is empty at the end.
type Deliveries struct {
	List []Delivery
	Next string
}

// Outgoing is everything that whoever sends a delivery must know. The address and
// the secrets are credentials.
type Outgoing struct {
	ID        DeliveryID
	Webhook   WebhookID
	Format    WebhookFormat
	Address   Secret    // an https URL, or of FormatEmail a mailto: URL
	Secrets   []Secret  // newest first; every one signs. None but with FormatStandard
	Event     Event     // its ID is the message's: the same however often it is sent
	Attempts  int64     // before this one
	CreatedAt time.Time // what gives up counts from here
}

// Attempt is what became of one try to send.
type Attempt struct {
	At     time.Time
	Took   time.Duration
	Status int    // of the answer; 0: there was none
	Error  string // "": it was taken. A sentence without secrets, the log shows it
	Gone   bool   // the endpoint wants no more, ever (410)
	// NextAt is when it is to be tried again. Zero with an Error: never, it is given up.
	NextAt time.Time
}

// Body is what a receiver of FormatStandard is sent.
func (e *Event) Body() []byte {
	return []byte(encodeJSON(struct {
		Type      EventType       `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{e.Type, e.At, json.RawMessage(e.Data)}))
}

func (r *DeliveryRecord) delivery() Delivery {
	return Delivery{
		ID: r.ID, Webhook: r.Webhook, Event: r.Event, Type: EventType(r.EventType), State: r.State, Attempts: r.Attempts,
		CreatedAt: instant(r.CreatedAt), NextAt: instant(r.NextAt), LastAt: instant(r.LastAt),
		Status: int(r.Status), Took: time.Duration(r.TookMS) * time.Millisecond, Error: r.Error,
	}
}
