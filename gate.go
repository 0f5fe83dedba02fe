package halberd

import (
	"context"
	"crypto/hmac"
	"errors"
	"sync"
	"time"
)

// Permit is the gate: it says whether an actor may do an action at all, and
// counts the attempt when not. Surfaces ask it before they read a body, so that
// nobody's values are judged who may not ask; every method of Service asks it
// again, and a change a third time inside its transaction, against the store. An
// actor is judged as its key stands now, not as it stood when it presented
// itself: whoever is no longer good is UNAUTHORIZED, as at the door.
func (s *Service) Permit(by Actor, act Action) error {
	if err := s.Ready(); err != nil {
		return err
	}
	if by.IsZero() {
		return errUnauthorized()
	}
	now := by
	if by.kind == ActorKey && !s.unchanged(&by) {
		p, good := s.stillGood(&by)
		if !good {
			return errUnauthorized()
		}
		now.scopes, now.operator = p.scopes, p.operator
	}
	if by.kind == ActorMember {
		m, ok := s.dir.member(by.member)
		if !ok || !now.fill(m) {
			return errSignedOut()
		}
	}
	if !now.permits(act) {
		return s.deny(by, act, refuse(CodeForbidden, "this credential may not do that: it needs %s", needs(act)))
	}
	return nil
}

// unchanged reports whether a key found good needs no second look: nothing was
// changed since, and no time ends it. Most calls ask the gate twice.
func (s *Service) unchanged(by *Actor) bool {
	return by.revision != 0 && by.revision == s.dir.revision.Load() && by.expiresAt.IsZero()
}

// stillGood looks at the actor's key again, in memory, and returns what it may
// now.
func (s *Service) stillGood(by *Actor) (*readyPolicy, bool) {
	var e entry
	own, p, _, ok := s.dir.find(&by.digest, &e)
	if !ok {
		return nil, false
	}
	code, _ := standing(&e, own, p, by.from, s.now().Unix())
	return p, code == Valid
}

func needs(act Action) string {
	switch act {
	case ActionVerify:
		return "the scope verify or admin"
	case ActionReadKeys, ActionReadUsage, ActionReadProjects, ActionReadAlerts:
		return "the scope read"
	case ActionUpdateSelf:
		return "a member"
	case ActionCreateProject, ActionDeleteProject,
		ActionReadMembers, ActionInviteMember, ActionUpdateMember, ActionRemoveMember,
		ActionReadWebhooks, ActionCreateWebhook, ActionUpdateWebhook, ActionRotateWebhook, ActionDeleteWebhook,
		ActionTestWebhook, ActionRedeliver:
		return "the scope admin, for the whole organization"
	case ActionReadNodes, ActionReadOrganizations, ActionCreateOrganization, ActionUpdateOrganization:
		return "an operator"
	}
	return "the scope admin"
}

// look runs a question past the gate.
func (s *Service) look(ctx context.Context, by Actor, act Action, fn func(Reader) error) error {
	if err := s.Permit(by, act); err != nil {
		return err
	}
	return outward(s.store.View(ctx, fn))
}

// change runs a change past the gate: once on the actor as it presented itself,
// and again on the actor as the store knows it inside the transaction, so that
// a key revoked a moment ago changes nothing any more. It returns when the change
// holds on every node, see commit.
func (s *Service) change(ctx context.Context, by Actor, act Action, fn func(tx Tx, by Actor) error) (Propagation, error) {
	if err := s.Permit(by, act); err != nil {
		return Propagation{}, err
	}
	p, err := s.commit(ctx, &by.request, act, func(tx Tx) error {
		fresh, err := s.refresh(tx, by)
		if err != nil {
			return err
		}
		if !fresh.permits(act) {
			return refuse(CodeForbidden, "this credential may not do that: it needs %s", needs(act))
		}
		return fn(tx, fresh)
	})
	switch CodeOf(err) {
	case CodeForbidden, CodeScopeEscalation:
		return Propagation{}, s.deny(by, act, err)
	}
	return p, outward(err)
}

// refresh reads the actor again from the store. Whoever is no longer good is
// UNAUTHORIZED, as at the door.
func (s *Service) refresh(r Reader, by Actor) (Actor, error) {
	switch by.kind {
	case ActorKey:
		return s.refreshKey(r, by)
	case ActorMember:
		return s.refreshMember(r, by)
	}
	return by, nil
}

func (s *Service) refreshMember(r Reader, by Actor) (Actor, error) {
	row, err := r.Member(by.member)
	if errors.Is(err, ErrNotFound) {
		return Actor{}, errSignedOut()
	} else if err != nil {
		return Actor{}, err
	}
	m, err := s.openMember(&row)
	if err != nil {
		return Actor{}, err
	}
	org, err := s.organization(r, m.Organization)
	if err != nil {
		return Actor{}, err
	}
	if !by.fill(standingMember{m.Organization, m.scopes(), m.Operator, m.State == MemberActive && org.Active, m.epoch}) {
		return Actor{}, errSignedOut()
	}
	return by, nil
}

