package halberd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/storage/memory"
)

// crowded is an instance whose default project takes many keys.
func crowded(t *testing.T, store halberd.Store) *fixture.World {
	t.Helper()
	w := fixture.On(t, store, fixture.NewClock())
	raise(w, w.Home)
	return w
}

func raise(w *fixture.World, p halberd.ProjectID) {
	w.T.Helper()
	if _, err := w.UpdateProject(w.Ctx(), w.Admin, p, halberd.ProjectPatch{KeyCeiling: halberd.Some(100_000)}, 0); err != nil {
		w.T.Fatal(err)
	}
}

func bulk(w *fixture.World, by halberd.Actor, b halberd.Bulk) halberd.BulkDone {
	w.T.Helper()
	done, err := w.Bulk(w.Ctx(), by, b)
	if err != nil {
		w.T.Fatal(err)
	}
	return done
}

// codes are the refusals, in order, "" for what was done.
func codes(done halberd.BulkDone) string {
	out := make([]string, len(done.Results))
	for i, r := range done.Results {
		if r.Refusal != nil {
			out[i] = string(r.Refusal.Code)
		}
	}
	return strings.Join(out, " ")
}

// Every key has the result, the record and the effect of a call of its own, in
// the order asked for, and all are one revision.
func TestBulkIsAsIfEachWereAlone(t *testing.T) {
	w := crowded(t, memory.New())
	other := w.Project("other")
	admin := w.Holder("admin")
	mine, mine2, gone := w.Make(halberd.NewKey{}), w.Make(halberd.NewKey{}), w.Make(halberd.NewKey{})
	theirs := w.Make(halberd.NewKey{Project: other.ID})
	strong := w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("own:word"))})
	weak := w.Actor(w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("admin"))}).Secret)
	if _, err := w.Revoke(w.Ctx(), w.Admin, gone.Key.ID, "before", 0); err != nil {
		t.Fatal(err)
	}
	before := w.Stats().Revision
	ids := []halberd.KeyID{mine.Key.ID, theirs.Key.ID, halberd.NewKeyID(), gone.Key.ID, mine2.Key.ID, mine.Key.ID, {}, strong.Key.ID}
	done := bulk(w, admin, halberd.Bulk{Action: halberd.BulkDeactivate, Keys: ids})
	if got := codes(done); got != " NOT_FOUND NOT_FOUND KEY_REVOKED   NOT_FOUND " {
		t.Errorf("%q", got)
	}
	if !done.Propagation.Confirmed {
		t.Error("not confirmed")
	}
	for i, r := range done.Results {
		if r.ID != ids[i] {
			t.Errorf("result %d is about %s", i, r.ID)
		}
		if r.Refusal == nil {
			continue
		}
		if _, err := w.Update(w.Ctx(), admin, ids[i], halberd.KeyPatch{Active: halberd.Some(false)}, 0); err == nil || err.Error() != r.Refusal.Error() {
			t.Errorf("alone %v, in bulk %v", err, r.Refusal)
		}
	}
	if got := w.Stats().Revision - before; got != 1 {
		t.Errorf("%d revisions", got)
	}
	if w.Code(mine.Secret) != halberd.Inactive || w.Code(mine2.Secret) != halberd.Inactive || w.Code(theirs.Secret) != halberd.Valid {
		t.Error("not what was asked for is inactive")
	}
	bulk(w, weak, halberd.Bulk{Action: halberd.BulkActivate, Keys: ids})
	if w.Code(mine.Secret) != halberd.Valid || w.Code(gone.Secret) != halberd.Revoked {
		t.Error("activated wrongly")
	}
	done = bulk(w, admin, halberd.Bulk{Action: halberd.BulkRevoke, Keys: ids, Reason: "leaked"})
	if got := codes(done); got != " NOT_FOUND NOT_FOUND    NOT_FOUND " {
		t.Errorf("%q", got)
	}
	if w.Code(mine.Secret) != halberd.Revoked {
		t.Error("not revoked")
	}
	for _, k := range []halberd.KeyID{mine.Key.ID, mine2.Key.ID} {
		events, err := w.Audit(w.Ctx(), w.Admin, halberd.AuditQuery{Target: k.String(), Action: halberd.ActionRevokeKey})
		if err != nil || len(events.List) != 1 || events.List[0].Actor != admin.Ref() {
			t.Errorf("%v: %+v", err, events.List)
		}
		if read, err := w.Get(w.Ctx(), w.Admin, k); err != nil || read.RevokeReason != "leaked" {
			t.Errorf("%v: %q", err, read.RevokeReason)
		}
	}
	if read, err := w.Get(w.Ctx(), w.Admin, gone.Key.ID); err != nil || read.RevokeReason != "before" {
		t.Errorf("%v: revoked twice, %q", err, read.RevokeReason)
	}
}

