package jobs

import (
	"context"
	"time"
)

// Outbox is what deliveries are read from and reported to. It is the truth about
// what there is to deliver; a job is only the reminder to try one.
type Outbox interface {
	// Relay makes deliveries of events that nobody has made deliveries of yet, of a
	// bounded number at a time, and returns those that were made. more: call again.
	Relay(ctx context.Context) (made []Delivery, more bool, err error)
	// Waiting lists deliveries that were neither taken nor given up, in a fixed
	// order, after the id of the last one of the page before.
	Waiting(ctx context.Context, after string) ([]Delivery, error)
	// Attempt tries a delivery once and reports it to the log of deliveries, and
	// disables an endpoint that wants no more, or has wanted none for long. last:
	// there will be no further attempt.
	Attempt(ctx context.Context, d Delivery, number int, last bool) (Outcome, error)
	// Filled has a value soon after there is something to relay: a hint.
	Filled() <-chan struct{}
}

// Delivery is one event on its way to one endpoint.
type Delivery struct {
	ID       string `json:"id" river:"unique"`
	Endpoint string `json:"endpoint"` // deliveries to one endpoint share its lane
}

// Outcome is what became of an attempt.
type Outcome struct {
	// Over: it was taken, or it is not to be tried again (the endpoint is gone).
	Over bool
	// Good: the endpoint answered well.
	Good bool
	// RetryAfter is what the endpoint asked for. Zero: nothing.
	RetryAfter time.Duration
}
