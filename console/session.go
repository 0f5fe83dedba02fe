package console

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/halberdhq/halberd"
)

// A session holds who signed in and when their right began, nothing else: each
// request asks the Service whether they are still good.
const (
	sessionMember  = "member"
	sessionEpoch   = "epoch"
	sessionBegan   = "began"   // in seconds
	sessionSeen    = "seen"    // in seconds; not at every page
	sessionProject = "project" // the one that is looked at
	sessionNotice  = "notice"  // said once, on the next page
)

const (
	sessionIdle = 30 * time.Minute
	sessionLife = 12 * time.Hour
	// A page writes the session when the last such write is so old. One that looks
	// idle may so have been used a minute less ago, never more.
	sessionWrite = time.Minute
)

// newSessions makes cookies that die with the browser, with 30 idle minutes and
// after 12 hours. The idle time is ours (CommitCtx, signedIn): scs would write the
// session at every page for it.
func newSessions(svc *halberd.Service, kept halberd.Sessions, https bool) *scs.SessionManager {
	m := scs.New()
	m.Store = &sessions{kept: kept, now: svc.Now, ended: map[halberd.Digest]time.Time{}}
	m.Lifetime = sessionLife
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

// sessions fills scs's port with ours: tokens are kept as digests, and times are
// the Service's.
//
// scs stores a session at the end of a request that changed it. One that was under
// way while its session ended would bring it back, so what has ended is remembered
// for longer than a request may take.
type sessions struct {
	kept halberd.Sessions
	now  func() time.Time

	mu    sync.RWMutex // held in reading while a session is stored
	ended map[halberd.Digest]time.Time
}

const (
	rememberEnded = 5 * time.Minute
	maxEnded      = 1 << 16
)

// FindCtx implements scs.CtxStore.
func (s *sessions) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	b, err := s.kept.Session(ctx, sha256.Sum256([]byte(token)), s.now().Unix())
	if errors.Is(err, halberd.ErrNotFound) {
		return nil, false, nil
	}
	return b, err == nil, err
}

// CommitCtx implements scs.CtxStore. What is not stored again within sessionIdle
// has ended.
func (s *sessions) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	digest, now := halberd.Digest(sha256.Sum256([]byte(token))), s.now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, ended := s.ended[digest]; ended {
		return nil
	}
	return s.kept.PutSession(ctx, digest, b, now.Add(min(time.Until(expiry), sessionIdle)).Unix(), now.Unix())
}

// DeleteCtx implements scs.CtxStore.
func (s *sessions) DeleteCtx(ctx context.Context, token string) error {
	if token == "" { // of somebody who had none
		return nil
	}
	digest := halberd.Digest(sha256.Sum256([]byte(token)))
	s.remember(digest)
	return s.kept.EndSession(ctx, digest)
}

// remember waits for those that are being stored, and keeps others from it.
func (s *sessions) remember(digest halberd.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if len(s.ended) >= maxEnded {
		for d, at := range s.ended {
			if now.Sub(at) > rememberEnded {
				delete(s.ended, d)
			}
		}
	}
	if len(s.ended) < maxEnded {
		s.ended[digest] = now
	}
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
	m.Put(ctx, sessionBegan, x.now.Unix())
	m.Put(ctx, sessionSeen, x.now.Unix())
	return nil
}

// signedIn finds the member behind the session, as they stand now.
func (x *exchange) signedIn() (halberd.Actor, error) {
	m, ctx := x.c.sessions, x.r.Context()
	id, err := halberd.ParseMemberID(m.GetString(ctx, sessionMember))
	over := x.now.Sub(time.Unix(m.GetInt64(ctx, sessionBegan), 0)) >= sessionLife
	if err != nil || id.IsZero() || over {
		return halberd.Actor{}, &halberd.Error{Code: halberd.CodeUnauthorized, Message: "sign in first"}
	}
	by, err := x.c.svc.MemberActor(id, m.GetInt64(ctx, sessionEpoch), x.request())
	if err == nil && x.now.Sub(time.Unix(m.GetInt64(ctx, sessionSeen), 0)) >= sessionWrite {
		m.Put(ctx, sessionSeen, x.now.Unix())
	}
	return by, err
}
