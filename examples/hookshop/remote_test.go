package hookshop_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped"
	"github.com/halberdhq/halberd/examples/hookshop"
	"github.com/halberdhq/halberd/guard"
	"github.com/halberdhq/halberd/internal/fixture"
)

// behind serves a shop that asks v.
func behind(t *testing.T, w *fixture.World, v guard.Verifier) *world {
	t.Helper()
	shop, err := hookshop.New(v, hookshop.Options{Now: w.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(shop)
	t.Cleanup(s.Close)
	return &world{World: w, url: s.URL}
}

// S1-30, S3-29: a shop that asks a server elsewhere, with a key that may do
// nothing but ask, refuses and filters the same; and when the server is away it
// lets nobody in.
func TestS1_30_TheServerIsElsewhere(t *testing.T) {
	f := fixture.New(t)
	server := httptest.NewServer(enveloped.Handler(f.Service, nil))
	asker := f.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("verify")), Wide: true})
	keys, err := client.New(server.URL, asker.Secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	w := behind(t, f, keys)
	some, read := w.key("read", "engagement/42"), w.key("read")
	for _, c := range []struct {
		key  halberd.Secret
		path string
		want int
	}{
		{some, "/api/engagements/42", 200}, {some, "/api/engagements/43", 403}, {some, "/api/sources", 403},
		{read, "/api/engagements/43", 200}, {read, "/api/sources", 200}, {read, "/api/users", 403}, {halberd.Secret{}, "/api/sources", 401},
	} {
		if status, body := w.send(c.key, "GET", c.path, ""); status != c.want {
			t.Errorf("%s by %s: %d %s, want %d", c.path, c.key.Hint(), status, body, c.want)
		}
	}
	if _, body := w.send(some, "GET", "/api/engagements", ""); decode[things](t, body).String() != "[{42}] [] []" {
		t.Errorf("the list: %s", body)
	}
	server.Close()
	if status, body := w.send(read, "GET", "/api/sources", ""); status != 503 {
		t.Errorf("the server is away: %d %s", status, body)
	}
}

// nobodys says that every key is good, and not whose it is.
type nobodys struct{}

func (nobodys) Verify(context.Context, halberd.Check) (halberd.Verdict, error) {
	return halberd.Verdict{Code: halberd.Valid, KeyID: halberd.NewKeyID(), Resources: halberd.AllResources()}, nil
}

// S3-02: a verdict without an organization opens no shop.
func TestS3_02_AKeyOfNobody(t *testing.T) {
	w := behind(t, fixture.New(t), nobodys{})
	if status, body := w.send(w.Root, "GET", "/api/sources", ""); status != 500 {
		t.Errorf("%d %s", status, body)
	}
}
