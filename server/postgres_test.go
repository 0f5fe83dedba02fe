package server_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/halberdhq/halberd/internal/pgtest"
)

// postgres is started by the first test that asks for it, and ended by TestMain.
var postgres pgtest.Shared

func TestAServerOnPostgreSQLStartsStopsAndIsExamined(t *testing.T) {
	address := postgres.Empty(t)
	dir := shortDir(t)
	p := serve(t, dir, "--database", address)
	kept, revoked := p.create("kept"), p.create("revoked")
	p.revoke(revoked)
	p.wants(kept, "VALID")
	p.wants(revoked, "REVOKED")
	for text, i := scrape(t, p), 0; i < len(ofNodes()); i++ {
		if name := ofNodes()[i]; !strings.Contains(text, "# HELP "+name+" ") {
			t.Errorf("%s is not scraped of a node", name)
		}
	}
	p.logs("REVOCATION MAY BE LOST") // the tests' server has fsync off, and the start says so
	found, _ := doctor(t, dir, "--database", address)
	expect(t, found, "durability", "warn", "fsync", "fsync = on")
	expect(t, found, "database", "ok")
	expect(t, found, "nodes", "ok", "answers", "lease 10.3s") // with what a fresh one has to spare
	if _, err := os.Stat(filepath.Join(dir, "halberd.db")); err == nil {
		t.Error("there is a SQLite database in the folder")
	}
	run(t, "backup", "--data", dir, "--database", address, "--to", filepath.Join(dir, "b")).refused(t, 2, "pg_dump", "pepper")
	run(t, "recover", "--data", dir, "--database", address).refused(t, 1, "admin.key is still there")
	if code := p.stop(); code != 0 {
		t.Errorf("exit %d", code)
	}
	run(t, "restore", "--data", dir, "--database", address, "--from", "x").refused(t, 2, "pg_dump")
	found, _ = doctor(t, dir, "--database", address)
	expect(t, found, "durability", "warn", "fsync")
	expect(t, found, "rows", "ok", "every MAC right")
	if err := os.Rename(filepath.Join(dir, "admin.key"), filepath.Join(t.TempDir(), "lost")); err != nil {
		t.Fatal(err)
	}
	run(t, "recover", "--data", dir, "--database", address).must(t)
	again := serve(t, dir, "--database", address)
	again.wants(kept, "VALID")
	again.wants(revoked, "REVOKED")
	again.create("by the recovered key")
}

// What happens reaches its receiver from a server on PostgreSQL as well: outbox,
// relay, jobs and all.
func TestEventsArriveSignedFromAServerOnPostgreSQL(t *testing.T) {
	r, trusting := hookReceived(t, "")
	p := launchUnder(t, trusting, shortDir(t), "--database", postgres.Empty(t))
	_, secret := p.hook(adminKey(t, p.dir), `{"url":"`+r.URL+`/in","events":["key.created"]}`)
	m := p.create("told of")
	eventually(t, "the event", func() bool { return len(r.arrivals()) == 1 })
	a := r.arrivals()[0]
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := wh.Verify(a.body, a.header); err != nil || a.key() != m.id {
		t.Errorf("%v: %s", err, a.body)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit %d:\n%s", code, p.log)
	}
}

// Doctor and recover make nothing where a server never was.
func TestADatabaseWithoutHalberdIsLeftAlone(t *testing.T) {
	address := postgres.Empty(t)
	found, code := doctor(t, t.TempDir(), "--database", address)
	if code == 0 {
		t.Error("exit 0")
	}
	expect(t, found, "database", "fail", "nothing of Halberd", "start the server once")
	run(t, "recover", "--data", t.TempDir(), "--database", address).refused(t, 1, "nothing of Halberd")
}

