package server_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/halberdhq/halberd/internal/fixture"
)

func backupTo(t *testing.T, dir string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "backup.db")
	run(t, "backup", "--data", dir, "--to", file).must(t)
	return file
}

// copyInto copies files of one folder to another.
func copyInto(t *testing.T, from, to string, names ...string) {
	t.Helper()
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestABackupIsOneFileForItsOwnerThatIsNotOverwritten(t *testing.T) {
	p := serve(t, shortDir(t))
	file := filepath.Join(t.TempDir(), "backup.db")
	for _, state := range []string{"running", "stopped"} {
		o := run(t, "backup", "--data", p.dir, "--to", file).must(t)
		if !strings.Contains(o.err, "pepper") || !strings.Contains(o.err, "revoked.log") || o.out != "" {
			t.Errorf("%s: %v", state, o)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode() != 0o600 {
			t.Fatalf("%s: %v %v", state, info.Mode(), err)
		}
		run(t, "backup", "--data", p.dir, "--to", file).refused(t, 2, "--force")
		run(t, "backup", "--data", p.dir, "--to", file, "--force").must(t)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if o := run(t, "backup", "--data", p.dir, "--to", "-").must(t); len(o.out) != len(text) || !strings.HasPrefix(o.out, "SQLite format 3") {
			t.Errorf("%s: %d bytes on stdout, %d in the file", state, len(o.out), len(text))
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if state == "running" {
			p.stop()
		}
	}
	run(t, "backup", "--data", p.dir).refused(t, 2, "--to")
	empty := shortDir(t)
	run(t, "backup", "--data", empty, "--to", file).refused(t, 1, empty)
	if left, _ := os.ReadDir(empty); len(left) > 0 {
		t.Errorf("a backup of nothing made %v", left)
	}
}

//
func TestABackupUnderLoadHoldsEverythingAcknowledgedBefore(t *testing.T) {
	p := serve(t, shortDir(t), "--log-level", "error")
	admin := adminKey(t, p.dir)
	var mu sync.Mutex // guards done
	var done []made
	var stop atomic.Bool
	var load sync.WaitGroup
	for w := range 4 {
		load.Go(func() {
			for i := 0; !stop.Load(); i++ {
				a, err := p.try("POST", "/v1/api-keys", admin, fmt.Sprintf(`{"label":"w%d-%d","project_id":null}`, w, i))
				if err != nil || a.status != 201 {
					continue
				}
				mu.Lock()
				done = append(done, made{a.text("data", "key_id"), a.text("data", "key")})
				mu.Unlock()
			}
		})
	}
	count := func() []made {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clip(done)
	}
	eventually(t, "50 keys", func() bool { return len(count()) >= 50 })
	before := count()
	file := backupTo(t, p.dir)
	eventually(t, "keys after the backup", func() bool { return len(count()) > len(before)+20 })
	stop.Store(true)
	load.Wait()

	elsewhere := shortDir(t)
	copyInto(t, p.dir, elsewhere, "pepper", "revoked.log", "admin.key")
	o := run(t, "restore", "--data", elsewhere, "--from", file).must(t)
	if strings.Contains(o.err, "WARNING") {
		t.Error(o)
	}
	q := serve(t, elsewhere)
	for _, m := range before {
		q.wants(m, "VALID")
	}
	if doc := run(t, "doctor", "--data", elsewhere); doc.code != 0 {
		t.Error(doc)
	}
}

// A-63, G21: what was revoked after a backup was made does not come back.
func TestARestoredBackupRevivesNoRevokedKey(t *testing.T) {
	p := serve(t, shortDir(t))
	before, revoked := p.create("kept"), p.create("revoked later")
	file := backupTo(t, p.dir)
	after := p.create("made later")
	p.revoke(revoked)
	p.wants(revoked, "REVOKED")

	run(t, "restore", "--data", p.dir, "--from", file).refused(t, 1, "stop it first")
	p.stop()
	o := run(t, "restore", "--data", p.dir, "--from", file).must(t)
	former, _ := filepath.Glob(filepath.Join(p.dir, "halberd.db.before-restore-*"))
	if len(former) != 1 || !strings.Contains(o.err, former[0]) {
		t.Fatalf("%v\n%v", former, o)
	}
	if left, _ := filepath.Glob(filepath.Join(p.dir, ".restore-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	q := serve(t, p.dir)
	q.wants(before, "VALID")
	q.wants(revoked, "REVOKED")
	q.wants(after, "NOT_FOUND")
	q.stop()

	// A crash may have torn the journal's last line: no reason to refuse.
	journal := filepath.Join(p.dir, "revoked.log")
	lines, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	write(t, journal, string(lines)+"key_01jq8 2026-")
	if o := run(t, "restore", "--data", p.dir, "--from", file).must(t); !strings.Contains(o.err, "cannot be believed") {
		t.Errorf("a torn journal: %v", o)
	}

	// And the way back: the former database is as good as a backup.
	run(t, "restore", "--data", p.dir, "--from", former[0]).must(t)
	r := serve(t, p.dir)
	r.wants(after, "VALID")
	r.wants(revoked, "REVOKED")
}

func TestARestoreAfterAKillLosesNothingOfTheFormerDatabase(t *testing.T) {
	p := serve(t, shortDir(t))
	file := backupTo(t, p.dir)
	m := p.create("in the write-ahead log only")
	p.kill()
	if _, err := os.Stat(filepath.Join(p.dir, "halberd.db-wal")); err != nil {
		t.Fatal("no write-ahead log: the test shows nothing")
	}
	run(t, "restore", "--data", p.dir, "--from", file).must(t)
	q := serve(t, p.dir)
	q.wants(m, "NOT_FOUND")
	q.stop()
	former, _ := filepath.Glob(filepath.Join(p.dir, "halberd.db.before-restore-*Z"))
	if len(former) != 1 {
		t.Fatal(former)
	}
	run(t, "restore", "--data", p.dir, "--from", former[0]).must(t)
	serve(t, p.dir).wants(m, "VALID")
}

func TestARestoreThatWouldNotStartChangesNothing(t *testing.T) {
	p := serve(t, shortDir(t))
	m := p.create("kept")
	good := backupTo(t, p.dir)
	p.stop()
	q := serve(t, shortDir(t))
	foreign := backupTo(t, q.dir)
	q.stop()

	files := t.TempDir()
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	half, empty, words := filepath.Join(files, "half"), filepath.Join(files, "empty"), filepath.Join(files, "words")
	write(t, half, string(text[:len(text)/2]))
	write(t, empty, "")
	write(t, words, strings.Repeat("this is no database. ", 1000))
	_ = fixture.Program(t, "sqlite3", "sqlite3")
	alien := filepath.Join(files, "alien.db")
	if out, err := exec.Command("sqlite3", alien, "CREATE TABLE t (a); INSERT INTO t VALUES (1)").CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v %s", err, out)
	}
	newer := filepath.Join(files, "newer.db")
	write(t, newer, string(text))
	if out, err := exec.Command("sqlite3", newer, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for from, words := range map[string][]string{
		filepath.Join(files, "nowhere"): {"no such file"},
		half:                            {"nothing was changed", "damaged"},
		empty:                           {"nothing was changed", empty},
		words:                           {"nothing was changed", words},
		alien:                           {"nothing was changed", "nothing of Halberd"},
		newer:                           {"nothing was changed", "99999"},
		foreign:                         {"nothing was changed", "pepper", "does not belong"},
	} {
		t.Run(filepath.Base(from), func(t *testing.T) {
			o := run(t, "restore", "--data", p.dir, "--from", from)
			o.refused(t, 1, words...)
			if strings.Contains(o.err, "the folder") {
				t.Errorf("it is the file that is no good: %v", o)
			}
			if left, _ := filepath.Glob(filepath.Join(p.dir, ".restore-*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if former, _ := filepath.Glob(filepath.Join(p.dir, "*before-restore*")); len(former) > 0 {
				t.Errorf("moved: %v", former)
			}
		})
	}
	run(t, "restore", "--data", p.dir).refused(t, 2, "--from")
	run(t, "restore", "--data", shortDir(t), "--from", good).refused(t, 1, "no pepper", "revoked.log")
	serve(t, p.dir).wants(m, "VALID")
}

func TestARestoreSaysThatTheKeyInTheFolderIsNoGood(t *testing.T) {
	p := serve(t, shortDir(t))
	file := backupTo(t, p.dir)
	p.stop()
	const said = "admin.key is no good with this database"
	if o := run(t, "restore", "--data", p.dir, "--from", file).must(t); strings.Contains(o.err, said) {
		t.Error(o)
	}
	if err := os.Remove(filepath.Join(p.dir, "admin.key")); err != nil {
		t.Fatal(err)
	}
	run(t, "recover", "--data", p.dir).must(t)
	if o := run(t, "restore", "--data", p.dir, "--from", file).must(t); !strings.Contains(o.err, said) || !strings.Contains(o.err, "hb recover") {
		t.Error(o)
	}
}

func TestABackupIntoAFolderThatIsNotThereNamesIt(t *testing.T) {
	p := serve(t, shortDir(t))
	nowhere := filepath.Join(p.dir, "nowhere")
	o := run(t, "backup", "--data", p.dir, "--to", filepath.Join(nowhere, "monday.db"))
	o.refused(t, 1, nowhere+": no such file")
	if strings.Contains(o.err, ".tmp") {
		t.Errorf("it names a file that nobody asked for: %v", o)
	}
}

func TestARestoreWithoutTheJournalIsWarnedOf(t *testing.T) {
	p := serve(t, shortDir(t))
	file := backupTo(t, p.dir)
	p.stop()
	elsewhere := shortDir(t)
	copyInto(t, p.dir, elsewhere, "pepper")
	if o := run(t, "restore", "--data", elsewhere, "--from", file).must(t); !strings.Contains(o.err, "WARNING") || !strings.Contains(o.err, "revoked.log") {
		t.Error(o)
	}
}

func TestRecoverMakesAnAdminKeyAndSaysSoInTheAudit(t *testing.T) {
	p := serve(t, shortDir(t))
	lost := adminKey(t, p.dir)
	run(t, "recover", "--data", p.dir).refused(t, 1, "still there")
	if err := os.Remove(filepath.Join(p.dir, "admin.key")); err != nil {
		t.Fatal(err)
	}
	run(t, "recover", "--data", p.dir).refused(t, 1, "another hb serve runs here", "stop it first")
	p.stop()
	o := run(t, "recover", "--data", p.dir).must(t)
	found := adminKey(t, p.dir)
	if found == lost || strings.Contains(o.String(), found) {
		t.Fatalf("the key was printed, or is the former: %v", o)
	}
	if info, err := os.Stat(filepath.Join(p.dir, "admin.key")); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	p = serve(t, p.dir)
	if a := p.ok("GET", "/v1/audit-events?action=instance.recover", found, ""); !strings.Contains(a.body, `"actor":{"type":"system","id":"recover"}`) {
		t.Errorf("the audit: %s", a.body)
	}
	p.ok("GET", "/v1/whoami", lost, "") // recovering takes nothing away

	run(t, "recover", "--data", shortDir(t)).refused(t, 1, "no Halberd database")
}

// A folder that is mistyped is not made.
func TestARestoreIntoNoFolderMakesNone(t *testing.T) {
	p := serve(t, shortDir(t))
	file := filepath.Join(t.TempDir(), "backup.db")
	run(t, "backup", "--data", p.dir, "--to", file).must(t)
	typo := filepath.Join(t.TempDir(), "typo")
	run(t, "restore", "--data", typo, "--from", file).refused(t, 1, "there is no folder "+typo, "--data")
	if _, err := os.Lstat(typo); err == nil {
		t.Error("it was made")
	}
}
