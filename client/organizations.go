package client

import (
	"context"
	"crypto/rand"
	"iter"
	"net/http"
	"net/url"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// Organizations is /v1/organizations, for operators.
type Organizations struct{ conn *conn }

// List is one page, oldest first.
func (o Organizations) List(ctx context.Context, at PageOf) (Page[wire.Organization], error) {
	return page[wire.Organization](ctx, o.conn, "organizations", at.put(url.Values{}))
}

// All walks every page from at on.
func (o Organizations) All(ctx context.Context, at PageOf) iter.Seq2[wire.Organization, error] {
	return all(at, func(at PageOf) (Page[wire.Organization], error) { return o.List(ctx, at) })
}

// Get reads one organization.
func (o Organizations) Get(ctx context.Context, id string) (wire.Organization, error) {
	return o.one(ctx, call{method: http.MethodGet, path: "organizations/{id}", id: id})
}

// Create makes an organization and its default project. A repeat after a lost
// answer returns the first one.
func (o Organizations) Create(ctx context.Context, in wire.CreateOrganization, opts ...CallOption) (wire.Organization, error) {
	return o.one(ctx, call{method: http.MethodPost, path: "organizations", body: in, idempotency: rand.Text()}, opts...)
}

// Update renames, suspends or resumes an organization.
func (o Organizations) Update(ctx context.Context, id string, in wire.UpdateOrganization, opts ...CallOption) (wire.Organization, error) {
	return o.one(ctx, call{method: http.MethodPatch, path: "organizations/{id}", id: id, body: in}, opts...)
}

func (o Organizations) one(ctx context.Context, what call, opts ...CallOption) (wire.Organization, error) {
	a, err := send[wire.Organization](ctx, o.conn, what, opts...)
	return a.Data, err
}
