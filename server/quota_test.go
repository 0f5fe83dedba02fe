package server_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// quotaLeft is what a key tells of its quota.
func quotaLeft(t *testing.T, p *process, admin, id string) int64 {
	t.Helper()
	a := p.ok("GET", "/v1/api-keys/"+id, admin, "")
	n, ok := a.get("data", "quota", "remaining").(float64)
	if !ok {
		t.Fatalf("%s", a.body)
	}
	return int64(n)
}

// A-50 across kill -9: whatever the moment, no use is given twice, and a kill
// forfeits a chunk at most, which the doctor tells.
func TestA50_AKillGivesNoUseTwice(t *testing.T) {
	dir := shortDir(t)
	p := serve(t, dir, "--log-level", "error")
	admin := adminKey(t, dir)
	limit := int64(3000)
	a := p.call("POST", "/v1/api-keys", admin, `{"quota":{"limit":3000,"refill":"none"}}`)
	if a.status != 201 {
		t.Fatal(a)
	}
	k := made{a.text("data", "key_id"), a.text("data", "key")}
	kills, forfeited, told := 5, int64(0), false
	if os.Getenv("HALBERD_CAMPAIGN") != "" {
		kills = 300
	}
	const workers = 4
	for round := range kills {
		before := quotaLeft(t, p, admin, k.id)
		if before < 500 {
			limit += 3000
			p.ok("PATCH", "/v1/api-keys/"+k.id, admin, fmt.Sprintf(`{"quota":{"limit":%d,"refill":"none"}}`, limit))
			if now := quotaLeft(t, p, admin, k.id); now != before+3000 {
				t.Fatalf("%d remained, and %d after 3000 more", before, now)
			}
			before += 3000
		}
		var valid atomic.Int64
		var storm sync.WaitGroup
		for range workers {
			storm.Go(func() {
				for {
					a, err := p.try("POST", "/v1/api-keys/verify", admin, `{"key":"`+k.secret+`"}`)
					if err != nil {
						return
					}
					if a.text("data", "code") == "VALID" {
						valid.Add(1)
					}
				}
			})
		}
		eventually(t, "answers", func() bool { return valid.Load() > 3 || before == 0 })
		<-time.After(time.Duration(random(60_000)) * time.Microsecond)
		p.kill()
		storm.Wait()
		p = serve(t, dir, "--log-level", "error")
		after := quotaLeft(t, p, admin, k.id)
		lost := before - valid.Load() - after
		if lost < 0 {
			t.Fatalf("round %d: %d remained, %d were let through, and %d remain: %d were given twice", round, before, valid.Load(), after, -lost)
		}
		if most := max(1, before/8) + workers; lost > most { // those under way were spent and not heard of
			t.Fatalf("round %d: %d were forfeited, more than a chunk of %d", round, lost, most)
		}
		forfeited += lost
		told = told || lost > workers && strings.Contains(run(t, "doctor", "--data", dir).out, "uses of 1 quotas were forfeited")
	}
	if forfeited > int64(kills*workers) && !told {
		t.Error("the doctor never told of it")
	}
	t.Logf("%d kills forfeited %d of %d uses", kills, forfeited, limit)
	p.ok("POST", "/v1/api-keys/verify", admin, `{"key":"`+k.secret+`"}`) // from here on nothing is open
	p.stop()
	p = serve(t, dir)
	before := quotaLeft(t, p, admin, k.id)
	p.stop()
	if doc := run(t, "doctor", "--data", dir); doc.code != 0 || strings.Contains(doc.out, "forfeited") {
		t.Errorf("after a clean end: %v", doc)
	}
	p = serve(t, dir)
	if after := quotaLeft(t, p, admin, k.id); after != before {
		t.Errorf("a clean end took %d", before-after)
	}
}

// A restored backup hands out nothing twice while the former database is there,
// and says so where it is not.
func TestARestoredBackupGivesNoQuotaTwice(t *testing.T) {
	dir := shortDir(t)
	p := serve(t, dir)
	admin := adminKey(t, dir)
	a := p.call("POST", "/v1/api-keys", admin, `{"quota":{"limit":100,"refill":"none"}}`)
	k := made{a.text("data", "key_id"), a.text("data", "key")}
	spend := func(n int, want string) {
		t.Helper()
		if a := p.ok("POST", "/v1/api-keys/verify", admin, fmt.Sprintf(`{"key":%q,"cost":%d}`, k.secret, n)); a.text("data", "code") != want {
			t.Fatalf("%s", a.body)
		}
	}
	spend(10, "VALID")
	backup := backupTo(t, dir)
	spend(70, "VALID")
	p.stop()
	said := run(t, "restore", "--data", dir, "--from", backup).must(t)
	if !strings.Contains(said.err, "spent of 1 quotas after the backup stays spent") {
		t.Error(said)
	}
	p = serve(t, dir)
	if n := quotaLeft(t, p, admin, k.id); n != 20 {
		t.Errorf("%d remain", n)
	}
	spend(21, "QUOTA_EXCEEDED")
	p.stop()
	if err := os.Remove(dir + "/halberd.db"); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(dir + "/halberd.db-wal")
	said = run(t, "restore", "--data", dir, "--from", backup).must(t)
	if !strings.Contains(said.err, "WARNING: there is no former database") {
		t.Error(said)
	}
}
