package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/guard"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/keytext"
)

var routes = guard.Routes{
	"GET /healthz":          {Open: true},
	"GET /sources":          {Scope: "read"},
	"POST /sources":         {Scope: "write"},
	"POST /replay":          {Scope: "deliveries:replay"},
	"GET /engagements":      {Scope: "read", Filters: true},
	"GET /engagements/{id}": {Scope: "read", Resource: "engagement/{id}"},
	"GET /files/{path...}":  {Scope: "read", Resource: "file/{path}"},
	"GET /anyone":           {},
	"POST /costly":          {Cost: 5},
}

// echo says who was let through.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	v, ok := guard.From(r.Context())
	if !ok {
		fmt.Fprint(w, "nobody")
		return
	}
	fmt.Fprint(w, v.KeyID, " ", v.Scopes)
})

type api struct {
	*fixture.World
	url string
}

func protect(t *testing.T, v guard.Verifier) string {
	t.Helper()
	g, err := guard.New(v, routes, guard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g.Protect(echo))
	t.Cleanup(s.Close)
	return s.URL
}

func newAPI(t *testing.T) *api {
	w := fixture.New(t)
	return &api{w, protect(t, w.Service)}
}

// ask sends a request with headers as they are given, names and values in turn.
func ask(t *testing.T, method, url string, header ...string) (status int, body string, h http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header[header[i]] = append(req.Header[header[i]], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

func scopes(words ...string) halberd.Maybe[halberd.Scopes] {
	return halberd.Some(halberd.MustScopes(words...))
}

// S3-29, S3-30, S1-30: each route asks for its scope and resource, and what has
// no line is refused.
func TestRoutesAskForTheirScopeAndResource(t *testing.T) {
	a := newAPI(t)
	only, err := halberd.ParseResources([]string{"engagement/42", "file/a/*"})
	if err != nil {
		t.Fatal(err)
	}
	read, write := a.Make(halberd.NewKey{Scopes: scopes("read")}), a.Make(halberd.NewKey{Scopes: scopes("write")})
	word := a.Make(halberd.NewKey{Scopes: scopes("deliveries:replay")})
	some := a.Make(halberd.NewKey{Scopes: scopes("read"), Resources: halberd.Some(only)})
	for _, c := range []struct {
		key    halberd.Secret
		method string
		path   string
		want   int
	}{
		{read.Secret, "GET", "/sources", 200}, {read.Secret, "POST", "/sources", 403}, {write.Secret, "POST", "/sources", 200},
		{word.Secret, "POST", "/replay", 200}, {write.Secret, "POST", "/replay", 403}, {word.Secret, "GET", "/sources", 403},
		{some.Secret, "GET", "/engagements/42", 200}, {some.Secret, "GET", "/engagements/43", 403},
		{some.Secret, "GET", "/engagements", 200}, {some.Secret, "GET", "/sources", 403},
		{read.Secret, "GET", "/engagements/43", 200},
		{some.Secret, "GET", "/engagements/42%2F..", 403}, {read.Secret, "GET", "/engagements/42%2F43", 403},
		{some.Secret, "GET", "/engagements/4%32", 200}, {read.Secret, "GET", "/engagements/*", 403},
		{some.Secret, "GET", "/files/a/b/c", 200}, {some.Secret, "GET", "/files/b", 403},
		{read.Secret, "DELETE", "/sources", 403}, {read.Secret, "GET", "/elsewhere", 403}, {read.Secret, "GET", "/", 403},
		{halberd.Secret{}, "GET", "/elsewhere", 401}, {halberd.Secret{}, "GET", "/healthz", 200}, {word.Secret, "GET", "/anyone", 200},
	} {
		header := []string{"X-Api-Key", c.key.Reveal()}
		if c.key.IsZero() {
			header = nil
		}
		if status, body, _ := ask(t, c.method, a.url+c.path, header...); status != c.want {
			t.Errorf("%s %s by %s: %d %s, want %d", c.method, c.path, c.key.Hint(), status, body, c.want)
		}
	}
}

// S3-26, S1-19, S4-09, A-06 to A-12: a key travels in one of two headers, once.
func TestCredentials(t *testing.T) {
	a := newAPI(t)
	k, other := a.Make(halberd.NewKey{}).Secret.Reveal(), a.Make(halberd.NewKey{}).Secret.Reveal()
	for name, c := range map[string]struct {
		header []string
		query  string
		want   int
	}{
		"S3-26 bearer":          {[]string{"Authorization", "Bearer " + k}, "", 200},
		"S3-26 X-API-Key":       {[]string{"X-Api-Key", k}, "", 200},
		"S1-19 X-Api-Key":       {[]string{"X-Api-Key", k}, "", 200},
		"both equal":            {[]string{"Authorization", "Bearer " + k, "X-Api-Key", k}, "", 200},
		"A-08 both, different":  {[]string{"Authorization", "Bearer " + k, "X-Api-Key", other}, "", 400},
		"A-08 one is no key":    {[]string{"Authorization", "Bearer " + k, "X-Api-Key", "x"}, "", 400},
		"A-09 bearer twice":     {[]string{"Authorization", "Bearer " + k, "Authorization", "Bearer " + k}, "", 400},
		"A-09 X-API-Key twice":  {[]string{"X-Api-Key", k, "X-Api-Key", other}, "", 400},
		"A-06 none":             {nil, "", 401},
		"A-06 empty":            {[]string{"X-Api-Key", ""}, "", 401},
		"A-06 Bearer alone":     {[]string{"Authorization", "Bearer"}, "", 401},
		"A-06 undefined":        {[]string{"Authorization", "Bearer undefined"}, "", 401},
		"A-06 object":           {[]string{"X-Api-Key", "[object Object]"}, "", 401},
		"A-07 another prefix":   {[]string{"X-Api-Key", "hb_test" + k[7:]}, "", 401},
		"A-10 query":            {nil, "?api_key=" + k + "&access_token=" + k, 401},
		"A-11 underscore":       {[]string{"X_API_KEY", k}, "", 401},
		"A-11 another name":     {[]string{"X-Api-Key-2", k}, "", 401},
		"A-12 basic, as user":   {[]string{"Authorization", "Basic " + k + ":"}, "", 401},
		"A-12 cookie":           {[]string{"Cookie", "api_key=" + k}, "", 401},
		"A-12 bearer and basic": {[]string{"Authorization", "Basic x", "X-Api-Key", k}, "", 401},
		"unknown":               {[]string{"X-Api-Key", keytext.Mint("hb_live")}, "", 401},
	} {
		status, body, h := ask(t, "GET", a.url+"/sources"+c.query, c.header...)
		if status != c.want {
			t.Errorf("%s: %d %s, want %d", name, status, body, c.want)
		}
		if strings.Contains(body, k) || status != 200 && h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s %v", name, body, h)
		}
	}
}

// to whoever presents it, a key that is not good is one and the same.
func TestNotGoodIsOneAnswer(t *testing.T) {
	a := newAPI(t)
	revoked, inactive := a.Make(halberd.NewKey{}), a.Make(halberd.NewKey{})
	expired := a.Make(halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(1))})
	if _, err := a.Revoke(a.Ctx(), a.Admin, revoked.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Update(a.Ctx(), a.Admin, inactive.Key.ID, halberd.KeyPatch{Active: halberd.Some(false)}, 0); err != nil {
		t.Fatal(err)
	}
	a.Clock.Pass(48 * time.Hour)
	_, want, _ := ask(t, "GET", a.url+"/sources", "X-Api-Key", "x")
	for name, s := range map[string]halberd.Secret{"revoked": revoked.Secret, "inactive": inactive.Secret, "expired": expired.Secret} {
		if status, body, _ := ask(t, "GET", a.url+"/sources", "X-Api-Key", s.Reveal()); status != 401 || body != want {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// S1-25, S1-28: too fast is 429 with the time to wait, never 401; a refused call
// reaches no handler.
func TestLimitsAre429(t *testing.T) {
	a := newAPI(t)
	k := a.Make(halberd.NewKey{RateLimits: halberd.Some(halberd.RateLimits{{Limit: 6, WindowSeconds: 60}})}).Secret.Reveal()
	status, body, h := ask(t, "POST", a.url+"/costly", "X-Api-Key", k)
	if status != 200 || h.Get("RateLimit-Policy") != `"default";q=6;w=60` || h.Get("RateLimit") != `"default";r=1;t=50` {
		t.Errorf("%d %s %v", status, body, h)
	}
	status, body, h = ask(t, "POST", a.url+"/costly", "X-Api-Key", k)
	if status != 429 || h.Get("Retry-After") != "40" || !strings.Contains(body, "RATE_LIMITED") {
		t.Errorf("%d %s, Retry-After %q", status, body, h.Get("Retry-After"))
	}
	if h.Get("RateLimit-Policy") != `"default";q=6;w=60` || h.Get("RateLimit") != `"default";r=1;t=40` {
		t.Error(h)
	}
	never := a.Make(halberd.NewKey{RateLimits: halberd.Some(halberd.RateLimits{{Limit: 6, WindowSeconds: 60, Burst: 1}})}).Secret.Reveal()
	if status, _, h := ask(t, "POST", a.url+"/costly", "X-Api-Key", never); status != 429 || h["Retry-After"] != nil {
		t.Errorf("a call that never passes: %d, %v", status, h)
	}
}

type broken struct{ err error }

func (b broken) Verify(context.Context, halberd.Check) (halberd.Verdict, error) {
	return halberd.Verdict{Code: halberd.Valid}, b.err
}

// A-99 and the server away: no verifier, a closed one, one that fails: 503,
// never through.
func TestWhatIsNotKnownIsRefused(t *testing.T) {
	if _, err := guard.New(nil, routes, guard.Options{}); err == nil {
		t.Error("a guard without a verifier was made")
	}
	if _, err := guard.New((*halberd.Service)(nil), routes, guard.Options{}); err == nil {
		t.Error("a guard with a nil Service was made")
	}
	a := newAPI(t)
	k := a.Make(halberd.NewKey{}).Secret.Reveal()
	_ = a.Close()
	nobody := func(g *guard.Guard) string {
		s := httptest.NewServer(g.Protect(echo))
		t.Cleanup(s.Close)
		return s.URL
	}
	for name, url := range map[string]string{
		"closed": a.url, "failing": protect(t, broken{errors.New("away")}),
		"nil": nobody(nil), "zero": nobody(&guard.Guard{}),
	} {
		status, body, h := ask(t, "GET", url+"/sources", "X-Api-Key", k)
		if status != 503 || h.Get("Retry-After") == "" || strings.Contains(body, "away") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// A verdict is asked for each time: a revoked key is refused at the next call.
func TestNoVerdictIsKept(t *testing.T) {
	a := newAPI(t)
	c := a.Make(halberd.NewKey{})
	for _, want := range []int{200, 200} {
		if status, _, _ := ask(t, "GET", a.url+"/sources", "X-Api-Key", c.Secret.Reveal()); status != want {
			t.Errorf("%d", status)
		}
	}
	if _, err := a.Revoke(a.Ctx(), a.Admin, c.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := ask(t, "GET", a.url+"/sources", "X-Api-Key", c.Secret.Reveal()); status != 401 {
		t.Errorf("%d after revoke", status)
	}
}

// many callers at once, each answered as itself.
func TestIdentitiesAreNotMixedUp(t *testing.T) {
	a := newAPI(t)
	var all sync.WaitGroup
	for range 15 {
		k := a.Make(halberd.NewKey{})
		all.Go(func() {
			for range 100 {
				status, body, _ := ask(t, "GET", a.url+"/sources", "X-Api-Key", k.Secret.Reveal())
				if status != 200 || !strings.HasPrefix(body, k.Key.ID.String()+" ") {
					t.Errorf("%d %s for %s", status, body, k.Key.ID)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestTablesThatMakeNoSense(t *testing.T) {
	w := fixture.New(t)
	for name, r := range map[string]guard.Routes{
		"scope":             {"GET /": {Scope: "superuser"}},
		"pattern":           {"GET": {}},
		"conflict":          {"GET /a/{x}/b": {}, "GET /a/b/{y}": {}},
		"wildcard":          {"GET /a/{id}": {Resource: "a/{name}"}},
		"brace":             {"GET /a/{id}": {Resource: "a/{id"}},
		"no resource":       {"GET /a": {Resource: "everything"}},
		"open and not open": {"GET /a": {Open: true, Scope: "read"}},
		"cost":              {"GET /a": {Cost: -1}},
	} {
		if _, err := guard.New(w.Service, r, guard.Options{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The API's own shape of a refusal, and its own way to find the address.
func TestOptions(t *testing.T) {
	w := fixture.New(t)
	g, err := guard.New(w.Service, routes, guard.Options{
		HideLimits: true,
		Refuse: func(w http.ResponseWriter, _ *http.Request, f guard.Refusal) {
			f.Header(w.Header())
			http.Error(w, "no: "+f.Message, f.Status)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g.Protect(echo))
	defer s.Close()
	status, body, h := ask(t, "GET", s.URL+"/sources")
	if status != 401 || body != "no: Invalid or missing API key\n" || h.Get("WWW-Authenticate") == "" {
		t.Errorf("%d %q %v", status, body, h)
	}
	k := w.Make(halberd.NewKey{RateLimits: halberd.Some(halberd.RateLimits{{Limit: 6, WindowSeconds: 60}})}).Secret.Reveal()
	if status, _, h := ask(t, "POST", s.URL+"/costly", "X-Api-Key", k); status != 200 || h["Ratelimit"] != nil || h["Ratelimit-Policy"] != nil {
		t.Errorf("limits are not to be told: %d, %v", status, h)
	}
}
