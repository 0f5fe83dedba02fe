package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd"
)

// position is a place in a history: the mark, drawn at random, tells the
// revision from the same number of another history.
type position struct {
	revision int64
	mark     [16]byte
}

func (s *scanner) position() (p position) {
	p.revision = s.int()
	s.into(p.mark[:])
	return p
}

// follower is who is told of changes, and of which it was told last.
type follower struct {
	mu   sync.Mutex // held while it is told
	told atomic.Pointer[position]
	fn   func(halberd.Committed)
}

// Follow implements halberd.Store.
func (s *Store) Follow(fn func(halberd.Committed)) { s.follow.fn = fn }

// continues refuses a head that does not come after what was told.
func (f *follower) continues(head position) error { return f.told.Load().continues(head) }

func (told *position) continues(head position) error {
	if head.revision < told.revision || head.revision == told.revision && head.mark != told.mark {
		return fmt.Errorf("%w: it is at revision %d, and %d was told of", halberd.ErrHistory, head.revision, told.revision)
	}
	return nil
}

// tell tells of an Update that was committed, and of all before it.
func (f *follower) tell(s *Store, t *tx) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *f.told.Load() != t.before {
		ctx, cancel := context.WithTimeout(s.life, exchangeTime)
		defer cancel()
		_, err := s.catchUp(ctx)
		return err
	}
	f.hand(t.changes.Committed(t.now.revision), t.now)
	return nil
}

// hand is called with the lock held. The position comes first: a beat that says
// that the change is applied must be compared by it.
func (f *follower) hand(c halberd.Committed, at position) {
	f.told.Store(&at)
	if f.fn != nil {
		f.fn(c)
	}
}

// Rewind implements halberd.Cluster.
func (s *Store) Rewind(ctx context.Context) (int64, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	return s.rewind(ctx)
}

func (s *Store) rewind(ctx context.Context) (int64, error) {
	s.follow.mu.Lock()
	defer s.follow.mu.Unlock()
	var head position
	found, err := s.ask(ctx, s.control, "SELECT revision, mark FROM head", nil, func(s *scanner) { head = s.position() })
	if err != nil {
		return 0, err
	}
	if !found {
		return 0, fmt.Errorf("%w: its head is missing", ErrUnsuitable)
	}
	s.follow.told.Store(&head)
	return head.revision, nil
}

// CatchUp implements halberd.Cluster.
func (s *Store) CatchUp(ctx context.Context) (applied int64, err error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	s.follow.mu.Lock()
	defer s.follow.mu.Unlock()
	bounded, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	applied, err = s.catchUp(bounded)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return applied, err
}

// logStretch is how many rows of the log are read in one go.
const logStretch = 100

// entry is a row of the log.
type entry struct {
	at                                    position
	keys, projects, organizations, member [][16]byte
}

// catchUp is called with the follower's lock held, and with a ctx that ends.
func (s *Store) catchUp(ctx context.Context) (int64, error) {
	told := *s.follow.told.Load()
	conn, err := s.begin(ctx, s.control, ";")
	if err != nil {
		return told.revision, err
	}
	defer conn.Release()
	r := reader{conn.Conn(), ctx}
	for {
		log, err := r.log(told)
		if err != nil {
			return told.revision, err
		}
		if len(log) > 0 {
			records, err := r.recordsOf(log)
			if err != nil {
				return told.revision, err
			}
			for i := range log {
				s.follow.hand(records.of(&log[i]), log[i].at)
			}
			told = log[len(log)-1].at
		}
		if len(log) < logStretch {
			return told.revision, nil
		}
	}
}

// log reads what comes after a position, whose own row must be there.
func (r reader) log(told position) (list []entry, err error) {
	if err := r.all(`SELECT revision, mark, keys, projects, organizations, members FROM changes
		WHERE revision >= $1 ORDER BY revision LIMIT $2`, []any{told.revision, logStretch + 1}, func(s *scanner) {
		list = append(list, entry{s.position(), s.ids(), s.ids(), s.ids(), s.ids()})
	}); err != nil {
		return nil, err
	}
	switch {
	case len(list) > 0 && list[0].at.revision > told.revision:
		return nil, fmt.Errorf("%w: it begins after revision %d", halberd.ErrBehind, told.revision)
	case len(list) == 0 || list[0].at != told:
		return nil, fmt.Errorf("%w: its log does not hold revision %d as it was told", halberd.ErrHistory, told.revision)
	}
	for i := range list {
		if list[i].at.revision != told.revision+int64(i) {
			return nil, fmt.Errorf("%w: its log has no revision %d", halberd.ErrHistory, told.revision+int64(i))
		}
	}
	return list[1:], nil
}

