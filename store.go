package halberd

import "context"

// Store is the port an engine fills. Engines keep flat records and know no
// rule: what the records mean, and their MACs, are the ground's business.
// Engines never ask a clock; they are told the time, in Unix seconds.
//
// storage/storagetest is this contract as a test.
type Store interface {
	// Update runs fn in one transaction: all of it or nothing, serializable
	// against every other Update. fn runs at most once and must not keep tx.
	// When Update returns nil the changes are durable, and Follow's function
	// has been told of them. When fn fails, its error is returned as it is and
	// nothing was changed. A ctx that ends before fn begins means fn is not
	// run; after that Update waits for the outcome.
	Update(ctx context.Context, fn func(Tx) error) error

	// View runs fn on one consistent state, which includes every Update that
	// has returned.
	View(ctx context.Context, fn func(Reader) error) error

	// Load hands every key record to each, in batches, on up to parts
	// goroutines at once; keys revoked before revokedSince are left out. A
	// batch is only valid during the call. The last use is not filled in.
	Load(ctx context.Context, parts int, revokedSince int64, each func(batch []KeyRecord) error) error

	// Follow names the function that is told of every committed change, in
	// commit order, one at a time, before Update returns. It is called once,
	// before the first Update. fn does not fail and does not call the store.
	Follow(fn func(Committed))

	Usage
	Sessions
	Keeper

	// Close waits for what is under way. Everything after it is ErrClosed.
	Close() error
}

// Committed is what one transaction changed: the new records, whole.
type Committed struct {
	Revision      int64 // dense: one more than the change before
	Keys          []KeyRecord
	Projects      []ProjectRecord
	Organizations []OrganizationRecord
	Members       []MemberRecord
}

// Reader answers questions about one consistent state. Methods that look for
// one thing return ErrNotFound when it is not there.
type Reader interface {
	Revision() (int64, error) // of the last change; 0 for an empty store
	Meta(name string) (string, error)

	Key(id KeyID) (KeyRecord, error)
	// Keys lists at most f.Limit records in f's order, beginning after f.After.
	Keys(f KeyFilter) ([]KeyRecord, error)
	// CountKeys counts what takes a place under the project's ceiling: keys
	// that are not revoked and not expired at now.
	CountKeys(project ProjectID, now int64) (int, error)
	// CountAdmins counts, without except, the organization-wide keys that hold
	// admin, are active, have no expiry and have begun at now.
	CountAdmins(org OrganizationID, except KeyID, now int64) (int, error)

	Project(id ProjectID) (ProjectRecord, error)
	// Projects lists, by id, at most limit projects after the given one, of an
	// organization or (zero) of all; deleted ones only when asked for.
	Projects(org OrganizationID, after ProjectID, limit int, deleted bool) ([]ProjectRecord, error)
	DefaultProject(org OrganizationID) (ProjectRecord, error)

	Organization(id OrganizationID) (OrganizationRecord, error)
	// Organizations lists, by id, at most limit organizations after the given one.
	Organizations(after OrganizationID, limit int) ([]OrganizationRecord, error)

	Member(id MemberID) (MemberRecord, error)
	// MemberWith finds the member that is not removed and has this email, this
	// identity or this invitation: exactly one of them is given.
	MemberWith(m MemberName) (MemberRecord, error)
	// Members lists, by id, at most limit members after the given one, of an
	// organization or (zero) of all; removed ones only when asked for.
	Members(org OrganizationID, after MemberID, limit int, removed bool) ([]MemberRecord, error)
	// CountAdminMembers counts, without except, the organization's active
	// members whose role is admin.
	CountAdminMembers(org OrganizationID, except MemberID) (int, error)

	// Quota is what was handed out of a quota; ErrNotFound when nothing ever was.
	Quota(id QuotaID) (QuotaRecord, error)
	// Quotas lists, by id, at most limit records after the given one.
	Quotas(after QuotaID, limit int) ([]QuotaRecord, error)
	// LentQuotas counts the records with something lent whose period has not
	// ended at now, and sums what they lent.
	LentQuotas(now int64) (quotas, uses int64, err error)

	// Idempotent finds what was recorded under (actor, route, key) and has not
	// ended at now.
	Idempotent(actor, route string, key [32]byte, now int64) (IdempotencyRecord, error)

	// Audit lists at most f.Limit events, in the order they were recorded, or
	// the reverse.
	Audit(f AuditFilter) ([]AuditRecord, error)

	EventReader
	WebhookReader

	// Usage lists what f selects, by start and verdict, and the time before
	// which counts of that step were dropped; 0: none were.
	Usage(f UsageFilter) (sums []UsageSum, droppedBefore int64, err error)
	// UsageOfMinute lists what was counted in the minute that begins at start, of
	// every key, by key and verdict, at most limit counts after the given place.
	// Where the key was used last may leave out what NoteUsage alone was told.
	UsageOfMinute(start int64, after MinutePlace, limit int) ([]MinuteCount, error)

	AlertRule(id AlertRuleID) (AlertRuleRecord, error)
	// AlertRules lists, by id, at most limit rules after the given one, of an
	// organization or (zero) of all; deleted ones only when asked for.
	AlertRules(org OrganizationID, after AlertRuleID, limit int, deleted bool) ([]AlertRuleRecord, error)
	Alert(id AlertID) (AlertRecord, error)
	// Alerts lists at most f.Limit alerts, the latest id first.
	Alerts(f AlertFilter) ([]AlertRecord, error)
	// Origins lists, by when they were first seen and then by key, kind and value,
	// at most f.Limit places that keys were used from.
	Origins(f OriginFilter) ([]OriginRecord, error)
}