// What the caller may not do to one key is refused for that one, and counted as
// a single call's would be.
func TestBulkCountsDenials(t *testing.T) {
	w := crowded(t, memory.New())
	operator := w.Make(halberd.NewKey{Wide: true, Operator: true, Scopes: halberd.Some(halberd.MustScopes("admin"))})
	org := w.Actor(w.Make(halberd.NewKey{Wide: true, Scopes: halberd.Some(halberd.MustScopes("admin"))}).Secret)
	done := bulk(w, org, halberd.Bulk{Action: halberd.BulkRevoke, Keys: []halberd.KeyID{operator.Key.ID, w.Make(halberd.NewKey{}).Key.ID}})
	if got := codes(done); got != "SCOPE_ESCALATION " {
		t.Errorf("%q", got)
	}
	denied, err := w.Audit(w.Ctx(), w.Admin, halberd.AuditQuery{Outcome: halberd.OutcomeDenied})
	if err != nil || len(denied.List) != 1 || denied.List[0].Action != halberd.ActionRevokeKey || denied.List[0].Actor != org.Ref() {
		t.Errorf("%v: %+v", err, denied.List)
	}
}

// LAST_ADMIN counts within the transaction: of all admins in one list one stays.
func TestBulkLeavesOneAdmin(t *testing.T) {
	for _, act := range []halberd.BulkAction{halberd.BulkRevoke, halberd.BulkDeactivate} {
		w := crowded(t, memory.New())
		second := w.Make(halberd.NewKey{Wide: true, Operator: true, Scopes: halberd.Some(halberd.MustScopes("admin"))})
		done := bulk(w, w.Admin, halberd.Bulk{Action: act, Keys: []halberd.KeyID{w.Admin.KeyID(), second.Key.ID}})
		if got := codes(done); got != " LAST_ADMIN" {
			t.Errorf("%s: %q", act, got)
		}
		if w.Code(w.Root) == halberd.Valid || w.Code(second.Secret) != halberd.Valid {
			t.Errorf("%s: %s, %s", act, w.Code(w.Root), w.Code(second.Secret))
		}
	}
}

// All of an external id, also beyond what a list may name, as far as the caller
// reaches, and no other's.
func TestBulkOfAnExternalID(t *testing.T) {
	w := crowded(t, memory.New())
	other := w.Project("other")
	raise(w, other.ID)
	var secrets []halberd.Secret
	for i := range halberd.MaxBulkKeys + 5 {
		n := halberd.NewKey{ExternalID: "cus_1"}
		if i%4 == 0 {
			n.Project = other.ID
		}
		secrets = append(secrets, w.Make(n).Secret)
	}
	bystander := w.Make(halberd.NewKey{ExternalID: "cus_10"})
	admin := w.Holder("admin")
	done := bulk(w, admin, halberd.Bulk{Action: halberd.BulkDeactivate, ExternalID: "cus_1"})
	if want := len(secrets) - (len(secrets)+3)/4; len(done.Results) != want {
		t.Errorf("a project's key reaches %d, not %d", len(done.Results), want)
	}
	if w.Code(secrets[0]) != halberd.Valid || w.Code(secrets[1]) != halberd.Inactive {
		t.Error("the reach was not kept")
	}
	_, err := w.Bulk(w.Ctx(), admin, halberd.Bulk{Action: halberd.BulkRevoke, ExternalID: "cus_1", Project: other.ID})
	w.Refused(err, halberd.CodeNotFound)
	done = bulk(w, w.Admin, halberd.Bulk{Action: halberd.BulkRevoke, ExternalID: "cus_1", Project: other.ID})
	if want := (len(secrets) + 3) / 4; len(done.Results) != want {
		t.Errorf("of one project %d, not %d", len(done.Results), want)
	}
	done = bulk(w, w.Admin, halberd.Bulk{Action: halberd.BulkRevoke, ExternalID: "cus_1"})
	if strings.TrimSpace(codes(done)) != "" {
		t.Error(codes(done))
	}
	for i, s := range secrets {
		if got := w.Code(s); got != halberd.Revoked {
			t.Fatalf("key %d is %s", i, got)
		}
	}
	if got := w.Code(bystander.Secret); got != halberd.Valid {
		t.Errorf("another's is %s", got)
	}
	if done = bulk(w, w.Admin, halberd.Bulk{Action: halberd.BulkRevoke, ExternalID: "cus_1"}); len(done.Results) != 0 {
		t.Errorf("revoked keys are named again: %d", len(done.Results))
	}
}

