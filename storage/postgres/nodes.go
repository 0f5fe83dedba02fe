package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halberdhq/halberd"
)

// present is the database's clock in Unix milliseconds.
const present = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

// joiningKept bounds for how long the row of a node is kept that began to join
// and never did. Nobody waits for it.
const joiningKept = time.Hour

// Enter implements halberd.Cluster.
func (s *Store) Enter(ctx context.Context, n halberd.NodeRecord) error {
	made, err := s.node(ctx, `WITH gone AS (DELETE FROM nodes WHERE state = 'joining' AND seen_at < `+present+` - $6)
		INSERT INTO nodes (incarnation, name, state, applied, renewals, lease, version, seen_at, fenced_at)
		VALUES ($1, $2, 'joining', $3, 0, $4, $5, `+present+`, 0) ON CONFLICT DO NOTHING RETURNING 1`,
		n.Incarnation[:], n.Name, n.Applied, int64(n.Lease), n.Version, joiningKept.Milliseconds())
	if err == nil && !made {
		err = halberd.ErrConflict
	}
	return err
}

// Renew implements halberd.Cluster. Its write is replicated as every change is,
// so a primary that was replaced cannot do it. The row of the clock makes
// renewals one after the other, so that the time they tell goes one way.
func (s *Store) Renew(ctx context.Context, b halberd.Beat) (g halberd.Grant, err error) {
	err = s.beat(ctx, s.control, `t AS (UPDATE clock SET now = greatest(now, `+present+`) RETURNING now),
		n AS (UPDATE nodes SET renewals = renewals + 1, applied = greatest(applied, $2), seen_at = t.now FROM t, known
			WHERE incarnation = $1 AND state <> 'fenced' RETURNING 1)`, "(SELECT revision FROM head), (SELECT now FROM t)", b,
		func(s *scanner) {
			g.Revision = s.int()
			g.Now = time.UnixMilli(s.int())
		})
	if err != nil {
		return halberd.Grant{}, err
	}
	return g, nil
}

// Acknowledge implements halberd.Cluster.
func (s *Store) Acknowledge(ctx context.Context, b halberd.Beat) error {
	return s.beat(ctx, s.loose, `n AS (UPDATE nodes SET applied = greatest(applied, $2) FROM known
		WHERE incarnation = $1 AND state <> 'fenced' RETURNING 1)`, "0", b, func(*scanner) {})
}

// beat runs a write n on the row of an incarnation, which is to do nothing unless
// the log holds the position last told of, known. It answers with columns.
func (s *Store) beat(ctx context.Context, pool *pgxpool.Pool, write, columns string, b halberd.Beat, read func(*scanner)) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	told := *s.follow.told.Load() // what b says is applied is not later
	var written, known, there bool
	if _, err := s.ask(ctx, pool, `WITH known AS (SELECT 1 FROM changes WHERE revision = $3 AND mark = $4), `+write+`
		SELECT EXISTS (SELECT 1 FROM n), EXISTS (SELECT 1 FROM known), EXISTS (SELECT 1 FROM nodes WHERE incarnation = $1 AND state <> 'fenced'), `+columns,
		[]any{b.Incarnation[:], b.Applied, told.revision, told.mark[:]}, func(s *scanner) {
			written, known, there = s.bool(), s.bool(), s.bool()
			read(s)
		}); err != nil {
		return err
	}
	switch {
	case written:
		return nil
	case there && !known:
		return fmt.Errorf("%w: its log does not hold revision %d as it was told", halberd.ErrHistory, told.revision)
	}
	return halberd.ErrFenced
}

// Nodes implements halberd.Cluster. The list is read with the head: a connection
// may lead to a primary that was replaced, where nodes are missing that have
// entered since, and nobody would wait for them.
func (s *Store) Nodes(ctx context.Context) (list []halberd.NodeRecord, err error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	told := *s.follow.told.Load() // before the list is read: it may go on meanwhile
	bounded, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	conn, err := s.begin(bounded, s.control, ";")
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	var head position
	err = query(bounded, conn.Conn(), `SELECT h.revision, h.mark, n.incarnation IS NOT NULL, n.incarnation, n.name, n.state, n.applied, n.renewals, n.lease,
			n.version, n.seen_at, n.fenced_at
		FROM head h LEFT JOIN nodes n ON true ORDER BY n.name, n.incarnation`, nil, func(s *scanner) {
		head = s.position()
		if !s.bool() {
			return
		}
		var n halberd.NodeRecord
		s.into(n.Incarnation[:])
		n.Name = s.text()
		n.State = halberd.NodeState(s.text())
		n.Applied, n.Renewals, n.Lease = s.int(), s.int(), time.Duration(s.int())
		n.Version = s.text()
		n.SeenAt, n.FencedAt = s.int(), s.int()
		list = append(list, n)
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, unavailable(err)
	}
	if err := told.continues(head); err != nil {
		_ = conn.Conn().Close(bounded) // another may lead to where changes are made now
		return nil, unavailable(err)
	}
	return list, nil
}

// Fence implements halberd.Cluster.
func (s *Store) Fence(ctx context.Context, incarnation halberd.Incarnation, renewals int64) (bool, error) {
	return s.node(ctx, `UPDATE nodes SET state = 'fenced', fenced_at = `+present+`
		WHERE incarnation = $1 AND renewals = $2 AND state <> 'fenced' RETURNING 1`, incarnation[:], renewals)
}

// Leave implements halberd.Cluster.
func (s *Store) Leave(ctx context.Context, incarnation halberd.Incarnation) error {
	_, err := s.node(ctx, "DELETE FROM nodes WHERE incarnation = $1 RETURNING 1", incarnation[:])
	return err
}

// node runs one statement about a node, and reports whether it found it.
func (s *Store) node(ctx context.Context, text string, args ...any) (found bool, err error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	return s.ask(ctx, s.control, text, args, func(*scanner) {})
}