// A doctor without a database says why in one line and what to do, and in seconds.
func TestADoctorWithoutADatabase(t *testing.T) {
	found, code := doctor(t, t.TempDir(), "--database", "postgres://halberd@127.0.0.1:1/x")
	if code == 0 {
		t.Error("exit 0")
	}
	expect(t, found, "database", "fail", "does not answer", "refused", "reaches it")
	for _, f := range found {
		if strings.Contains(f.What, "\n") {
			t.Errorf("several lines: %q", f.What)
		}
	}
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	run(t, "doctor", "--data", nowhere, "--database", "postgres://halberd@127.0.0.1:1/x").refused(t, 1, "no folder "+nowhere, "pepper")
	if _, err := os.Stat(nowhere); err == nil {
		t.Error("the doctor made a folder")
	}
}

func TestTheDatabasesPasswordIsNeitherTakenFromArgvNorShown(t *testing.T) {
	const secret = "s3cr3t-of-the-database"
	dir := t.TempDir()
	for _, address := range []string{
		"postgres://halberd:" + secret + "@127.0.0.1/x", "postgres://halberd@127.0.0.1/x?password=" + secret,
		"postgresql://:" + secret + "@/x", "postgres://halberd:" + secret + "%@127.0.0.1/x", "host=x password=" + secret, secret,
	} {
		o := run(t, "serve", "--data", dir, "--database", address)
		o.refused(t, 2, "database")
		if strings.Contains(o.String(), secret) {
			t.Errorf("it is shown: %v", o)
		}
	}
	file := filepath.Join(dir, "halberd.yaml")
	if err := os.WriteFile(file, []byte("database: postgres://halberd:"+secret+"@127.0.0.1/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "serve", "--data", dir, "--config", file).refused(t, 2, "PGPASSFILE")
	variable := []string{"HALBERD_DATABASE=postgres://halberd:" + secret + "@127.0.0.1:1/x?connect_timeout=1"}
	o := runEnv(t, variable, "serve", "--data", dir, "--print-config").must(t)
	if strings.Contains(o.String(), secret) || !strings.Contains(o.out, "database: postgres://halberd@127.0.0.1:1/x") {
		t.Error(o)
	}
}

// The password of the variable is the one that is used, and a wrong one is said
// at once, without it.
func TestTheDatabasesPasswordOfTheVariableIsUsed(t *testing.T) {
	pg := postgres.Server(t)
	pg.Do(t, "CREATE ROLE keeper LOGIN PASSWORD 'right'")
	pg.Do(t, "CREATE DATABASE guarded OWNER keeper")
	hba := filepath.Join(pg.Data(), "pg_hba.conf")
	former, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hba, append([]byte("host guarded keeper 127.0.0.1/32 scram-sha-256\n"), former...), 0o600); err != nil {
		t.Fatal(err)
	}
	pg.Do(t, "SELECT pg_reload_conf()")
	address := func(password string) string {
		u, err := url.Parse(pg.Address("guarded"))
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("keeper", password)
		return u.String()
	}
	dir := shortDir(t)
	bad := launchUnder(t, []string{"env", "HALBERD_DATABASE=" + address("wr0ng-one")}, dir)
	if bad.url != "" || !strings.Contains(bad.log.String(), "does not let this user in") || strings.Contains(bad.log.String(), "wr0ng") {
		t.Errorf("with a wrong password: %s", bad.log)
	}
	if good := launchUnder(t, []string{"env", "HALBERD_DATABASE=" + address("right")}, dir); good.url == "" {
		t.Errorf("with the right one: %s", good.log)
	}
}

// Of two first starts at once on one empty database one makes the pepper
// and the admin key. The other makes neither, and joins once it has the pepper.
func TestTwoFirstStartsAtOnceMakeOnePepperAndOneAdminKey(t *testing.T) {
	for range 3 {
		address := postgres.Empty(t)
		dirs := []string{shortDir(t), shortDir(t)}
		servers := make([]*process, 2)
		var both sync.WaitGroup
		for i := range servers {
			both.Go(func() { servers[i] = launch(t, dirs[i], "--database", address) })
		}
		both.Wait()
		has := func(name string) (in []int) {
			for i, dir := range dirs {
				if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
					in = append(in, i)
				}
			}
			return in
		}
		peppers, keys := has("pepper"), has("admin.key")
		if len(peppers) != 1 || len(keys) != 1 || peppers[0] != keys[0] {
			t.Fatalf("peppers in %v, admin keys in %v\n%s\n%s", peppers, keys, servers[0].log, servers[1].log)
		}
		first := peppers[0]
		if log := servers[1-first].log.String(); servers[1-first].url != "" || !strings.Contains(log, "the pepper is missing") || !strings.Contains(log, "another node") {
			t.Errorf("the other says: %s", log)
		}
		pepper, err := os.ReadFile(filepath.Join(dirs[first], "pepper"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dirs[1-first], "pepper"), pepper, 0o600); err != nil {
			t.Fatal(err)
		}
		made := servers[first].create("of the first")
		second := serve(t, dirs[1-first], "--database", address)
		a := second.call("POST", "/v1/api-keys/verify", adminKey(t, dirs[first]), fmt.Sprintf(`{"key":%q}`, made.secret))
		if a.text("data", "code") != "VALID" {
			t.Errorf("on the second: %s", a.body)
		}
		if keys := has("admin.key"); len(keys) != 1 {
			t.Errorf("admin keys in %v", keys)
		}
	}
}

