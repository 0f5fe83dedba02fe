//go:build linux

package prove

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The rows of the list of attacks that can come out otherwise on several
// nodes than on one, on three real ones.

// made is a key.
type made struct{ id, secret string }

func (n *node) create(body string) made {
	n.c.t.Helper()
	a := n.must(http.MethodPost, "/v1/api-keys", n.c.admin, body)
	return made{a.text("data", "key_id"), a.text("data", "key")}
}

func (n *node) revoke(m made) answer {
	n.c.t.Helper()
	return n.must(http.MethodDelete, "/v1/api-keys/"+m.id, n.c.admin, "")
}

// says is the code of a check; empty: the node did not give a verdict.
func (n *node) says(m made, scope string) string {
	n.c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	a, err := n.ask(ctx, http.MethodPost, "/v1/api-keys/verify", n.c.asker, fmt.Sprintf(`{"key":%q,"scopes":[%q]}`, m.secret, scope))
	if err != nil || a.status != http.StatusOK {
		return ""
	}
	return a.text("data", "code")
}

// all asks every node.
func (c *cluster) all(t *testing.T, m made, want string) {
	t.Helper()
	for _, n := range c.nodes {
		if got := n.says(m, "read"); got != want {
			t.Errorf("node %d says %q, want %s", n.number, got, want)
		}
	}
}

func (c *cluster) project(n *node, name string) string {
	c.t.Helper()
	return n.must(http.MethodPost, "/v1/projects", c.admin, fmt.Sprintf(`{"name":%q}`, name)).text("data", "project_id")
}

func inProject(id string) string { return fmt.Sprintf(`{"label":"k","project_id":%q}`, id) }

const oneKey = `{"label":"k"}`