// Tx is a Reader that also writes. It sees its own writes.
type Tx interface {
	Reader

	SetMeta(name, value string) error

	// InsertKey adds a key; ErrConflict when its id or a digest is taken.
	InsertKey(KeyRecord) error
	// UpdateKey replaces the record whose version is one less; ErrConflict
	// when it is not, or when the stored key is revoked and the new one is not.
	UpdateKey(KeyRecord) error
	// PutProject and PutOrganization add a record of version 1, or replace the
	// one whose version is one less; ErrConflict otherwise. A default project
	// takes the place of the organization's former one in the same stroke only
	// if the caller has put that one first.
	PutProject(ProjectRecord) error
	PutOrganization(OrganizationRecord) error

	// PutMember adds a record of version 1, or replaces the one whose version is
	// one less; ErrConflict otherwise, when another member that is not removed
	// has its email, identity or invitation, and when the stored one is removed
	// and the new one is not.
	PutMember(MemberRecord) error

	// PutQuota adds a record, or replaces the one with its id. It is no change
	// that Follow tells of, and counts as no revision.
	PutQuota(QuotaRecord) error

	// RecordIdempotency keeps a record, and drops some that ended before now.
	RecordIdempotency(r IdempotencyRecord, now int64) error

	AppendAudit(AuditRecord) error
	// CountDenied adds to the count of a record of a denied attempt;
	// ErrNotFound when there is no such record. Nothing else about an audit
	// record ever changes.
	CountDenied(id AuditID, more int64) error

	EventWriter
	WebhookWriter
	// PutAlertRule and PutAlert add a record of version 1, or replace the one
	// whose version is one less; ErrConflict otherwise. They are no changes that
	// Follow tells of, and count as no revision.
	PutAlertRule(AlertRuleRecord) error
	PutAlert(AlertRecord) error
	// DropAlerts drops at most limit alerts that ended before a time, and says
	// how many.
	DropAlerts(endedBefore int64, limit int) (int, error)
	// PutOrigin keeps a place that a key was used from; one that is known stays as
	// it is.
	PutOrigin(OriginRecord) error
}