func (s *Service) refreshKey(r Reader, by Actor) (Actor, error) {
	row, err := r.Key(by.key)
	if errors.Is(err, ErrNotFound) {
		return Actor{}, errUnauthorized()
	} else if err != nil {
		return Actor{}, err
	}
	k, err := s.openKey(&row)
	if err != nil {
		return Actor{}, err
	}
	now := s.now()
	replaced := !hmac.Equal(by.digest[:], row.Digest[:]) &&
		(k.PreviousExpiresAt.IsZero() || !hmac.Equal(by.digest[:], row.PreviousDigest[:]))
	if k.StateAt(now) != StateActive || now.Before(k.NotBefore) || replaced || !ipAllowed(k.IPAllow, by.from) {
		return Actor{}, errUnauthorized()
	}
	org, err := r.Organization(k.Organization)
	if err != nil {
		return Actor{}, err
	}
	if !org.Active {
		return Actor{}, errUnauthorized()
	}
	if !k.Project.IsZero() {
		p, err := s.project(r, k.Project)
		if err != nil {
			return Actor{}, err
		}
		if !p.Active || !p.DeletedAt.IsZero() {
			return Actor{}, errUnauthorized()
		}
	}
	return Actor{
		kind: ActorKey, key: k.ID, organization: k.Organization, project: k.Project, operator: k.Operator,
		scopes: k.Scopes, resources: k.Resources, ipAllow: k.IPAllow, rateLimits: k.RateLimits, quota: k.Quota, expiresAt: k.ExpiresAt,
		digest: by.digest, from: by.from, request: by.request,
	}, nil
}

// audit appends the event of a change to its transaction.
func (s *Service) audit(tx Tx, by Actor, act Action, org OrganizationID, project ProjectID, kind, target string, changes map[string]Change) error {
	e := AuditEvent{
		ID: NewAuditID(), At: s.stamp(), Organization: org, Project: project,
		ActorKind: by.kind, Actor: by.Ref(), Action: act, TargetKind: kind, Target: target,
		Outcome: OutcomeDone, Count: 1, Changes: changes, RequestID: by.request.ID,
	}
	if by.request.ClientIP.IsValid() {
		e.ClientIP = by.request.ClientIP.String()
	}
	return tx.AppendAudit(e.record())
}

// denials counts refused attempts until the next flush: one record per actor,
// action and minute, however many there were.
type denials struct {
	mu      sync.Mutex
	pending map[denialKey]*denial
	lost    int64 // attempts of actors beyond maxDenials in one minute
}

type denialKey struct {
	actor  string
	action Action
	minute int64
}

type denial struct {
	event   AuditEvent // as it was written, or will be
	written bool
	more    int64 // attempts not in the store yet
}

const maxDenials = 10_000

// deny counts a refused attempt and returns why it was refused.
func (s *Service) deny(by Actor, act Action, why error) error {
	d := &s.denials
	d.mu.Lock()
	defer d.mu.Unlock()
	k := denialKey{by.Ref(), act, s.now().Truncate(time.Minute).Unix()}
	n := d.pending[k]
	if n == nil {
		if len(d.pending) >= maxDenials {
			d.lost++
			return why
		}
		n = &denial{event: AuditEvent{
			ID: NewAuditID(), At: s.stamp(), Organization: by.organization, Project: by.project,
			ActorKind: by.kind, Actor: by.Ref(), Action: act, Outcome: OutcomeDenied, RequestID: by.request.ID,
		}}
		if by.request.ClientIP.IsValid() {
			n.event.ClientIP = by.request.ClientIP.String()
		}
		if d.pending == nil {
			d.pending = make(map[denialKey]*denial)
		}
		d.pending[k] = n
	}
	n.more++
	return why
}

// flushDenials writes what was counted. On failure it stays for the next time.
// The lock is held throughout: whoever is denied meanwhile waits for one
// bounded transaction.
func (s *Service) flushDenials(ctx context.Context) error {
	d := &s.denials
	d.mu.Lock()
	defer d.mu.Unlock()
	var due []*denial
	for _, n := range d.pending {
		if n.more > 0 {
			due = append(due, n)
		}
	}
	if len(due) > 0 {
		err := s.update(ctx, func(tx Tx) error {
			for _, n := range due {
				if err := n.write(tx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, n := range due {
		n.written, n.more = true, 0
	}
	minute := s.now().Truncate(time.Minute).Unix()
	for k := range d.pending {
		if k.minute < minute {
			delete(d.pending, k)
		}
	}
	if d.lost > 0 {
		s.log.Error("too many different actors were denied at once: some attempts are not in the audit log", "attempts", d.lost)
		d.lost = 0
	}
	return nil
}

// write counts in the minute's record, or makes it. One that was taken out of the
// store is made anew: it must not stand in the way of all others.
func (n *denial) write(tx Tx) error {
	if n.written {
		err := tx.CountDenied(n.event.ID, n.more)
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		n.event.ID = NewAuditID()
	}
	r := n.event.record()
	r.Count = n.more
	return tx.AppendAudit(r)
}
