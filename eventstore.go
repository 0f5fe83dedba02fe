package halberd

// EventReader is the part of Reader that tells of events.
type EventReader interface {
	// Event is one event; ErrNotFound when it is not there, or not any more.
	Event(id EventID) (EventRecord, error)
	// Events lists at most f.Limit events in the order of their commits, or the
	// reverse.
	Events(f EventFilter) ([]EventRecord, error)
}

// EventWriter is the part of Tx that keeps events. None of it is a change that
// Follow tells of, or counts as a revision.
type EventWriter interface {
	// AppendEvent adds an event under the next Seq, whatever Seq it carries. Seqs
	// rise in the order of the commits: whoever has seen every event up to a Seq
	// never sees a smaller one appear later. There may be gaps, and no Seq is ever
	// given twice. ErrConflict when the id is taken.
	AppendEvent(EventRecord) error
	// DropEvents drops the oldest events that happened before a time and whose Seq
	// is at most through: at most limit of them. It returns how many.
	DropEvents(before, through int64, limit int) (int, error)
}

// EventRecord is an event as engines keep it. It never changes.
type EventRecord struct {
	Seq          int64 // given by the engine: see EventWriter.AppendEvent
	ID           EventID
	At           int64
	Type         string // an EventType
	Organization OrganizationID
	Project      ProjectID // zero: of the organization as a whole
	TargetKind   string
	Target       string
	Version      int64  // of the target; 0: it has none
	Data         string // JSON, written by the ground: ids and hints
	To           string // ids of webhooks, parted by blanks: sent to these only; "": to those that subscribe
}

// EventFilter selects and orders events. Zero fields do not select.
type EventFilter struct {
	Organization OrganizationID
	Project      ProjectID
	Types        []string
	Target       string
	From, To     int64 // From ≤ At < To
	Since        int64 // only Seqs above this, whatever the order
	After        int64 // the Seq to go on after, in the order of the list; 0: from its beginning
	Descending   bool
	Limit        int
}
