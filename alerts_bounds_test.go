package halberd_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/storage/memory"
)

// count files checks of this minute as another process would have.
func (w watcher) count(verdict string, n int64, keys ...halberd.KeyID) {
	w.T.Helper()
	minute := w.Clock.Now().Truncate(time.Minute).Unix()
	var b halberd.UsageBatch
	for _, id := range keys {
		b.Counts = append(b.Counts, halberd.UsageCount{Key: id, Organization: w.Org, Project: w.Home, Minute: minute, Verdict: verdict, Count: n})
	}
	must(w.T, w.Store.AddUsage(w.Ctx(), b))
}

// More keys in use than one evaluation reads, and than are kept in memory: the
// last of them is looked at all the same.
func TestS1_24_NoKeyStarvesBehindOthers(t *testing.T) {
	w := watching(t)
	others := make([]halberd.KeyID, 20_500)
	for i := range others {
		others[i] = halberd.NewKeyID() // they sort before what is made later
	}
	k := w.Make(halberd.NewKey{})
	_, err := w.Revoke(w.Ctx(), w.Admin, k.Key.ID, "", 0)
	must(t, err)
	for range 2 {
		w.minute(func() {
			w.count("VALID", 1, others...)
			w.count("REVOKED", 1, k.Key.ID)
		})
	}
	if a := w.one(halberd.AlertEnded); a.Key != k.Key.ID {
		t.Errorf("%+v", a)
	}
}

// More keys with errors than one evaluation reads series of.
func TestS1_24_NoKeysErrorsStarveBehindOthers(t *testing.T) {
	w := watching(t)
	_, err := w.UpdateProject(w.Ctx(), w.Admin, w.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(2000)}, 0)
	must(t, err)
	var others []halberd.KeyID
	for i := range 600 {
		others = append(others, w.Make(halberd.NewKey{Name: fmt.Sprint(i)}).Key.ID)
	}
	k := w.Make(halberd.NewKey{})
	for range 2 {
		w.minute(func() {
			w.count("VALID", 99, others...)
			w.count("RATE_LIMITED", 1, others...)
			w.count("INSUFFICIENT_SCOPE", 50, k.Key.ID)
		})
	}
	if a := w.one(halberd.AlertErrors); a.Key != k.Key.ID {
		t.Errorf("%+v", a)
	}
}

// lame is a store that takes no changes while it is told so.
type lame struct {
	halberd.Store
	now bool
}

func (d *lame) Update(ctx context.Context, fn func(halberd.Tx) error) error {
	if d.now {
		return errors.New("the disk is full")
	}
	return d.Store.Update(ctx, fn)
}

// What was found while nothing could be written is told when that is over.
func TestS1_24_WhatCouldNotBeWrittenIsToldLater(t *testing.T) {
	store := &lame{Store: memory.New()}
	w := watcher{fixture.On(t, store, fixture.NewClock())}
	w.minute(nil)
	k := w.Make(halberd.NewKey{})
	_, err := w.Revoke(w.Ctx(), w.Admin, k.Key.ID, "", 0)
	must(t, err)
	w.count("REVOKED", 1, k.Key.ID)
	w.Clock.Pass(time.Minute)
	store.now = true
	if err := w.EvaluateAlerts(w.Ctx()); err == nil {
		t.Fatal("it was written")
	}
	store.now = false
	w.minute(nil)
	if a := w.one(halberd.AlertEnded); a.Key != k.Key.ID {
		t.Errorf("%+v", a)
	}
}

// What was counted before a server ended, or its node was lost, is looked at by
// the next.
func TestS1_24_TheMinutesOfARestartAreLookedAt(t *testing.T) {
	w := watching(t)
	k := w.Make(halberd.NewKey{})
	_, err := w.Revoke(w.Ctx(), w.Admin, k.Key.ID, "", 0)
	must(t, err)
	w.minute(nil)
	w.count("REVOKED", 1, k.Key.ID)
	w.Clock.Pass(3 * time.Minute)
	next, err := again(t, w.World)
	must(t, err)
	must(t, next.EvaluateAlerts(w.Ctx()))
	if a := w.one(halberd.AlertEnded); a.Key != k.Key.ID {
		t.Errorf("%+v", a)
	}
}

// A clock that was set back by an hour does not stop alerts for an hour.
func TestS1_24_AClockSetBackStopsNoAlerts(t *testing.T) {
	w := watching(t)
	k := w.Make(halberd.NewKey{})
	_, err := w.Revoke(w.Ctx(), w.Admin, k.Key.ID, "", 0)
	must(t, err)
	w.minute(nil)
	w.Clock.Pass(-time.Hour)
	w.minute(nil)
	w.minute(func() { w.count("REVOKED", 1, k.Key.ID) })
	if a := w.one(halberd.AlertEnded); a.Key != k.Key.ID {
		t.Errorf("%+v", a)
	}
}

// What is known of a key from the minutes before is not what it is after a change.
func TestS1_24_AChangedKeyIsJudgedAsItIs(t *testing.T) {
	w := watching(t)
	k := w.Make(halberd.NewKey{Name: "CI"})
	for _, name := range []string{"builds", "nightly builds"} {
		w.minute(w.use(1, k.Secret))
		_, err := w.Update(w.Ctx(), w.Admin, k.Key.ID, halberd.KeyPatch{Name: halberd.Some(name)}, 0)
		must(t, err)
	}
	_, err := w.Revoke(w.Ctx(), w.Admin, k.Key.ID, "", 0)
	must(t, err)
	w.minute(w.use(1, k.Secret))
	if a := w.one(halberd.AlertEnded); a.KeyName != "nightly builds" {
		t.Errorf("%+v", a)
	}
}
