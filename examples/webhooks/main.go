// Command webhooks receives events of a Halberd server, believes those that it has
// signed, and prints each once:
//
//	HALBERD_WEBHOOK_SECRET=whsec_… webhooks 127.0.0.1:9000
//
// Behind a proxy that speaks HTTPS to the world it is a whole receiver.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Getenv("HALBERD_WEBHOOK_SECRET"), os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "webhooks:", err)
		os.Exit(1) //nolint:forbidigo // the end of main
	}
}

func run(ctx context.Context, args []string, secret string, out io.Writer) error {
	if len(args) != 1 || secret == "" {
		return errors.New("usage: HALBERD_WEBHOOK_SECRET=whsec_… webhooks 127.0.0.1:9000")
	}
	h, err := newReceiver(secret, out)
	if err != nil {
		return err
	}
	s := &http.Server{Addr: args[0], Handler: h, ReadTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = s.Shutdown(context.WithoutCancel(ctx))
	}()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// event is what arrives. Fields that a receiver does not know may come at any time.
type event struct {
	Type      string          `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

const (
	maxBody = 64 << 10
	// remembered is how many events are known again. An event is tried for three
	// days: a receiver that must act once only keeps the ids in its database.
	remembered = 10_000
)

// receiver answers webhooks. Whatever is answered with 2xx is not sent again.
type receiver struct {
	signed *standardwebhooks.Webhook
	out    io.Writer

	mu   sync.Mutex
	seen map[string]bool
	last []string // the ids of seen, oldest first
}

func newReceiver(secret string, out io.Writer) (*receiver, error) {
	signed, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, errors.New("the secret is not what POST /v1/webhooks answered")
	}
	return &receiver{signed: signed, out: out, seen: map[string]bool{}}, nil
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxBody))
	if err != nil {
		http.Error(w, "too long", http.StatusRequestEntityTooLarge)
		return
	}
	// The signature is over the bytes as they came: verify before reading them.
	if err := r.signed.Verify(body, q.Header); err != nil {
		http.Error(w, "not signed by whom it should be", http.StatusUnauthorized)
		return
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		http.Error(w, "no event", http.StatusBadRequest)
		return
	}
	if r.first(q.Header.Get(standardwebhooks.HeaderWebhookID)) {
		fmt.Fprintf(r.out, "%s %s %s\n", e.Timestamp.Format(time.RFC3339), e.Type, e.Data)
	}
	w.WriteHeader(http.StatusNoContent)
}

// first reports whether an event comes for the first time: a delivery whose answer
// was lost comes again, under the same id.
func (r *receiver) first(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[id] {
		return false
	}
	if len(r.last) == remembered {
		delete(r.seen, r.last[0])
		r.last = r.last[1:]
	}
	r.seen[id] = true
	r.last = append(r.last, id)
	return true
}
