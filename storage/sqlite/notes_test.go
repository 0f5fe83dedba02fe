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
	wantSix(t, s, id)
}

// A settlement that fails leaves the notes as they were: they are settled once,
// later, and until then a key goes on telling of its use.
func TestNotesThatCouldNotBeSettledAreSettledLater(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	id, l := halberd.KeyID{7}, s.usage
	batch := func(number int64) halberd.UsageBatch {
		return halberd.UsageBatch{
			Writer: [16]byte{1}, Number: number,
			Counts: []halberd.UsageCount{{Key: id, Organization: halberd.OrganizationID{2}, Minute: 1_790_000_040, Verdict: "VALID", Count: 2}},
			Uses:   []halberd.KeyUse{{Key: id, Organization: halberd.OrganizationID{2}, At: 1_790_000_040 + number}},
		}
	}
	wanted := errors.New("the disk is full")
	for number := range int64(3) {
		if err := s.NoteUsage(t.Context(), batch(number+1)); err != nil {
			t.Fatal(err)
		}
		l.mu.Lock()
		err := l.change(func() error { return errors.Join(l.settle(), wanted) })
		l.mu.Unlock()
		if !errors.Is(err, wanted) {
			t.Fatal(err)
		}
		k := halberd.KeyRecord{ID: id}
		if l.noteLatest(&k); k.LastUsedAt != 1_790_000_041+number {
			t.Errorf("last used at %d after note %d", k.LastUsedAt, number+1)
		}
	}
	for range 2 {
		if err := s.AddUsage(t.Context(), halberd.UsageBatch{}); err != nil {
			t.Fatal(err)
		}
		wantSix(t, s, id)
	}
}

// wantSix wants one minute in which a key was checked six times.
func wantSix(t *testing.T, s *Store, id halberd.KeyID) {
	t.Helper()
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
