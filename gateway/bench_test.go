package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/internal/fixture"
)

// nowhere takes an answer and keeps none of it.
type nowhere struct{ h http.Header }

func (n *nowhere) Header() http.Header         { return n.h }
func (n *nowhere) WriteHeader(int)             {}
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }

// What a door adds to a request, net/http's part apart.
func BenchmarkForwardDoor(b *testing.B) {
	w := fixture.New(b)
	key := w.Make(halberd.NewKey{ExternalID: "customer-7"}).Secret.Reveal()
	doors := gateway.New(func() *halberd.Service { return w.Service }, nil)
	r := httptest.NewRequest(http.MethodGet, "/v1/auth/forward?scopes=read&project="+w.Home.String(), nil)
	r.Header.Set("X-API-Key", key)
	b.ReportAllocs()
	for b.Loop() {
		out := &nowhere{http.Header{}}
		if !doors.Serve(out, r) || len(out.h["X-Auth-Key-Id"][0]) == 0 {
			b.Fatal(out.h)
		}
	}
}
