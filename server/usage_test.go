package server_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counted is how often a key was VALID, by a step.
func (p *process) counted(admin string, m made, step string) int {
	p.t.Helper()
	a := p.ok("GET", "/v1/api-keys/"+m.id+"/usage?step="+step, admin, "")
	n, _ := a.get("data", "total", "VALID").(float64)
	return int(n)
}

// checks asks about a key n times, from several callers at once.
func (p *process) checks(admin string, m made, n int) {
	p.t.Helper()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range n / 4 {
				a, err := p.try("POST", "/v1/api-keys/verify", admin, `{"key":"`+m.secret+`"}`)
				if err != nil || a.status != 200 {
					p.t.Errorf("%v %v", a, err)
				}
			}
		})
	}
	all.Wait()
}

// A stop loses no count, however soon it comes after the check.
func TestAStopLosesNoCount(t *testing.T) {
	dir := shortDir(t)
	want := 0
	var m made
	for range 3 {
		p := serve(t, dir)
		admin := adminKey(t, dir)
		if m.id == "" {
			m = p.create("counted")
		}
		p.checks(admin, m, 200)
		want += 200
		if code := p.stop(); code != 0 {
			t.Fatalf("exit %d", code)
		}
	}
	p := serve(t, dir)
	if got := p.counted(adminKey(t, dir), m, "day"); got != want {
		t.Errorf("%d checks are counted, of %d", got, want)
	}
}

// A kill loses no count that a flush has stored, and adds none. How much of the
// time before it is lost is said, not judged: docs/guide/usage.md tells it.
func TestAKillLosesOnlyWhatWasNotStored(t *testing.T) {
	dir := shortDir(t)
	p := serve(t, dir, "--log-level", "error")
	admin := adminKey(t, dir)
	m := p.create("counted")
	before, most, sum := 0, time.Duration(0), time.Duration(0)
	n := max(5, rounds()/5)
	for round := range n {
		var answered []time.Time // each check's
		var asked atomic.Int64
		var asker sync.WaitGroup
		asker.Go(func() {
			for {
				asked.Add(1)
				if a, err := p.try("POST", "/v1/api-keys/verify", admin, `{"key":"`+m.secret+`"}`); err != nil || a.status != 200 {
					return
				}
				answered = append(answered, time.Now())
			}
		})
		eventually(t, "checks", func() bool { return asked.Load() > 50 })
		read := p.counted(admin, m, "day") // what is told is stored
		<-time.After(time.Duration(random(1_500_000)) * time.Microsecond)
		p.kill()
		killed := time.Now()
		asker.Wait()

		p = serve(t, dir, "--log-level", "error")
		got := p.counted(admin, m, "day")
		if got < read || got > before+int(asked.Load()) {
			t.Fatalf("round %d: %d are counted, after %d were told and %d asked", round, got, read, before+int(asked.Load()))
		}
		if stored := got - before; stored < len(answered) {
			lost := killed.Sub(answered[stored])
			most, sum = max(most, lost), sum+lost
		}
		before = got
	}
	t.Logf("%d kills: at most the last %s of counts were lost, on average %s", n, most.Round(time.Millisecond), (sum / time.Duration(n)).Round(time.Millisecond))
}

// The server carries counts on and drops old ones by itself, as it is told to.
func TestTheServerTidiesUsage(t *testing.T) {
	dir := shortDir(t)
	p := serve(t, dir)
	admin := adminKey(t, dir)
	m := p.create("counted")
	p.checks(admin, m, 40)
	if got := p.counted(admin, m, "day"); got != 40 { // and so they are in their minutes
		t.Fatalf("%d are counted, of 40", got)
	}
	p.stop()
	// As if it had been ten days ago.
	old := `UPDATE minutes SET start = start - 10 * 86400; UPDATE marks SET start = 0;`
	if out, err := exec.CommandContext(t.Context(), "sqlite3", filepath.Join(dir, "usage.db"), old).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p = serve(t, dir, "--usage-days-by-minute", "3", "--usage-days-by-hour", "5",
		"--management-limit", "0") // it is asked often
	ago := time.Now().UTC().Add(-11 * 24 * time.Hour).Format(time.DateOnly)
	eventually(t, "tidying", func() bool {
		a := p.ok("GET", "/v1/api-keys/"+m.id+"/usage?step=hour&from="+ago, admin, "")
		return a.text("data", "kept_from") != "" && fmt.Sprint(a.get("data", "total")) == "map[]"
	})
	if got := p.counted(admin, m, "day"); got != 40 {
		t.Errorf("%d are counted by day, of 40", got)
	}
	rows, err := exec.CommandContext(t.Context(), "sqlite3", "-readonly", filepath.Join(dir, "usage.db"), "SELECT count(*) FROM minutes WHERE start < unixepoch() - 9 * 86400").CombinedOutput()
	if err != nil || string(rows) != "0\n" {
		t.Errorf("old minutes: %s, %v", rows, err)
	}
}
