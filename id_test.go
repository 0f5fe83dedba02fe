package halberd_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/halberdhq/halberd"
)

func TestARequestIDIsAUUIDOfVersion7(t *testing.T) {
	seen := map[halberd.RequestID]bool{}
	for range 1000 {
		id := halberd.NewRequestID()
		if u := uuid.UUID(id); u.Version() != 7 || u.Variant() != uuid.RFC4122 {
			t.Fatal(u)
		}
		seen[id] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d of 1000 differ", len(seen))
	}
}

// A text of zeros is nobody's identifier. Taken for none at all, as the zero
// value is, it would widen what a caller had narrowed.
func TestTheZeroIdentifierHasNoText(t *testing.T) {
	for _, parse := range []func(string) error{
		func(s string) error { _, err := halberd.ParseKeyID("key_" + s); return err },
		func(s string) error { _, err := halberd.ParseProjectID("prj_" + s); return err },
		func(s string) error { _, err := halberd.ParseOrganizationID("org_" + s); return err },
		func(s string) error { _, err := halberd.ParseMemberID("mem_" + s); return err },
	} {
		if parse("00000000000000000000000000") == nil {
			t.Error("zeros were taken for an identifier")
		}
		if err := parse("00000000000000000000000001"); err != nil {
			t.Error(err)
		}
	}
}