func TestThreeNodes(t *testing.T) {
	c := open(t, plan{on: shared(t)})
	a, b, third := c.nodes[0], c.nodes[1], c.nodes[2]

	t.Run("a new key is known everywhere at once", func(t *testing.T) {
		for i := range 60 {
			c.all(t, c.nodes[i%3].create(oneKey), "VALID")
		}
	})
	t.Run("A-37 an admin key that is minting", func(t *testing.T) {
		minter := a.create(`{"label":"minter","scopes":["admin"]}`)
		var revoked atomic.Bool
		var before, after atomic.Int64
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 6 {
			n := c.nodes[i%3]
			all.Go(func() {
				for ctx.Err() == nil {
					late := revoked.Load() // read before it is sent
					r, err := n.ask(ctx, http.MethodPost, "/v1/api-keys", minter.secret, oneKey)
					if err == nil && r.good() {
						if late {
							after.Add(1)
						}
						before.Add(1)
					}
				}
			})
		}
		eventually(t, "keys are minted", 20*time.Second, func() bool { return before.Load() > 20 }, func() string { return "" })
		b.revoke(minter)
		revoked.Store(true)
		for range 30 {
			for _, n := range c.nodes {
				if got := n.says(minter, "read"); got == "VALID" {
					t.Errorf("node %d accepts it", n.number)
				}
			}
		}
		stop()
		all.Wait()
		if after.Load() > 0 {
			t.Errorf("%d keys were minted by a revoked one", after.Load())
		}
	})
	t.Run("A-41 the first check after a long time", func(t *testing.T) {
		k := a.create(oneKey)
		c.all(t, k, "VALID")
		b.step(11 * time.Minute) // which its wall clock takes for idling
		b.awaitReady()
		a.revoke(k)
		c.all(t, k, "REVOKED")
		b.step(0)
		c.awaitReady()
	})
	t.Run("A-42 a rotation without overlap", func(t *testing.T) {
		for i := range 9 {
			k := a.create(oneKey)
			c.all(t, k, "VALID")
			r := c.nodes[i%3].must(http.MethodPost, "/v1/api-keys/"+k.id+"/rotate", c.admin, `{"overlap_seconds":0}`)
			c.all(t, k, "EXPIRED")
			c.all(t, made{k.id, r.text("data", "key")}, "VALID")
		}
	})
	t.Run("A-46 off through one node, on through another, asked at the third", func(t *testing.T) {
		k := a.create(oneKey)
		for range 15 {
			a.must(http.MethodPatch, "/v1/api-keys/"+k.id, c.admin, `{"active":false}`)
			if got := third.says(k, "read"); got != "INACTIVE" {
				t.Fatalf("off, and %q", got)
			}
			b.must(http.MethodPatch, "/v1/api-keys/"+k.id, c.admin, `{"active":true}`)
			if got := third.says(k, "read"); got != "VALID" {
				t.Fatalf("on, and %q", got)
			}
		}
	})
	t.Run("A-47 what a key belongs to", func(t *testing.T) {
		p := c.project(a, "short")
		k := b.create(inProject(p))
		c.all(t, k, "VALID")
		b.must(http.MethodPatch, "/v1/projects/"+p, c.admin, `{"active":false}`)
		c.all(t, k, "INACTIVE")
		third.must(http.MethodPatch, "/v1/projects/"+p, c.admin, `{"active":true}`)
		c.all(t, k, "VALID")
		a.must(http.MethodDelete, "/v1/projects/"+p, c.admin, "")
		c.all(t, k, "REVOKED")
		if again := c.project(b, "short"); again == p {
			t.Error("a project's id was used twice")
		}
		c.all(t, k, "REVOKED")

		org := a.must(http.MethodPost, "/v1/organizations", c.admin, `{"name":"others"}`).text("data", "organization_id")
		k = b.create(fmt.Sprintf(`{"label":"k","organization_id":%q}`, org))
		asker := a.create(fmt.Sprintf(`{"label":"k","organization_id":%q,"project_id":null,"scopes":["verify"]}`, org))
		third.must(http.MethodPatch, "/v1/organizations/"+org, c.admin, `{"active":false}`)
		for _, n := range c.nodes {
			r, err := n.ask(t.Context(), http.MethodPost, "/v1/api-keys/verify", asker.secret, fmt.Sprintf(`{"key":%q}`, k.secret))
			if err != nil || r.status != http.StatusUnauthorized {
				t.Errorf("a key of a suspended organization asks, and node %d answers %d %s", n.number, r.status, r.body)
			}
		}
		c.all(t, k, "INACTIVE")
	})
	t.Run("A-48 two hundred creates at once", func(t *testing.T) {
		projects := 4
		if os.Getenv("HALBERD_CAMPAIGN") != "" {
			projects = 100 // of G5
		}
		tooMany(t, c, projects, 200)
	})
	t.Run("A-49 one goes, fifty come", func(t *testing.T) {
		p := c.project(a, "full")
		var first made
		for range 20 {
			first = a.create(inProject(p))
		}
		var won atomic.Int64
		var gone atomic.Bool
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				for last := false; !last; {
					last = gone.Load() // one more try after it
					r, err := c.nodes[i%3].ask(t.Context(), http.MethodPost, "/v1/api-keys", c.admin, inProject(p))
					switch {
					case err != nil:
						t.Error(err)
					case r.good():
						won.Add(1)
					case r.text("error", "code") != "KEY_LIMIT_EXCEEDED":
						t.Errorf("%d %s", r.status, r.body)
					}
				}
			})
		}
		b.revoke(first)
		gone.Store(true)
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d came", won.Load())
		}
	})
	t.Run("A-67 the wake-ups of a node are dead, in silence", func(t *testing.T) {
		for _, pid := range c.pg.listeners(t, c.name) {
			stop(t, pid)
		}
		for i := range 6 {
			k := c.nodes[i%3].create(oneKey)
			c.nodes[(i+1)%3].revoke(k)
			c.all(t, k, "REVOKED")
		}
	})
	t.Run("A-68 a clock a year ahead, and back", func(t *testing.T) {
		good, ended := a.create(`{"label":"k","expires_in_days":30}`), a.create(oneKey)
		a.revoke(ended)
		for _, by := range []time.Duration{365 * 24 * time.Hour, -365 * 24 * time.Hour, 0} {
			b.step(by)
			for range 50 {
				if got := b.says(good, "read"); got != "VALID" && got != "" {
					t.Errorf("%v: a good key is %s", by, got)
				}
				if got := b.says(ended, "read"); got != "REVOKED" && got != "" {
					t.Errorf("%v: a revoked key is %s", by, got)
				}
				pause(5)
			}
			b.awaitReady()
			c.all(t, good, "VALID")
			c.all(t, ended, "REVOKED")
		}
		if !b.log.has("THE CLOCK") {
			t.Error("the node does not say that its clock is wrong")
		}
	})
	t.Run("A-65 a node that is cut off", func(t *testing.T) {
		k := b.create(oneKey)
		c.net.cut(a.number, bothWays)
		defer c.net.heal(a.number)
		b.revoke(k)
		for range 50 {
			if got := a.says(k, "read"); got != "" {
				t.Fatalf("cut off, its lease at an end, and it says %s", got)
			}
		}
		c.net.heal(a.number)
		a.awaitReady()
		c.all(t, k, "REVOKED")
		c.all(t, a.create(oneKey), "VALID")
	})
	t.Run("nodes are replaced one by one", func(t *testing.T) {
		h := newHistory()
		l := begin(c, h, 1)
		l.own(4)
		for _, n := range c.nodes {
			n.leave()
			n.start()
			n.awaitReady()
		}
		l.rest()
		l.end()
		j := judge(h)
		for _, f := range append(append(j.stale, j.backward...), j.lost...) {
			t.Error(f.in(h))
		}
		if l.tally.revoked == 0 || j.verdicts == 0 {
			t.Error("nothing was revoked, or asked, meanwhile")
		}
	})
}

// tooMany asks for many keys at once in each of some projects, through all nodes.
func tooMany(t *testing.T, c *cluster, projects, creates int) {
	t.Helper()
	const ceiling = 20
	for p := range projects {
		id := c.project(c.nodes[p%3], fmt.Sprintf("many %d", p))
		var won, full atomic.Int64
		var all sync.WaitGroup
		for i := range creates {
			all.Go(func() {
				r, err := c.nodes[i%3].ask(context.Background(), http.MethodPost, "/v1/api-keys", c.admin, inProject(id))
				switch {
				case err != nil:
					t.Error(err)
				case r.status == http.StatusCreated:
					won.Add(1)
				case strings.Contains(string(r.body), "KEY_LIMIT_EXCEEDED"):
					full.Add(1)
				default:
					t.Errorf("%d %s", r.status, r.body)
				}
			})
		}
		all.Wait()
		if won.Load() != ceiling || full.Load() != int64(creates-ceiling) {
			t.Errorf("%d made, %d refused", won.Load(), full.Load())
		}
	}
}
