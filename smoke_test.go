package halberd_test

import (
	"context"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/memory"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	s, err := halberd.New(ctx, memory.New(), halberd.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var root halberd.Secret
	if ok, err := s.FirstStart(ctx, func(k halberd.Secret) error { root = k; return nil }); !ok || err != nil {
		t.Fatal(ok, err)
	}
	by, err := s.Authenticate(ctx, root, halberd.Request{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Create(ctx, by, halberd.NewKey{Name: "CI Key"})
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Verify(ctx, halberd.Check{Secret: c.Secret, Scopes: []halberd.Scope{"write"}})
	if err != nil || !v.Valid() {
		t.Fatal(v.Code, v.Reason, err)
	}
	if _, err := s.Revoke(ctx, by, c.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	v, _ = s.Verify(ctx, halberd.Check{Secret: c.Secret})
	if v.Code != halberd.Revoked {
		t.Fatal(v.Code)
	}
	l, err := s.List(ctx, by, halberd.KeyQuery{})
	if err != nil || len(l.List) != 1 {
		t.Fatal(len(l.List), err)
	}
	a, err := s.Audit(ctx, by, halberd.AuditQuery{})
	if err != nil || len(a.List) != 5 {
		t.Fatal(len(a.List), err)
	}
	if _, err := s.Revoke(ctx, by, by.KeyID(), "", 0); halberd.CodeOf(err) != halberd.CodeLastAdmin {
		t.Fatal(err)
	}
}