// records are the rows that a stretch of the log names, as they are now.
type records struct {
	keys          map[[16]byte]halberd.KeyRecord
	projects      map[[16]byte]halberd.ProjectRecord
	organizations map[[16]byte]halberd.OrganizationRecord
	members       map[[16]byte]halberd.MemberRecord
}

// recordsOf reads them after the log was read: they may be newer, never older.
func (r reader) recordsOf(log []entry) (found records, err error) {
	var keys, projects, organizations, members [][16]byte
	for i := range log {
		e := &log[i]
		keys, projects = append(keys, e.keys...), append(projects, e.projects...)
		organizations, members = append(organizations, e.organizations...), append(members, e.member...)
	}
	if found.keys, err = rowsOf(r, "keys", keyColumns, keys, (*scanner).key); err != nil {
		return found, err
	}
	if found.projects, err = rowsOf(r, "projects", projectColumns, projects, (*scanner).project); err != nil {
		return found, err
	}
	if found.organizations, err = rowsOf(r, "organizations", organizationColumns, organizations, (*scanner).organization); err != nil {
		return found, err
	}
	found.members, err = rowsOf(r, "members", memberColumns, members, (*scanner).member)
	return found, err
}

// rowsOf reads the rows of these ids. Rows are never deleted: one that is not
// there belongs to another history.
func rowsOf[T any](r reader, table, columns string, ids [][16]byte, read func(*scanner, *T)) (map[[16]byte]T, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	found := make(map[[16]byte]T, len(ids))
	if err := r.all("SELECT "+columns+" FROM "+table+" WHERE id = ANY ($1)", []any{ids}, func(s *scanner) {
		var record T
		id := [16]byte(s.row[0])
		read(s, &record)
		found[id] = record
	}); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if _, there := found[id]; !there {
			return nil, fmt.Errorf("%w: a row of %s that its log names is not there", halberd.ErrHistory, table)
		}
	}
	return found, nil
}

// of is one change, as the follower is told of it.
func (r *records) of(e *entry) halberd.Committed {
	c := halberd.Committed{Revision: e.at.revision}
	for _, id := range e.keys {
		c.Keys = append(c.Keys, r.keys[id])
	}
	for _, id := range e.projects {
		c.Projects = append(c.Projects, r.projects[id])
	}
	for _, id := range e.organizations {
		c.Organizations = append(c.Organizations, r.organizations[id])
	}
	for _, id := range e.member {
		c.Members = append(c.Members, r.members[id])
	}
	return c
}

// The log keeps what any node needs that was heard of in the last hour, what is
// younger than an hour, and its last ten thousand rows.
const (
	pruneEvery = 256
	pruneKeeps = 10_000
	pruneMost  = 5_000 // rows in one go: more than come in between
	pruneAfter = time.Hour
)

// prune shortens the log. It is done again soon, so a failure is no matter.
func (s *Store) prune(revision int64) {
	ctx, cancel := context.WithTimeout(s.life, exchangeTime)
	defer cancel()
	_, err := s.ask(ctx, s.loose, `DELETE FROM changes WHERE revision < least($1::bigint, (SELECT min(applied) FROM nodes
			WHERE state <> 'fenced' AND seen_at > extract(epoch FROM clock_timestamp()) * 1000 - $3::bigint))
		AND revision <= (SELECT min(revision) FROM changes) + $2::bigint AND at < clock_timestamp() - $3::bigint * interval '1 millisecond'`,
		[]any{revision - pruneKeeps, pruneMost, pruneAfter.Milliseconds()}, func(*scanner) {})
	if err != nil && s.life.Err() == nil {
		s.log.Warn("the log of changes was not shortened", "why", err)
	}
}
