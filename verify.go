package halberd

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/halberdhq/halberd/internal/planted"
)

// VerdictCode is the answer of a check in one word.
type VerdictCode string

// The verdicts, in the order in which they are given: the first that applies
// is the answer.
const (
	Malformed          VerdictCode = "MALFORMED"
	NotFound           VerdictCode = "NOT_FOUND"
	Revoked            VerdictCode = "REVOKED"
	Inactive           VerdictCode = "INACTIVE" // the key, its project or its organization
	NotYetValid        VerdictCode = "NOT_YET_VALID"
	Expired            VerdictCode = "EXPIRED"
	IPNotAllowed       VerdictCode = "IP_NOT_ALLOWED"
	InsufficientScope  VerdictCode = "INSUFFICIENT_SCOPE"
	ResourceNotAllowed VerdictCode = "RESOURCE_NOT_ALLOWED"
	RateLimited        VerdictCode = "RATE_LIMITED"
	QuotaExceeded      VerdictCode = "QUOTA_EXCEEDED"
	Valid              VerdictCode = "VALID"
)

// verdictNames is the order above; its indexes are what is counted.
var verdictNames = [...]VerdictCode{
	Malformed, NotFound, Revoked, Inactive, NotYetValid, Expired, IPNotAllowed,
	InsufficientScope, ResourceNotAllowed, RateLimited, QuotaExceeded, Valid,
}

// VerdictCodes lists every verdict, in order.
func VerdictCodes() []VerdictCode { return verdictNames[:] }

// Check is one question: may this key do this?
type Check struct {
	Secret   Secret
	Scopes   []Scope    // all must be held; none asks for none
	Resource string     // `type/id`; empty: none named
	More     []string   // further resources; all of them must be allowed as well
	ClientIP netip.Addr // of the key's holder, for keys with an address list
	Cost     int64      // of its limits, 1 to MaxCost; 0 is 1
	// UserAgent is what the key's holder calls its program, if told. It is kept
	// with the last use, never judged.
	UserAgent string
	// FiltersResources says that the caller will filter what it answers by the
	// verdict's Resources itself (list calls); without it a restricted key is
	// refused where no resource is named.
	FiltersResources bool
	// Within bounds whose keys are known at all. Zero: every key.
	Within Reach
	// AtLeast is the revision that the state must have that it is judged by, as a
	// change or another verdict told it: a node that is behind catches up first, and
	// is UNAVAILABLE if it cannot in a tenth of a second. Zero: any.
	AtLeast int64
}

// MaxCost bounds Check.Cost.
const MaxCost = 1_000_000

// Verdict is the answer to a Check. For a key that is not known (to this
// asker) everything after Reason is zero.
type Verdict struct {
	Code         VerdictCode
	Reason       string // what a person can act on; empty when valid
	KeyID        KeyID
	ExternalID   string
	Organization OrganizationID
	Project      ProjectID
	Operator     bool
	Scopes       Scopes
	Resources    Resources
	ExpiresAt    time.Time
	RateLimits   LimitStates
	Quota        Maybe[QuotaState] // absent: the key has none, or the check was refused before it was asked
	RetryAfter   time.Duration     // for RateLimited and QuotaExceeded: when the same check would pass; 0: never
	Revision     int64             // of the state that was judged
}

// Valid reports whether the key may do what was asked.
func (v *Verdict) Valid() bool { return v.Code == Valid }

// Verify answers a check from memory; no store is touched, but for keys with a
// quota when a chunk of it ends: for the next one a check waits at most a
// quarter of a second, and is UNAVAILABLE then. A refusal is a Verdict; an error
// means that the answer is not known and the caller must refuse. No caller keeps
// a Verdict for a later request.
func (s *Service) Verify(ctx context.Context, c Check) (Verdict, error) {
	var v Verdict
	if s.closed.Load() {
		return v, outward(ErrClosed)
	}
	if err := c.price(); err != nil {
		return v, err
	}
	if c.AtLeast > s.dir.revision.Load() {
		if err := s.reach(ctx, c.AtLeast); err != nil {
			return v, err
		}
	}
	if err := s.decide(ctx, &c, &v); err != nil {
		return Verdict{}, err
	}
	return v, nil
}

