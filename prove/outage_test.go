//go:build linux

package prove

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// the database stands still. While a lease lasts, every verdict is right;
// after it there is none, and no revocation is confirmed at any time; and when
// the database goes on, so do the nodes, by themselves.
//
// The gate has short leases. HALBERD_CAMPAIGN=1 has those of the promise: a minute
// without a database at a lease of 60 s, and at 10 s.
func TestA64TheDatabaseIsAway(t *testing.T) {
	within, beyond := outage{lease: 3 * time.Second, away: 2 * time.Second}, outage{lease: time.Second, away: 3 * time.Second}
	if os.Getenv("HALBERD_CAMPAIGN") != "" {
		within, beyond = outage{lease: 60 * time.Second, away: 60 * time.Second}, outage{lease: 10 * time.Second, away: 60 * time.Second}
	}
	pg := shared(t)
	t.Run("for less than a lease", func(t *testing.T) {
		right, wrong, none := within.happen(t, pg)
		t.Logf("lease %s, away %s: %d right, %d wrong, %d without a verdict", within.lease, within.away, right, wrong, none)
		if wrong > 0 || none > right/10_000 {
			t.Errorf("%d right, %d wrong, %d without a verdict", right, wrong, none)
		}
	})
	t.Run("for longer", func(t *testing.T) {
		right, wrong, none := beyond.happen(t, pg)
		t.Logf("lease %s, away %s: %d right, %d wrong, %d without a verdict", beyond.lease, beyond.away, right, wrong, none)
		if wrong > 0 || none == 0 {
			t.Errorf("%d right, %d wrong, %d without a verdict", right, wrong, none)
		}
	})
}

// outage is a database that is away for some time.
type outage struct{ lease, away time.Duration }

// happen asks all the while for a good and for a revoked key, and how the answers
// were while the database was away.
func (o outage) happen(t *testing.T, pg *database) (right, wrong, none int) {
	t.Helper()
	c := open(t, plan{on: pg, lease: o.lease})
	good, bad, next := c.nodes[0].create(oneKey), c.nodes[0].create(oneKey), c.nodes[0].create(oneKey)
	c.nodes[0].revoke(bad)
	c.all(t, good, "VALID")
	pg.freeze()
	defer pg.thaw()
	away := time.Now()
	var mu sync.Mutex // guards the counts
	var all sync.WaitGroup
	for _, n := range c.nodes {
		all.Go(func() {
			ended := false // its lease has: no verdict comes any more
			for time.Since(away) < o.away {
				for key, want := range map[made]string{good: "VALID", bad: "REVOKED"} {
					got := n.says(key, "read")
					mu.Lock()
					switch {
					case got == "":
						none++
						ended = true
					case got != want || ended:
						wrong++
						t.Errorf("node %d says %s, want %s; its lease has ended: %t", n.number, got, want, ended)
					default:
						right++
					}
					mu.Unlock()
				}
				pause(1)
			}
		})
	}
	all.Go(func() {
		began := time.Now()
		a, err := c.nodes[1].ask(t.Context(), http.MethodDelete, "/v1/api-keys/"+next.id, c.admin, "")
		if err == nil && a.good() && time.Since(away) < o.away {
			t.Errorf("revoked without a database: %s", a.body)
		}
		t.Logf("a revocation meanwhile: %d after %s", a.status, time.Since(began).Round(time.Millisecond))
	})
	all.Wait()
	pg.thaw()
	c.awaitReady()
	c.all(t, good, "VALID")
	c.all(t, bad, "REVOKED")
	c.nodes[2].revoke(next)
	c.all(t, next, "REVOKED")
	return right, wrong, none
}

// Two servers start for the first time at once, on one empty database: there is
// one pepper and one admin key, and whoever came second says what is missing.
func TestTwoFirstStartsAtOnce(t *testing.T) {
	pg := shared(t)
	c := &cluster{t: t, pg: pg, name: pg.create(), lease: time.Second, exe: buildOnce.program(t, "planted"), net: openNetwork(t, 2)}
	c.add(0)
	c.add(1)
	for _, n := range c.nodes {
		n.start()
	}
	var first, second *node
	eventually(t, "one is ready and the other has ended", 30*time.Second, func() bool {
		for i, n := range c.nodes {
			if other := c.nodes[1-i]; n.ready() && !other.running() {
				first, second = n, other
				return true
			}
		}
		return false
	}, c.logs)
	if _, err := os.Stat(filepath.Join(second.dir, "admin.key")); err == nil {
		t.Error("there are two admin keys")
	}
	if !second.log.has("pepper") {
		t.Errorf("the second does not say what it lacks:\n%s", second.log)
	}
	secret, err := os.ReadFile(filepath.Join(first.dir, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	c.admin = strings.TrimSpace(string(secret))
	second.kill()
	first.lendPepper(second)
	second.start()
	second.awaitReady()
	c.asker = second.must(http.MethodPost, "/v1/api-keys", c.admin, `{"label":"asker","project_id":null,"scopes":["verify"]}`).text("data", "key")
	c.all(t, second.create(oneKey), "VALID")
	if n := len(first.must(http.MethodGet, "/v1/api-keys?scope=admin", c.admin, "").get("data").([]any)); n != 1 {
		t.Errorf("there are %d admin keys", n)
	}
}

// A server that is older than the schema refuses it, changing nothing.
func TestAnOlderServerRefusesANewerSchema(t *testing.T) {
	pg := shared(t)
	c := open(t, plan{on: pg, nodes: 2})
	old := c.nodes[1]
	old.leave()
	versions := strings.TrimSpace(pg.ask(t, c.name, "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_name LIKE '%goose%' OR table_name LIKE '%migration%' LIMIT 1"))
	pg.ask(t, c.name, fmt.Sprintf("INSERT INTO %s (version_id, is_applied) SELECT max(version_id) + 1, true FROM %s", versions, versions))
	before := pg.ask(t, c.name, "SELECT count(*) FROM "+versions)
	old.start()
	eventually(t, "the older one ends", 30*time.Second, func() bool { return !old.running() }, c.logs)
	if !old.log.has("newer") {
		t.Errorf("it does not say why:\n%s", old.log)
	}
	if after := pg.ask(t, c.name, "SELECT count(*) FROM "+versions); after != before {
		t.Error("it changed the schema")
	}
	if !c.nodes[0].ready() {
		t.Error("and the other one is not ready any more")
	}
}
