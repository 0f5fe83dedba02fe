package server_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd/internal/fixture"
)

type finding struct{ Check, State, What, Remedy string }

// doctor runs hb doctor and returns its findings.
func doctor(t *testing.T, dir string, args ...string) (found []finding, code int) {
	t.Helper()
	o := run(t, append([]string{"doctor", "--data", dir, "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(o.out), &found); err != nil {
		t.Fatalf("%v: %v", err, o)
	}
	return found, o.code
}

// expect ends the test unless a finding has the state and the words.
func expect(t *testing.T, found []finding, check, state string, words ...string) {
	t.Helper()
next:
	for _, f := range found {
		if f.Check != check || f.State != state {
			continue
		}
		for _, w := range words {
			if !strings.Contains(f.What+" "+f.Remedy, w) {
				continue next
			}
		}
		if state != "ok" && f.Remedy == "" && f.Check != "database" {
			t.Errorf("no remedy: %+v", f)
		}
		return
	}
	t.Errorf("no %s of %s with %q in %+v", state, check, words, found)
}

// ill checks that a fault is seen by a doctor who opens the folder, and by the
// running server.
func ill(t *testing.T, harm func(t *testing.T, dir string), args []string, check, state string, words ...string) {
	t.Helper()
	p := serve(t, shortDir(t), args...)
	p.revoke(p.create("revoked"))
	p.create("active")
	if found, code := doctor(t, p.dir, args...); code != 0 {
		t.Fatalf("ill before it was harmed: %+v", found)
	}
	want := 0
	if state == "fail" {
		want = 1
	}
	harm(t, p.dir)
	found, code := doctor(t, p.dir)
	expect(t, found, check, state, words...)
	if code != want {
		t.Errorf("running: exit %d\n%+v", code, found)
	}
	p.stop()
	found, code = doctor(t, p.dir, args...)
	expect(t, found, check, state, words...)
	if code != want {
		t.Errorf("stopped: exit %d\n%+v", code, found)
	}
}

// sql edits the database behind the server's back.
func sql(t *testing.T, dir, text string) {
	t.Helper()
	_ = fixture.Program(t, "sqlite3", "sqlite3")
	if out, err := exec.Command("sqlite3", "-cmd", ".timeout 5000", filepath.Join(dir, "halberd.db"), text).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestTheDoctorOfAHealthyInstanceWarnsOfTheAdminKeyOnly(t *testing.T) {
	p := serve(t, shortDir(t))
	for _, state := range []string{"running", "stopped"} {
		found, code := doctor(t, p.dir)
		if code != 0 {
			t.Errorf("%s: exit %d", state, code)
		}
		for _, f := range found {
			if f.State != "ok" && f.Check != "admin key" {
				t.Errorf("%s: %+v", state, f)
			}
		}
		expect(t, found, "admin key", "warn", "admin.key", "delete the file")
		if state == "running" {
			p.stop()
		}
	}
	if o := run(t, "doctor", "--data", p.dir).must(t); !strings.Contains(o.out, "ok    pepper") {
		t.Error(o)
	}
	run(t, "doctor", "--data", p.dir, "-o", "xml").refused(t, 2, "xml")
	run(t, "doctor", "--data", filepath.Join(p.dir, "nowhere")).refused(t, 1, "no Halberd database")
}

func TestTheDoctorSeesFilesThatOthersMayUse(t *testing.T) {
	for _, name := range []string{"pepper", "halberd.db", "revoked.log", "admin.key"} {
		t.Run(name, func(t *testing.T) {
			ill(t, func(t *testing.T, dir string) {
				if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
					t.Fatal(err)
				}
			}, nil, "files", "fail", name, "0644", "chmod go=")
		})
	}
	t.Run("the folder", func(t *testing.T) {
		ill(t, func(t *testing.T, dir string) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}, nil, "folder", "fail", "0755", "chmod go=")
	})
}

func TestTheDoctorSeesAMissingPepper(t *testing.T) {
	ill(t, func(t *testing.T, dir string) {
		if err := os.Remove(filepath.Join(dir, "pepper")); err != nil {
			t.Fatal(err)
		}
	}, nil, "pepper", "fail", "missing", "copy it back")
}

func TestTheDoctorSeesAnotherPepper(t *testing.T) {
	p := serve(t, shortDir(t))
	p.stop()
	write(t, filepath.Join(p.dir, "pepper"), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n")
	o := run(t, "doctor", "--data", p.dir)
	o.refused(t, 1)
	if !strings.Contains(o.out, "fail  pepper      this pepper") || strings.Contains(o.out, "UNAVAILABLE") || strings.Contains(o.out, "fail  database") {
		t.Error(o)
	}
}

func TestTheDoctorSeesAnEditedRowAndNamesIt(t *testing.T) {
	ill(t, func(t *testing.T, dir string) {
		sql(t, dir, `UPDATE keys SET scopes = 'admin' WHERE name = 'active'`)
	}, nil, "rows", "fail", "key_", "behind the server's back")
}

func TestTheDoctorSeesATornJournal(t *testing.T) {
	ill(t, func(t *testing.T, dir string) {
		f, err := os.OpenFile(filepath.Join(dir, "revoked.log"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString("key_01jq8 2026-01-"); err != nil {
			t.Fatal(err)
		}
	}, nil, "journal", "warn", "1 line,", "unreadable")
}

func TestTheDoctorSeesAForgedJournal(t *testing.T) {
	ill(t, func(t *testing.T, dir string) {
		path := filepath.Join(dir, "revoked.log")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		line := []rune(strings.SplitAfter(string(text), "\n")[0])
		line[len(line)-2] = map[bool]rune{true: '1', false: '0'}[line[len(line)-2] == '0']
		write(t, path, string(text)+string(line))
	}, nil, "journal", "warn", "1 with a wrong MAC")
}

func TestTheDoctorSeesAShortenedJournal(t *testing.T) {
	p := serve(t, shortDir(t))
	m := p.create("revoked")
	p.revoke(m)
	p.stop()
	write(t, filepath.Join(p.dir, "revoked.log"), "")
	p = serve(t, p.dir)
	found, code := doctor(t, p.dir)
	for _, f := range found {
		if f.Check == "journal" && f.State == "ok" && strings.Contains(f.What, "1 revoked keys") {
			return // the start wrote the line again
		}
	}
	expect(t, found, "journal", "warn", "1 revoked keys are not in", m.id, "once more")
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	p.revoke(m) // the remedy
	found, _ = doctor(t, p.dir)
	expect(t, found, "journal", "ok", "1 revoked keys")
}

func TestTheDoctorSeesADamagedDatabase(t *testing.T) {
	p := serve(t, shortDir(t))
	p.create("a key")
	p.stop()
	path := filepath.Join(p.dir, "halberd.db")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, broken := range map[string]string{
		"half":  string(text[:len(text)/2]),
		"empty": "",
		"bytes": string(text[:4096]) + strings.Repeat("x", 4096) + string(text[8192:]),
	} {
		write(t, path, broken)
		found, code := doctor(t, p.dir)
		if code != 1 {
			t.Errorf("%s: exit %d\n%+v", name, code, found)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	found, code := doctor(t, p.dir)
	expect(t, found, "database", "fail", "halberd.db is missing")
	if _, err := os.Stat(path); err == nil || code != 1 {
		t.Errorf("exit %d, or the doctor made a new database", code)
	}
}

func TestTheDoctorSeesACertificateThatEnds(t *testing.T) {
	files := t.TempDir()
	cert, key := filepath.Join(files, "cert.pem"), filepath.Join(files, "key.pem")
	certificate(t, cert, key, "good")
	args := []string{"--tls-cert", cert, "--tls-key", key}
	for left, want := range map[time.Duration]string{-time.Minute: "fail", 24 * time.Hour: "warn", 60 * 24 * time.Hour: "ok"} {
		dir := shortDir(t)
		certificateUntil(t, cert, key, "ends", time.Now().Add(left))
		p := serve(t, dir, args...)
		found, _ := doctor(t, dir) // the server knows where it is
		expect(t, found, "TLS", want, cert)
		p.stop()
		found, _ = doctor(t, dir, args...)
		expect(t, found, "TLS", want, cert)
	}
}

func TestTheDoctorNamesDamagedRowsOfEveryKind(t *testing.T) {
	_, trusting := hookReceived(t, "")
	p := launchUnder(t, trusting, shortDir(t))
	admin := adminKey(t, p.dir)
	hook, _ := p.hook(admin, `{"url":"https://127.0.0.1/","events":["*"]}`)
	a := p.call("POST", "/v1/members", admin, `{"email":"ops@example.com","role":"read"}`)
	member := a.text("data", "member_id")
	a = p.call("POST", "/v1/alert-rules", admin, `{"kind":"unused"}`)
	rule := a.text("data", "alert_rule_id")
	p.stop()
	sql(t, p.dir, `UPDATE webhooks SET url = 'https://example.net/'`)
	sql(t, p.dir, `UPDATE members SET role = 'admin'`)
	sql(t, p.dir, `UPDATE alert_rules SET active = 0 WHERE id = (SELECT max(id) FROM alert_rules)`)
	found, code := doctor(t, p.dir)
	for _, id := range []string{hook, member, rule} {
		if id == "" || code != 1 {
			t.Fatalf("%q, exit %d", id, code)
		}
		expect(t, found, "rows", "fail", id, "its MAC is wrong")
	}
}

func TestADamagedRowIsCountedAndItsKeyRefused(t *testing.T) {
	p := serve(t, shortDir(t))
	m := p.create("edited")
	p.stop()
	sql(t, p.dir, fmt.Sprintf(`UPDATE keys SET scopes = 'admin' WHERE name = %q`, "edited"))
	p = serve(t, p.dir)
	p.wants(m, "NOT_FOUND")
	p.logs(m.id)
	if text := private(t, filepath.Join(p.dir, "private.sock"), "/metrics").body; !strings.Contains(text, "halberd_damaged_rows 1") {
		t.Error("not counted")
	}
}
