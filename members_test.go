package halberd_test

import (
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/password"
)

const pass = "a long enough password"

// join invites a person and accepts for them.
func join(t *testing.T, w *fixture.World, email string, role halberd.Scope) (halberd.Member, halberd.Actor) {
	t.Helper()
	in, err := w.InviteMember(w.Ctx(), w.Admin, halberd.NewMember{Email: email, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Accept(w.Ctx(), in.Secret, "Ada", pass, halberd.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return s.Member, session(t, w, s)
}

func session(t *testing.T, w *fixture.World, s halberd.Signed) halberd.Actor {
	t.Helper()
	a, err := w.MemberActor(s.Member.ID, s.Epoch, halberd.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func wantCode(t *testing.T, what string, err error, want halberd.Code) {
	t.Helper()
	if got := halberd.CodeOf(err); got != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

func TestAnInvitationIsAcceptedOnce(t *testing.T) {
	w := fixture.New(t)
	if w.HasMembers() {
		t.Error("there is a member already")
	}
	in, err := w.InviteMember(w.Ctx(), w.Admin, halberd.NewMember{Email: "Ada@Example.com", Role: "write"})
	if err != nil {
		t.Fatal(err)
	}
	if in.Member.Email != "ada@example.com" || in.Member.State != halberd.MemberInvited || !w.HasMembers() {
		t.Errorf("%+v", in.Member)
	}
	_, err = w.SignIn(w.Ctx(), "ada@example.com", pass, halberd.Request{})
	wantCode(t, "signing in before accepting", err, halberd.CodeUnauthorized)
	_, err = w.Accept(w.Ctx(), in.Secret, "Ada", "short", halberd.Request{})
	wantCode(t, "a short password", err, halberd.CodeInvalid)
	if got, err := w.Invitation(w.Ctx(), in.Secret); err != nil || got.ID != in.Member.ID {
		t.Errorf("Invitation: %+v, %v", got, err)
	}
	s, err := w.Accept(w.Ctx(), in.Secret, "Ada", pass, halberd.Request{})
	if err != nil || s.Member.State != halberd.MemberActive || s.Member.Name != "Ada" {
		t.Fatalf("%+v, %v", s, err)
	}
	_, err = w.Accept(w.Ctx(), in.Secret, "Eve", pass, halberd.Request{})
	wantCode(t, "accepting twice", err, halberd.CodeNotFound)
	again, err := w.SignIn(w.Ctx(), "ADA@example.com", pass, halberd.Request{})
	if err != nil || again.Member.ID != in.Member.ID {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"ada@example.com", "a wrong password"}, {"nobody@example.com", pass}, {"", ""}} {
		_, err := w.SignIn(w.Ctx(), c[0], c[1], halberd.Request{})
		if err == nil || err.Error() != "UNAUTHORIZED: the email or the password is wrong" {
			t.Errorf("%q: %v", c[0], err) // no difference
		}
	}
}

func TestAnInvitationEnds(t *testing.T) {
	w := fixture.New(t)
	in, err := w.InviteMember(w.Ctx(), w.Admin, halberd.NewMember{Email: "ada@example.com", Role: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	w.Clock.Pass(7 * 24 * time.Hour)
	_, err = w.Accept(w.Ctx(), in.Secret, "", pass, halberd.Request{})
	wantCode(t, "after a week", err, halberd.CodeNotFound)
	next, err := w.InviteAgain(w.Ctx(), w.Admin, in.Member.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Accept(w.Ctx(), in.Secret, "", pass, halberd.Request{})
	wantCode(t, "the former link", err, halberd.CodeNotFound)
	if _, err = w.Accept(w.Ctx(), next.Secret, "", pass, halberd.Request{}); err != nil {
		t.Error(err)
	}
	_, err = w.InviteMember(w.Ctx(), w.Admin, halberd.NewMember{Email: "ADA@example.com", Role: "read"})
	wantCode(t, "the same person twice", err, halberd.CodeConflict)
	for _, bad := range []string{"", "ada", "a@b@c", "Ada <ada@example.com>", "a\n@example.com"} {
		_, err = w.InviteMember(w.Ctx(), w.Admin, halberd.NewMember{Email: bad, Role: "read"})
		wantCode(t, bad, err, halberd.CodeInvalid)
	}
	_, err = w.InviteMember(w.Ctx(), w.Admin, halberd.NewMember{Email: "x@example.com", Role: "root"})
	wantCode(t, "a role that is none", err, halberd.CodeInvalid)
}

// whoever is demoted, deactivated, removed, or has a new password,
// is signed out at once, and does nothing more.
func TestASessionEndsWithItsRight(t *testing.T) {
	for name, end := range map[string]func(*fixture.World, halberd.Member, halberd.Actor) error{
		"demoted": func(w *fixture.World, m halberd.Member, _ halberd.Actor) error {
			_, err := w.UpdateMember(w.Ctx(), w.Admin, m.ID, halberd.MemberPatch{Role: halberd.Some(halberd.ScopeRead)}, 0)
			return err
		},
		"deactivated": func(w *fixture.World, m halberd.Member, _ halberd.Actor) error {
			_, err := w.UpdateMember(w.Ctx(), w.Admin, m.ID, halberd.MemberPatch{Active: halberd.Some(false)}, 0)
			return err
		},
		"removed": func(w *fixture.World, m halberd.Member, _ halberd.Actor) error {
			_, err := w.RemoveMember(w.Ctx(), w.Admin, m.ID, halberd.Leaving{}, 0)
			return err
		},
		"invited again": func(w *fixture.World, m halberd.Member, _ halberd.Actor) error {
			_, err := w.InviteAgain(w.Ctx(), w.Admin, m.ID)
			return err
		},
		"new password": func(w *fixture.World, _ halberd.Member, a halberd.Actor) error {
			_, err := w.ChangePassword(w.Ctx(), a, pass, "another long password")
			return err
		},
		"signed out everywhere": func(w *fixture.World, _ halberd.Member, a halberd.Actor) error {
			return w.SignOutEverywhere(w.Ctx(), a)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := fixture.New(t)
			m, a := join(t, w, "ada@example.com", halberd.ScopeAdmin)
			s, err := w.SignIn(w.Ctx(), m.Email, pass, halberd.Request{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Create(w.Ctx(), a, halberd.NewKey{}); err != nil {
				t.Fatal(err)
			}
			if err := end(w, m, a); err != nil {
				t.Fatal(err)
			}
			_, err = w.Create(w.Ctx(), a, halberd.NewKey{})
			wantCode(t, "creating", err, halberd.CodeUnauthorized)
			_, err = w.List(w.Ctx(), a, halberd.KeyQuery{})
			wantCode(t, "listing", err, halberd.CodeUnauthorized)
			_, err = w.MemberActor(m.ID, s.Epoch, halberd.Request{})
			wantCode(t, "another session", err, halberd.CodeUnauthorized)
		})
	}
}

func TestANewNameEndsNoSession(t *testing.T) {
	w := fixture.New(t)
	m, a := join(t, w, "ada@example.com", halberd.ScopeRead)
	got, err := w.UpdateMember(w.Ctx(), a, m.ID, halberd.MemberPatch{Name: halberd.Some("Ada L.")}, 0)
	if err != nil || got.Name != "Ada L." {
		t.Fatal(err)
	}
	if _, err := w.List(w.Ctx(), a, halberd.KeyQuery{}); err != nil {
		t.Error(err)
	}
	_, err = w.UpdateMember(w.Ctx(), a, m.ID, halberd.MemberPatch{Role: halberd.Some(halberd.ScopeAdmin)}, 0)
	wantCode(t, "promoting oneself", err, halberd.CodeForbidden)
	_, err = w.ListMembers(w.Ctx(), a, halberd.OrganizationID{}, halberd.Page{})
	wantCode(t, "reading members", err, halberd.CodeForbidden)
	if got, err := w.GetMember(w.Ctx(), a, m.ID); err != nil || got.ID != m.ID {
		t.Errorf("reading oneself: %v", err)
	}
}

// A-16 for people: no one invites, promotes or touches above themselves.
func TestNoOneInvitesAboveThemselves(t *testing.T) {
	w := fixture.New(t)
	_, admin := join(t, w, "admin@example.com", halberd.ScopeAdmin)
	_, err := w.InviteMember(w.Ctx(), admin, halberd.NewMember{Email: "op@example.com", Role: "admin", Operator: true})
	wantCode(t, "an operator by an admin", err, halberd.CodeScopeEscalation)
	op, err := w.InviteMember(w.Ctx(), w.Admin, halberd.NewMember{Email: "op@example.com", Role: "admin", Operator: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.InviteAgain(w.Ctx(), admin, op.Member.ID)
	wantCode(t, "an operator's new link by an admin", err, halberd.CodeScopeEscalation)
	_, err = w.RemoveMember(w.Ctx(), admin, op.Member.ID, halberd.Leaving{}, 0)
	wantCode(t, "an operator removed by an admin", err, halberd.CodeScopeEscalation)

	some, err := halberd.ParseResources([]string{"a/1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]halberd.NewKey{
		"of a project":      {Scopes: halberd.Some(halberd.MustScopes("admin"))},
		"with an end":       {Wide: true, Scopes: halberd.Some(halberd.MustScopes("admin")), ExpiresInDays: halberd.Some(halberd.ExpiresIn(3))},
		"of some resources": {Wide: true, Scopes: halberd.Some(halberd.MustScopes("admin")), Resources: halberd.Some(some)},
	} {
		key := w.Actor(w.Make(n).Secret)
		_, err := w.InviteMember(w.Ctx(), key, halberd.NewMember{Email: "x@example.com", Role: "admin"})
		if c := halberd.CodeOf(err); c != halberd.CodeForbidden && c != halberd.CodeScopeEscalation {
			t.Errorf("an admin key %s invites: %v", name, err)
		}
	}
}

// LAST_ADMIN counts keys and people together.
func TestTheLastAdminStays(t *testing.T) {
	w := fixture.New(t)
	m, a := join(t, w, "ada@example.com", halberd.ScopeAdmin)
	if _, err := w.Revoke(w.Ctx(), w.Admin, w.Admin.KeyID(), "", 0); err != nil {
		t.Fatalf("with an admin who can sign in the key may go: %v", err)
	}
	_, err := w.UpdateMember(w.Ctx(), a, m.ID, halberd.MemberPatch{Role: halberd.Some(halberd.ScopeRead)}, 0)
	wantCode(t, "demoting the last", err, halberd.CodeLastAdmin)
	_, err = w.UpdateMember(w.Ctx(), a, m.ID, halberd.MemberPatch{Active: halberd.Some(false)}, 0)
	wantCode(t, "deactivating the last", err, halberd.CodeLastAdmin)
	_, err = w.RemoveMember(w.Ctx(), a, m.ID, halberd.Leaving{}, 0)
	wantCode(t, "removing the last", err, halberd.CodeLastAdmin)
	_, err = w.InviteAgain(w.Ctx(), a, m.ID)
	wantCode(t, "resetting the last", err, halberd.CodeLastAdmin)
	in, err := w.InviteMember(w.Ctx(), a, halberd.NewMember{Email: "bob@example.com", Role: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.RemoveMember(w.Ctx(), a, m.ID, halberd.Leaving{}, 0)
	wantCode(t, "an invited admin cannot sign in yet", err, halberd.CodeLastAdmin)
	if _, err := w.Accept(w.Ctx(), in.Secret, "", pass, halberd.Request{}); err != nil {
		t.Fatal(err)
	}
	if _, err = w.RemoveMember(w.Ctx(), a, m.ID, halberd.Leaving{}, 0); err != nil {
		t.Error(err)
	}
}

// S4-01: keys belong to projects. A leaver's are told, and suspended or handed
// over in the same step when asked.
func TestALeaversKeys(t *testing.T) {
	for _, c := range []struct {
		keys   halberd.KeysOfLeaver
		active bool
	}{{"", true}, {halberd.KeepKeys, true}, {halberd.SuspendKeys, false}, {halberd.HandKeysOn, true}} {
		t.Run("keys="+string(c.keys), func(t *testing.T) {
			w := fixture.New(t)
			m, a := join(t, w, "ada@example.com", halberd.ScopeAdmin)
			heir, _ := join(t, w, "bob@example.com", halberd.ScopeWrite)
			k, err := w.Create(w.Ctx(), a, halberd.NewKey{Name: "ci"})
			if err != nil || k.Key.OwnedBy != m.ID || k.Key.CreatedBy != m.ID.String() {
				t.Fatalf("%+v, %v", k.Key, err)
			}
			other := w.Make(halberd.NewKey{})
			l := halberd.Leaving{Keys: c.keys}
			if c.keys == halberd.HandKeysOn {
				_, err := w.RemoveMember(w.Ctx(), w.Admin, m.ID, l, 0)
				wantCode(t, "to nobody", err, halberd.CodeInvalid)
				l.To = heir.ID
			}
			left, err := w.RemoveMember(w.Ctx(), w.Admin, m.ID, l, 0)
			if err != nil || len(left.Keys) != 1 || left.Keys[0].ID != k.Key.ID || left.Keys[0].Active != c.active {
				t.Fatalf("%+v, %v", left, err)
			}
			want := halberd.Valid
			if !c.active {
				want = halberd.Inactive
			}
			if got := w.Code(k.Secret); got != want {
				t.Errorf("the leaver's key is %s", got)
			}
			if got := w.Code(other.Secret); got != halberd.Valid {
				t.Errorf("another's key is %s", got)
			}
			owned, err := w.List(w.Ctx(), w.Admin, halberd.KeyQuery{OwnedBy: heir.ID})
			if handed := c.keys == halberd.HandKeysOn; err != nil || len(owned.List) == 1 != handed {
				t.Errorf("the heir owns %d keys, %v", len(owned.List), err)
			}
			_, err = w.GetMember(w.Ctx(), w.Admin, m.ID)
			wantCode(t, "the leaver", err, halberd.CodeNotFound)
			if _, err := w.InviteMember(w.Ctx(), w.Admin, halberd.NewMember{Email: m.Email, Role: "read"}); err != nil {
				t.Errorf("who left may be invited again: %v", err)
			}
		})
	}
}

func TestSigningInWithAProvider(t *testing.T) {
	w := fixture.New(t)
	ada := halberd.Identity{Issuer: "https://id.example.com", Subject: "17", Email: "Ada@example.com", EmailVerified: true}
	_, err := w.SignInWith(w.Ctx(), ada, halberd.Request{})
	wantCode(t, "a stranger", err, halberd.CodeUnauthorized)
	in, err := w.InviteMember(w.Ctx(), w.Admin, halberd.NewMember{Email: "ada@example.com", Role: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	unverified := ada
	unverified.EmailVerified = false
	_, err = w.SignInWith(w.Ctx(), unverified, halberd.Request{})
	wantCode(t, "an email that the provider has not verified", err, halberd.CodeUnauthorized)
	s, err := w.SignInWith(w.Ctx(), ada, halberd.Request{})
	if err != nil || s.Member.ID != in.Member.ID || s.Member.State != halberd.MemberActive || s.Member.Provider != ada.Issuer {
		t.Fatalf("%+v, %v", s, err)
	}
	_, err = w.Accept(w.Ctx(), in.Secret, "", pass, halberd.Request{})
	wantCode(t, "the link after that", err, halberd.CodeNotFound)
	renamed := ada
	renamed.Email, renamed.EmailVerified = "other@example.com", false
	if _, err := w.SignInWith(w.Ctx(), renamed, halberd.Request{}); err != nil {
		t.Errorf("the subject is who it is: %v", err)
	}
	twin := ada
	twin.Subject = "18"
	_, err = w.SignInWith(w.Ctx(), twin, halberd.Request{})
	wantCode(t, "another subject with the same email", err, halberd.CodeUnauthorized)
	_, err = w.SignIn(w.Ctx(), "ada@example.com", "", halberd.Request{})
	wantCode(t, "no password", err, halberd.CodeUnauthorized)
}

// An invitation that has ended lets nobody in by another way either.
func TestAnInvitationThatEndedIsNotAcceptedByAProvider(t *testing.T) {
	w := fixture.New(t)
	in, err := w.InviteMember(w.Ctx(), w.Admin, halberd.NewMember{Email: "ada@example.com", Role: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	w.Clock.Pass(7 * 24 * time.Hour)
	ada := halberd.Identity{Issuer: "https://id.example.com", Subject: "17", Email: "ada@example.com", EmailVerified: true}
	_, err = w.SignInWith(w.Ctx(), ada, halberd.Request{})
	wantCode(t, "after a week", err, halberd.CodeUnauthorized)
	if _, err = w.InviteAgain(w.Ctx(), w.Admin, in.Member.ID); err != nil {
		t.Fatal(err)
	}
	if _, err = w.SignInWith(w.Ctx(), ada, halberd.Request{}); err != nil {
		t.Error(err)
	}
	w.Clock.Pass(7 * 24 * time.Hour)
	if _, err = w.SignInWith(w.Ctx(), ada, halberd.Request{}); err != nil {
		t.Errorf("a member who had accepted: %v", err)
	}
}

// The Kelvin sign is k in lower case: whoever has such an address at the
// provider is not the member whose address looks alike.
func TestAnEmailThatLooksAlikeIsAnother(t *testing.T) {
	w := fixture.New(t)
	if _, err := w.InviteMember(w.Ctx(), w.Admin, halberd.NewMember{Email: "Kevin@example.com", Role: "admin"}); err != nil {
		t.Fatal(err)
	}
	twin := halberd.Identity{Issuer: "https://id.example.com", Subject: "17", Email: "\u212Aevin@example.com", EmailVerified: true}
	_, err := w.SignInWith(w.Ctx(), twin, halberd.Request{})
	wantCode(t, "with a Kelvin sign", err, halberd.CodeUnauthorized)
	twin.Email = "KEVIN@example.com"
	if _, err := w.SignInWith(w.Ctx(), twin, halberd.Request{}); err != nil {
		t.Error(err)
	}
}

// A suspended organization's members do nothing.
func TestASuspendedOrganizationsMembers(t *testing.T) {
	w := fixture.New(t)
	o, err := w.CreateOrganization(w.Ctx(), w.Admin, "Other")
	if err != nil {
		t.Fatal(err)
	}
	in, err := w.InviteMember(w.Ctx(), w.Admin, halberd.NewMember{Email: "ada@example.com", Role: "admin", Organization: o.ID})
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Accept(w.Ctx(), in.Secret, "", pass, halberd.Request{})
	if err != nil {
		t.Fatal(err)
	}
	a := session(t, w, s)
	list, err := w.ListMembers(w.Ctx(), a, halberd.OrganizationID{}, halberd.Page{})
	if err != nil || len(list.List) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	_, err = w.ListMembers(w.Ctx(), a, w.Org, halberd.Page{})
	wantCode(t, "a foreign organization", err, halberd.CodeNotFound)
	if _, err := w.UpdateOrganization(w.Ctx(), w.Admin, o.ID, halberd.OrganizationPatch{Active: halberd.Some(false)}, 0); err != nil {
		t.Fatal(err)
	}
	_, err = w.List(w.Ctx(), a, halberd.KeyQuery{})
	wantCode(t, "listing", err, halberd.CodeUnauthorized)
	_, err = w.SignIn(w.Ctx(), "ada@example.com", pass, halberd.Request{})
	wantCode(t, "signing in", err, halberd.CodeUnauthorized)
}

// A restart knows the members; a row that was edited is refused.
func TestMembersAfterARestart(t *testing.T) {
	w := fixture.New(t)
	m, a := join(t, w, "ada@example.com", halberd.ScopeRead)
	_ = a
	if err := w.Store.Update(w.Ctx(), func(tx halberd.Tx) error {
		r, err := tx.Member(m.ID)
		r.Role, r.Version = "admin", r.Version+1
		if err != nil {
			return err
		}
		return tx.PutMember(r)
	}); err != nil {
		t.Fatal(err)
	}
	_, err := w.List(w.Ctx(), a, halberd.KeyQuery{})
	wantCode(t, "an edited row", err, halberd.CodeUnauthorized)
	_, err = w.SignIn(w.Ctx(), m.Email, pass, halberd.Request{})
	wantCode(t, "signing in by an edited row", err, halberd.CodeUnavailable)
	s, err := halberd.New(t.Context(), w.Store, halberd.Options{Now: w.Clock.Now, Passwords: password.Quick()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.MemberActor(m.ID, 1, halberd.Request{}); halberd.CodeOf(err) != halberd.CodeUnauthorized || !s.HasMembers() {
		t.Errorf("after a restart: %v, members: %v", err, s.HasMembers())
	}
}

// Signing in, joining and every change of a member are audited, without secrets.
func TestMembersAreAudited(t *testing.T) {
	w := fixture.New(t)
	m, a := join(t, w, "ada@example.com", halberd.ScopeAdmin)
	if _, err := w.SignIn(w.Ctx(), m.Email, pass, halberd.Request{}); err != nil {
		t.Fatal(err)
	}
	_, _ = w.SignIn(w.Ctx(), m.Email, "a wrong password", halberd.Request{})
	events, err := w.Audit(w.Ctx(), a, halberd.AuditQuery{Ascending: true})
	if err != nil {
		t.Fatal(err)
	}
	got := map[halberd.Action]halberd.Outcome{}
	for _, e := range events.List {
		if e.Target == m.ID.String() || e.Actor == m.ID.String() {
			got[e.Action+"/"+halberd.Action(e.Outcome)] = e.Outcome
		}
	}
	for _, want := range []halberd.Action{"member.invite/done", "member.join/done", "member.sign_in/done", "member.sign_in/denied"} {
		if _, ok := got[want]; !ok {
			t.Errorf("%s is missing in %v", want, got)
		}
	}
}
