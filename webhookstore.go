package halberd

// WebhookReader is the part of Reader that tells of webhooks and of what was
// sent to them.
type WebhookReader interface {
	Webhook(id WebhookID) (WebhookRecord, error)
	// Webhooks lists, by id, at most limit webhooks after the given one, of an
	// organization or (zero) of all.
	Webhooks(org OrganizationID, after WebhookID, limit int) ([]WebhookRecord, error)

	Delivery(id DeliveryID) (DeliveryRecord, error)
	// Deliveries lists at most f.Limit deliveries of one webhook, the greatest id
	// first.
	Deliveries(f DeliveryFilter) ([]DeliveryRecord, error)
	// DueDeliveries lists pending deliveries by NextAt and id.
	DueDeliveries(f DueFilter) ([]DeliveryRecord, error)
}

// WebhookWriter is the part of Tx that keeps webhooks and deliveries. None of it
// is a change that Follow tells of, or counts as a revision.
type WebhookWriter interface {
	// PutWebhook adds a record of version 1, or replaces the one whose version is
	// one less; ErrConflict otherwise.
	PutWebhook(WebhookRecord) error
	// DropWebhook takes a webhook out; ErrNotFound when it is not there. Its
	// deliveries stay until they are dropped.
	DropWebhook(id WebhookID) error

	// PutDelivery adds a record of version 1, or replaces the one whose version is
	// one less; ErrConflict otherwise, and when there is another delivery of this
	// event to this webhook.
	PutDelivery(DeliveryRecord) error
	// DropDeliveries drops deliveries made before a time, at most limit of them,
	// and returns how many.
	DropDeliveries(before int64, limit int) (int, error)
}

// WebhookRecord is a webhook as engines keep it.
type WebhookRecord struct {
	ID           WebhookID
	Organization OrganizationID
	URL          string // as it is shown
	Format       string
	Events       string // what it subscribes to, parted by blanks
	Active       bool
	Stopped      string // why the server disabled it; "": it did not
	CreatedAt    int64
	Version      int64
	Detail       string   // JSON, written and read by the ground
	MAC          [32]byte // over all of the above
}

// DeliveryRecord is one event on its way to one webhook, as engines keep it.
type DeliveryRecord struct {
	ID        DeliveryID
	Webhook   WebhookID
	Event     EventID
	EventType string
	State     DeliveryState
	Attempts  int64
	CreatedAt int64
	NextAt    int64 // when it is due, while it is pending
	LastAt    int64 // of the last attempt; 0: there was none
	Status    int64 // of the last answer; 0: there was none
	TookMS    int64 // how long the last attempt took
	Error     string
	Version   int64
}

// DueFilter selects pending deliveries by when they are due.
type DueFilter struct {
	From  int64      // NextAt ≥ this,
	After DeliveryID // and of those due at From only the greater ids; zero: all
	To    int64      // NextAt ≤ this
	Limit int
}

// DeliveryFilter selects deliveries. Zero fields do not select, but for Webhook.
type DeliveryFilter struct {
	Webhook WebhookID
	State   DeliveryState
	Since   int64      // LastAt ≥ this
	After   DeliveryID // in the order of the list; zero: from its beginning
	Limit   int
}
