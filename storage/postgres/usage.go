package postgres

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halberdhq/halberd"
)

// AddUsage implements halberd.Usage. It neither waits for changes of keys nor
// holds any up, and its commit waits for no disk and no standby: a crash of the
// database may lose the last second.
func (s *Store) AddUsage(ctx context.Context, b halberd.UsageBatch) error {
	if b.Writer == [16]byte{} && len(b.Counts) == 0 && len(b.Uses) == 0 {
		return s.counting(ctx, func(*usageTx) (bool, error) { return false, nil })
	}
	return s.counting(ctx, func(t *usageTx) (bool, error) { return t.add(b) })
}

// NoteUsage implements halberd.Usage: AddUsage is cheap enough.
func (s *Store) NoteUsage(ctx context.Context, b halberd.UsageBatch) error {
	return s.AddUsage(ctx, b)
}

// countingTries bounds how often a transaction that met another one crosswise
// is begun anew. Rows are written in one order, so it is rare.
const countingTries = 3

// counting runs fn in a transaction of the loose pool, which is kept if fn says
// so.
func (s *Store) counting(ctx context.Context, fn func(*usageTx) (keep bool, err error)) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for try := 1; ; try++ {
		err := s.countOnce(ctx, fn)
		if c := code(err); try < countingTries && (c == "40P01" || c == "40001") {
			continue
		}
		return unavailable(err)
	}
}

func (s *Store) countOnce(ctx context.Context, fn func(*usageTx) (bool, error)) error {
	conn, err := s.begin(ctx, s.loose, "BEGIN ISOLATION LEVEL READ COMMITTED")
	if err != nil {
		return err
	}
	defer s.undo(conn)
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), updateTime)
	defer cancel()
	keep, err := fn(&usageTx{ctx: bounded, conn: conn})
	if err != nil || !keep {
		return err
	}
	tag, err := conn.Exec(bounded, "COMMIT")
	if err == nil && tag.String() != "COMMIT" {
		err = errors.New("the transaction ended with " + tag.String())
	}
	return err
}

// usageTx is one change of the usage tables.
type usageTx struct {
	ctx   context.Context
	conn  *pgxpool.Conn
	marks marks
}

func (t *usageTx) exec(text string, args ...any) (int64, error) {
	tag, err := t.conn.Exec(t.ctx, text, args...)
	return tag.RowsAffected(), err
}

func (t *usageTx) query(text string, args []any, read func(*scanner)) error {
	return query(t.ctx, t.conn.Conn(), text, args, read)
}

func (t *usageTx) add(b halberd.UsageBatch) (keep bool, err error) {
	if b.Writer != [16]byte{} {
		n, err := t.exec(`INSERT INTO writers (id, number) SELECT $1::uuid, $2::bigint WHERE $2 > 0 ON CONFLICT (id)
			DO UPDATE SET number = excluded.number, seen_at = excluded.seen_at WHERE writers.number < excluded.number`, b.Writer[:], b.Number)
		if err != nil || n == 0 {
			return false, err // a batch that was added before
		}
	}
	if t.marks, err = readMarks(t.ctx, t.conn.Conn(), " FOR SHARE"); err != nil {
		return false, err
	}
	if err := t.count(0, tallied(b.Counts)); err != nil {
		return false, err
	}
	return true, t.use(b.Uses)
}

// use moves last-used times. An address that was not sampled stays.
func (t *usageTx) use(uses []halberd.KeyUse) error {
	latest := map[halberd.KeyID]halberd.KeyUse{}
	for _, u := range uses {
		merge(latest, u)
	}
	ids := make([]halberd.KeyID, 0, len(latest))
	for id := range latest {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b halberd.KeyID) int { return bytes.Compare(a[:], b[:]) })
	for group := range slices.Chunk(ids, rowsAtOnce) {
		var keys, organizations, projects [][16]byte
		var ats []int64
		var addresses, agents [][]byte
		for _, id := range group {
			u := latest[id]
			keys, organizations, projects = append(keys, u.Key), append(organizations, u.Organization), append(projects, u.Project)
			ats = append(ats, u.At)
			address, agent := []byte(nil), []byte(nil)
			if u.Sampled {
				address, agent = raw(u.From), raw(u.Agent)
			}
			addresses, agents = append(addresses, address), append(agents, agent)
		}
		if _, err := t.exec(`INSERT INTO last_used AS l (key, organization, project, at, address, agent)
			SELECT key, organization, nullif(project, '00000000-0000-0000-0000-000000000000'), at, address, agent
			FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bytea[], $6::bytea[])
				AS u (key, organization, project, at, address, agent) ORDER BY key
			ON CONFLICT (key) DO UPDATE SET at = excluded.at,
				address = coalesce(excluded.address, l.address), agent = coalesce(excluded.agent, l.agent)
			WHERE excluded.at >= l.at`, keys, organizations, projects, ats, addresses, agents); err != nil {
			return err
		}
	}
	return nil
}

// merge keeps the later use of a key. An address that was not sampled stays.
func merge(uses map[halberd.KeyID]halberd.KeyUse, u halberd.KeyUse) {
	old, there := uses[u.Key]
	if there && u.At < old.At {
		return
	}
	if !u.Sampled && old.Sampled {
		u.Sampled, u.From, u.Agent = true, old.From, old.Agent
	}
	uses[u.Key] = u
}

// rowsAtOnce is how many rows one statement takes.
const rowsAtOnce = 2000
