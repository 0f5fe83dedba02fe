package server_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// onSmallDisk starts a server whose folder is a disk of its own: a file system
// in memory, of a size, that nobody but the process sees, and that ends with
// it. p.dir is the folder seen from here.
func onSmallDisk(t *testing.T, before, size string, args ...string) *process {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "unshare", append(apart(), "mount", "-t", "tmpfs", "none", t.TempDir())...).CombinedOutput(); err != nil {
		why := fmt.Sprintf("a disk of its own needs mount, as root or in a user namespace: %v: %s", err, out)
		if os.Getenv("CI") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	dir := shortDir(t)
	by := append([]string{"unshare"}, apart()...)
	by = append(by, "sh", "-c", `mount -t tmpfs -o size="$1" none "$2" && eval "$3" && shift 3 && exec "$@"`, "sh", size, dir, before)
	p := launchUnder(t, by, dir, args...)
	p.dir = fmt.Sprintf("/proc/%d/root%s", p.cmd.Process.Pid, dir)
	return p
}

// apart are unshare's flags for whoever we are.
func apart() []string {
	if os.Getuid() == 0 {
		return []string{"--mount"}
	}
	return []string{"--mount", "--map-root-user"}
}

// fill leaves no room on the disk of the folder; clear gives it back.
func (p *process) fill() {
	p.t.Helper()
	f, err := os.OpenFile(filepath.Join(p.dir, "filler"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		p.t.Fatal(err)
	}
}

func (p *process) clear() {
	p.t.Helper()
	if err := os.Remove(filepath.Join(p.dir, "filler")); err != nil {
		p.t.Fatal(err)
	}
}

//
func TestOnAFullDiskNothingIsPromisedAndRevokedIsRefused(t *testing.T) {
	t.Parallel()
	p := onSmallDisk(t, ":", "8m")
	if p.url == "" {
		t.Fatalf("did not start: %s", p.log)
	}
	admin := adminKey(t, p.dir)
	kept := p.create("kept")
	doomed := []made{p.create("doomed"), p.create("doomed too"), p.create("doomed and forgotten")}
	p.ok("PATCH", "/v1/api-keys/"+doomed[1].id, admin, `{"label":"rotated"}`)
	before := p.ok("POST", "/v1/api-keys/"+doomed[1].id+"/rotate", admin, `{"overlap_seconds":3600}`)
	doomed[1].secret = before.text("data", "key")

	p.fill()
	acknowledged := []made{kept}
	var refused answer
	for i := 0; refused.status == 0; i++ { // the log of the database may have room in itself
		p.fill()
		a := p.call("POST", "/v1/api-keys", admin, fmt.Sprintf(`{"label":"full %d","project_id":null}`, i))
		if a.status == 201 {
			acknowledged = append(acknowledged, made{a.text("data", "key_id"), a.text("data", "key")})
		} else {
			refused = a
		}
		if i == 5000 {
			t.Fatal("the disk never was full")
		}
	}
	if refused.status != 503 || refused.text("error", "code") != "UNAVAILABLE" || refused.header.Get("Retry-After") == "" ||
		!strings.Contains(refused.body, "the disk is full") || strings.Contains(refused.body, "hb_") {
		t.Errorf("%d %v %s", refused.status, refused.header, refused.body)
	}
	for _, m := range acknowledged {
		p.wants(m, "VALID")
	}
	for _, m := range doomed {
		p.fill()
		a := p.call("DELETE", "/v1/api-keys/"+m.id, admin, "")
		if a.status != 200 && (a.status != 503 || !strings.Contains(a.body, "is refused from now on, also after a restart")) {
			t.Errorf("revoke: %d %s", a.status, a.body)
		}
		t.Logf("revoke: %d %s", a.status, a.body)
		p.wants(m, "REVOKED")
	}
	p.wants(kept, "VALID")

	p.clear()
	eventually(t, "room again", func() bool {
		a := p.call("POST", "/v1/api-keys", admin, `{"label":"room again","project_id":null}`)
		if a.status == 201 {
			acknowledged = append(acknowledged, made{a.text("data", "key_id"), a.text("data", "key")})
		}
		return a.status == 201
	})
	p.revoke(doomed[0]) // as the answer asks for
	p.revoke(doomed[1])
	p.ok("PATCH", "/v1/api-keys/"+doomed[2].id, admin, `{"label":"an edit revives nothing"}`)
	p.wants(doomed[2], "REVOKED")
	if a := p.ok("GET", "/v1/audit-events?action=key.revoke&target="+doomed[0].id, admin, ""); len(list(a)) != 1 {
		t.Errorf("audit: %s", a.body)
	}

	// The disk ends with the process: what is on it is judged elsewhere.
	saved := shortDir(t)
	p.killAfterCopying(saved)
	p = serve(t, saved)
	for _, m := range acknowledged {
		p.wants(m, "VALID")
	}
	for _, m := range doomed {
		p.wants(m, "REVOKED")
	}
	if doc := run(t, "doctor", "--data", saved); doc.code != 0 {
		t.Error(doc)
	}
}

// killAfterCopying stops the process in its tracks, copies its folder, and kills it.
func (p *process) killAfterCopying(to string) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		p.t.Fatal(err)
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || strings.HasSuffix(e.Name(), "-shm") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(p.dir, e.Name()))
		if err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), text, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	p.kill()
}

