package memory

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/halberdhq/halberd"
)

// Database is what several processes share: each opens a Node. It answers to
// what a test does to databases: see Standby and Forget.
type Database struct {
	mu sync.RWMutex // held for writing by Update and all that changes, for reading by View
	state

	clock func() time.Time
	nodes []*Node // that are open
}

// NewDatabase makes an empty one.
func NewDatabase() *Database {
	return &Database{clock: time.Now, state: state{
		meta:          map[string]string{},
		keys:          map[halberd.KeyID]*halberd.KeyRecord{},
		homes:         map[home]map[halberd.KeyID]bool{},
		digests:       map[halberd.Digest]halberd.KeyID{},
		projects:      map[halberd.ProjectID]halberd.ProjectRecord{},
		organizations: map[halberd.OrganizationID]halberd.OrganizationRecord{},
		members:       map[halberd.MemberID]halberd.MemberRecord{},
		sessions:      map[[32]byte]session{},
		idempotent:    map[idempotencyKey]halberd.IdempotencyRecord{},
		audited:       map[halberd.AuditID]int{},
		usage:         [len(steps)]sums{{count: map[slot]int64{}}, {count: map[slot]int64{}}, {count: map[slot]int64{}}},
		batches:       map[[16]byte]int64{},
		lastUsed:      map[halberd.KeyID]halberd.KeyUse{},
		quotas:        map[halberd.QuotaID]halberd.QuotaRecord{},
		alertRules:    map[halberd.AlertRuleID]halberd.AlertRuleRecord{},
		alerts:        map[halberd.AlertID]halberd.AlertRecord{},
		origins:       map[originKey]halberd.OriginRecord{},
		eventSeqs:     map[halberd.EventID]int64{},
		webhooks:      map[halberd.WebhookID]halberd.WebhookRecord{},
		deliveries:    map[halberd.DeliveryID]halberd.DeliveryRecord{},
		rows:          map[halberd.Incarnation]halberd.NodeRecord{},
	}}
}

// state is everything that transactions change. Records behind pointers are
// replaced, never edited.
type state struct {
	revision      int64
	meta          map[string]string
	keys          map[halberd.KeyID]*halberd.KeyRecord
	homes         map[home]map[halberd.KeyID]bool // the keys of each project
	digests       map[halberd.Digest]halberd.KeyID
	projects      map[halberd.ProjectID]halberd.ProjectRecord
	organizations map[halberd.OrganizationID]halberd.OrganizationRecord
	members       map[halberd.MemberID]halberd.MemberRecord
	sessions      map[[32]byte]session
	idempotent    map[idempotencyKey]halberd.IdempotencyRecord
	audit         []halberd.AuditRecord // in the order they were recorded
	audited       map[halberd.AuditID]int
	quotas        map[halberd.QuotaID]halberd.QuotaRecord
	alertRules    map[halberd.AlertRuleID]halberd.AlertRuleRecord
	alerts        map[halberd.AlertID]halberd.AlertRecord
	origins       map[originKey]halberd.OriginRecord
	events        []halberd.EventRecord // by Seq
	eventSeqs     map[halberd.EventID]int64
	lastSeq       int64
	webhooks      map[halberd.WebhookID]halberd.WebhookRecord
	deliveries    map[halberd.DeliveryID]halberd.DeliveryRecord

	usage    [len(steps)]sums   // by minute, hour, day
	batches  map[[16]byte]int64 // the number of each writer's last batch
	lastUsed map[halberd.KeyID]halberd.KeyUse

	// Of databases that are shared.
	log    []change // of the latest revisions
	head   place    // of the last one
	rows   map[halberd.Incarnation]halberd.NodeRecord
	latest time.Time // the latest time that a Grant told
}

// home is where a key lives: a project, or (zero) the organization itself.
type home struct {
	organization halberd.OrganizationID
	project      halberd.ProjectID
}

type idempotencyKey struct {
	actor, route string
	key          [32]byte
}

// maxLog bounds the log: a node that is further behind must load again.
const maxLog = 10_000

// change is one line of the log: what a revision changed, by id. Whoever reads
// it is told of the records as they are now.
type change struct {
	revision      int64
	mark          [16]byte // random: two histories that give one number to two changes differ here
	keys          []halberd.KeyID
	projects      []halberd.ProjectID
	organizations []halberd.OrganizationID
	members       []halberd.MemberID
}

// Forget drops the log's lines up to a revision.
func (db *Database) Forget(revision int64) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.log = slices.DeleteFunc(db.log, func(c change) bool { return c.revision <= revision })
}

// Clock gives the database a clock other than time.Now. Set it before the
// first renewal.
func (db *Database) Clock(now func() time.Time) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.clock = now
}

// Standby is a copy of a Database that follows it no longer.
type Standby struct {
	of    *Database
	state state
}

// Standby copies what the database holds now, all of it: what is committed
// later is lost when the copy is promoted.
func (db *Database) Standby() *Standby {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return &Standby{db, db.copy()}
}

// Promote makes the copy the database: whoever had it open goes on with it. A
// copy can be promoted again.
func (s *Standby) Promote() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.state = s.state.copy()
}

func (s *state) copy() state {
	out := *s
	out.meta = maps.Clone(s.meta)
	out.keys = maps.Clone(s.keys)
	out.homes = make(map[home]map[halberd.KeyID]bool, len(s.homes))
	for at, ids := range s.homes {
		out.homes[at] = maps.Clone(ids)
	}
	out.digests = maps.Clone(s.digests)
	out.projects = maps.Clone(s.projects)
	out.organizations = maps.Clone(s.organizations)
	out.members = maps.Clone(s.members)
	out.sessions = maps.Clone(s.sessions)
	out.idempotent = maps.Clone(s.idempotent)
	out.audit = slices.Clone(s.audit)
	out.audited = maps.Clone(s.audited)
	out.quotas = maps.Clone(s.quotas)
	out.events = slices.Clone(s.events)
	out.eventSeqs = maps.Clone(s.eventSeqs)
	out.webhooks = maps.Clone(s.webhooks)
	out.deliveries = maps.Clone(s.deliveries)
	out.alertRules = maps.Clone(s.alertRules)
	out.alerts = maps.Clone(s.alerts)
	out.origins = maps.Clone(s.origins)
	for i := range out.usage {
		out.usage[i].count = maps.Clone(s.usage[i].count)
	}
	out.batches = maps.Clone(s.batches)
	out.lastUsed = maps.Clone(s.lastUsed)
	out.log = slices.Clone(s.log)
	out.rows = maps.Clone(s.rows)
	return out
}