// KeyRecord is a key as engines keep it. Times are Unix seconds, 0 for none.
type KeyRecord struct {
	ID                KeyID
	Organization      OrganizationID
	Project           ProjectID // zero: organization-wide
	Digest            Digest
	PreviousDigest    Digest // zero: none
	PepperID          int64  // how many peppers are layered in the digests
	State             State  // active, inactive or revoked
	Hint              string
	Name              string
	ExternalID        string
	Scopes            string // Scopes.String
	Policy            string // JSON, written and read by the ground: what many keys share
	Detail            string // JSON, written and read by the ground: what is only shown
	CreatedAt         int64
	ExpiresAt         int64
	NotBefore         int64
	PreviousExpiresAt int64 // 0 with a PreviousDigest: it ended at once
	RevokedAt         int64
	Version           int64
	MAC               [32]byte // over all of the above

	// OwnedBy is what KeyFilter.OwnedBy selects by. It stands in Detail as well,
	// under the MAC; here the MAC leaves it out.
	OwnedBy MemberID

	// These come from the usage tables when a Reader answers; engines ignore
	// them when writing, and the MAC leaves them out.
	LastUsedAt    int64
	LastUsedFrom  string
	LastUsedAgent string
}

// ProjectRecord is a project as engines keep it.
type ProjectRecord struct {
	ID           ProjectID
	Organization OrganizationID
	Name         string
	Default      bool
	DeletedAt    int64
	CreatedAt    int64
	Version      int64
	Detail       string // JSON, written and read by the ground
	MAC          [32]byte
}

// OrganizationRecord is an organization as engines keep it.
type OrganizationRecord struct {
	ID        OrganizationID
	Name      string
	Active    bool
	CreatedAt int64
	Version   int64
	MAC       [32]byte
}

// MemberRecord is a member as engines keep it. Email, Identity and Invite are
// each unique among members that are not removed; absent ones are not compared.
type MemberRecord struct {
	ID           MemberID
	Organization OrganizationID
	Email        string
	Role         string
	State        MemberState
	Identity     string // "" for none
	Invite       Digest // zero: none
	CreatedAt    int64
	Version      int64
	Detail       string // JSON, written and read by the ground
	MAC          [32]byte
}

// MemberName is what a member can be found by.
type MemberName struct {
	Email    string
	Identity string
	Invite   Digest
}

// QuotaRecord is how much of a quota was handed out in its latest period.
type QuotaRecord struct {
	ID     QuotaID
	Period int64 // its beginning, in Unix seconds
	Ends   int64 // 0: never
	Taken  int64
	// Lent is how much of Taken a process may hold unspent; 0 once it gave it
	// back. When that process is gone, it is forfeited.
	Lent int64
}

// QuotaID names a quota: it is derived from whose it is.
type QuotaID [32]byte

// IdempotencyRecord remembers that a request was done.
type IdempotencyRecord struct {
	Actor, Route string
	Key          [32]byte // SHA-256 of the Idempotency-Key
	Fingerprint  [32]byte
	Result       string // the id of what was made
	EndsAt       int64
}

// AuditRecord is an audit event as engines keep it.
type AuditRecord struct {
	ID           AuditID
	At           int64
	Organization OrganizationID
	Project      ProjectID
	ActorKind    string
	Actor        string
	Action       string
	TargetKind   string
	Target       string
	Outcome      string
	Count        int64
	Changes      string // JSON
	RequestID    string
	ClientIP     string
}

// AlertRuleRecord is a rule of alerts as engines keep it.
type AlertRuleRecord struct {
	ID           AlertRuleID
	Organization OrganizationID
	Project      ProjectID // zero: the whole organization
	Key          KeyID     // zero: every key of it
	Kind         string
	Active       bool
	CreatedAt    int64
	DeletedAt    int64
	Version      int64
	Detail       string // JSON, written and read by the ground
	MAC          [32]byte
}

