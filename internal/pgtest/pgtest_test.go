package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/halberdhq/halberd/internal/pgtest"
)

var postgres pgtest.Shared

func TestMain(m *testing.M) { m.Run(); postgres.Stop() }

// Databases are apart, copies have what was copied, and a server that was
// killed comes back with it.
func TestAServerOfItsOwn(t *testing.T) {
	ask := func(address, query string) (n int) {
		t.Helper()
		c, err := pgx.Connect(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(t.Context())
		if err := c.QueryRow(t.Context(), query).Scan(&n); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return n
	}
	first := postgres.Empty(t)
	ask(first, "WITH made AS (SELECT 1) SELECT count(*) FROM made")
	c, err := pgx.Connect(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	name := c.Config().Database
	if _, err := c.Exec(t.Context(), "CREATE TABLE t AS SELECT generate_series(1, 5) AS n"); err != nil {
		t.Fatal(err)
	}
	c.Close(t.Context())
	if n := ask(postgres.Copy(t, name), "SELECT count(*) FROM t"); n != 5 {
		t.Errorf("the copy has %d rows", n)
	}
	if n := ask(postgres.Empty(t), "SELECT count(*) FROM pg_tables WHERE tablename = 't'"); n != 0 {
		t.Error("an empty database has a table of another")
	}
	server := postgres.Server(t)
	server.Kill()
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	if n := ask(server.SocketAddress(name), "SELECT count(*) FROM t"); n != 5 {
		t.Errorf("after a crash there are %d rows", n)
	}
	if n := ask(first, "SELECT count(*) FROM (VALUES ('a'), ('B')) v(x) WHERE x < 'b'"); n != 1 {
		t.Error("the databases do not sort as people do")
	}
}
