package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/pgtest"
	"github.com/halberdhq/halberd/storage/postgres"
	"github.com/halberdhq/halberd/storage/storagetest"
)

var (
	server pgtest.Shared
	quiet  = slog.New(slog.DiscardHandler)
)

func TestMain(m *testing.M) { m.Run(); server.Stop() }

func TestContract(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) halberd.Store { return open(t, fresh(t), t.TempDir()) })
}

func TestClusterContract(t *testing.T) {
	storagetest.RunCluster(t, func(t *testing.T) storagetest.Shared {
		address := fresh(t)
		return storagetest.Shared{
			Open: func(t *testing.T) storagetest.Handle { return open(t, address, t.TempDir()) },
			Forget: func(t *testing.T, revision int64) {
				do(t, address, "DELETE FROM changes WHERE revision <= $1", revision)
			},
			Standby: func(t *testing.T) func() {
				do(t, address, "CREATE SCHEMA standby")
				do(t, address, "CREATE TABLE standby.head AS SELECT * FROM head")
				do(t, address, "CREATE TABLE standby.changes AS SELECT * FROM changes")
				t.Cleanup(func() { do(t, address, "DROP SCHEMA standby CASCADE") })
				return func() {
					do(t, address, "DELETE FROM changes")
					do(t, address, "INSERT INTO changes SELECT * FROM standby.changes")
					do(t, address, "UPDATE head SET (revision, mark) = (SELECT revision, mark FROM standby.head)")
				}
			},
		}
	})
}

// rested are databases whose tests have ended. Emptying one is quicker than
// making one.
var rested struct {
	sync.Mutex
	addresses []string
}

// fresh is the address of a database with the schema and nothing in it.
func fresh(t testing.TB) (address string) {
	t.Helper()
	t.Cleanup(func() {
		rested.Lock()
		defer rested.Unlock()
		rested.addresses = append(rested.addresses, address)
	})
	rested.Lock()
	defer rested.Unlock()
	if n := len(rested.addresses); n > 0 {
		address, rested.addresses = rested.addresses[n-1], rested.addresses[:n-1]
		do(t, address, `DO $$ DECLARE name text; BEGIN
			SET session_replication_role = replica; -- no triggers
			FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('goose_db_version', 'head', 'marks', 'clock') LOOP
				EXECUTE 'DELETE FROM ' || name;
			END LOOP;
			UPDATE head SET revision = 0, mark = gen_random_uuid();
			INSERT INTO changes (revision, mark) SELECT revision, mark FROM head;
			UPDATE marks SET start = 0, kind = 0, subject = DEFAULT, verdict = '', dropped = 0;
			UPDATE clock SET now = 0;
		END $$`)
		return address
	}
	pg := server.Server(t)
	name := fmt.Sprint("d", pg.Port(), "_", made.Add(1))
	pg.Do(t, "CREATE DATABASE "+name)
	address = pg.Address(name)
	if err := open(t, address, t.TempDir()).Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

var made atomic.Int64

func open(t testing.TB, address, dir string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), address, dir, postgres.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// do runs a statement behind the store's back.
func do(t testing.TB, address, statement string, args ...any) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // clean-up calls it as well
	c, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
