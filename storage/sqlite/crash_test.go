package sqlite_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/halberdhq/halberd"
)

// rounds is how often the tests with chance in them are run: HALBERD_ROUNDS.
func rounds(usual int) int {
	if n, err := strconv.Atoi(os.Getenv("HALBERD_ROUNDS")); err == nil {
		return n
	}
	return usual
}

// TestWhatWasAcknowledgedSurvivesKill kills a storm of changes again and again.
// A kill leaves what the system has cached, so it shows that nothing is
// acknowledged early and nothing half; that it is synced is SQLite's
// synchronous = FULL.
func TestWhatWasAcknowledgedSurvivesKill(t *testing.T) {
	if child := os.Getenv("HALBERD_TEST_STORM"); child != "" {
		weather(t, child)
		return
	}
	dir := t.TempDir()
	told := map[int]int64{}    // key → version acknowledged
	entombed := map[int]bool{} // key → tombstone acknowledged
	random := rand.New(rand.NewPCG(1, 2))
	for round := range rounds(25) {
		storm(t, dir, round*100_000, 20+random.IntN(400), func(n int, version int64) {
			if version == 0 {
				entombed[n] = true
			} else {
				told[n] = max(told[n], version)
			}
		})
		s := open(t, dir)
		found := map[halberd.KeyID]halberd.KeyRecord{}
		for _, k := range load(t, s) {
			found[k.ID] = k
		}
		for n, version := range told {
			k, there := found[crashKey(n).ID]
			if !there || k.Version < version || (k.Version == 2) != (k.State == halberd.StateRevoked) {
				t.Fatalf("round %d: key %d was acknowledged at version %d and is %+v", round, n, version, k)
			}
		}
		buried := map[halberd.KeyID]bool{}
		if _, err := s.Tombstones(t.Context(), func(ts halberd.Tombstone) error { buried[ts.Key] = true; return nil }); err != nil {
			t.Fatal(err)
		}
		for n := range entombed {
			if !buried[crashKey(n).ID] {
				t.Fatalf("round %d: the tombstone of key %d is gone", round, n)
			}
		}
		if err := s.View(t.Context(), func(r halberd.Reader) error {
			events, err := r.Audit(halberd.AuditFilter{})
			changes := 0
			for _, k := range found {
				changes += int(k.Version)
			}
			revision, err2 := r.Revision()
			if len(events) != changes || revision != int64(changes) || err2 != nil {
				t.Errorf("round %d: %d changes, %d events, revision %d, %v", round, changes, len(events), revision, err2)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) == 0 {
		t.Error("nothing was acknowledged")
	}
	t.Logf("%d keys, %d tombstones", len(told), len(entombed))
}

// storm runs weather in a process of its own until it has acknowledged some
// changes, and kills it.
func storm(t *testing.T, dir string, from, acknowledged int, told func(n int, version int64)) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWhatWasAcknowledgedSurvivesKill$")
	child.Env = append(os.Environ(), "HALBERD_TEST_STORM="+dir, fmt.Sprint("HALBERD_TEST_FROM=", from))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		var n int
		var version int64
		if _, err := fmt.Sscanf(lines.Text(), "ack %d %d", &n, &version); err != nil {
			t.Errorf("child: %s", lines.Text())
			continue
		}
		told(n, version)
		if i == acknowledged {
			_ = child.Process.Kill() // and read on: what it had said counts
		}
	}
	_ = child.Wait()
}

// weather is the child: it inserts and revokes until it is killed.
func weather(t *testing.T, dir string) {
	from, err := strconv.Atoi(os.Getenv("HALBERD_TEST_FROM"))
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	var next, events atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				n := from + int(next.Add(1))
				k := crashKey(n)
				for version := int64(1); version <= 2; version++ {
					write := halberd.Tx.InsertKey
					if version == 2 {
						k.Version, k.State, k.RevokedAt = 2, halberd.StateRevoked, 9
						write = halberd.Tx.UpdateKey
						if err := s.Entomb(t.Context(), []halberd.Tombstone{{Key: k.ID, At: 9}}); err != nil {
							t.Errorf("Entomb: %v", err)
							return
						}
						fmt.Printf("ack %d 0\n", n)
					}
					if err := s.Update(t.Context(), func(tx halberd.Tx) error {
						var id halberd.AuditID
						copy(id[:], fmt.Sprintf("%08d%08d", from, events.Add(1)))
						if err := write(tx, k); err != nil {
							return err
						}
						return tx.AppendAudit(halberd.AuditRecord{ID: id, At: 1, Action: "key.change"})
					}); err != nil {
						t.Errorf("Update: %v", err)
						return
					}
					fmt.Printf("ack %d %d\n", n, version)
				}
			}
		})
	}
	all.Wait()
}

func crashKey(n int) halberd.KeyRecord {
	k := benchKey(n)
	k.State, k.RevokedAt = halberd.StateActive, 0
	return k
}