// a disk that is too small from the start leaves nothing that a later
// start takes for a damaged folder.
func TestAStartOnAFullDiskIsRefusedAndTheNextIsAFirst(t *testing.T) {
	t.Parallel()
	exe := program(t)
	for _, size := range []string{"64k", "160k", "256k"} {
		p := onSmallDisk(t, `! timeout 10 `+exe+` serve --data "$2" --listen 127.0.0.1:0 >&2 || true; mount -o remount,size=16m "$2"`, size)
		if p.url == "" {
			t.Errorf("%s: does not start with room: %s", size, p.log)
			continue
		}
		if !strings.Contains(p.log.String(), "full") {
			t.Errorf("%s: no word of a full disk: %s", size, p.log)
		}
		p.wants(p.create("first"), "VALID")
		p.kill()
	}
}

// failing starts a server some of whose system calls fail.
func failing(t *testing.T, dir, file, inject string) *process {
	t.Helper()
	by := []string{"strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null"}
	if file != "" {
		by = append(by, "-P", filepath.Join(dir, file))
	}
	return launchUnder(t, append(by, "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:"+inject), dir)
}

// A-60, G3: the n-th sync of each thread fails, from the first start on.
func TestASyncThatFailsPromisesNothing(t *testing.T) {
	t.Parallel()
	for n := range crowd(12, 60) {
		dir := shortDir(t)
		p := failing(t, dir, "", "error=EIO:when="+strconv.Itoa(n+1))
		w := &journalOfAcks{p: p}
		if p.url != "" {
			w.storm(30)
			p.kill()
		}
		// What was told before holds, and a start that was cut short is begun anew.
		p = serve(t, dir)
		if w.admin == "" {
			w.admin = adminKey(t, dir)
		}
		w.p = p
		w.judge(fmt.Sprintf("sync %d", n+1))
		p.kill()
	}
}

// after a failed sync of a commit nothing is changed any more, and checks
// go on.
func TestAfterAFailedSyncTheStoreIsReadOnlyUntilARestart(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	serve(t, dir).kill()
	p := failing(t, dir, "halberd.db-wal", "error=EIO:when=4")
	if p.url == "" {
		t.Fatalf("did not start: %s", p.log)
	}
	w := &journalOfAcks{p: p}
	w.storm(60)
	if w.refused == 0 {
		t.Fatal("no sync failed")
	}
	if len(w.afterRefusal) > 0 {
		t.Errorf("after a failed sync, acknowledged all the same: %v", w.afterRefusal)
	}
	if n := strings.Count(p.log.String(), "a sync of the disk failed"); n != 1 {
		t.Errorf("%d times in the log:\n%s", n, p.log)
	}
	for _, m := range w.created {
		if a := p.call("DELETE", "/v1/api-keys/"+m.id, w.admin, ""); a.status != 503 || !strings.Contains(a.body, "is refused from now on") {
			t.Errorf("revoke: %d %s", a.status, a.body)
		}
		w.revoked = append(w.revoked, m)
		p.wants(m, "REVOKED")
	}
	w.created = nil
	if code := p.stop(); code != 0 {
		t.Errorf("exit %d\n%s", code, p.log)
	}
	w.p = serve(t, dir)
	w.judge("restarted")
	w.p.create("and changes are made again")
}

