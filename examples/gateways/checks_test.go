package gateways_test

import (
	"net/http"
	"strings"
	"testing"
)

// Behind each gateway the strict listener for checks serves as well, also where
// a client sends what that listener would refuse: it is not the question's.
func TestTheListenerForChecks(t *testing.T) {
	for _, g := range gateways {
		t.Run(g.name, func(t *testing.T) {
			checks := free(t)
			s := &stand{t: t, api: openAPI(t), keys: openHalberd(t, "--check-listen", checks), asked: checks, address: free(t)}
			g.open(s)
			s.gateway.listens(s.address)
			k := s.keys.make("write", "")
			for _, line := range []string{"Accept: */*", "Expect: 100-continue", "Upgrade: other/1", "Te: trailers"} {
				for _, secret := range []string{k.secret, "no key"} {
					req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.address+"/api/sources", strings.NewReader("hello"))
					if err != nil {
						t.Fatal(err)
					}
					name, value, _ := strings.Cut(line, ": ")
					req.Header.Set(name, value)
					if name == "Upgrade" {
						req.Header.Set("Connection", name)
					}
					req.Header.Set("X-API-Key", secret)
					res, err := http.DefaultTransport.RoundTrip(req)
					if err != nil {
						t.Fatal(err)
					}
					_ = res.Body.Close()
					want := map[bool]int{true: 200, false: 401}[secret == k.secret]
					if reached := len(s.api.take()); res.StatusCode != want || reached != map[int]int{200: 1}[want] {
						t.Errorf("%s: %d, want %d; it reached the API %d times", line, res.StatusCode, want, reached)
					}
				}
			}
		})
	}
}