// price fills the default of the cost in, and refuses one out of bounds.
func (c *Check) price() error {
	if c.Cost == 0 {
		c.Cost = 1
	}
	if c.Cost < 0 || c.Cost > MaxCost {
		return Invalid("cost", "must be from 1 to %d", MaxCost)
	}
	return nil
}

// VerifyFor answers a check for a trusted service: only keys that the service
// reaches are known to it.
func (s *Service) VerifyFor(ctx context.Context, by Actor, c Check) (Verdict, error) {
	if err := s.Permit(by, ActionVerify); err != nil {
		return Verdict{}, err
	}
	if err := c.askedBy(&by); err != nil {
		return Verdict{}, err
	}
	return s.Verify(ctx, c)
}

// VerifyBatch answers checks for a trusted service, in order, as VerifyFor does one
// after the other. None is answered, and so nothing is spent, while one of them
// makes no sense; at says which one an error is about, and is -1 for all.
func (s *Service) VerifyBatch(ctx context.Context, by Actor, checks []Check, answer func(*Verdict) error) (at int, err error) {
	if err := s.Permit(by, ActionVerify); err != nil {
		return -1, err
	}
	for i := range checks {
		if err := checks[i].askedBy(&by); err != nil {
			return i, err
		}
		if err := checks[i].price(); err != nil {
			return i, err
		}
	}
	for i := range checks {
		v, err := s.Verify(ctx, checks[i])
		if err != nil {
			return -1, err
		}
		if err := answer(&v); err != nil {
			return -1, err
		}
	}
	return -1, nil
}

// askedBy bounds a check to what the asker reaches, and refuses one that makes no
// sense.
func (c *Check) askedBy(by *Actor) error {
	for _, w := range c.Scopes {
		if !w.valid() {
			_, err := ParseScopes([]string{string(w)})
			return err
		}
	}
	if c.Resource != "" && !ValidResource(c.Resource) {
		return Invalid("resource", "must be one resource, such as engagement/42")
	}
	if !by.operator {
		c.Within = Reach{by.organization, by.project}
	}
	return nil
}

// decide walks the published order over one check. It allocates nothing unless
// it refuses for a scope.
func (s *Service) decide(ctx context.Context, c *Check, v *Verdict) error {
	m, err := s.moment()
	if err != nil {
		return err
	}
	var (
		e      entry
		digest Digest
	)
	if own, p, ok := s.present(c, v, m.now, &e, &digest); ok {
		if planted.Is(planted.LeaseJudgedLate) && s.node != nil {
			if at := s.clock(); !s.node.lease.Load().holds(at) {
				return s.node.noLease()
			}
		}
		return s.decideWhat(ctx, c, v, &e, own, p, m)
	}
	return nil
}

// present is the first half of the order: is this a good key, here and now? Then e and
// digest are set; when not, the answer is in v.
func (s *Service) present(c *Check, v *Verdict, now time.Time, e *entry, digest *Digest) (own *owner, p *readyPolicy, ok bool) {
	d := s.dir
	v.Revision = d.revision.Load()
	if !c.Secret.WellFormed() {
		s.refuseUnknown(v, Malformed, "the key is not well formed: it was cut, mistyped, or is no key of this kind")
		return nil, nil, false
	}
	*digest = s.seal.digest(c.Secret)
	own, p, external, ok := d.find(digest, e)
	if !ok || !c.Within.holds(own) {
		s.refuseUnknown(v, NotFound, "there is no such key")
		return nil, nil, false
	}
	v.KeyID, v.Organization, v.Project = e.id, own.organization, own.project
	v.ExternalID = external
	v.Scopes, v.Resources, v.Operator = p.scopes, p.resources, p.operator
	v.ExpiresAt = instant(e.expires)

	if code, reason := standing(e, own, p, c.ClientIP, now.Unix()); code != Valid {
		s.refuseKnown(v, e, code, reason)
		return nil, nil, false
	}
	return own, p, true
}