// the database itself cannot be synced when its log is moved into it: the
// log stays.
func TestAFailedSyncOfTheDatabaseKeepsItsLog(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	serve(t, dir).kill()
	p := failing(t, dir, "halberd.db", "error=EIO")
	if p.url == "" {
		t.Fatalf("did not start: %s", p.log)
	}
	w := &journalOfAcks{p: p}
	w.storm(crowd(20, 3000))
	p.stop()
	w.p = serve(t, dir)
	w.judge("restarted")
}

// the journal of revocations cannot be synced. Keys are revoked, and
// whoever asks is told that it was not all.
func TestAFailedSyncOfTheJournalIsTold(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	serve(t, dir).kill()
	p := failing(t, dir, "revoked.log", "error=EIO:when=1")
	if p.url == "" {
		t.Fatalf("did not start: %s", p.log)
	}
	for range 2 {
		m := p.create("doomed")
		if a := p.call("DELETE", "/v1/api-keys/"+m.id, adminKey(t, dir), ""); a.status != 503 {
			t.Errorf("revoke: %d %s", a.status, a.body)
		}
		p.wants(m, "REVOKED")
	}
	p.kill()
	before, err := os.ReadFile(filepath.Join(dir, "revoked.log"))
	if err != nil {
		t.Fatal(err)
	}
	serve(t, dir).kill()
	after, err := os.ReadFile(filepath.Join(dir, "revoked.log"))
	if err != nil || bytes.Count(after, []byte{'\n'}) < 2 {
		t.Errorf("a restart does not complete the journal: %q, then %q, %v", before, after, err)
	}
}

// journalOfAcks is what a client was told, by one that asks one thing after the
// other.
type journalOfAcks struct {
	p                *process
	admin            string
	created, revoked []made
	refused          int
	afterRefusal     []string // acknowledged changes after one that was refused
}

// storm creates keys and revokes every third, and checks that the server's word
// holds at once.
func (w *journalOfAcks) storm(n int) {
	w.admin = adminKey(w.p.t, w.p.dir)
	for i := range n {
		a, err := w.p.try("POST", "/v1/api-keys", w.admin, fmt.Sprintf(`{"label":"k%d","project_id":null}`, i))
		if err != nil {
			return
		}
		if !w.told(a, 201, "create") {
			if strings.Contains(a.body, "hb_") {
				w.p.t.Errorf("a refusal with a secret: %s", a.body)
			}
			continue
		}
		m := made{a.text("data", "key_id"), a.text("data", "key")}
		if i%3 > 0 {
			w.created = append(w.created, m)
			continue
		}
		if a, err = w.p.try("DELETE", "/v1/api-keys/"+m.id, w.admin, ""); err != nil {
			return
		}
		w.told(a, 200, "revoke")
		w.p.wants(m, "REVOKED") // refused or not
		w.revoked = append(w.revoked, m)
	}
}

func (w *journalOfAcks) told(a answer, good int, what string) bool {
	switch {
	case a.status != good && a.status != 503:
		w.p.t.Errorf("%s: %d %s", what, a.status, a.body)
	case a.status != good:
		w.refused++
	case w.refused > 0:
		w.afterRefusal = append(w.afterRefusal, what)
	}
	return a.status == good
}

func (w *journalOfAcks) judge(when string) {
	w.p.t.Helper()
	for _, m := range w.created {
		if got := w.p.verdict(m); got != "VALID" {
			w.p.t.Errorf("%s: %s was acknowledged and is %s", when, m.id, got)
		}
	}
	for _, m := range w.revoked {
		if got := w.p.verdict(m); got != "REVOKED" {
			w.p.t.Errorf("%s: %s was revoked and is %s", when, m.id, got)
		}
	}
}
