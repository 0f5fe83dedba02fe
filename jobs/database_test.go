package jobs

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/pgtest"
)

// Of several hosts the jobs are where the keys are: on the one that takes
// changes, whichever is named first.
func TestOfSeveralHostsTheOneThatTakesChangesIsUsed(t *testing.T) {
	replica, err := pgtest.Start(pgtest.Options{Settings: []string{"fsync=off", "default_transaction_read_only=on"}})
	pgtest.Need(t, err)
	t.Cleanup(replica.Remove)
	primary := postgres.Server(t)
	t.Cleanup(func() { primary.Do(t, "DROP SCHEMA IF EXISTS "+schema+" CASCADE") })
	address := fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable", replica.Port(), primary.Port())
	start(t, Options{Database: PostgreSQL(address, halberd.Secret{})})
}

// A user who may make tables and no schema is told what is missing; where the
// schema is there, nothing is.
func TestAUserWhoMayMakeNoSchema(t *testing.T) {
	address := postgres.Empty(t)
	c, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	do := func(text string) {
		t.Helper()
		if _, err := c.Exec(context.Background(), text); err != nil {
			t.Fatal(err)
		}
	}
	do("CREATE ROLE clerk LOGIN")
	t.Cleanup(func() { postgres.Server(t).Do(t, "DROP ROLE clerk") })
	t.Cleanup(func() { do("DROP OWNED BY clerk") })
	db := PostgreSQL(strings.Replace(address, "postgres@", "clerk@", 1), halberd.Secret{})
	if _, err := Start(t.Context(), Options{Database: db}); err == nil || !strings.Contains(err.Error(), "GRANT CREATE ON DATABASE") {
		t.Errorf("told %v", err)
	}
	do("CREATE SCHEMA " + schema + " AUTHORIZATION clerk")
	start(t, Options{Database: db})
}

// A node that stands still while it makes the tables holds up the others for a
// bounded time.
func TestTheWaitForTheTablesEnds(t *testing.T) {
	c, err := sessions("postgres://x@127.0.0.1/x")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.ConnConfig.RuntimeParams["statement_timeout"]; got != "30000" {
		t.Errorf("a statement may take %q ms", got)
	}
	address := postgres.Empty(t)
	holder, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(context.Background())
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock(x'68626a6f6273'::bigint)"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err = Start(ctx, Options{Database: PostgreSQL(address+"&statement_timeout=100", halberd.Secret{})})
	if err == nil || !strings.Contains(err.Error(), "another node makes the tables") {
		t.Errorf("told %v", err)
	}
}