func TestBulkRefusesWhatMakesNoSense(t *testing.T) {
	w := crowded(t, memory.New())
	k := []halberd.KeyID{w.Make(halberd.NewKey{}).Key.ID}
	for field, b := range map[string]halberd.Bulk{
		"action":          {Action: "delete", Keys: k},
		"key_ids":         {Action: halberd.BulkRevoke},
		"external_id":     {Action: halberd.BulkRevoke, Keys: k, ExternalID: "x"},
		"reason":          {Action: halberd.BulkActivate, Keys: k, Reason: "why"},
		"project_id":      {Action: halberd.BulkRevoke, Keys: k, Project: w.Home},
		"organization_id": {Action: halberd.BulkRevoke, Keys: k, Organization: w.Org},
	} {
		_, err := w.Bulk(w.Ctx(), w.Admin, b)
		e, ok := errors.AsType[*halberd.Error](err)
		if !ok || e.Code != halberd.CodeInvalid || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, b := range []halberd.Bulk{
		{Action: halberd.BulkRevoke, Keys: make([]halberd.KeyID, halberd.MaxBulkKeys+1)},
		{Action: halberd.BulkRevoke, Keys: k, Reason: strings.Repeat("x", 256)},
		{Action: halberd.BulkRevoke, ExternalID: strings.Repeat("x", 256)},
	} {
		_, err := w.Bulk(w.Ctx(), w.Admin, b)
		w.Refused(err, halberd.CodeInvalid)
	}
	for _, by := range []halberd.Actor{w.Holder("read"), w.Holder("write"), w.Holder("verify")} {
		_, err := w.Bulk(w.Ctx(), by, halberd.Bulk{})
		w.Refused(err, halberd.CodeForbidden)
	}
	if got, err := w.Get(w.Ctx(), w.Admin, k[0]); err != nil || got.Version != 1 {
		t.Errorf("%v: version %d", err, got.Version)
	}
}

// Under one Idempotency-Key it happens once, and a repetition says what
// happened then.
func TestBulkHappensOnce(t *testing.T) {
	w := crowded(t, memory.New())
	k := w.Make(halberd.NewKey{})
	ask := func(fingerprint byte, b halberd.Bulk) (halberd.BulkDone, error) {
		by := w.Admin.Via(halberd.Request{Idempotency: halberd.Idempotency{Key: "once", Route: "x", Fingerprint: [32]byte{fingerprint}}})
		return w.Bulk(w.Ctx(), by, b)
	}
	b := halberd.Bulk{Action: halberd.BulkDeactivate, Keys: []halberd.KeyID{k.Key.ID, halberd.NewKeyID()}}
	first, err := ask(1, b)
	if err != nil {
		t.Fatal(err)
	}
	bulk(w, w.Admin, halberd.Bulk{Action: halberd.BulkActivate, Keys: b.Keys})
	again, err := ask(1, b)
	if err != nil || codes(again) != codes(first) || codes(again) != " NOT_FOUND" || again.Results[0].ID != k.Key.ID || !again.Propagation.Confirmed {
		t.Errorf("%v: %+v", err, again)
	}
	if again.Results[1].Refusal.Message != first.Results[1].Refusal.Message {
		t.Error(again.Results[1].Refusal)
	}
	if w.Code(k.Secret) != halberd.Valid {
		t.Error("the repetition did it again")
	}
	_, err = ask(2, b)
	w.Refused(err, halberd.CodeIdempotencyMismatch)
}

// graveless cannot write its journal while it is broken.
type graveless struct {
	halberd.Store
	broken bool
	lines  map[halberd.KeyID]int
}

func (g *graveless) Entomb(ctx context.Context, ts []halberd.Tombstone) error {
	if g.broken {
		return fmt.Errorf("disk full")
	}
	for _, t := range ts {
		g.lines[t.Key]++
	}
	return g.Store.Entomb(ctx, ts)
}

// A-39 in bulk: every tombstone is written before the answer. What could not be
// is owed: a repetition by external id finds nothing to revoke, and is a success
// only once the journal is whole.
func TestBulkAnswersAfterTheTombstones(t *testing.T) {
	g := &graveless{Store: memory.New(), lines: map[halberd.KeyID]int{}}
	w := crowded(t, g)
	var ids []halberd.KeyID
	for range 5 {
		ids = append(ids, w.Make(halberd.NewKey{ExternalID: "cus_1"}).Key.ID)
	}
	g.broken = true
	b := halberd.Bulk{Action: halberd.BulkRevoke, ExternalID: "cus_1"}
	for range 2 {
		_, err := w.Bulk(w.Ctx(), w.Admin, b)
		w.Refused(err, halberd.CodeUnavailable)
	}
	g.broken = false
	bulk(w, w.Admin, b)
	for _, id := range ids {
		if g.lines[id] != 1 {
			t.Errorf("%d tombstones of %s", g.lines[id], id)
		}
	}
	bulk(w, w.Admin, b)
	if len(g.lines) != 5 || g.lines[ids[0]] != 1 {
		t.Error("what was paid is owed still", g.lines)
	}
}
