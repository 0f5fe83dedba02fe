package client

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// Keys is /v1/api-keys.
type Keys struct{ conn *conn }

// KeyQuery selects keys. The zero query is every key that the caller reaches
// and that is not revoked, newest first.
type KeyQuery struct {
	States         []string // active, inactive, expired, revoked
	Scope          string
	Search         string // in name, prefix, id and external id
	ExternalID     string
	ProjectID      string
	OrganizationID string // for operators
	OwnedBy        string // the id of a member
	ExpiresBefore  string // an instant, or a date
	UnusedSince    string // an instant, or a date; a key never used counts
	Sort           string // created_at, label, expires_at, last_used_at; "-" before it reverses
	PageOf
}

func (q KeyQuery) values() url.Values {
	v := q.put(url.Values{})
	put(v, "state", strings.Join(q.States, ","))
	put(v, "scope", q.Scope)
	put(v, "q", q.Search)
	put(v, "external_id", q.ExternalID)
	put(v, "project_id", q.ProjectID)
	put(v, "organization_id", q.OrganizationID)
	put(v, "owned_by", q.OwnedBy)
	put(v, "expires_before", q.ExpiresBefore)
	put(v, "unused_since", q.UnusedSince)
	put(v, "sort", q.Sort)
	return v
}

// List is one page.
func (k Keys) List(ctx context.Context, q KeyQuery) (Page[wire.Key], error) {
	return page[wire.Key](ctx, k.conn, "api-keys", q.values())
}

// All walks every page from q's on.
func (k Keys) All(ctx context.Context, q KeyQuery) iter.Seq2[wire.Key, error] {
	return all(q.PageOf, func(at PageOf) (Page[wire.Key], error) {
		q.PageOf = at
		return k.List(ctx, q)
	})
}

// Get reads one key.
func (k Keys) Get(ctx context.Context, id string) (wire.Key, error) {
	a, err := send[wire.Key](ctx, k.conn, call{method: http.MethodGet, path: "api-keys/{id}", id: id})
	return a.Data, err
}

// Create makes a key. Its Secret is in this answer and nowhere else, ever.
//
// When an answer is lost on the way, the repeat is told that the key exists and
// not what its secret was. Nobody has that secret, so Create rotates the key
// once and returns the new one. If even that fails, the error names the key.
func (k Keys) Create(ctx context.Context, in wire.CreateKey, opts ...CallOption) (wire.NewSecretKey, error) {
	auto := rand.Text()
	what := call{method: http.MethodPost, path: "api-keys", body: in, idempotency: auto}
	a, err := send[wire.NewSecretKey](ctx, k.conn, what, opts...)
	if id, lost := lostSecret(err, auto, what, opts); lost {
		c, err := k.rotateAgain(ctx, id)
		return c.Value, err
	}
	return a.Data, err
}

// Rotate gives a key a new secret; the id stays. The old secret lives on for
// overlap (whole seconds), zero ends it at once. A lost answer is recovered as
// in Create, but not while an overlap keeps the old secret alive: that would
// end it early, so the error names the key and the caller decides.
func (k Keys) Rotate(ctx context.Context, id string, overlap time.Duration, opts ...CallOption) (Changed[wire.NewSecretKey], error) {
	auto := rand.Text()
	what := rotation(id, overlap, auto)
	a, err := send[wire.NewSecretKey](ctx, k.conn, what, opts...)
	if id, lost := lostSecret(err, auto, what, opts); lost && overlap == 0 {
		return k.rotateAgain(ctx, id)
	}
	return Changed[wire.NewSecretKey]{a.Data, a.Meta.Propagation}, err
}

// lostSecret reports whether err says that this very call was carried out
// before: only its own repeats carry the Idempotency-Key that was made for it.
// (net/http also repeats requests by itself, so counting tries would not tell.)
func lostSecret(err error, auto string, what call, opts []CallOption) (id string, lost bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != codeReplay || e.KeyID == "" {
		return "", false
	}
	for _, o := range opts {
		o(&what)
	}
	return e.KeyID, what.idempotency == auto
}

func (k Keys) rotateAgain(ctx context.Context, id string) (Changed[wire.NewSecretKey], error) {
	a, err := send[wire.NewSecretKey](ctx, k.conn, rotation(id, 0, rand.Text()))
	if err != nil {
		e := *asError(err)
		e.KeyID = id
		e.Message = "the new secret was lost on the way, and making another failed: " + e.Message
		err = &e
	}
	return Changed[wire.NewSecretKey]{a.Data, a.Meta.Propagation}, err
}

func rotation(id string, overlap time.Duration, idempotency string) call {
	return call{
		method: http.MethodPost, path: "api-keys/{id}/rotate", id: id,
		body:        wire.RotateKey{OverlapSeconds: int64(overlap / time.Second)},
		idempotency: idempotency,
	}
}

// Update changes what in sets; the rest stays.
func (k Keys) Update(ctx context.Context, id string, in wire.UpdateKey, opts ...CallOption) (Changed[wire.Key], error) {
	return k.change(ctx, call{method: http.MethodPatch, path: "api-keys/{id}", id: id, body: in}, opts)
}

// EndOverlap ends the superseded secret of a rotation now.
func (k Keys) EndOverlap(ctx context.Context, id string, opts ...CallOption) (Changed[wire.Key], error) {
	return k.change(ctx, call{method: http.MethodDelete, path: "api-keys/{id}/previous", id: id}, opts)
}

// Revoke ends a key for good. Revoking twice is the same success. reason, up to
// 255 characters, is kept beside the key; it may be empty.
func (k Keys) Revoke(ctx context.Context, id, reason string, opts ...CallOption) (Changed[wire.Key], error) {
	q := url.Values{}
	put(q, "reason", reason)
	return k.change(ctx, call{method: http.MethodDelete, path: "api-keys/{id}", id: id, query: q}, opts)
}

// Bulk revokes, deactivates or activates many keys at once: up to 1,000 by
// their ids, or all of an external id. The results are in the order asked for;
// a key that was refused is one of them and no error. After a lost answer the
// repeat does nothing and brings the results of the first time.
func (k Keys) Bulk(ctx context.Context, in wire.BulkKeys, opts ...CallOption) (Changed[[]wire.BulkResult], error) {
	what := call{method: http.MethodPost, path: "api-keys/bulk", body: in, idempotency: rand.Text()}
	a, err := send[[]wire.BulkResult](ctx, k.conn, what, opts...)
	return Changed[[]wire.BulkResult]{a.Data, a.Meta.Propagation}, err
}

func (k Keys) change(ctx context.Context, what call, opts []CallOption) (Changed[wire.Key], error) {
	a, err := send[wire.Key](ctx, k.conn, what, opts...)
	return Changed[wire.Key]{a.Data, a.Meta.Propagation}, err
}
