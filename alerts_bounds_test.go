package halberd_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
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

// The last minute of a quota's period is judged in the period that follows, and is
// not that one's.
func TestS1_24_AQuotaSpentBeforeMidnightIsNotTheNextDays(t *testing.T) {
	w := watching(t)
	k := w.Make(halberd.NewKey{Quota: quota(10, halberd.RefillDay)})
	now := w.Clock.Now()
	w.Clock.Pass(now.Truncate(24 * time.Hour).Add(24*time.Hour - time.Minute).Sub(now))
	w.minute(w.use(12, k.Secret))
	spent := func() int { return len(w.list(halberd.AlertQuery{Kind: halberd.AlertLimit, Key: k.Key.ID})) }
	if n := spent(); n != 1 {
		t.Fatalf("%d alerts after the first day", n)
	}
	w.minute(nil)
	w.Clock.Pass(6 * time.Hour)
	w.minute(w.use(12, k.Secret))
	if n := spent(); n != 2 {
		t.Errorf("%d alerts after the second day's quota was spent, too", n)
	}
}

// An evaluation that comes late, or whose turn shifts by some seconds, passes no
// minute over, and finds none twice.
func TestS1_24_BadKeysOfAMinuteBeforeTheLastAreTold(t *testing.T) {
	w := watching(t)
	guess := func(n int, from string) {
		for range n {
			w.Guessed(netip.MustParseAddr(from))
		}
	}
	guess(100, "203.0.113.7")
	w.Clock.Pass(time.Minute)
	guess(99, "203.0.113.7")
	guess(99, "198.51.100.1")
	w.Clock.Pass(time.Minute)
	guess(1, "198.51.100.1")
	must(t, w.EvaluateAlerts(w.Ctx()))
	if a := w.one(halberd.AlertBadKeys); !strings.HasPrefix(a.Cause, "100 bad API keys came from 203.0.113.7") {
		t.Errorf("%+v", a)
	}
	for range 3 * 60 {
		w.Clock.Pass(time.Minute)
		must(t, w.EvaluateAlerts(w.Ctx()))
	}
	if a := w.one(halberd.AlertBadKeys); a.State != halberd.AlertResolved {
		t.Errorf("%+v", a)
	}
	guess(100, "198.51.100.1")
	w.Clock.Pass(30 * time.Minute)
	must(t, w.EvaluateAlerts(w.Ctx()))
	w.one(halberd.AlertBadKeys) // of what is long over nobody is told
}