// standing is the part of the order that asks nothing but who, where and when.
func standing(e *entry, own *owner, p *readyPolicy, from netip.Addr, now int64) (code VerdictCode, reason string) {
	switch {
	case e.flags&flagRevoked != 0:
		return Revoked, "the key was revoked and cannot come back: create a new one"
	case e.flags&flagInactive != 0:
		return Inactive, "the key is deactivated: activate it to use it again"
	case !own.active:
		return Inactive, "the key's project is suspended"
	case !own.orgActive:
		return Inactive, "the key's organization is suspended"
	case now < e.notBefore:
		return NotYetValid, "the key is not valid yet: see its not_before"
	case e.flags&flagEnded != 0,
		e.expires != 0 && now >= e.expires && e.flags&flagSuperseded != 0:
		return Expired, "this secret was replaced by a rotation: use the new one"
	case e.expires != 0 && now >= e.expires:
		return Expired, "the key is expired: extend it, or create a new one"
	case !ipAllowed(p.ipAllow, from):
		return IPNotAllowed, "the key may not be used from this address"
	}
	return Valid, ""
}

// decideWhat is the second half: the key is good; may it do this, now? An error
// means that its quota is not known.
func (s *Service) decideWhat(ctx context.Context, c *Check, v *Verdict, e *entry, own *owner, p *readyPolicy, m moment) error {
	for _, want := range c.Scopes {
		if !p.scopes.Holds(want) {
			s.refuseKnown(v, e, InsufficientScope, "the key does not hold the scope "+string(want)+"; it holds "+strings.Join(p.scopes.Strings(), ", "))
			return nil
		}
	}
	switch {
	case p.resources.All():
	case c.Resource == "" && !c.FiltersResources:
		s.refuseKnown(v, e, ResourceNotAllowed, "the key is limited to some resources and this call names none")
		return nil
	case c.Resource != "" && !p.resources.Allows(c.Resource):
		s.refuseKnown(v, e, ResourceNotAllowed, "the key may not act on this resource")
		return nil
	default:
		for _, more := range c.More {
			if !p.resources.Allows(more) {
				s.refuseKnown(v, e, ResourceNotAllowed, "the key may not act on this resource")
				return nil
			}
		}
	}
	limits := own.limits
	if p.rateLimits != nil {
		limits = p.limits
	}
	who := subject{e.id, own, v.ExternalID}
	switch code, err := s.spend(ctx, v, &who, limits, p.quota, m, c.Cost); {
	case err != nil:
		return err
	case code == RateLimited:
		s.refuseKnown(v, e, RateLimited, orNever(v, "the key's rate limit is spent: wait, then retry with exponential backoff",
			"the call costs more than the key's rate limit ever lets through at once: waiting does not help, ask for a larger burst"))
	case code == QuotaExceeded:
		s.refuseKnown(v, e, QuotaExceeded, orNever(v, "what is left of the key's quota is not enough: wait for its refill, or ask for a larger one",
			"what is left of the key's quota is not enough, and no refill makes it so: ask for a larger one"))
	default:
		v.Code = Valid
		s.use(e.ordinal, m.now.Unix(), c.ClientIP, c.UserAgent)
	}
	return nil
}

// orNever is what to do about a limit, by whether waiting ever helps.
func orNever(v *Verdict, wait, never string) string {
	if v.RetryAfter == 0 {
		return never
	}
	return wait
}