// AlertRecord is an alert as engines keep it.
type AlertRecord struct {
	ID           AlertID
	Organization OrganizationID
	Project      ProjectID // zero: it is of no project
	Key          KeyID     // zero: it is of no key
	Rule         AlertRuleID
	Kind         string
	Subject      string // what it is about, in the rule: one alert of each is not ended
	State        AlertState
	OpenedAt     int64
	EndedAt      int64 // 0: it has not
	Version      int64
	Detail       string // JSON, written and read by the ground
}

// AlertFilter selects alerts. Zero fields do not select.
type AlertFilter struct {
	Organization OrganizationID
	Project      ProjectID
	Key          KeyID
	Rule         AlertRuleID
	Subject      string // with a Rule
	Kind         string
	States       []AlertState
	After        AlertID // in the order of the list
	Limit        int
}

// OriginRecord is a place that a key was used from: the first use, cut so that
// few are distinct.
type OriginRecord struct {
	Key         KeyID
	Kind, Value string
	FirstAt     int64
}

// OriginFilter selects places. Zero fields do not select.
type OriginFilter struct {
	Key   KeyID
	Since int64 // FirstAt ≥ this
	Limit int
}

// KeyFilter selects and orders key records. Zero fields do not select.
type KeyFilter struct {
	Organization  OrganizationID
	Project       ProjectID
	States        []State // derived at Now, expired among them; empty: every state
	Scope         string  // one word of the scopes
	Text          string  // lower-case ASCII; a literal part of KeyRecord.Search
	ExternalID    string
	OwnedBy       MemberID
	ExpiresBefore int64 // keys with 0 < ExpiresAt < this
	UnusedSince   int64 // keys with LastUsedAt < this, never used included
	Sort          SortField
	Descending    bool // ties go by id in the same direction
	After         *KeyPosition
	Limit         int
	Now           int64
}

// KeyPosition is a place in an ordered list: the sort value of the last record
// seen, and its id.
type KeyPosition struct {
	Text string // for SortName
	Int  int64  // for the others; 0 is "none", which comes last in both directions
	ID   KeyID
}

// Search is the text that KeyFilter.Text is looked for in: name, hint, id and
// external id in lower-case ASCII, parted by newlines, which none of them holds.
func (r *KeyRecord) Search() string {
	return LowerASCII(r.Name + "\n" + r.Hint + "\n" + r.ID.String() + "\n" + r.ExternalID)
}

// LowerASCII folds A–Z and nothing else, so that every engine folds alike.
func LowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// AuditFilter selects and orders audit records. Zero fields do not select.
type AuditFilter struct {
	Organization OrganizationID
	Project      ProjectID
	Action       string
	Actor        string
	Target       string
	Outcome      string
	From, To     int64   // From ≤ At < To
	After        AuditID // in the order of the list; zero: from its beginning
	Since        AuditID // only records later than this one, whatever the order
	Ascending    bool
	Limit        int
}

// Usage keeps what is counted. It lives apart from the keys: no usage path can
// touch a key's row, and losing a second of it loses no promise.
type Usage interface {
	// AddUsage adds a batch, all of it or nothing. Last-used times move forward,
	// never back. A batch that was added before is not added again: it is done.
	AddUsage(ctx context.Context, b UsageBatch) error
	// NoteUsage keeps a batch as durably as AddUsage does, and cheaper. A key that
	// is read by itself tells of it at once; Usage, and lists that select or order
	// by last use, may not before the next AddUsage, of an empty batch as well, or
	// TidyUsage.
	NoteUsage(ctx context.Context, b UsageBatch) error
	// TidyUsage carries counts of minutes on to their hours, and of hours to
	// their days, and drops what need not be kept: a part of it, in one
	// transaction. It reports whether there is more to do. Whenever it stops,
	// every count is in each step's sums exactly once.
	TidyUsage(ctx context.Context, t UsageTidying) (more bool, err error)
}

// UsageBatch is what one AddUsage adds.
type UsageBatch struct {
	// Writer and Number tell a repeated batch from a new one: the numbers of
	// one writer rise. The zero Writer is not remembered.
	Writer [16]byte
	Number int64
	Counts []UsageCount
	Uses   []KeyUse
}

