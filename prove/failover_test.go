//go:build linux

package prove

import (
	"net/http"
	"testing"
	"time"
)

// A standby that had to acknowledge every commit is promoted while one node
// still reaches the former primary, which has not noticed: it answers reads and
// takes no write. No check on any node is stale.
func TestASynchronousStandbyIsPromoted(t *testing.T) {
	primary := openDatabase(t)
	standby := primary.standby()
	primary.Do(t, "ALTER SYSTEM SET synchronous_standby_names = '*'")
	primary.Do(t, "SELECT pg_reload_conf()")
	net := openProxies(t, 3)
	c := open(t, plan{on: primary, net: net})

	h := newHistory()
	l := begin(c, h, 2)
	l.own(8)
	c.leases(1.5)
	standby.Do(t, "SELECT pg_promote()")
	for _, n := range []int{1, 2} {
		net.redirect(n, primary.Port(), standby.Port())
	}
	c.leases(1.5)
	before := l.revocations()
	eventually(t, "keys are revoked on the new primary", 30*time.Second, func() bool { return l.revocations() > before+5 }, func() string { return c.logs() })
	if c.nodes[0].ready() {
		t.Error("a node on the former primary says that it is ready")
	}
	primary.Kill()
	net.redirect(0, primary.Port(), standby.Port())
	c.awaitReady()
	l.rest()
	l.end()
	proves(t, h, l)
}

// An asynchronous standby that lacks the last revocations is promoted. Every node
// had been told of them, finds that the store has gone back, answers nothing any
// more and says so; started again, it still knows what was revoked.
func TestA69AnAsynchronousStandbyLosesWrites(t *testing.T) {
	primary := openDatabase(t)
	standby := primary.standby()
	net := openProxies(t, 3)
	c := open(t, plan{on: primary, net: net})
	kept, lost := c.nodes[0].create(oneKey), c.nodes[0].create(oneKey)
	primary.follows(t, standby)
	standby.Do(t, "ALTER SYSTEM SET primary_conninfo = ''")
	standby.Do(t, "SELECT pg_reload_conf()")
	eventually(t, "the standby follows no more", 20*time.Second, func() bool {
		return standby.ask(t, "postgres", "SELECT count(*) FROM pg_stat_wal_receiver") == "0"
	}, standby.Log)
	c.nodes[1].revoke(lost)
	c.all(t, lost, "REVOKED")
	primary.Kill()
	standby.Do(t, "SELECT pg_promote()")
	for n := range c.nodes {
		net.redirect(n, primary.Port(), standby.Port())
	}
	for _, n := range c.nodes {
		eventually(t, "a node seals itself and says so", 30*time.Second, func() bool { return n.log.has(sealed) }, func() string { return n.log.String() })
	}
	for range 20 {
		for _, n := range c.nodes {
			if got := n.says(lost, "read"); got != "" {
				t.Errorf("node %d is sealed and says %s", n.number, got)
			}
			if got := n.says(kept, "read"); got != "" {
				t.Errorf("node %d is sealed and says %s", n.number, got)
			}
			if n.ready() {
				t.Errorf("node %d is sealed and says that it is ready", n.number)
			}
		}
	}
	for _, n := range c.nodes {
		n.kill()
		n.start()
	}
	c.awaitReady()
	c.all(t, kept, "VALID")
	c.all(t, lost, "REVOKED")
	if a, err := c.nodes[0].ask(t.Context(), http.MethodPatch, "/v1/api-keys/"+lost.id, c.admin, `{"active":true}`); err != nil || a.text("error", "code") != "KEY_REVOKED" {
		t.Errorf("what the store forgot and the nodes did not: %d %s", a.status, a.body)
	}
}

// sealed is in the log of a node that found its store gone back.
const sealed = "SEALED"

func (l *load) revocations() int {
	l.tally.mu.Lock()
	defer l.tally.mu.Unlock()
	return l.tally.revoked
}

func (c *cluster) logs() (text string) {
	for _, n := range c.nodes {
		text += n.log.String()
	}
	return text
}

// proves fails the test for every finding in a history.
func proves(t *testing.T, h *history, l *load) {
	t.Helper()
	j := judge(h)
	for _, group := range [][]finding{j.stale, j.backward, j.lost} {
		for _, f := range group[:min(len(group), 5)] {
			t.Error(f.in(h))
		}
	}
	if l.revocations() == 0 || j.verdicts == 0 {
		t.Error("nothing was revoked, or asked, meanwhile")
	}
}
