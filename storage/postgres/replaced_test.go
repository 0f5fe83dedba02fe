package postgres_test

import (
	"errors"
	"testing"

	"github.com/halberdhq/halberd"
)

// A list of nodes that is older than what was told comes from a primary that was
// replaced: somebody may be missing in it who must be waited for.
func TestTheListOfAFormerPrimaryIsNotTaken(t *testing.T) {
	address := fresh(t)
	s := open(t, address, t.TempDir())
	if err := s.Update(t.Context(), func(tx halberd.Tx) error { return tx.(halberd.ClusterTx).Advance() }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, former := range []string{"UPDATE head SET revision = revision - 1", "UPDATE head SET revision = revision + 1, mark = gen_random_uuid()"} {
		do(t, address, former)
		if list, err := s.Nodes(t.Context()); !errors.Is(err, halberd.ErrHistory) {
			t.Errorf("%s: %v %v", former, list, err)
		}
	}
}