// A-64, of one server: with the database away checks go on, and what needs it is refused within
// two seconds.
func TestAChangeIsRefusedWhileTheDatabaseIsAway(t *testing.T) {
	pg, err := pgtest.Start(pgtest.Options{Settings: []string{"fsync=off"}})
	pgtest.Need(t, err)
	t.Cleanup(pg.Remove)
	p := serve(t, shortDir(t), "--database", pg.Address("postgres"))
	m := p.create("before")
	pg.Kill()
	p.wants(m, "VALID")
	a := p.call("POST", "/v1/api-keys", adminKey(t, p.dir), `{"label":"meanwhile"}`)
	var body struct{ Error struct{ Code string } }
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.status != 503 || body.Error.Code != "UNAVAILABLE" {
		t.Errorf("%d %s", a.status, a.body)
	}
	found, _ := doctor(t, p.dir)
	expect(t, found, "database", "fail", "does not answer", "reaches it")
	for _, f := range found {
		if strings.Contains(f.What+f.Remedy, "restore") || strings.Contains(f.What, "UNAVAILABLE") {
			t.Errorf("of a database that is away: %+v", f)
		}
	}
	if err := pg.Restart("fsync=off"); err != nil {
		t.Fatal(err)
	}
	p.create("after")
	p.wants(m, "VALID")
	pg.Do(t, `INSERT INTO nodes (incarnation, name, state, applied, renewals, lease, version, seen_at, fenced_at)
		SELECT gen_random_uuid(), 'elsewhere', 'active', applied, 1, 15000000000, version, seen_at - 20000, 0 FROM nodes`)
	found, _ = doctor(t, p.dir)
	expect(t, found, "nodes", "warn", "elsewhere", "its lease is over", "reaches the database")
	expect(t, found, "nodes", "warn", "their leases differ", "the same lease")
}

// A doctor of a node whose database went back says what to do, and not that the
// database is away: it answers.
func TestADoctorOfASealedNode(t *testing.T) {
	pg, err := pgtest.Start(pgtest.Options{Settings: []string{"fsync=off"}})
	pgtest.Need(t, err)
	t.Cleanup(pg.Remove)
	p := serve(t, shortDir(t), "--database", pg.Address("postgres"), "--lease", "1s")
	p.create("one")
	pg.Do(t, "UPDATE head SET mark = gen_random_uuid()")
	pg.Do(t, "UPDATE changes SET mark = head.mark FROM head WHERE changes.revision = head.revision")
	p.logs("SEALED")
	found, code := doctor(t, p.dir)
	if code == 0 {
		t.Error("exit 0")
	}
	for _, check := range []string{"database", "nodes", "rows"} {
		expect(t, found, check, "fail", "went back", "restart this node")
	}
}

