package client

import (
	"context"
	"crypto/rand"
	"iter"
	"net/http"
	"net/url"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// Members is /v1/members: the people of an organization.
type Members struct{ conn *conn }

// MemberQuery selects members; the zero query is those of the caller's own
// organization who are not removed.
type MemberQuery struct {
	OrganizationID string // for operators
	PageOf
}

// Leaving says what becomes of the keys that a removed member owned. The zero
// Leaving lets them go on.
type Leaving struct {
	Keys string // keep, suspend or hand_over; "": keep
	To   string // with hand_over: the member who owns them from now on
}

// List is one page, oldest first.
func (m Members) List(ctx context.Context, q MemberQuery) (Page[wire.Member], error) {
	v := q.put(url.Values{})
	put(v, "organization_id", q.OrganizationID)
	return page[wire.Member](ctx, m.conn, "members", v)
}

// All walks every page from q's on.
func (m Members) All(ctx context.Context, q MemberQuery) iter.Seq2[wire.Member, error] {
	return all(q.PageOf, func(at PageOf) (Page[wire.Member], error) {
		q.PageOf = at
		return m.List(ctx, q)
	})
}

// Get reads one member.
func (m Members) Get(ctx context.Context, id string) (wire.Member, error) {
	a, err := send[wire.Member](ctx, m.conn, call{method: http.MethodGet, path: "members/{id}", id: id})
	return a.Data, err
}

// Invite makes a member. The link is in this answer and nowhere else, ever. When
// an answer is lost on the way, the repeat is IDEMPOTENT_REPLAY: the member is
// there, and InviteAgain makes another link.
func (m Members) Invite(ctx context.Context, in wire.InviteMember, opts ...CallOption) (wire.InvitedMember, error) {
	what := call{method: http.MethodPost, path: "members", body: in, idempotency: rand.Text()}
	a, err := send[wire.InvitedMember](ctx, m.conn, what, opts...)
	return a.Data, err
}

// InviteAgain gives a member a new link and ends the former one, their sessions
// and their password.
func (m Members) InviteAgain(ctx context.Context, id string) (wire.InvitedMember, error) {
	a, err := send[wire.InvitedMember](ctx, m.conn, call{method: http.MethodPost, path: "members/{id}/invite", id: id})
	return a.Data, err
}

// Update changes what in sets; the rest stays.
func (m Members) Update(ctx context.Context, id string, in wire.UpdateMember, opts ...CallOption) (wire.Member, error) {
	a, err := send[wire.Member](ctx, m.conn, call{method: http.MethodPatch, path: "members/{id}", id: id, body: in}, opts...)
	return a.Data, err
}

// Remove ends a member for good, with every session.
func (m Members) Remove(ctx context.Context, id string, l Leaving, opts ...CallOption) (Changed[wire.RemovedMember], error) {
	q := url.Values{}
	put(q, "keys", l.Keys)
	put(q, "to", l.To)
	a, err := send[wire.RemovedMember](ctx, m.conn, call{method: http.MethodDelete, path: "members/{id}", id: id, query: q}, opts...)
	return Changed[wire.RemovedMember]{a.Data, a.Meta.Propagation}, err
}
