package halberd_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/keytext"
	"github.com/halberdhq/halberd/storage/memory"
)

// countingStore is an engine that counts how often it is asked.
type countingStore struct {
	halberd.Store
	asked atomic.Int64
}

func (s *countingStore) View(ctx context.Context, fn func(halberd.Reader) error) error {
	s.asked.Add(1)
	return s.Store.View(ctx, fn)
}

func (s *countingStore) Update(ctx context.Context, fn func(halberd.Tx) error) error {
	s.asked.Add(1)
	return s.Store.Update(ctx, fn)
}

// nobody can make the store work by making keys up.
func TestUnknownKeysAskNoStore(t *testing.T) {
	store := &countingStore{Store: memory.New()}
	w := fixture.On(t, store, fixture.NewClock())
	good := w.Make(halberd.NewKey{})
	store.asked.Store(0)
	for range 10_000 {
		unknown := halberd.NewSecret(keytext.Mint("hb_live"))
		if got := w.Code(unknown); got != halberd.NotFound {
			t.Fatal(got)
		}
		if _, err := w.Authenticate(w.Ctx(), unknown, halberd.Request{}); err == nil {
			t.Fatal("an unknown key is somebody")
		}
	}
	if got := w.Code(good.Secret); got != halberd.Valid {
		t.Error(got)
	}
	if n := store.asked.Load(); n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
}
