package client

import (
	"context"
	"crypto/rand"
	"iter"
	"net/http"
	"net/url"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// Projects is /v1/projects.
type Projects struct{ conn *conn }

// ProjectQuery selects projects; the zero query is all that the caller reaches.
type ProjectQuery struct {
	OrganizationID string // for operators
	PageOf
}

// List is one page, oldest first.
func (p Projects) List(ctx context.Context, q ProjectQuery) (Page[wire.Project], error) {
	v := q.put(url.Values{})
	put(v, "organization_id", q.OrganizationID)
	return page[wire.Project](ctx, p.conn, "projects", v)
}

// All walks every page from q's on.
func (p Projects) All(ctx context.Context, q ProjectQuery) iter.Seq2[wire.Project, error] {
	return all(q.PageOf, func(at PageOf) (Page[wire.Project], error) {
		q.PageOf = at
		return p.List(ctx, q)
	})
}

// Get reads one project.
func (p Projects) Get(ctx context.Context, id string) (wire.Project, error) {
	return p.one(ctx, call{method: http.MethodGet, path: "projects/{id}", id: id})
}

// Create makes a project. A repeat after a lost answer returns the first one.
func (p Projects) Create(ctx context.Context, in wire.CreateProject, opts ...CallOption) (wire.Project, error) {
	return p.one(ctx, call{method: http.MethodPost, path: "projects", body: in, idempotency: rand.Text()}, opts...)
}

// Update changes what in sets; the rest stays.
func (p Projects) Update(ctx context.Context, id string, in wire.UpdateProject, opts ...CallOption) (wire.Project, error) {
	return p.one(ctx, call{method: http.MethodPatch, path: "projects/{id}", id: id, body: in}, opts...)
}

// Delete revokes the project's keys and hides it.
func (p Projects) Delete(ctx context.Context, id string, opts ...CallOption) (Changed[wire.DeletedProject], error) {
	a, err := send[wire.DeletedProject](ctx, p.conn, call{method: http.MethodDelete, path: "projects/{id}", id: id}, opts...)
	return Changed[wire.DeletedProject]{a.Data, a.Meta.Propagation}, err
}

func (p Projects) one(ctx context.Context, what call, opts ...CallOption) (wire.Project, error) {
	a, err := send[wire.Project](ctx, p.conn, what, opts...)
	return a.Data, err
}