// UsageCount is how often one verdict fell on one key in one minute. It counts
// for the key, its project and its organization.
type UsageCount struct {
	Key          KeyID
	Organization OrganizationID
	Project      ProjectID
	Minute       int64 // Unix seconds, a multiple of 60
	Verdict      string
	Count        int64
}

// KeyUse is the last use of a key.
type KeyUse struct {
	Key          KeyID
	Organization OrganizationID
	Project      ProjectID
	At           int64
	Sampled      bool   // From and Agent are known; otherwise the former ones stay
	From, Agent  string // of a use at most a second before At; empty: not told
}

// UsageTidying says what TidyUsage shall do. Times are Unix seconds.
type UsageTidying struct {
	Until int64 // minutes that begin before this are complete
	// Counts by minute, hour and day that begin before these are dropped, once
	// they are carried on. Each is a multiple of its step.
	KeepMinutes, KeepHours, KeepDays int64
	Limit                            int // rows to touch in one call, about
}

// UsageStep is the length of one point of a series.
type UsageStep string

// The steps.
const (
	StepMinute UsageStep = "minute"
	StepHour   UsageStep = "hour"
	StepDay    UsageStep = "day"
)

// Seconds is the step's length; 0 for what is no step. A point begins at a
// multiple of it.
func (s UsageStep) Seconds() int64 {
	switch s {
	case StepMinute:
		return 60
	case StepHour:
		return 60 * 60
	case StepDay:
		return 24 * 60 * 60
	}
	return 0
}

// UsageFilter selects counts: of some keys, or else of a project, or else of an
// organization, or else of all.
type UsageFilter struct {
	Organization OrganizationID
	Project      ProjectID
	Keys         []KeyID
	Step         UsageStep
	From, To     int64 // From ≤ start < To, both multiples of the step
}

// MinuteCount is how often a verdict fell on a key in one minute, and what shows
// whether there is anything new about that key.
type MinuteCount struct {
	MinutePlace
	Count int64

	Version                     int64 // of the key's record; 0: there is none
	LastUsedFrom, LastUsedAgent string
}

// MinutePlace is a place in the list of a minute's counts. The zero place is
// before all.
type MinutePlace struct {
	Key     KeyID
	Verdict string
}

// UsageSum is how often a verdict fell in one step. There is none of nothing.
type UsageSum struct {
	Start   int64
	Verdict string
	Count   int64
}

// Sessions keeps what a browser's session is, under the digest of its token.
// They take no revision: what a session may do is asked of the member each time.
type Sessions interface {
	// Session returns what was kept and has not ended at now; ErrNotFound.
	Session(ctx context.Context, token [32]byte, now int64) ([]byte, error)
	// PutSession keeps or replaces, durably, and drops some that ended before now.
	PutSession(ctx context.Context, token [32]byte, data []byte, endsAt, now int64) error
	// EndSession forgets, durably; one that is not there is no error.
	EndSession(ctx context.Context, token [32]byte) error
}

// Keeper holds what must stay out of the database: the pepper, and the journal
// of revocations that outlives a restored backup.
type Keeper interface {
	// Pepper returns the kept pepper. When there is none it returns
	// ErrNotFound, or with create keeps the given one and returns it. It may be
	// called inside an Update.
	Pepper(ctx context.Context, create []byte) ([]byte, error)
	// Entomb appends tombstones; they are durable when it returns nil.
	Entomb(ctx context.Context, ts []Tombstone) error
	// Tombstones hands every tombstone to each, oldest first. A line that
	// cannot be read is passed over and counted.
	Tombstones(ctx context.Context, each func(Tombstone) error) (damaged int, err error)
}

// Tombstone says that a key was revoked. The MAC is the ground's.
type Tombstone struct {
	Key KeyID
	At  int64
	MAC [32]byte
}
