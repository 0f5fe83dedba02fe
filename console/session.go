package console

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/halberdhq/halberd"
)

// A session holds who signed in and when their right began, nothing else: each
// request asks the Service whether they are still good.
const (
	sessionMember  = "member"
	sessionEpoch   = "epoch"
	sessionProject = "project" // the one that is looked at
	sessionNotice  = "notice"  // said once, on the next page
)

// newSessions makes cookies that die with the browser, with 30 idle minutes and
// after 12 hours.
func newSessions(svc *halberd.Service, kept halberd.Sessions, https bool) *scs.SessionManager {
	m := scs.New()
	m.Store = &sessions{kept, svc.Now}
	m.IdleTimeout = 30 * time.Minute
	m.Lifetime = 12 * time.Hour
	m.Cookie.Name = "halberd" // on a loopback address: browsers take __Host- over TLS only
	if https {
		m.Cookie.Name = "__Host-halberd"
	}
	m.Cookie.Secure = https
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteStrictMode
	m.Cookie.Persist = false
	return m
}

// sessions fills scs's port with ours: tokens are kept as digests.
type sessions struct {
	kept halberd.Sessions
	now  func() time.Time
}

// FindCtx implements scs.CtxStore.
func (s *sessions) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	b, err := s.kept.Session(ctx, sha256.Sum256([]byte(token)), s.now().Unix())
	if errors.Is(err, halberd.ErrNotFound) {
		return nil, false, nil
	}
	return b, err == nil, err
}

// CommitCtx implements scs.CtxStore.
func (s *sessions) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	return s.kept.PutSession(ctx, sha256.Sum256([]byte(token)), b, expiry.Unix(), s.now().Unix())
}

// DeleteCtx implements scs.CtxStore.
func (s *sessions) DeleteCtx(ctx context.Context, token string) error {
	return s.kept.EndSession(ctx, sha256.Sum256([]byte(token)))
}

// Find implements scs.Store; scs calls FindCtx instead.
func (s *sessions) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit implements scs.Store; scs calls CommitCtx instead.
func (s *sessions) Commit(token string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, b, expiry)
}

// Delete implements scs.Store; scs calls DeleteCtx instead.
func (s *sessions) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// begin makes the session of whoever has just proved who they are, under a new
// token: one that was planted before is worth nothing.
func (x *exchange) begin(s halberd.Signed) error {
	m, ctx := x.c.sessions, x.r.Context()
	if err := m.RenewToken(ctx); err != nil {
		return err
	}
	if err := m.Clear(ctx); err != nil {
		return err
	}
	m.Put(ctx, sessionMember, s.Member.ID.String())
	m.Put(ctx, sessionEpoch, s.Epoch)
	return nil
}

// signedIn finds the member behind the session, as they stand now.
func (x *exchange) signedIn() (halberd.Actor, error) {
	m, ctx := x.c.sessions, x.r.Context()
	id, err := halberd.ParseMemberID(m.GetString(ctx, sessionMember))
	if err != nil || id.IsZero() {
		return halberd.Actor{}, &halberd.Error{Code: halberd.CodeUnauthorized, Message: "sign in first"}
	}
	return x.c.svc.MemberActor(id, m.GetInt64(ctx, sessionEpoch), x.request())
}