// Keys that were made on SQLite are good on PostgreSQL, and the former files
// start no server by mistake.
func TestAnInstanceIsMovedToPostgreSQL(t *testing.T) {
	address := postgres.Empty(t)
	dir := shortDir(t)
	p := serve(t, dir)
	kept, revoked := p.create("kept"), p.create("revoked")
	p.revoke(revoked)
	run(t, "migrate-store", "--data", dir, "--to", address).refused(t, 1, "stop it first")
	p.stop()
	run(t, "migrate-store", "--data", dir).refused(t, 2, "--to")
	run(t, "migrate-store", "--data", dir, "--to", "postgres://a:b@127.0.0.1/x").refused(t, 2, "PGPASSFILE")
	run(t, "migrate-store", "--data", dir, "--to", postgres.Server(t).Address("nosuch")).refused(t, 1, "nothing was moved", "createdb")
	o := run(t, "migrate-store", "--data", dir, "--to", address).must(t)
	if !strings.Contains(o.err, "keys             3 rows") {
		t.Error(o)
	}
	run(t, "serve", "--data", dir, "--listen", "127.0.0.1:0").refused(t, 1, "halberd.db.migrated-", "--database")
	run(t, "backup", "--data", dir, "--to", filepath.Join(t.TempDir(), "copy.db")).refused(t, 1, "PostgreSQL", "--database")
	p = serve(t, dir, "--database", address)
	p.wants(kept, "VALID")
	p.wants(revoked, "REVOKED")
	p.create("afterwards")
}

// A doctor without a server only reads: no node waits for it, or makes room for
// it, and no change is in the log because it looked.
func TestADoctorWithoutAServerIsNoNode(t *testing.T) {
	address := postgres.Empty(t)
	p := serve(t, shortDir(t), "--database", address)
	pepper, err := os.ReadFile(filepath.Join(p.dir, "pepper"))
	if err != nil {
		t.Fatal(err)
	}
	other := shortDir(t)
	if err := os.WriteFile(filepath.Join(other, "pepper"), pepper, 0o600); err != nil {
		t.Fatal(err)
	}
	m := p.create("elsewhere")
	p.revoke(m)
	revision := func() string {
		return fmt.Sprint(p.ok("POST", "/v1/api-keys/verify", adminKey(t, p.dir), fmt.Sprintf(`{"key":%q}`, m.secret)).get("data", "revision"))
	}
	former := revision()
	found, code := doctor(t, other, "--database", address)
	if code != 0 {
		t.Errorf("exit %d: %+v", code, found)
	}
	expect(t, found, "rows", "ok", "every MAC right")
	expect(t, found, "nodes", "ok", "answers")
	expect(t, found, "journal", "ok", "1 revoked key not in revoked.log yet", "next start")
	if now := revision(); now != former {
		t.Errorf("the log was at revision %s, and is at %s", former, now)
	}
	if err := os.WriteFile(filepath.Join(other, "pepper"), []byte("9f1c3b7de02a486548d1f60b7ac35e9902d47c61b8ef5a3310c6e97d24ab85f0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, code = doctor(t, other, "--database", address)
	if code == 0 {
		t.Error("exit 0 with another pepper")
	}
	expect(t, found, "pepper", "fail", "does not belong to this store", "another node")
}

// A database that goes away while a node starts is waited for, whatever the node
// was doing: reading, entering the list, becoming active, getting its first lease,
// or making the tables of its jobs.
func TestAStartOutlastsADatabaseThatGoesAway(t *testing.T) {
	address := postgres.Empty(t)
	name := address[strings.LastIndex(address, "/")+1 : strings.Index(address, "?")]
	dir := shortDir(t)
	m := func() made { p := serve(t, dir, "--database", address); defer p.stop(); return p.create("before") }()
	for _, words := range []string{"pepper_fingerprint", "INSERT INTO nodes", "UPDATE nodes SET state", "UPDATE clock SET", "FROM organizations", "halberd_jobs"} {
		fault := postgres.Server(t).Fault(t, words, 2)
		p := serve(t, dir, "--database", fault.Address(name))
		if !fault.Struck() {
			t.Errorf("nobody says %q", words)
		}
		p.logs("waiting for it")
		p.wants(m, "VALID")
		p.stop()
	}
}
