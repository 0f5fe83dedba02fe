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
