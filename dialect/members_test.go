package dialect_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
)

// person makes a member who has signed in, over the wire as far as it goes.
func (s *server) person(role string) (id string, by halberd.Actor) {
	s.t.Helper()
	in := s.root("POST", "/v1/members", `{"email":`+quoted(address())+`,"role":"`+role+`"}`).is(s.t, 201)
	at, secret, _ := strings.Cut(in.text("data.invite_url"), "#")
	if at != "https://keys.example.com/invitation" {
		s.t.Fatalf("the link leads to %s", at)
	}
	who, err := s.Accept(s.Ctx(), halberd.NewSecret(secret), "Ana", "correct horse battery", halberd.Request{})
	if err != nil {
		s.t.Fatalf("the link does not let anyone in: %v", err)
	}
	if by, err = s.MemberActor(who.Member.ID, who.Epoch, halberd.Request{}); err != nil {
		s.t.Fatal(err)
	}
	return in.text("data.member_id"), by
}

// The link is in the one answer that made it, and nowhere after.
func TestA77_AnInvitationIsShownOnce(t *testing.T) {
	s := serve(t)
	once := http.Header{"Idempotency-Key": {"invite-1"}}
	q := request{method: "POST", path: "/v1/members", key: s.Root, header: once, body: `{"email":"ana@example.com","role":"read"}`}
	first := s.send(q).is(t, 201)
	_, secret, ok := strings.Cut(first.text("data.invite_url"), "https://keys.example.com/invitation#")
	if !ok || first.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("the answer: %v %s", first.header, first.body)
	}
	again := s.send(q)
	again.refuses(t, 409, halberd.CodeIdempotencyReplay)
	if again.at("error.key_id") != nil || strings.Contains(again.body, secret) {
		t.Errorf("the repetition says %s", again.body)
	}
	id := first.text("data.member_id")
	for _, path := range []string{"/v1/members", "/v1/members/" + id, "/v1/audit-events"} {
		if a := s.root("GET", path, "").is(t, 200); strings.Contains(a.body, secret) || strings.Contains(a.body, "invite_url") {
			t.Errorf("%s shows the link: %s", path, a.body)
		}
	}
	if strings.Contains(s.logs.String(), secret) {
		t.Error("the link is in the log")
	}
	next := s.root("POST", "/v1/members/"+id+"/invite", "").is(t, 200)
	if _, err := s.Invitation(t.Context(), halberd.NewSecret(secret)); halberd.CodeOf(err) != halberd.CodeNotFound {
		t.Errorf("the former link: %v", err)
	}
	_, secret, _ = strings.Cut(next.text("data.invite_url"), "#")
	if _, err := s.Invitation(t.Context(), halberd.NewSecret(secret)); err != nil {
		t.Errorf("the new link: %v", err)
	}
}

// A member who is demoted or removed is signed out by the time of the answer,
// and a leaver's keys are shown, suspended or handed over in the same step.
func TestA23_ALeaverOverTheWire(t *testing.T) {
	s := serve(t)
	heir, _ := s.person("admin")
	for keys, want := range map[string]struct{ active, owner string }{
		"": {"true", "leaver"}, "?keys=keep": {"true", "leaver"}, "?keys=suspend": {"false", "leaver"}, "?keys=hand_over&to=" + heir: {"true", heir},
	} {
		id, by := s.person("admin")
		made, err := s.Create(t.Context(), by, halberd.NewKey{Name: "theirs"})
		if err != nil {
			t.Fatal(err)
		}
		owned := s.root("GET", "/v1/api-keys?owned_by="+id, "").is(t, 200)
		if list, _ := owned.at("data").([]any); len(list) != 1 || !strings.Contains(owned.body, `"owned_by":"`+id+`"`) {
			t.Errorf("keys of the member: %s", owned.body)
		}
		a := s.root("DELETE", "/v1/members/"+id+keys, "").is(t, 200)
		if a.text("data.state") != "removed" || a.at("data.key_count") != 1.0 || a.at("meta.propagation.confirmed") != true {
			t.Errorf("%s: %s", keys, a.body)
		}
		owner := want.owner
		if owner == "leaver" {
			owner = id
		}
		k := s.root("GET", "/v1/api-keys/"+made.Key.ID.String(), "").is(t, 200)
		if k.text("data.owned_by") != owner || strings.Contains(k.body, `"active":`+want.active) == false {
			t.Errorf("%s leaves the key as %s", keys, k.body)
		}
		if _, err := s.Create(t.Context(), by, halberd.NewKey{}); halberd.CodeOf(err) != halberd.CodeUnauthorized {
			t.Errorf("after removal: %v", err)
		}
	}
	id, by := s.person("admin")
	s.root("PATCH", "/v1/members/"+id, `{"role":"read"}`).is(t, 200)
	if _, err := s.Create(t.Context(), by, halberd.NewKey{}); halberd.CodeOf(err) != halberd.CodeUnauthorized {
		t.Errorf("after demotion: %v", err)
	}
}

func TestMembersAsTheyMustNotBe(t *testing.T) {
	s := serve(t)
	id, _ := s.person("read")
	at := "/v1/members/" + id
	s.root("POST", "/v1/members", `{"email":"no address","role":"read"}`).names(t, "email")
	s.root("POST", "/v1/members", `{"email":"a@example.com","role":"owner"}`).names(t, "role")
	s.root("POST", "/v1/members", `{"email":"a@example.com","role":"read","operator":null}`).names(t, "operator")
	s.root("POST", "/v1/members", `{"email":"a@example.com","role":"write","operator":true}`).names(t, "role")
	s.root("PATCH", at, `{"role":null}`).names(t, "role")
	s.root("PATCH", at, `{"active":null}`).names(t, "active")
	s.root("PATCH", at, `{"email":"b@example.com"}`).names(t, "email")
	s.root("DELETE", at+"?keys=burn", "").names(t, "keys")
	s.root("DELETE", at+"?keys=hand_over", "").names(t, "to")
	s.root("DELETE", at+"?keys=hand_over&to=me", "").names(t, "to")
	s.root("DELETE", at+"?keys=hand_over&to="+id, "").names(t, "to")
	s.root("DELETE", at+"?to="+halberd.NewMemberID().String(), "").names(t, "to")
	s.root("GET", "/v1/api-keys?owned_by=ana", "").names(t, "owned_by")
	s.root("GET", "/v1/members/ana", "").refuses(t, 404, halberd.CodeNotFound)
	stale := http.Header{"If-Match": {`"1"`}}
	s.root("PATCH", at, `{"role":"write"}`).is(t, 200)
	s.send(request{method: "PATCH", path: at, key: s.Root, header: stale, body: `{"role":"admin"}`}).refuses(t, 409, halberd.CodeConflict)
	s.send(request{method: "DELETE", path: at, key: s.Root, header: stale}).refuses(t, 409, halberd.CodeConflict)
	if a := s.root("GET", at, ""); a.text("data.role") != "write" {
		t.Errorf("after what was refused: %s", a.body)
	}
}
