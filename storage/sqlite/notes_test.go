package sqlite

import (
	"errors"
	"reflect"
	"testing"

	"github.com/halberdhq/halberd"
)

func TestAPackedBatchIsReadAsItWas(t *testing.T) {
	whole := halberd.UsageBatch{
		Counts: []halberd.UsageCount{
			{Key: halberd.KeyID{1}, Organization: halberd.OrganizationID{2}, Project: halberd.ProjectID{3}, Minute: 1_790_000_040, Verdict: "VALID", Count: 1 << 40},
			{Key: halberd.KeyID{4}, Organization: halberd.OrganizationID{2}, Minute: 60, Verdict: "EXPIRED", Count: 1},
		},
		Uses: []halberd.KeyUse{
			{Key: halberd.KeyID{1}, Organization: halberd.OrganizationID{2}, Project: halberd.ProjectID{3}, At: 1_790_000_041, Sampled: true, From: "192.0.2.1", Agent: "curl/8"},
			{Key: halberd.KeyID{4}, Organization: halberd.OrganizationID{2}, At: 1},
		},
	}
	packed := packBatch(whole)
	got, err := unpackBatch(packed)
	if err != nil || !reflect.DeepEqual(got, whole) {
		t.Errorf("%+v, %v", got, err)
	}
	for n := range packed {
		if _, err := unpackBatch(packed[:n]); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes of %d: %v", n, len(packed), err)
		}
	}
	if b, err := unpackBatch(packBatch(halberd.UsageBatch{})); err != nil || len(b.Counts)+len(b.Uses) > 0 {
		t.Errorf("%+v, %v", b, err)
	}
}

// What was noted is found by the process that follows one that was killed.
func TestNotesOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := halberd.KeyID{7}
	for range 3 {
		if err := s.NoteUsage(t.Context(), halberd.UsageBatch{
			Counts: []halberd.UsageCount{{Key: id, Organization: halberd.OrganizationID{2}, Minute: 1_790_000_040, Verdict: "VALID", Count: 2}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil { // adds nothing: as good as a kill for the notes
		t.Fatal(err)
	}
	if s, err = Open(t.Context(), dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.View(t.Context(), func(r halberd.Reader) error {
		sums, _, err := r.Usage(halberd.UsageFilter{Step: halberd.StepMinute, Keys: []halberd.KeyID{id}, To: 1 << 40})
		if len(sums) != 1 || sums[0].Count != 6 {
			t.Errorf("%+v", sums)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
