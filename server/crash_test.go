package server_test

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rounds is how often the storm is killed: a few times in the gate, a thousand
// in the campaign.
func rounds() int {
	if os.Getenv("HALBERD_CAMPAIGN") != "" {
		return 1000
	}
	return 25
}

// witness is the client's own record of what was acknowledged. What was asked
// and not answered may be either way.
type witness struct {
	mu      sync.Mutex
	created map[string]made
	revoked map[string]made // acknowledged
	unsure  map[string]bool // a revoke was sent and not answered
}

func (w *witness) locked(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn()
}

// storm creates and revokes until the server is gone.
func (w *witness) storm(p *process, admin string, worker int, acknowledged *atomic.Int64) {
	for i := 0; ; i++ {
		a, err := p.try("POST", "/v1/api-keys", admin, fmt.Sprintf(`{"label":"w%d-%d","project_id":null}`, worker, i))
		if err != nil {
			return
		}
		if a.status != 201 {
			continue
		}
		m := made{a.text("data", "key_id"), a.text("data", "key")}
		w.locked(func() { w.created[m.id] = m })
		acknowledged.Add(1)
		if i%2 == 1 {
			continue
		}
		w.locked(func() { w.unsure[m.id] = true })
		a, err = p.try("DELETE", "/v1/api-keys/"+m.id, admin, "")
		if err != nil {
			return
		}
		w.locked(func() {
			delete(w.unsure, m.id)
			if a.status == 200 {
				w.revoked[m.id] = m
			}
		})
		acknowledged.Add(1)
	}
}

// judge asks the restarted server about what was acknowledged.
func (w *witness) judge(t *testing.T, p *process, created map[string]made) {
	t.Helper()
	for id, m := range created {
		switch got := p.verdict(m); {
		case w.unsure[id] && (got == "VALID" || got == "REVOKED"):
		case w.revoked[id].id != "" && got != "REVOKED":
			t.Errorf("%s: its revoke was acknowledged, and it is %s", id, got)
		case w.revoked[id].id == "" && got != "VALID" && !w.unsure[id]:
			t.Errorf("%s: it was acknowledged, and it is %s", id, got)
		}
	}
}

//
func TestAKillLosesNothingThatWasAcknowledged(t *testing.T) {
	dir := shortDir(t)
	p := serve(t, dir, "--log-level", "error", "--management-limit", "0")
	admin := adminKey(t, dir)
	var acknowledged atomic.Int64
	all := map[string]made{}
	w := &witness{revoked: map[string]made{}, unsure: map[string]bool{}}
	for round := range rounds() {
		w.created = map[string]made{} // in this round
		var storm sync.WaitGroup
		for worker := range 4 {
			storm.Go(func() { w.storm(p, admin, worker, &acknowledged) })
		}
		// A moment that no schedule of the server's knows: after a few answers
		// and a random while.
		begin := acknowledged.Load()
		eventually(t, "answers", func() bool { return acknowledged.Load() > begin+3 })
		<-time.After(time.Duration(random(40_000)) * time.Microsecond)
		p.kill()
		storm.Wait()
		p = serve(t, dir, "--log-level", "error", "--management-limit", "0")
		w.judge(t, p, w.created)
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
		maps.Copy(all, w.created)
	}
	w.judge(t, p, all) // the later kills took nothing of the earlier rounds
	t.Logf("%d rounds, %d acknowledged changes, none lost", rounds(), acknowledged.Load())
	if doc := run(t, "doctor", "--data", dir); doc.code != 0 {
		t.Error(doc)
	}
}

func random(below uint64) uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:]) % below
}

// an answer that was lost. The client asks again under the same
// Idempotency-Key and gets neither a second key nor the secret.
func TestARetryAfterALostAnswerMakesNoSecondKey(t *testing.T) {
	dir := shortDir(t)
	p := serve(t, dir, "--management-limit", "0")
	admin := adminKey(t, dir)
	body := `{"label":"once","project_id":null}`
	first := p.call("POST", "/v1/api-keys", admin, body, "Idempotency-Key", "lost-answer-1")
	if first.status != 201 {
		t.Fatal(first)
	}
	p.kill()
	p = serve(t, dir, "--management-limit", "0")
	again := p.call("POST", "/v1/api-keys", admin, body, "Idempotency-Key", "lost-answer-1")
	if again.status != 409 || again.text("error", "code") != "IDEMPOTENT_REPLAY" || again.text("error", "key_id") != first.text("data", "key_id") {
		t.Errorf("%d %s", again.status, again.body)
	}
	if a := p.ok("GET", "/v1/api-keys?q=once", admin, ""); len(list(a)) != 1 {
		t.Errorf("keys: %s", a.body)
	}
}

// at every moment: the server dies while one create or revoke is
// under way. Whatever was not answered is done whole or not at all, and doing
// it again ends the same.
func TestWhatWasUnderWayWhenKilledIsDoneWholeOrNotAtAll(t *testing.T) {
	dir := shortDir(t)
	p := serve(t, dir, "--management-limit", "0")
	admin := adminKey(t, dir)
	for i := range max(6, rounds()/4) {
		victim := p.create(fmt.Sprintf("victim %d", i))
		label := fmt.Sprintf("under way %04d", i)
		body := fmt.Sprintf(`{"label":%q,"project_id":null}`, label)
		once := fmt.Sprintf("round-%d", i)
		var create, revoke answer
		var both sync.WaitGroup
		both.Go(func() { create, _ = p.try("POST", "/v1/api-keys", admin, body, "Idempotency-Key", once) })
		both.Go(func() { revoke, _ = p.try("DELETE", "/v1/api-keys/"+victim.id, admin, "") })
		<-time.After(time.Duration(random(3000)) * time.Microsecond)
		p.kill()
		both.Wait()
		p = serve(t, dir, "--management-limit", "0")

		again := p.call("POST", "/v1/api-keys", admin, body, "Idempotency-Key", once)
		if again.status != 201 && again.text("error", "code") != "IDEMPOTENT_REPLAY" || create.status == 201 && again.status == 201 {
			t.Errorf("first %d, then %d %s", create.status, again.status, again.body)
		}
		if a := p.ok("GET", fmt.Sprintf("/v1/api-keys?q=under%%20way%%20%04d", i), admin, ""); len(list(a)) != 1 {
			t.Errorf("keys: %s", a.body)
		}
		if got := p.verdict(victim); revoke.status == 200 && got != "REVOKED" || got != "VALID" && got != "REVOKED" {
			t.Errorf("revoke answered %d, and then it is %s", revoke.status, got)
		}
		p.revoke(victim)
		p.wants(victim, "REVOKED")
		events := p.ok("GET", "/v1/audit-events?action=key.revoke&target="+victim.id, admin, "")
		if n := len(list(events)); n != 1 {
			t.Errorf("%d audit events of one revocation: %s", n, events.body)
		}
	}
}

func list(a answer) []any {
	l, _ := a.get("data").([]any)
	return l
}
