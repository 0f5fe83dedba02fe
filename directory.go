package halberd

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd/internal/gcra"
	"github.com/halberdhq/halberd/internal/index"
)

// directory is every key of the instance in memory, complete: a miss is
// NOT_FOUND. Checks read it without locks; apply and load change it, one
// committed change after the other.
type directory struct {
	keys     index.Table[entry]
	owners   index.Array[atomic.Pointer[owner]]
	policies index.Array[atomic.Pointer[readyPolicy]]
	external index.Array[atomic.Pointer[string]]
	named    index.Array[identity]                    // by ordinal; written once, before the ordinal is used
	words    index.Array[[maxRateLimits]atomic.Int64] // of the limits, by ordinal; grown once a limit exists
	revision atomic.Int64

	mu                       sync.Mutex // guards what follows: the writer's side
	ownerOf                  map[ownerKey]uint32
	projects                 map[ProjectID]*Project
	orgs                     map[OrganizationID]*Organization
	policyOf                 map[policyKey]share
	externalOf               map[string]share
	policyNext, externalNext uint32            // numbers are not given twice: a check may still hold one
	previous                 map[uint32]Digest // ordinal → the superseded digest in the table
	ordinals                 uint32
	limited                  bool          // some policy or project has a limit: words are kept
	grown                    func(n int)   // told of new ordinals before they are used
	damaged                  map[any]error // rows that were refused, by id
}

// entry is a key under one of its digests. It has no pointers and is never
// changed in place.
type entry struct {
	id        KeyID
	ordinal   uint32 // of the key, the same for both its digests
	owner     uint32
	policy    uint32
	external  uint32 // 0: none
	expires   int64  // Unix seconds; 0: never
	notBefore int64
	flags     uint8
}

const (
	flagInactive   = 1 << iota
	flagRevoked    // terminal
	flagSuperseded // the old secret of a rotation; expires is its end
	flagEnded      // besides: it has no end to come, whatever the clock says
)

// owner is where a key belongs, as a check needs it. Replaced, never changed.
type owner struct {
	organization OrganizationID
	project      ProjectID // zero: organization-wide
	orgActive    bool
	active       bool // the project is active, or there is none
	limits       []readyLimit
}

// identity is what a count is filed under.
type identity struct {
	id    KeyID
	owner uint32
}

type ownerKey struct {
	organization OrganizationID
	project      ProjectID
}

// share is a value that many keys name by its number, while some do.
type share struct{ number, keys uint32 }

// readyPolicy is a policy with its limits worked out.
type readyPolicy struct {
	policy
	key    policyKey
	limits []readyLimit // meaningful unless rateLimits is nil
}

type policyKey struct{ scopes, policy string }

type readyLimit struct {
	RateLimit
	rate gcra.Rate
}

func ready(ls RateLimits) []readyLimit {
	out := make([]readyLimit, len(ls))
	for i, l := range ls {
		out[i] = readyLimit{l, gcra.New(l.Limit, time.Duration(l.WindowSeconds)*time.Second, l.Burst)}
	}
	return out
}

func newDirectory(grown func(n int)) *directory {
	d := &directory{
		ownerOf: map[ownerKey]uint32{}, projects: map[ProjectID]*Project{},
		orgs: map[OrganizationID]*Organization{}, policyOf: map[policyKey]share{},
		externalOf: map[string]share{}, externalNext: 1, previous: map[uint32]Digest{},
		damaged: map[any]error{}, grown: grown,
	}
	d.external.Grow(1)
	d.external.At(0).Store(new(string))
	return d
}

// putOrganization and putProject replace what checks see of an owner. Called
// with mu held.
func (d *directory) putOrganization(o Organization) {
	d.orgs[o.ID] = &o
	for k, n := range d.ownerOf {
		if k.organization == o.ID {
			d.owners.At(n).Store(d.makeOwner(k))
		}
	}
}

func (d *directory) putProject(p Project) {
	d.projects[p.ID] = &p
	if len(p.RateLimits) > 0 {
		d.keepWords()
	}
	k := ownerKey{p.Organization, p.ID}
	if n, ok := d.ownerOf[k]; ok {
		d.owners.At(n).Store(d.makeOwner(k))
	}
}

func (d *directory) keepWords() {
	d.limited = true
	d.words.Grow(int(d.ordinals) + 1)
}

// makeOwner is closed where it does not know: an owner whose row is missing or
// refused is inactive.
func (d *directory) makeOwner(k ownerKey) *owner {
	o := &owner{organization: k.organization, project: k.project}
	if org := d.orgs[k.organization]; org != nil {
		o.orgActive = org.Active
	}
	if k.project.IsZero() {
		o.active = true
	} else if p := d.projects[k.project]; p != nil && p.Organization == k.organization {
		o.active = p.Active && p.DeletedAt.IsZero()
		o.limits = ready(p.RateLimits)
	}
	return o
}

func (d *directory) ownerNumber(k ownerKey) uint32 {
	n, ok := d.ownerOf[k]
	if !ok {
		n = uint32(len(d.ownerOf))
		d.owners.Grow(int(n) + 1)
		d.owners.At(n).Store(d.makeOwner(k))
		d.ownerOf[k] = n
	}
	return n
}

