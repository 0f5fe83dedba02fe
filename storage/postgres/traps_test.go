package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/pgtest"
	"github.com/halberdhq/halberd/storage/postgres"
)

// What only PostgreSQL can get wrong. Letter case and order are the contract's,
// which runs on databases that sort by English rules.

var (
	org  = halberd.OrganizationID{15: 1}
	home = halberd.ProjectID{15: 1}
)

func key(n int) halberd.KeyRecord {
	return halberd.KeyRecord{
		ID: halberd.KeyID{14: byte(n >> 8), 15: byte(n)}, Organization: org, Project: home, Digest: halberd.Digest{1, byte(n >> 8), byte(n)},
		PepperID: 1, State: halberd.StateActive, Name: fmt.Sprint("key ", n), Policy: "{}", CreatedAt: int64(n), Version: 1,
	}
}

func insert(ctx context.Context, s halberd.Store, n int) error {
	return s.Update(ctx, func(tx halberd.Tx) error { return tx.InsertKey(key(n)) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// has reports whether a key is there, to whoever looks now.
func has(t *testing.T, s halberd.Store, n int) bool {
	t.Helper()
	err := s.View(t.Context(), func(r halberd.Reader) error { _, err := r.Key(key(n).ID); return err })
	if err != nil && !errors.Is(err, halberd.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// unavailable wants a 503 with these words.
func unavailable(t *testing.T, err error, words ...string) {
	t.Helper()
	if halberd.CodeOf(err) != halberd.CodeUnavailable {
		t.Fatalf("%v", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// count is the answer to a question behind the store's back.
func count(t *testing.T, address, question string, args ...any) (n int) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	c, err := pgx.Connect(ctx, address)
	must(t, err)
	defer c.Close(ctx)
	must(t, c.QueryRow(ctx, question, args...).Scan(&n))
	return n
}

// eventually waits for what PostgreSQL does and does not announce.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("20 s passed without %s", what)
		}
	}
}

// A zero byte and broken UTF-8 can stand in no text of PostgreSQL's. Where a
// stranger chooses every byte they are kept; where they are looked for nothing
// is found; nothing fails and nothing wedges.
func TestBytesThatNoTextCanHold(t *testing.T) {
	s := open(t, fresh(t), t.TempDir())
	must(t, insert(t.Context(), s, 1))
	for _, evil := range []string{"a\x00b", "\xff\xfe", "\xc3", "\x00"} {
		use := halberd.KeyUse{Key: key(1).ID, Organization: org, Project: home, At: 100, Sampled: true, From: evil, Agent: evil}
		must(t, s.AddUsage(t.Context(), halberd.UsageBatch{Uses: []halberd.KeyUse{use}}))
		id := halberd.AuditID{0: evil[0], 15: byte(len(evil))}
		must(t, s.Update(t.Context(), func(tx halberd.Tx) error {
			if _, err := tx.Idempotent("key_a", evil, [32]byte{1}, 1); !errors.Is(err, halberd.ErrNotFound) {
				return fmt.Errorf("an idempotent request: %w", err)
			}
			return errors.Join(tx.AppendAudit(halberd.AuditRecord{ID: id, Outcome: "denied", RequestID: evil, ClientIP: evil}),
				tx.RecordIdempotency(halberd.IdempotencyRecord{Actor: "key_a", Route: evil, Key: [32]byte{1}, EndsAt: 9}, 1))
		}))
		must(t, s.View(t.Context(), func(r halberd.Reader) error {
			k, err := r.Key(key(1).ID)
			if k.LastUsedAgent != evil || k.LastUsedFrom != evil {
				t.Errorf("%q came back as %q from %q", evil, k.LastUsedAgent, k.LastUsedFrom)
			}
			audit, err2 := r.Audit(halberd.AuditFilter{Limit: 1})
			if len(audit) != 1 || audit[0].RequestID != evil || audit[0].ClientIP != evil {
				t.Errorf("%q came back as %+v", evil, audit)
			}
			a, err3 := r.Keys(halberd.KeyFilter{Text: evil})
			b, err4 := r.Keys(halberd.KeyFilter{ExternalID: evil})
			c, err5 := r.Keys(halberd.KeyFilter{Sort: halberd.SortName, After: &halberd.KeyPosition{Text: evil}})
			d, err6 := r.Audit(halberd.AuditFilter{Actor: evil})
			e, err7 := r.Events(halberd.EventFilter{Target: evil})
			if len(a)+len(b)+len(c)+len(d)+len(e) != 0 {
				t.Errorf("%q finds %d, %d, %d, %d, %d", evil, len(a), len(b), len(c), len(d), len(e))
			}
			if _, err := r.MemberWith(halberd.MemberName{Email: evil}); !errors.Is(err, halberd.ErrNotFound) {
				t.Errorf("a member called %q: %v", evil, err)
			}
			return errors.Join(err, err2, err3, err4, err5, err6, err7)
		}))
		if err := s.Update(t.Context(), func(tx halberd.Tx) error { return tx.SetMeta("a", evil) }); err == nil {
			t.Errorf("%q was kept in a text", evil)
		}
		must(t, s.Update(t.Context(), func(tx halberd.Tx) error { return tx.SetMeta("a", "b") }))
	}
}

// A caller who looks away from a failed statement gets no half of a change.
func TestAFailedStatementEndsTheWholeTransaction(t *testing.T) {
	s := open(t, fresh(t), t.TempDir())
	err := s.Update(t.Context(), func(tx halberd.Tx) error {
		bad := key(2)
		bad.Name = "\x00"
		_ = tx.InsertKey(key(1))
		_ = tx.InsertKey(bad)
		_ = tx.InsertKey(key(3))
		return nil
	})
	if err == nil || has(t, s, 1) || has(t, s, 3) {
		t.Errorf("%v; %v, %v", err, has(t, s, 1), has(t, s, 3))
	}
	must(t, insert(t.Context(), s, 1))
}

// The database's own idea of isolation, time and quoting is not ours.
func TestTheDatabasesSettingsDoNotMatter(t *testing.T) {
	address := fresh(t)
	name := address[strings.LastIndex(address, "/")+1:]
	name, _, _ = strings.Cut(name, "?")
	for _, setting := range []string{
		"default_transaction_isolation = 'serializable'", "bytea_output = 'escape'", "datestyle = 'SQL, DMY'",
		"intervalstyle = 'postgres_verbose'", "default_transaction_deferrable = on", "extra_float_digits = -5", "enable_indexscan = off",
		"statement_timeout = 1", // last: the others are set under it
	} {
		do(t, address, "ALTER DATABASE "+name+" SET "+setting)
	}
	t.Cleanup(func() {
		c, err := pgx.Connect(context.Background(), server.Server(t).Address("postgres"))
		must(t, err)
		defer c.Close(context.Background())
		_, err = c.Exec(context.Background(), "ALTER DATABASE "+name+" RESET ALL")
		must(t, err)
	})
	a, b := open(t, address, t.TempDir()), open(t, address, t.TempDir())
	var all sync.WaitGroup
	for n := 1; n <= 60; n++ {
		all.Go(func() {
			if err := insert(context.Background(), []halberd.Store{a, b}[n%2], n); err != nil {
				t.Errorf("key %d: %v", n, err)
			}
		})
	}
	all.Wait()
	if n := count(t, address+"&options=-cstatement_timeout%3D0", "SELECT count(*) FROM keys"); n != 60 {
		t.Errorf("%d keys", n)
	}
}

// Connections that were lost while they rested are not the caller's
// trouble.
func TestConnectionsThatWereLostAreMadeAnew(t *testing.T) {
	address := fresh(t)
	s := open(t, address, t.TempDir())
	for n := range 5 {
		do(t, address, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		must(t, insert(t.Context(), s, 10+n))
		if !has(t, s, 10+n) {
			t.Error("the change is not there")
		}
		must(t, s.AddUsage(t.Context(), halberd.UsageBatch{Writer: [16]byte{1}, Number: int64(n + 1)}))
		if _, err := s.Nodes(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A session that is killed in the middle of a change changes nothing, and
// the answer says so.
func TestAKilledBackendInTheMiddleOfAChange(t *testing.T) {
	address := fresh(t)
	s := open(t, address, t.TempDir())
	s.Follow(func(c halberd.Committed) {
		if len(c.Keys) != 1 || c.Keys[0].ID != key(2).ID {
			t.Errorf("told of %+v", c)
		}
	})
	err := s.Update(t.Context(), func(tx halberd.Tx) error {
		if err := tx.InsertKey(key(1)); err != nil {
			return err
		}
		do(t, address, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'")
		return tx.InsertKey(key(3))
	})
	unavailable(t, err)
	if has(t, s, 1) {
		t.Error("half of it is there")
	}
	must(t, insert(t.Context(), s, 2))
}

// A node that is stopped in the middle of a change holds up nobody for
// long: PostgreSQL ends its session, and its change was never made.
func TestANodeThatStopsInTheMiddleHoldsUpNobody(t *testing.T) {
	address := fresh(t)
	stopped := open(t, address+"&idle_in_transaction_session_timeout=300", t.TempDir())
	other := open(t, address, t.TempDir())
	err := stopped.Update(t.Context(), func(tx halberd.Tx) error {
		must(t, tx.InsertKey(key(1)))
		return insert(t.Context(), other, 2) // waits for the lock that this one holds
	})
	unavailable(t, err)
	if has(t, other, 1) || !has(t, other, 2) {
		t.Errorf("the stopped one's change: %v; the other's: %v", has(t, other, 1), has(t, other, 2))
	}
	must(t, insert(t.Context(), stopped, 3))
}

// What takes too long is ended by PostgreSQL, with a word, and harms nothing.
func TestAStatementThatTakesTooLong(t *testing.T) {
	address := fresh(t)
	s := open(t, address+"&statement_timeout=200", t.TempDir())
	must(t, insert(t.Context(), s, 1))
	c, err := pgx.Connect(t.Context(), address)
	must(t, err)
	defer c.Close(t.Context())
	_, err = c.Exec(t.Context(), "BEGIN; LOCK TABLE keys")
	must(t, err)
	unavailable(t, s.View(t.Context(), func(r halberd.Reader) error { _, err := r.Key(key(1).ID); return err }), "too long")
	unavailable(t, insert(t.Context(), s, 2), "too long")
	_, err = c.Exec(t.Context(), "ROLLBACK")
	must(t, err)
	must(t, insert(t.Context(), s, 2))
	if !has(t, s, 1) {
		t.Error("a key is gone")
	}
}

// A caller who gives up while the head is locked elsewhere changes nothing.
func TestACallerWhoGivesUpBeforeTheLock(t *testing.T) {
	address := fresh(t)
	a, b := open(t, address, t.TempDir()), open(t, address, t.TempDir())
	must(t, a.Update(t.Context(), func(halberd.Tx) error {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- b.Update(ctx, func(halberd.Tx) error { t.Error("it ran"); return nil })
		}()
		eventually(t, "a wait for the lock", func() bool {
			return count(t, address, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0
		})
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		return nil
	}))
	must(t, insert(t.Context(), b, 1))
}

// Many nodes that begin at once on an empty database bring up one schema.
func TestFirstStartsAtOnceMakeOneSchema(t *testing.T) {
	address := server.Empty(t)
	var all sync.WaitGroup
	for n := range 5 {
		dir := t.TempDir()
		all.Go(func() {
			s, err := postgres.Open(context.Background(), address, dir, postgres.Options{Log: quiet})
			if err == nil {
				err = errors.Join(insert(context.Background(), s, n), s.Close())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := count(t, address, "SELECT count(*) FROM changes"); n != 6 {
		t.Errorf("the log has %d rows", n)
	}
}

// An older program leaves a newer schema alone.
func TestANewerSchemaIsRefused(t *testing.T) {
	address := server.Empty(t)
	must(t, open(t, address, t.TempDir()).Close())
	do(t, address, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
	_, err := postgres.Open(t.Context(), address, t.TempDir(), postgres.Options{Log: quiet})
	if !errors.Is(err, postgres.ErrNewer) || !strings.Contains(err.Error(), "9999") {
		t.Errorf("%v", err)
	}
}

func TestAnUnsuitableDatabaseIsRefusedWithAWord(t *testing.T) {
	pg := server.Server(t)
	pg.Do(t, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
	pg.Do(t, "CREATE ROLE guest LOGIN")
	for address, words := range map[string]string{
		pg.Address("latin"):  "UTF8",
		pg.Address("nosuch"): "createdb",
		strings.Replace(server.Empty(t), "postgres@", "guest@", 1):  "GRANT CREATE",
		strings.Replace(server.Empty(t), "postgres@", "nobody@", 1): "let this user in",
		"host='": "postgres://",
	} {
		_, err := postgres.Open(t.Context(), address, t.TempDir(), postgres.Options{Log: quiet})
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v does not say %q", err, words)
		}
	}
}

// Why no connection was made is one line, each cause once, though every host is
// tried twice where the address says nothing of TLS.
func TestWhyThereIsNoConnectionIsOneLine(t *testing.T) {
	either := func(address string) string { return strings.Replace(address, "sslmode=disable", "sslmode=prefer", 1) }
	for address, words := range map[string]string{
		either(server.Server(t).Address("nosuch")):             `"nosuch" does not exist`,
		"postgres://halberd@127.0.0.1:1/x?sslmode=prefer":      "refused",
		"postgres://halberd@127.0.0.1:1,localhost:1/x":         "localhost",
		"postgres://halberd@127.0.0.1:1/x?sslmode=verify-full": "refused",
	} {
		_, err := postgres.Open(t.Context(), address, t.TempDir(), postgres.Options{Log: quiet, StartTimeout: 300 * time.Millisecond})
		if err == nil {
			t.Fatal("opened", address)
		}
		text := err.Error()
		if e, ok := errors.AsType[*halberd.Error](err); ok {
			text = e.Err.Error()
		}
		if !strings.Contains(text, words) || strings.Contains(text, "\n") || strings.Contains(text, "tls error") || strings.Count(text, "127.0.0.1:1 (127.0.0.1)") > 1 {
			t.Errorf("%q", text)
		}
	}
}

// A password that is missing is told from one that is wrong.
func TestAMissingPasswordIsCalledMissing(t *testing.T) {
	t.Setenv("PGPASSWORD", "")
	t.Setenv("PGPASSFILE", filepath.Join(t.TempDir(), "none"))
	pg, err := pgtest.Start(pgtest.Options{Settings: []string{"fsync=off"}})
	pgtest.Need(t, err)
	t.Cleanup(pg.Remove)
	pg.Do(t, "CREATE ROLE locked LOGIN PASSWORD 'sesame'")
	rules := filepath.Join(pg.Data(), "pg_hba.conf")
	text, err := os.ReadFile(rules)
	must(t, err)
	must(t, os.WriteFile(rules, append([]byte("host all locked all scram-sha-256\n"), text...), 0o600))
	pg.Do(t, "SELECT pg_reload_conf()")
	address := strings.Replace(pg.Address("postgres"), "postgres@", "locked@", 1)
	for password, words := range map[string]string{"": "PGPASSWORD", "wrong": "let this user in"} {
		_, err := postgres.Open(t.Context(), address, t.TempDir(), postgres.Options{Log: quiet, Password: halberd.NewSecret(password)})
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("with %q: %v does not say %q", password, err, words)
		}
	}
}

// A start waits for a database that comes a little later, and not forever.
func TestAStartWaitsForTheDatabase(t *testing.T) {
	pg, err := pgtest.Start(pgtest.Options{Settings: []string{"fsync=off"}})
	pgtest.Need(t, err)
	t.Cleanup(pg.Remove)
	pg.Kill()
	unhurried := postgres.Options{Log: quiet, StartTimeout: 300 * time.Millisecond}
	if s, err := postgres.Open(t.Context(), pg.Address("postgres"), t.TempDir(), unhurried); err == nil {
		s.Close()
		t.Fatal("opened without a database")
	}
	opened := make(chan error, 1)
	go func() {
		s, err := postgres.Open(context.Background(), pg.Address("postgres"), t.TempDir(), postgres.Options{Log: quiet})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	must(t, pg.Restart("fsync=off"))
	must(t, <-opened)
}

// A database that goes away in the middle of a start, and is away for a few more
// tries, is waited for like one that was never there.
func TestAStartOutlastsADatabaseThatGoesAway(t *testing.T) {
	for _, words := range []string{"pg_advisory_lock", "goose_db_version", "SELECT revision, mark FROM head", "current_setting('fsync')"} {
		pg := server.Server(t)
		address := server.Empty(t)
		fault := pg.Fault(t, words, 3)
		var log strings.Builder
		s, err := postgres.Open(t.Context(), fault.Address(address[strings.LastIndex(address, "/")+1:strings.Index(address, "?")]), t.TempDir(),
			postgres.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Errorf("lost at %q: %v", words, err)
			continue
		}
		must(t, s.Close())
		if !fault.Struck() || !strings.Contains(log.String(), "waiting for it") {
			t.Errorf("lost at %q: %t; the log: %s", words, fault.Struck(), &log)
		}
	}
}

// A commit waits for its standby whatever the caller does and however long
// a statement may take. When somebody cancels that wait PostgreSQL says that all
// is well, with a warning: then it is no success, for a change as for a renewal.
func TestACanceledWaitForTheStandbyIsNoSuccess(t *testing.T) {
	pg, err := pgtest.Start(pgtest.Options{Settings: []string{"fsync=off"}})
	pgtest.Need(t, err)
	t.Cleanup(pg.Remove)
	pg.Do(t, "CREATE DATABASE d")
	address := pg.Address("d")
	s := open(t, address+"&statement_timeout=300", t.TempDir())
	node := halberd.NodeRecord{Incarnation: halberd.Incarnation{1}, Name: "n", Lease: time.Second}
	must(t, s.Enter(t.Context(), node))
	standby := func(names string) {
		pg.Do(t, "ALTER SYSTEM SET synchronous_standby_names = '"+names+"'")
		pg.Do(t, "SELECT pg_reload_conf()")
		eventually(t, "the new setting", func() bool {
			return count(t, address, "SELECT count(*) FROM pg_settings WHERE name = 'synchronous_standby_names' AND setting = $1", names) == 1
		})
	}
	const waiting = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep' AND clock_timestamp() - query_start > interval '1 second'"
	begin := func(fn func() error) chan error {
		done := make(chan error, 1)
		go func() { done <- fn() }()
		eventually(t, "a wait for the standby that outlasts every timeout", func() bool { return count(t, address, "SELECT count(*) "+waiting) == 1 })
		return done
	}

	standby("nobody")
	ctx, cancel := context.WithCancel(context.Background())
	done := begin(func() error { return insert(ctx, s, 1) })
	cancel()
	select {
	case err := <-done:
		t.Fatalf("a caller who gave up got %v", err)
	default:
	}
	standby("")
	must(t, <-done)

	standby("nobody")
	done = begin(func() error { return insert(context.Background(), s, 2) })
	do(t, address, "SELECT pg_cancel_backend(pid) "+waiting)
	unavailable(t, <-done, "not known")
	done = begin(func() error {
		_, err := s.Renew(context.Background(), halberd.Beat{Incarnation: node.Incarnation})
		return err
	})
	do(t, address, "SELECT pg_cancel_backend(pid) "+waiting)
	unavailable(t, <-done, "not known")
	standby("")
	var told []int64
	s.Follow(func(c halberd.Committed) { told = append(told, c.Revision) })
	if at, err := s.CatchUp(t.Context()); at != 2 || err != nil || len(told) != 1 || told[0] != 2 {
		t.Errorf("%d, %v, %v", at, err, told) // it is there: nobody was told, and now all are
	}
}

// Replicas that nothing waits for, and settings that lose what was
// answered, are found.
func TestWhatMayLoseARevocationIsFound(t *testing.T) {
	pg, err := pgtest.Start(pgtest.Options{})
	pgtest.Need(t, err)
	t.Cleanup(pg.Remove)
	s := open(t, pg.Address("postgres"), t.TempDir())
	want := func(words ...string) {
		t.Helper()
		found, err := s.Durability(t.Context())
		must(t, err)
		if len(found) != len(words) {
			t.Fatalf("%q, want %q", found, words)
		}
		for i := range words {
			if !strings.Contains(found[i], words[i]) {
				t.Errorf("%q does not say %q", found[i], words[i])
			}
		}
	}
	want()
	standby := func(name string, want int) {
		pg.Do(t, "ALTER SYSTEM SET synchronous_standby_names = '"+name+"'")
		pg.Do(t, "SELECT pg_reload_conf()")
		eventually(t, "the setting", func() bool { found, err := s.Durability(t.Context()); return err == nil && len(found) == want })
	}
	standby("absent", 1)
	want("no standby is connected")
	standby("", 0)
	ctx, cancel := context.WithCancel(t.Context())
	log := filepath.Join(pg.Dir(), "log")
	must(t, os.Mkdir(log, 0o777))
	must(t, os.Chmod(log, 0o777))
	replica, err := pg.Command(ctx, "pg_receivewal", "-D", log, "-h", pg.Dir(), "-p", fmt.Sprint(pg.Port()), "-U", "postgres", "--no-loop")
	must(t, err)
	must(t, replica.Start())
	defer replica.Wait()
	defer cancel()
	eventually(t, "the replica", func() bool { return count(t, pg.Address("postgres"), "SELECT count(*) FROM pg_stat_replication") == 1 })
	want("synchronous_standby_names")
	pg.Do(t, "ALTER DATABASE postgres SET synchronous_commit = local")
	s = open(t, pg.Address("postgres"), t.TempDir())
	want("synchronous_commit is local")
	pg.Do(t, "ALTER DATABASE postgres SET synchronous_commit = off")
	s = open(t, pg.Address("postgres"), t.TempDir())
	want("synchronous_commit is off")
}

// A hint comes after a change elsewhere, also when the connection that listens
// was lost.
func TestAChangeElsewhereWakes(t *testing.T) {
	address := fresh(t)
	a, b := open(t, address, t.TempDir()), open(t, address, t.TempDir())
	wait := func(what string) {
		t.Helper()
		select {
		case <-a.Woken():
		case <-time.After(20 * time.Second):
			t.Fatalf("20 s passed without a hint of %s", what)
		}
	}
	wait("having connected")
	must(t, insert(t.Context(), b, 1))
	wait("a change")
	do(t, address, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN halberd'")
	wait("having connected again")
	must(t, insert(t.Context(), b, 2))
	wait("another change")
}

// The time that grants tell does not go back with the database's clock.
func TestTheTimeOfGrantsOutlastsAClockThatIsSetBack(t *testing.T) {
	address := fresh(t)
	s := open(t, address, t.TempDir())
	must(t, s.Enter(t.Context(), halberd.NodeRecord{Incarnation: halberd.Incarnation{1}}))
	ahead := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	do(t, address, "UPDATE clock SET now = $1", ahead.UnixMilli()) // as if the clock had been there
	g, err := s.Renew(t.Context(), halberd.Beat{Incarnation: halberd.Incarnation{1}})
	if err != nil || !g.Now.Equal(ahead) {
		t.Errorf("%v, %v", g.Now, err)
	}
}
