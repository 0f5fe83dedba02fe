package halberd

import (
	"sync"
	"sync/atomic"

	"github.com/halberdhq/halberd/internal/index"
	"github.com/halberdhq/halberd/internal/planted"
	"github.com/halberdhq/halberd/internal/tally"
)

// directory is every key of the instance in memory, complete: a miss is
// NOT_FOUND. Checks read it without locks; apply and load change it, one
// committed change after the other.
type directory struct {
	keys     index.Table[record]
	owners   index.Array[atomic.Pointer[owner]]
	policies index.Array[atomic.Pointer[readyPolicy]]
	external index.Array[atomic.Pointer[string]]
	counts   *tally.Tally[identity] // by ordinal; an identity is written once, before the ordinal is used
	people   people
	revision atomic.Int64
	sole     atomic.Pointer[Reach]               // of the only project; nil: several, or none
	reaches  atomic.Pointer[map[ProjectID]Reach] // some that were asked for; forgotten when a project changes

	mu                       sync.Mutex // guards what follows: the writer's side
	ownerOf                  map[ownerKey]uint32
	projects                 map[ProjectID]*Project
	present                  int // projects that are not deleted
	orgs                     map[OrganizationID]*Organization
	policyOf                 map[policyKey]share
	externalOf               map[string]share
	policyNext, externalNext uint32            // numbers are not given twice: a check may still hold one
	previous                 map[uint32]Digest // ordinal → the superseded digest in the table
	ordinals                 uint32
	damaged                  map[any]error  // rows that were refused, by id
	filled                   bool           // once by a load: what is not told of may be there all the same
	ended                    map[KeyID]bool // keys that stay revoked though their entries were uprooted; almost always nil
	revived                  KeyID          // the last key that was put as good after it was revoked, and stayed revoked, or that the last load lacked; zero: none
	fresh                    map[any]bool   // ids told of since a load began, which may find older rows; nil: none runs
	again                    *reload        // what a load notes that is not the first; nil: none runs
}

// entry is a key under one of its digests, as checks use it.
type entry struct {
	identity
	ordinal   uint32 // of the key, the same for both its digests
	policy    uint32
	external  uint32 // 0: none
	expires   int64  // Unix seconds; 0: never
	notBefore int64
	flags     uint8
}

// record is an entry as the table holds it, never changed in place. An idle key
// costs, once: 32 bytes of digest and 24 of record, 28 in the tally (identity, a
// count and when it was last used), and its share of the table's slots (11 to
// 13). A superseded secret costs another record and its slots while it lasts.
type record struct {
	ordinal, policy, external uint32
	expires, notBefore        uint32 // the lower 32 of 40 bits
	high                      uint32 // from the top: 8 bits each of expires, of notBefore, spare, flags
}

// latest is what a record holds of a time, in the year 36812.
const latest = 1<<40 - 1

func pack(e *entry) record {
	// A time before 1970 is as past as its first second; 0 means none.
	expires, notBefore := min(e.expires, latest), min(max(e.notBefore, 0), latest)
	if expires < 0 {
		expires = 1
	}
	return record{
		ordinal: e.ordinal, policy: e.policy, external: e.external,
		expires: uint32(expires), notBefore: uint32(notBefore),
		high: uint32(expires>>32)<<24 | uint32(notBefore>>32)<<16 | uint32(e.flags),
	}
}

