package halberd_test

import (
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
)

// Whom VerifyFor tells about a key, Describe tells its name and metadata; and
// nobody else.
func TestDescribeKnowsTheKeysThatVerifyForKnows(t *testing.T) {
	w := fixture.New(t)
	verify := halberd.Some(halberd.MustScopes("verify"))
	other := w.Project("Other")
	o, err := w.CreateOrganization(w.Ctx(), w.Admin, "Foreign")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]halberd.Changed{
		"home":    w.Make(halberd.NewKey{Name: "home"}),
		"other":   w.Make(halberd.NewKey{Name: "other", Project: other.ID}),
		"wide":    w.Make(halberd.NewKey{Name: "wide", Wide: true}),
		"foreign": w.Make(halberd.NewKey{Name: "foreign", Organization: o.ID}),
	}
	for asker, by := range map[string]halberd.Actor{
		"a project's service":       w.Holder("verify"),
		"an organization's service": w.Actor(w.Make(halberd.NewKey{Scopes: verify, Wide: true}).Secret),
		"an operator":               w.Admin,
	} {
		for name, k := range keys {
			v, err := w.VerifyFor(w.Ctx(), by, halberd.Check{Secret: k.Secret})
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := w.Describe(w.Ctx(), by, k.Key.ID)
			if known := v.Code != halberd.NotFound; known != (err == nil) || known && got != name {
				t.Errorf("%s, %s: verdict %s, described as %q, %v", asker, name, v.Code, got, err)
			}
		}
	}
	_, _, err = w.Describe(w.Ctx(), w.Holder("write"), keys["home"].Key.ID)
	w.Refused(err, halberd.CodeForbidden)
}
