package console_test

import (
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/halberdhq/halberd"
)

// BenchmarkKeysPage is one page of 100 keys out of 100,000 on SQLite, as a browser
// asks for it: newest first, by name, by last use, and by a word that few have.
func BenchmarkKeysPage(b *testing.B) {
	s := newSite(b)
	s.member()
	if _, err := s.UpdateProject(s.Ctx(), s.Admin, s.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(100_000)}, 0); err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 50 {
		wg.Go(func() {
			for i := range 2000 {
				if _, err := s.Create(s.Ctx(), s.Admin, halberd.NewKey{Name: "Production backend " + strconv.Itoa((w*2000+i)*7919%100_000)}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	v := s.visitor()
	v.signIn(email, password)
	for _, c := range []struct{ name, query string }{{"newest", ""}, {"by name", "?sort=label"}, {"by last use", "?sort=-last_used_at"}, {"search", "?q=backend+4242"}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if got := v.get("/settings/api-keys" + c.query); got.status != http.StatusOK {
					b.Fatal(got.status)
				}
			}
		})
	}
}
