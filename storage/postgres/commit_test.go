package postgres

import (
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
)

// A commit that no standby confirms is called unconfirmed while its caller is
// still there, and not what it was; it holds up no other's answer, and is there for
// all once it is confirmed.
func TestACommitThatIsNotConfirmedIsAnsweredInTime(t *testing.T) {
	s, c := inside(t)
	s.patience = 300 * time.Millisecond
	standby := func(names string) {
		do(t, c, "ALTER SYSTEM SET synchronous_standby_names = '"+names+"'")
		do(t, c, "SELECT pg_reload_conf()")
		for now := ""; now != names; {
			if err := c.QueryRow(t.Context(), "SELECT setting FROM pg_settings WHERE name = 'synchronous_standby_names'").Scan(&now); err != nil {
				t.Fatal(err)
			}
		}
	}
	change := func(n byte) error {
		return s.Update(t.Context(), func(tx halberd.Tx) error {
			return tx.InsertKey(halberd.KeyRecord{ID: halberd.KeyID{n}, Digest: halberd.Digest{n}, State: halberd.StateActive, Version: 1})
		})
	}
	standby("nobody")
	var err error
	n := byte(0)
	for ; err == nil && n < 100; n++ { // some process of the server may not have heard of the setting yet
		err = change(n + 1)
	}
	if halberd.CodeOf(err) != halberd.CodeUnavailable || !strings.Contains(err.Error(), "not known") {
		t.Errorf("%v", err)
	}
	standby("")
	if err := change(n + 1); err != nil {
		t.Error(err)
	}
	if at, err := s.CatchUp(t.Context()); at != int64(n)+1 || err != nil {
		t.Error(at, err)
	}
}
