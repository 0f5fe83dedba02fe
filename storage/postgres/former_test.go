package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/pgtest"
	"github.com/halberdhq/halberd/storage/internal/keeper"
)

// moved is a store whose connections rest on a database that was the primary: new
// ones lead to the present one, to which another store has added a change.
func moved(t *testing.T, pg *pgtest.Server, name string) (*Store, halberd.Incarnation) {
	t.Helper()
	ctx, quiet := t.Context(), slog.New(slog.DiscardHandler)
	former, present := "former_"+strings.ToLower(name), "present_"+strings.ToLower(name)
	pg.Do(t, "CREATE DATABASE "+former)
	first, err := Open(ctx, pg.Address(former), t.TempDir(), Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	me := halberd.Incarnation{1}
	if err := errors.Join(first.Enter(ctx, halberd.NodeRecord{Incarnation: me, Name: "a", State: halberd.NodeJoining, Lease: 1}),
		first.Update(ctx, func(tx halberd.Tx) error { return tx.(halberd.ClusterTx).Activate(me) }), first.Close()); err != nil {
		t.Fatal(err)
	}
	pg.Do(t, "CREATE DATABASE "+present+" TEMPLATE "+former)

	var leads atomic.Pointer[string]
	lead := func(to string) { leads.Store(&to) }
	lead(former)
	config, err := parse(pg.Address(former))
	if err != nil {
		t.Fatal(err)
	}
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		c.Database = *leads.Load()
		return nil
	}
	s := &Store{log: quiet, turn: make(chan struct{}, 1), patience: commitTime}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	s.ears.woken = make(chan struct{}, 1)
	t.Cleanup(func() { _ = s.Close() })
	if s.folder, err = keeper.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if s.keeper, err = s.folder.Keep(quiet); err != nil {
		t.Fatal(err)
	}
	if err := s.start(ctx, config, Options{Connections: 3, Log: quiet}); err != nil {
		t.Fatal(err)
	}
	lead(present)
	other, err := Open(ctx, pg.Address(present), t.TempDir(), Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	if err := other.Update(ctx, func(tx halberd.Tx) error { return tx.InsertKey(lateKey) }); err != nil {
		t.Fatal(err)
	}
	return s, me
}

var lateKey = halberd.KeyRecord{
	ID: halberd.KeyID{9}, Organization: halberd.OrganizationID{1}, Project: halberd.ProjectID{1}, Digest: halberd.Digest{9}, State: halberd.StateActive, Version: 1,
}

// A primary was replaced, and some connections still lead to it: it answers reads.
// Who has followed the present one is not told by the former that its history was
// lost, reads nothing from it, and counts nothing there.
func TestConnectionsToAFormerPrimaryAreGivenUp(t *testing.T) {
	pg, err := pgtest.Start(pgtest.Options{Settings: []string{"fsync=off"}})
	pgtest.Need(t, err)
	t.Cleanup(pg.Remove)
	for name, call := range map[string]func(context.Context, *Store, halberd.Incarnation) error{
		"Acknowledge": func(ctx context.Context, s *Store, me halberd.Incarnation) error {
			return s.Acknowledge(ctx, halberd.Beat{Incarnation: me, Applied: 2})
		},
		"CatchUp": func(ctx context.Context, s *Store, _ halberd.Incarnation) error {
			_, err := s.CatchUp(ctx)
			return err
		},
		"Nodes": func(ctx context.Context, s *Store, _ halberd.Incarnation) error {
			_, err := s.Nodes(ctx)
			return err
		},
		"Renew": func(ctx context.Context, s *Store, me halberd.Incarnation) error {
			_, err := s.Renew(ctx, halberd.Beat{Incarnation: me, Applied: 2})
			return err
		},
		"Update": func(ctx context.Context, s *Store, _ halberd.Incarnation) error {
			return s.Update(ctx, func(tx halberd.Tx) error { return tx.SetMeta("a", "b") })
		},
		"View": func(ctx context.Context, s *Store, _ halberd.Incarnation) error {
			return s.View(ctx, func(r halberd.Reader) error {
				_, err := r.Key(lateKey.ID)
				return err
			})
		},
		"Load": func(ctx context.Context, s *Store, _ halberd.Incarnation) error {
			var n atomic.Int64
			if err := s.Load(ctx, 3, 0, func(list []halberd.KeyRecord) error { n.Add(int64(len(list))); return nil }); err != nil {
				return err
			}
			if n.Load() != 1 {
				return fmt.Errorf("%d keys", n.Load())
			}
			return nil
		},
		"AddUsage": func(ctx context.Context, s *Store, _ halberd.Incarnation) error {
			if err := s.AddUsage(ctx, halberd.UsageBatch{Writer: [16]byte{1}, Number: 1, Counts: []halberd.UsageCount{
				{Key: lateKey.ID, Organization: lateKey.Organization, Minute: 60, Verdict: "VALID", Count: 7},
			}}); err != nil {
				return err
			}
			s.control.Reset()
			n := int64(0)
			_, err := s.ask(ctx, s.control, "SELECT coalesce(sum(count), 0)::bigint FROM minutes WHERE kind = 0", nil, func(s *scanner) { n = s.int() })
			if err == nil && n != 7 {
				err = fmt.Errorf("%d of 7 were counted", n)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, me := moved(t, pg, name)
			ctx := t.Context()
			// One connection of each pool stays with the former primary, and the one
			// that is used first leads to the present one.
			rest := s.control.AcquireAllIdle(ctx)
			if at, err := s.CatchUp(ctx); err != nil || at != 2 {
				t.Fatal(at, err)
			}
			rested := s.control.AcquireAllIdle(ctx)
			for _, c := range rest {
				c.Release()
			}
			if err := call(ctx, s, me); err != nil {
				t.Error(err)
			}
			for _, c := range rested {
				c.Release()
			}
		})
	}
}

// So is the connection that listens: on a former primary nothing is heard any more.
func TestNotificationsAreListenedForWhereChangesAreMadeNow(t *testing.T) {
	s, _ := inside(t)
	for range 3 {
		select {
		case <-s.Woken(): // after it has connected
		case <-time.After(20 * time.Second):
			t.Fatal("it listens on what was there before")
		}
		s.resetPools()
	}
}