// unpack sets all of e but its identity, which the tally has.
func (r *record) unpack(e *entry) {
	e.ordinal, e.policy, e.external = r.ordinal, r.policy, r.external
	e.expires = int64(r.high>>24)<<32 | int64(r.expires)
	e.notBefore = int64(r.high>>16&0xff)<<32 | int64(r.notBefore)
	e.flags = uint8(r.high)
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

// identity is which key it is, and what a count is filed under.
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

func newDirectory(counts *tally.Tally[identity]) *directory {
	d := &directory{
		ownerOf: map[ownerKey]uint32{}, projects: map[ProjectID]*Project{},
		orgs: map[OrganizationID]*Organization{}, policyOf: map[policyKey]share{},
		externalOf: map[string]share{}, externalNext: 1, previous: map[uint32]Digest{},
		damaged: map[any]error{}, counts: counts,
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
	d.countProject(&p)
	d.projects[p.ID] = &p
	k := ownerKey{p.Organization, p.ID}
	if n, ok := d.ownerOf[k]; ok {
		d.owners.At(n).Store(d.makeOwner(k))
	}
}

// member is one as the gate may judge it; the members of a suspended
// organization are not good.
func (d *directory) member(id MemberID) (standingMember, bool) {
	m, ok := d.people.get(id)
	if ok && m.good {
		d.mu.Lock()
		o := d.orgs[m.organization]
		d.mu.Unlock()
		m.good = o != nil && o.Active
	}
	return m, ok
}

func (d *directory) hasMembers() bool { return d.people.any() }

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
		kept := s // not s itself, which would then be moved to the heap for every key
		d.external.At(of.number).Store(&kept)
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

// find sets e to the key under a digest and returns what it names.
func (d *directory) find(digest *Digest, e *entry) (own *owner, p *readyPolicy, external string, ok bool) {
	for {
		r := d.keys.Get((*[32]byte)(digest))
		if r == nil {
			return nil, nil, "", false
		}
		e.identity = *d.counts.Label(r.ordinal)
		r.unpack(e)
		p = d.policies.At(e.policy).Load()
		if x := d.external.At(e.external).Load(); p != nil && x != nil {
			return d.owners.At(e.owner).Load(), p, *x, true
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
		identity: identity{r.ID, d.ownerNumber(ownerKey{r.Organization, r.Project})},
		policy:   p,
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
	if old.flags&flagRevoked != 0 || d.ended[r.ID] { // also if the store went back in time
		if e.flags&flagRevoked == 0 {
			d.revived = r.ID
		}
		e.flags |= flagRevoked
	}
	if old.flags&flagSuperseded != 0 {
		known = false // its other secret was replaced in a history that is no more: settle sees to it
	}
	if known && old.identity != e.identity {
		d.dropKey(r) // the secret of another key, or of another owner's
		known = false
	}
	if known {
		e.ordinal = old.ordinal
	} else {
		e.ordinal = d.nextOrdinal(e.identity)
	}

	if old, ok := d.previous[e.ordinal]; ok && old != r.PreviousDigest {
		d.keys.Delete(old)
		delete(d.previous, e.ordinal)
	}
	if !r.PreviousDigest.IsZero() {
		s := e
		s.flags |= flagSuperseded
		if end := r.PreviousExpiresAt; end == 0 && !planted.Is(planted.ReplacedSecretKept) {
			s.flags |= flagEnded
		} else if s.expires == 0 || end < s.expires {
			s.expires = end
		}
		d.keys.Put(r.PreviousDigest, pack(&s))
		d.previous[e.ordinal] = r.PreviousDigest
	}
	d.keys.Put(r.Digest, pack(&e))
	if known {
		d.letGo(old)
	}
	d.again.put(r.ID, e.ordinal, known, e.flags&flagRevoked == 0)
	return nil
}

// lost reports whether a record names no digest that is known, though the key may
// be known by another: it was rotated more than once since it was last told of.
// Only a node that follows others misses any of that.
func (d *directory) lost(r *KeyRecord) bool {
	if r.PreviousDigest.IsZero() || !d.filled {
		return false
	}
	_, known := d.former(r)
	return !known
}

// uproot forgets the keys of rows that are known by digests which the rows do not
// name any more. It walks the whole table. What was revoked stays so. Called with
// mu held.
func (d *directory) uproot(rows []KeyRecord) {
	if len(rows) == 0 {
		return
	}
	meant := map[KeyID]bool{}
	for i := range rows {
		meant[rows[i].ID] = true
	}
	var found []root
	d.keys.Each(func(digest [32]byte, r *record) {
		if who := d.counts.Label(r.ordinal); meant[who.id] {
			e := entry{identity: *who}
			r.unpack(&e)
			found = append(found, root{digest, e})
		}
	})
	d.remove(found)
}

// root is an entry under the digest that the table has it by.
type root struct {
	digest Digest
	entry  entry
}

// remove takes entries out, all there are of the same ordinal. Called with mu held.
func (d *directory) remove(roots []root) {
	gone := map[uint32]bool{}
	for i := range roots {
		e := &roots[i].entry
		d.keys.Delete(roots[i].digest)
		if e.flags&flagRevoked != 0 {
			note(&d.ended, e.id, true)
		}
		if !gone[e.ordinal] {
			gone[e.ordinal] = true
			delete(d.previous, e.ordinal)
			d.letGo(*e)
		}
	}
}

// regress reports whether a key that was known as revoked was told of as good, or
// a load did not find one that was good.
func (d *directory) regress() (KeyID, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.revived, !d.revived.IsZero()
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
	d.again.drop(r.ID)
}

// former is the entry that the key has had, under its digest or, just rotated,
// under the one before.
func (d *directory) former(r *KeyRecord) (e entry, known bool) {
	rec := d.keys.Get((*[32]byte)(&r.Digest))
	if rec == nil && !r.PreviousDigest.IsZero() {
		rec = d.keys.Get((*[32]byte)(&r.PreviousDigest))
	}
	if rec == nil {
		return e, false
	}
	e.identity = *d.counts.Label(rec.ordinal)
	rec.unpack(&e)
	return e, true
}

func (d *directory) nextOrdinal(who identity) uint32 {
	n := d.ordinals
	d.ordinals++
	d.counts.Grow(int(d.ordinals))
	*d.counts.Label(n) = who
	return n
}

// who says whose count a number is.
func (d *directory) who(ordinal uint32) (KeyID, *owner) {
	n := d.counts.Label(ordinal)
	return n.id, d.owners.At(n.owner).Load()
}