// spend takes cost from every limit and from the quota, or from none of them.
// The quota, which may have to wait, is asked once the limits would let the
// check through.
func (s *Service) spend(ctx context.Context, v *Verdict, who *subject, limits []readyLimit, quota *Quota, m moment, cost int64) (VerdictCode, error) {
	if len(limits) == 0 || s.shared == nil {
		return s.spendAlone(ctx, v, who, limits, quota, m, cost)
	}
	if !s.shared.Away() {
		return s.spendShared(ctx, s.shared, limits, nil, v, who, limits, quota, m, cost)
	}
	s.fallBack()
	return s.spendAlone(ctx, v, who, limits, quota, m, cost)
}

// spendOwn is spend by what this node grants from memory.
func (s *Service) spendOwn(ctx context.Context, v *Verdict, who *subject, limits []readyLimit, quota *Quota, m moment, cost int64) (VerdictCode, error) {
	if len(limits) > 0 && s.limiter.share.closed() {
		return "", errNotShared()
	}
	if quota == nil {
		if len(limits) > 0 && !s.limiter.take(v, who, limits, m.own, cost) {
			return RateLimited, nil
		}
		return Valid, nil
	}
	if !s.limiter.look(v, who, limits, s.limiter.at(m.own), cost) {
		return RateLimited, nil
	}
	d := draw{quota: quota, cost: cost}
	took, waited, err := s.quotas.take(ctx, v, who, &d, m.now)
	switch {
	case err != nil:
		return "", err
	case !took:
		if d.end != 0 && cost <= quota.Limit {
			v.RetryAfter = time.Unix(d.end, 0).Sub(m.now)
		}
		return QuotaExceeded, nil
	}
	if waited {
		m = s.again()
	}
	if len(limits) > 0 && !s.limiter.take(v, who, limits, m.own, cost) {
		d.give()
		v.Quota.Value.Remaining += cost
		return RateLimited, nil
	}
	return Valid, nil
}

// refuseUnknown answers about a text that belongs to no key the asker knows.
func (s *Service) refuseUnknown(v *Verdict, code VerdictCode, reason string) {
	v.Code, v.Reason = code, reason
	s.verdicts[verdictIndex(code)].Add(1)
}

// refuseKnown answers about a key, and counts the refusal for its owner.
func (s *Service) refuseKnown(v *Verdict, e *entry, code VerdictCode, reason string) {
	s.refuseUnknown(v, code, reason)
	s.tally.AddOdd(e.ordinal, uint8(verdictIndex(code)))
}

func verdictIndex(code VerdictCode) int {
	for i, n := range verdictNames {
		if n == code {
			return i
		}
	}
	return 0
}

// Authenticate finds out who presents a secret, for calls about keys. Every
// way of not being good is the same UNAUTHORIZED (S2-14), or RATE_LIMITED where
// an address presents too many (see Guessed); the reason goes to the key's owner
// by its counts.
func (s *Service) Authenticate(_ context.Context, secret Secret, r Request) (Actor, error) {
	if s.closed.Load() {
		return Actor{}, outward(ErrClosed)
	}
	var v Verdict
	m, err := s.moment()
	if err != nil {
		return Actor{}, err
	}
	var digest Digest
	var e entry
	own, p, ok := s.present(&Check{Secret: secret, ClientIP: r.ClientIP}, &v, m.now, &e, &digest)
	if !ok {
		if retry, beyond := s.Guessed(r.ClientIP); beyond {
			return Actor{}, errGuessing(retry)
		}
		return Actor{}, errUnauthorized()
	}
	s.use(e.ordinal, m.now.Unix(), r.ClientIP, r.UserAgent)
	return Actor{
		kind: ActorKey, key: e.id, organization: own.organization, project: own.project, operator: p.operator,
		scopes: p.scopes, resources: p.resources, ipAllow: p.ipAllow, rateLimits: p.rateLimits, quota: p.quota,
		expiresAt: v.ExpiresAt, digest: digest, revision: v.Revision, from: r.ClientIP, request: r,
	}, nil
}