// takePolicy and takeExternal number a value for one more key; letGo is the
// reverse.
func (d *directory) takePolicy(k policyKey) (uint32, error) {
	of, there := d.policyOf[k]
	if !there {
		p, err := decodePolicy(k.scopes, k.policy)
		if err != nil {
			return 0, err
		}
		of.number = d.policyNext
		d.policyNext++
		d.policies.Grow(int(d.policyNext))
		d.policies.At(of.number).Store(&readyPolicy{*p, k, ready(p.rateLimits)})
		if len(p.rateLimits) > 0 {
			d.keepWords()
		}
	}
	of.keys++
	d.policyOf[k] = of
	return of.number, nil
}

func (d *directory) takeExternal(s string) uint32 {
	if s == "" {
		return 0
	}
	of, there := d.externalOf[s]
	if !there {
		of.number = d.externalNext
		d.externalNext++
		d.external.Grow(int(d.externalNext))
		d.external.At(of.number).Store(&s)
	}
	of.keys++
	d.externalOf[s] = of
	return of.number
}

// letGo is called when no slot names the entry any more. What no key shares is
// forgotten: an edit must not cost memory for good.
func (d *directory) letGo(e entry) {
	k := d.policies.At(e.policy).Load().key
	if of := d.policyOf[k]; of.keys > 1 {
		d.policyOf[k] = share{of.number, of.keys - 1}
	} else {
		delete(d.policyOf, k)
		d.policies.At(e.policy).Store(nil)
	}
	if e.external == 0 {
		return
	}
	s := *d.external.At(e.external).Load()
	if of := d.externalOf[s]; of.keys > 1 {
		d.externalOf[s] = share{of.number, of.keys - 1}
	} else {
		delete(d.externalOf, s)
		d.external.At(e.external).Store(nil)
	}
}

// find is the key under a digest, with what its entry names.
func (d *directory) find(digest *Digest) (e entry, own *owner, p *readyPolicy, external string, ok bool) {
	for {
		e, ok = d.keys.Get((*[32]byte)(digest))
		if !ok {
			return e, nil, nil, "", false
		}
		p = d.policies.At(e.policy).Load()
		if x := d.external.At(e.external).Load(); p != nil && x != nil {
			return e, d.owners.At(e.owner).Load(), p, *x, true
		}
		// Let go since: the key has a newer entry by now.
	}
}

// putKey publishes a record whose MAC was found genuine. Called with mu held.
func (d *directory) putKey(r *KeyRecord) error {
	p, err := d.takePolicy(policyKey{r.Scopes, r.Policy})
	if err != nil {
		return err
	}
	e := entry{
		id: r.ID, policy: p,
		owner:    d.ownerNumber(ownerKey{r.Organization, r.Project}),
		external: d.takeExternal(r.ExternalID),
		expires:  r.ExpiresAt, notBefore: r.NotBefore,
	}
	switch r.State {
	case StateActive:
	case StateInactive:
		e.flags = flagInactive
	default:
		e.flags = flagRevoked
	}
	old, known := d.former(r)
	if known {
		e.ordinal = old.ordinal
		e.flags |= old.flags & flagRevoked // also if the store went back in time
	} else {
		e.ordinal = d.nextOrdinal(r.ID, e.owner)
	}

	if old, ok := d.previous[e.ordinal]; ok && old != r.PreviousDigest {
		d.keys.Delete(old)
		delete(d.previous, e.ordinal)
	}
	if !r.PreviousDigest.IsZero() {
		s := e
		s.flags |= flagSuperseded
		if end := r.PreviousExpiresAt; end == 0 {
			s.flags |= flagEnded
		} else if s.expires == 0 || end < s.expires {
			s.expires = end
		}
		d.keys.Put(r.PreviousDigest, s)
		d.previous[e.ordinal] = r.PreviousDigest
	}
	d.keys.Put(r.Digest, e)
	if known {
		d.letGo(old)
	}
	return nil
}

// dropKey forgets a key whose record cannot be believed. Called with mu held.
func (d *directory) dropKey(r *KeyRecord) {
	old, known := d.former(r)
	d.keys.Delete(r.Digest)
	d.keys.Delete(r.PreviousDigest)
	if known {
		d.keys.Delete(d.previous[old.ordinal])
		delete(d.previous, old.ordinal)
		d.letGo(old)
	}
}

// former is the entry that the key has had, under its digest or, just rotated,
// under the one before.
func (d *directory) former(r *KeyRecord) (e entry, known bool) {
	e, known = d.keys.Get((*[32]byte)(&r.Digest))
	if !known && !r.PreviousDigest.IsZero() {
		e, known = d.keys.Get((*[32]byte)(&r.PreviousDigest))
	}
	return e, known
}

func (d *directory) nextOrdinal(id KeyID, owner uint32) uint32 {
	n := d.ordinals
	d.ordinals++
	d.grown(int(d.ordinals))
	d.named.Grow(int(d.ordinals))
	*d.named.At(n) = identity{id, owner}
	if d.limited {
		d.words.Grow(int(d.ordinals))
	}
	return n
}

// who says whose count a number is.
func (d *directory) who(ordinal uint32) (KeyID, *owner) {
	n := d.named.At(ordinal)
	return n.id, d.owners.At(n.owner).Load()
}
