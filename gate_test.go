package halberd_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
)

// what the actor does not reach is not there: foreign and absent are one
// answer, and nothing changes.
func TestForeignIsAbsent(t *testing.T) {
	w := fixture.New(t)
	org, err := w.CreateOrganization(w.Ctx(), w.Admin, "Other")
	if err != nil {
		t.Fatal(err)
	}
	other := w.Project("other")
	foreign, there := w.Make(halberd.NewKey{Organization: org.ID}), w.Make(halberd.NewKey{Project: other.ID})
	wide := w.Make(halberd.NewKey{Wide: true})
	admin := w.Holder("admin")
	wideAdmin := w.Actor(w.Make(halberd.NewKey{Wide: true, Scopes: halberd.Some(halberd.MustScopes("admin"))}).Secret)
	foreignProject := foreign.Key.Project
	absent := halberd.NewKeyID()
	for _, c := range []struct {
		by halberd.Actor
		id halberd.KeyID
	}{{admin, absent}, {admin, foreign.Key.ID}, {admin, there.Key.ID}, {admin, wide.Key.ID}, {wideAdmin, absent}, {wideAdmin, foreign.Key.ID}} {
		for name, do := range map[string]func() error{
			"get": func() error { _, err := w.Get(w.Ctx(), c.by, c.id); return err },
			"update": func() error {
				_, err := w.Update(w.Ctx(), c.by, c.id, halberd.KeyPatch{Name: halberd.Some("x")}, 0)
				return err
			},
			"rotate": func() error { _, err := w.Rotate(w.Ctx(), c.by, c.id, 0, 0); return err },
			"revoke": func() error { _, err := w.Revoke(w.Ctx(), c.by, c.id, "", 0); return err },
			"end":    func() error { _, err := w.EndOverlap(w.Ctx(), c.by, c.id, 0); return err },
		} {
			if err := do(); err == nil || err.Error() != "NOT_FOUND: not found" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for name, do := range map[string]func() error{
		"create in it": func() error {
			_, err := w.Create(w.Ctx(), wideAdmin, halberd.NewKey{Project: foreignProject})
			return err
		},
		"create in org":   func() error { _, err := w.Create(w.Ctx(), wideAdmin, halberd.NewKey{Organization: org.ID}); return err },
		"create in other": func() error { _, err := w.Create(w.Ctx(), admin, halberd.NewKey{Project: other.ID}); return err },
		"get project":     func() error { _, err := w.GetProject(w.Ctx(), wideAdmin, foreignProject); return err },
		"edit project": func() error {
			_, err := w.UpdateProject(w.Ctx(), wideAdmin, foreignProject, halberd.ProjectPatch{Name: halberd.Some("x")}, 0)
			return err
		},
		"delete project": func() error { _, err := w.DeleteProject(w.Ctx(), wideAdmin, foreignProject, 0); return err },
		"project in org": func() error {
			_, err := w.CreateProject(w.Ctx(), wideAdmin, halberd.NewProject{Name: "x", Organization: org.ID})
			return err
		},
		"audit of org": func() error {
			_, err := w.Audit(w.Ctx(), wideAdmin, halberd.AuditQuery{Organization: org.ID})
			return err
		},
	} {
		if err := do(); halberd.CodeOf(err) != halberd.CodeNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, k := range []halberd.Changed{foreign, there, wide} {
		if got, err := w.Get(w.Ctx(), w.Admin, k.Key.ID); err != nil || got.Version != 1 || w.Code(k.Secret) != halberd.Valid {
			t.Errorf("%v: %+v", err, got)
		}
	}
}

// A-91, G15: exactly one event per change, with who, what, before and after;
// denied attempts are counted, and no one below admin reads the log.
func TestAudit(t *testing.T) {
	w := fixture.New(t)
	start, err := w.Audit(w.Ctx(), w.Admin, halberd.AuditQuery{Ascending: true})
	if err != nil || len(start.List) != 3 || start.List[2].Action != halberd.ActionStart {
		t.Fatalf("%v: the first start left %+v", err, start.List)
	}
	last := start.List[2].ID
	by := w.Admin.Via(halberd.Request{ID: "req_x", ClientIP: addr("203.0.113.9")})
	c, err := w.Create(w.Ctx(), by, halberd.NewKey{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	id := c.Key.ID
	_, _ = w.Update(w.Ctx(), by, id, halberd.KeyPatch{Name: halberd.Some("b")}, 0)
	_, _ = w.Rotate(w.Ctx(), by, id, time.Hour, 0)
	_, _ = w.EndOverlap(w.Ctx(), by, id, 0)
	_, _ = w.Revoke(w.Ctx(), by, id, "", 0)
	_, _ = w.Revoke(w.Ctx(), by, id, "", 0)
	events, err := w.Audit(w.Ctx(), w.Admin, halberd.AuditQuery{After: last, Ascending: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []halberd.Action{halberd.ActionCreateKey, halberd.ActionUpdateKey, halberd.ActionRotateKey, halberd.ActionEndOverlap, halberd.ActionRevokeKey}
	if len(events.List) != len(want) {
		t.Fatalf("%d events", len(events.List))
	}
	for i, e := range events.List {
		if e.Action != want[i] || e.Actor != w.Admin.Ref() || e.Target != id.String() || e.RequestID != "req_x" ||
			e.ClientIP != "203.0.113.9" || e.Outcome != halberd.OutcomeDone || e.Organization != w.Org || len(e.Changes) == 0 {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if ch := events.List[1].Changes["label"]; ch.Before != "a" || ch.After != "b" {
		t.Errorf("%+v", ch)
	}

	reader := w.Holder("read")
	for range 7 {
		_, err := w.Create(w.Ctx(), reader, halberd.NewKey{})
		w.Refused(err, halberd.CodeForbidden)
	}
	denied, err := w.Audit(w.Ctx(), w.Admin, halberd.AuditQuery{Outcome: halberd.OutcomeDenied})
	if err != nil || len(denied.List) != 1 || denied.List[0].Count != 7 || denied.List[0].Actor != reader.Ref() {
		t.Errorf("%v: %+v", err, denied.List)
	}
	_, err = w.Create(w.Ctx(), reader, halberd.NewKey{})
	w.Refused(err, halberd.CodeForbidden)
	denied, _ = w.Audit(w.Ctx(), w.Admin, halberd.AuditQuery{Outcome: halberd.OutcomeDenied})
	if len(denied.List) != 1 || denied.List[0].Count != 8 {
		t.Errorf("the same minute has %d records: %+v", len(denied.List), denied.List)
	}
	_, err = w.Audit(w.Ctx(), reader, halberd.AuditQuery{})
	w.Refused(err, halberd.CodeForbidden)
	mine, err := w.Audit(w.Ctx(), w.Holder("admin"), halberd.AuditQuery{Page: halberd.Page{Limit: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range mine.List {
		if e.Project != w.Home {
			t.Errorf("a project's admin sees %+v", e)
		}
	}
}

// one Idempotency-Key makes one key, whoever comes first; another
// body is refused; another actor or route is another request; a day later it
// is new.
func TestIdempotency(t *testing.T) {
	w := fixture.New(t)
	if _, err := w.UpdateProject(w.Ctx(), w.Admin, w.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(1000)}, 0); err != nil {
		t.Fatal(err)
	}
	with := func(by halberd.Actor, key, route, body string) halberd.Actor {
		return by.Via(halberd.Request{Idempotency: halberd.Idempotency{Key: key, Route: route, Fingerprint: sha256.Sum256([]byte(body))}})
	}
	by := with(w.Admin, "k1", "create", "{}")
	var made atomic.Int64
	var first atomic.Pointer[halberd.Changed]
	ids := make(chan halberd.KeyID, 50)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			c, err := w.Create(w.Ctx(), by, halberd.NewKey{})
			if err == nil {
				made.Add(1)
				first.Store(&c)
				return
			}
			e, ok := errors.AsType[*halberd.Error](err)
			if !ok || e.Code != halberd.CodeIdempotencyReplay {
				t.Error(err)
				return
			}
			ids <- e.KeyID
		})
	}
	wg.Wait()
	close(ids)
	for id := range ids {
		if id != first.Load().Key.ID {
			t.Errorf("a replay names %s", id)
		}
	}
	if made.Load() != 1 {
		t.Fatalf("%d keys made", made.Load())
	}
	_, err := w.Create(w.Ctx(), with(w.Admin, "k1", "create", `{"label":"x"}`), halberd.NewKey{Name: "x"})
	w.Refused(err, halberd.CodeIdempotencyMismatch)
	for name, other := range map[string]halberd.Actor{
		"another route": with(w.Admin, "k1", "rotate", "{}"), "another actor": with(w.Holder("admin"), "k1", "create", "{}"),
		"another key": with(w.Admin, "k2", "create", "{}"),
	} {
		if _, err := w.Create(w.Ctx(), other, halberd.NewKey{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A refused request is not remembered.
	bad := with(w.Admin, "k3", "create", "{}")
	_, err = w.Create(w.Ctx(), bad, halberd.NewKey{Name: "\x00"})
	w.Refused(err, halberd.CodeInvalid)
	if _, err := w.Create(w.Ctx(), bad, halberd.NewKey{}); err != nil {
		t.Error(err)
	}
	w.Clock.Pass(25 * time.Hour)
	if _, err := w.Create(w.Ctx(), by, halberd.NewKey{}); err != nil {
		t.Errorf("a day later: %v", err)
	}
	// A replayed project is the project.
	p := with(w.Admin, "k4", "projects", "{}")
	p1, err1 := w.CreateProject(w.Ctx(), p, halberd.NewProject{Name: "p"})
	p2, err2 := w.CreateProject(w.Ctx(), p, halberd.NewProject{Name: "p"})
	if err1 != nil || err2 != nil || p1.ID != p2.ID {
		t.Errorf("%v %v %s %s", err1, err2, p1.ID, p2.ID)
	}
	o := with(w.Admin, "k5", "organizations", "{}")
	o1, err1 := w.CreateOrganization(w.Ctx(), o, "o")
	o2, err2 := w.CreateOrganization(w.Ctx(), o, "o")
	if err1 != nil || err2 != nil || o1.ID != o2.ID {
		t.Errorf("%v %v %s %s", err1, err2, o1.ID, o2.ID)
	}
}

// A caller that goes away before its change began changes nothing.
func TestACancelledChangeChangesNothing(t *testing.T) {
	w := fixture.New(t)
	ctx, cancel := context.WithCancel(w.Ctx())
	cancel()
	_, err := w.Create(ctx, w.Admin, halberd.NewKey{})
	w.Refused(err, halberd.CodeUnavailable)
	if l, _ := w.List(w.Ctx(), w.Admin, halberd.KeyQuery{}); len(l.List) != 1 {
		t.Errorf("%d keys", len(l.List))
	}
}

// A-37 on one node: whoever presented a key before it ended does nothing with it
// afterwards: no change, no reading, and no check for others.
func TestAnActorEndsWithItsSecret(t *testing.T) {
	narrow, _ := halberd.ParseIPAllow([]string{"10.0.0.2"})
	for name, end := range map[string]func(w *fixture.World, k halberd.Key) error{
		"revoked": func(w *fixture.World, k halberd.Key) error {
			_, err := w.Revoke(w.Ctx(), w.Admin, k.ID, "", 0)
			return err
		},
		"deactivated": func(w *fixture.World, k halberd.Key) error {
			_, err := w.Update(w.Ctx(), w.Admin, k.ID, halberd.KeyPatch{Active: halberd.Some(false)}, 0)
			return err
		},
		"rotated": func(w *fixture.World, k halberd.Key) error {
			_, err := w.Rotate(w.Ctx(), w.Admin, k.ID, 0, 0)
			return err
		},
		"rotated, and the overlap is over": func(w *fixture.World, k halberd.Key) error {
			_, err := w.Rotate(w.Ctx(), w.Admin, k.ID, time.Hour, 0)
			w.Clock.Pass(time.Hour)
			return err
		},
		"rotated twice": func(w *fixture.World, k halberd.Key) error {
			_, err := w.Rotate(w.Ctx(), w.Admin, k.ID, 0, 0)
			_, err2 := w.Rotate(w.Ctx(), w.Admin, k.ID, time.Hour, 0)
			return errors.Join(err, err2)
		},
		"kept to another address": func(w *fixture.World, k halberd.Key) error {
			_, err := w.Update(w.Ctx(), w.Admin, k.ID, halberd.KeyPatch{IPAllow: halberd.Some(narrow)}, 0)
			return err
		},
		"of a suspended project": func(w *fixture.World, k halberd.Key) error {
			_, err := w.UpdateProject(w.Ctx(), w.Admin, k.Project, halberd.ProjectPatch{Active: halberd.Some(false)}, 0)
			return err
		},
	} {
		w := fixture.New(t)
		made := w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("admin"))})
		by, err := w.Authenticate(w.Ctx(), made.Secret, halberd.Request{ClientIP: addr("10.0.0.1")})
		if err != nil {
			t.Fatal(err)
		}
		if err := end(w, made.Key); err != nil {
			t.Fatal(err)
		}
		for what, do := range map[string]func() error{
			"create": func() error { _, err := w.Create(w.Ctx(), by, halberd.NewKey{}); return err },
			"check": func() error {
				_, err := w.VerifyFor(w.Ctx(), by, halberd.Check{Secret: w.Root})
				return err
			},
			"read":  func() error { _, err := w.Get(w.Ctx(), by, made.Key.ID); return err },
			"list":  func() error { _, err := w.List(w.Ctx(), by, halberd.KeyQuery{}); return err },
			"audit": func() error { _, err := w.Audit(w.Ctx(), by, halberd.AuditQuery{}); return err },
		} {
			if err := do(); halberd.CodeOf(err) != halberd.CodeUnauthorized {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
	}
}

// During an overlap both secrets act; a narrowed actor reads no more than it may
// now.
func TestAnActorIsJudgedAsItStandsNow(t *testing.T) {
	w := fixture.New(t)
	made := w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("admin"))})
	old := w.Actor(made.Secret)
	if _, err := w.Rotate(w.Ctx(), w.Admin, made.Key.ID, time.Hour, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Create(w.Ctx(), old, halberd.NewKey{}); err != nil {
		t.Error(err)
	}
	if _, err := w.Update(w.Ctx(), w.Admin, made.Key.ID, halberd.KeyPatch{Scopes: halberd.Some(halberd.MustScopes("verify"))}, 0); err != nil {
		t.Fatal(err)
	}
	_, err := w.List(w.Ctx(), old, halberd.KeyQuery{})
	w.Refused(err, halberd.CodeForbidden)
	_, err = w.Audit(w.Ctx(), old, halberd.AuditQuery{})
	w.Refused(err, halberd.CodeForbidden)
	if _, err := w.VerifyFor(w.Ctx(), old, halberd.Check{Secret: w.Root}); err != nil {
		t.Error(err)
	}
}
