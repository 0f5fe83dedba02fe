package console_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/console"
	"github.com/halberdhq/halberd/console/openid"
	"github.com/halberdhq/halberd/internal/fixture"
)

// issuer is an OpenID provider over HTTP: discovery and keys by oidctest, the
// authorization page and the token endpoint by the standard.
type issuer struct {
	*httptest.Server
	t     *testing.T
	clock *fixture.Clock
	key   *ecdsa.PrivateKey

	mu     sync.Mutex
	claims map[string]any   // of the person who sits there, over the usual ones
	codes  map[string]grant // by code
	info   map[string]any   // what the userinfo endpoint says; nil: there is none
	lax    bool             // takes a code twice
	asks   bool             // shows the person a page, from which they go on
	away   bool             // answers nothing but 503
}

type grant struct{ nonce, challenge, back string }

const clientSecret = "the secret of this client"

func newIssuer(t *testing.T, clock *fixture.Clock) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, clock: clock, key: key, codes: map[string]grant{}}
	known := &oidctest.Server{
		PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k", Algorithm: "ES256"}},
		Algorithms: []string{"ES256"},
	}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		switch {
		case i.away:
			http.Error(w, "<b>down</b>", http.StatusServiceUnavailable)
		case r.URL.Path == "/.well-known/openid-configuration":
			i.discover(w)
		case r.URL.Path == "/auth":
			i.authorize(w, r)
		case r.URL.Path == "/token":
			i.token(w, r)
		case r.URL.Path == "/userinfo":
			_ = json.NewEncoder(w).Encode(i.info)
		default:
			known.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(i.Close)
	i.URL = strings.Replace(i.URL, "127.0.0.1", "localhost", 1) // another site than the console's, to a browser
	known.SetIssuer(i.URL)
	return i
}

func (i *issuer) discover(w http.ResponseWriter) {
	doc := map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"ES256"},
	}
	if i.info != nil {
		doc["userinfo_endpoint"] = i.URL + "/userinfo"
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(doc)
}

func (i *issuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("response_type") != "code" || q.Get("client_id") != "halberd" || q.Get("code_challenge_method") != "S256" ||
		!strings.Contains(q.Get("scope"), "openid") || q.Get("state") == "" || q.Get("nonce") == "" {
		i.t.Errorf("the console asks for %v", q)
	}
	code := halberd.NewRequestID().String()
	i.codes[code] = grant{q.Get("nonce"), q.Get("code_challenge"), q.Get("redirect_uri")}
	back := q.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
	if i.asks {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Log in</title><link rel="icon" href="data:,"><h1>Log in</h1><a href="` + html.EscapeString(back) + `">Allow</a></html>`))
		return
	}
	http.Redirect(w, r, back, http.StatusFound)
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	refuse := func() {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"<script>alert(1)</script>"}`))
	}
	g, ok := i.codes[r.FormValue("code")]
	proof := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	_, secret, basic := r.BasicAuth()
	if unescaped, err := url.QueryUnescape(secret); err == nil {
		secret = unescaped
	}
	if !basic {
		secret = r.FormValue("client_secret")
	}
	if !ok || secret != clientSecret || base64.RawURLEncoding.EncodeToString(proof[:]) != g.challenge || r.FormValue("redirect_uri") != g.back {
		refuse()
		return
	}
	if !i.lax {
		delete(i.codes, r.FormValue("code"))
	}
	claims := map[string]any{
		"iss": i.URL, "aud": "halberd", "sub": "person-1", "nonce": g.nonce, "iat": i.clock.Now().Unix(), "exp": i.clock.Now().Add(time.Hour).Unix(),
		"email": "new@waypost.example", "email_verified": true,
	}
	maps.Copy(claims, i.claims)
	text, err := json.Marshal(claims)
	if err != nil {
		i.t.Error(err)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": "a", "token_type": "Bearer", "id_token": oidctest.SignIDToken(i.key, "k", "ES256", string(text)),
	})
}

func (i *issuer) set(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

// provided is a site with a provider, and a person invited to it.
func provided(t *testing.T) (*site, *issuer, halberd.Invited) {
	t.Helper()
	var i *issuer
	s := newSiteWith(t, func(clock *fixture.Clock, o *console.Options) {
		i = newIssuer(t, clock)
		p, err := openid.New(openid.Config{
			Issuer: i.URL, ClientID: "halberd", ClientSecret: clientSecret, Name: "Waypost Login", Now: clock.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		o.Provider = p
	})
	s.member()
	in, err := s.InviteMember(s.Ctx(), s.Admin, halberd.NewMember{Email: "new@waypost.example", Role: halberd.ScopeWrite})
	if err != nil {
		t.Fatal(err)
	}
	return s, i, in
}

// through signs in by the provider as far as it goes, and returns the last
// answer. between may change the provider's address of return.
func (v *visitor) through(between func(back *url.URL)) page {
	v.t.Helper()
	a := v.get("/sign-in/oidc?next=/settings/members")
	if a.status != http.StatusSeeOther {
		return a
	}
	a = v.get(a.header.Get("Location"))
	back, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status != http.StatusFound {
		v.t.Fatalf("the provider answers %d %s", a.status, a.body)
	}
	if between != nil {
		between(back)
	}
	return v.get(back.String())
}

func TestAnInvitedMemberSignsInByTheProvider(t *testing.T) {
	s, _, in := provided(t)
	v := s.visitor()
	if a := v.get("/sign-in"); !strings.Contains(a.body, `<a class="btn" href="/sign-in/oidc?next=`) || !strings.Contains(a.body, "Sign in with Waypost Login") {
		t.Errorf("the page has no link: %s", a.body)
	}
	a := v.through(nil)
	if a.status != http.StatusOK || a.header.Get("Refresh") != "0; url=/settings/members" || !strings.Contains(a.body, `href="/settings/members"`) {
		t.Fatalf("the answer: %d %v %s", a.status, a.header, a.body)
	}
	if got := v.get("/settings/profile"); got.status != 200 || !strings.Contains(got.body, "new@waypost.example") {
		t.Errorf("afterwards: %d", got.status)
	}
	m, err := s.GetMember(s.Ctx(), s.Admin, in.Member.ID)
	if err != nil || m.State != halberd.MemberActive || m.Provider == "" || m.HasPassword {
		t.Errorf("the member: %+v, %v", m, err)
	}
	if _, err := s.Invitation(s.Ctx(), in.Secret); halberd.CodeOf(err) != halberd.CodeNotFound {
		t.Errorf("the link after it: %v", err)
	}
	// From now on the account counts, not the email.
	if err := s.SignOutEverywhere(s.Ctx(), s.actorOf(m)); err != nil {
		t.Fatal(err)
	}
	if got := v.get("/settings/profile"); got.status != http.StatusSeeOther {
		t.Errorf("signed out everywhere: %d", got.status)
	}
	if a := v.through(nil); a.status != 200 {
		t.Errorf("again: %d %s", a.status, a.body)
	}
}

// In a browser the session's cookie, which is Strict, is there once the provider's
// answer, which comes from another site, has led on.
func TestSigningInByTheProviderInABrowser(t *testing.T) {
	browser := chromium(t)
	s, i, _ := provided(t)
	i.asks = true // so that the way back begins on its site
	p := s.tab(browser)
	p.beside = i.URL
	p.visit("/sign-in?next=/settings/profile")
	p.accessible()
	p.press("Sign in with Waypost Login", true)
	p.press("Allow", true)
	run(p, chromedp.WaitVisible(chromedp.CSS(".shell")))
	p.says("Your profile", "new@waypost.example")
	if at := p.where(); !strings.HasSuffix(at, "/settings/profile") {
		t.Errorf("the browser is at %s", at)
	}
}

// The cookie of a sign-in under way is seen only by the server, comes along from
// the provider, and ends.
func TestTheCookieOfASignInUnderWay(t *testing.T) {
	s, _, _ := provided(t)
	k := s.visitor().get("/sign-in/oidc").cookie(t, "halberd-sign-in")
	if !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.MaxAge != 600 || k.Domain != "" || k.Path != "/" {
		t.Errorf("the cookie: %+v", k)
	}
}

func TestSigningInByTheProviderIsRefused(t *testing.T) {
	const nobody = "You are not a member here"
	for name, c := range map[string]struct {
		claims  map[string]any
		between func(*site, *issuer, *url.URL)
		status  int
		says    string
	}{
		"an email that is not verified":   {claims: map[string]any{"email_verified": false}, status: 403, says: nobody},
		"an email without a word on that": {claims: map[string]any{"email_verified": nil}, status: 403, says: nobody},
		"a stranger":                      {claims: map[string]any{"email": "eve@elsewhere.example", "sub": "eve"}, status: 403, says: nobody},
		"nobody at all":                   {claims: map[string]any{"sub": "", "email": ""}, status: 403, says: "does not prove who you are"},
		"a token of another sign-in":      {claims: map[string]any{"nonce": "another"}, status: 403, says: "does not prove who you are"},
		"a token without a nonce":         {claims: map[string]any{"nonce": nil}, status: 403, says: "does not prove who you are"},
		"a token for another audience":    {claims: map[string]any{"aud": "grafana"}, status: 403, says: "does not prove who you are"},
		"a token for several, not for us": {claims: map[string]any{"aud": []string{"halberd", "grafana"}, "azp": "grafana"}, status: 403, says: "does not prove who you are"},
		"a token of another issuer":       {claims: map[string]any{"iss": "https://evil.example"}, status: 403, says: "does not prove who you are"},
		"a token that has expired":        {claims: map[string]any{"exp": 1}, status: 403, says: "does not prove who you are"},
		"another state":                   {between: func(_ *site, _ *issuer, u *url.URL) { set(u, "state", "x") }, status: 403, says: "begun elsewhere"},
		"no state":                        {between: func(_ *site, _ *issuer, u *url.URL) { set(u, "state", "") }, status: 403, says: "begun elsewhere"},
		"another code":                    {between: func(_ *site, _ *issuer, u *url.URL) { set(u, "code", "x") }, status: 403, says: "does not prove who you are"},
		"no code":                         {between: func(_ *site, _ *issuer, u *url.URL) { set(u, "code", "") }, status: 403, says: "did not sign you in"},
		"an answer after ten minutes":     {between: func(s *site, _ *issuer, _ *url.URL) { s.Clock.Pass(10 * time.Minute) }, status: 403, says: "begun elsewhere"},
		"a person who changed their mind": {between: func(_ *site, _ *issuer, u *url.URL) { set(u, "error", "<script>alert(1)</script>") }, status: 403, says: "did not sign you in"},
		"a provider that went away":       {between: func(_ *site, i *issuer, _ *url.URL) { i.set(func() { i.away = true }) }, status: 503, says: "Waypost Login does not answer"},
		"a provider that is gone":         {between: func(_ *site, i *issuer, _ *url.URL) { i.CloseClientConnections(); i.Close() }, status: 503, says: "Waypost Login does not answer"},
		"a token that another key signed": {between: func(_ *site, i *issuer, _ *url.URL) {
			i.set(func() { i.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
		}, status: 403, says: "does not prove who you are"},
		"another's secret of PKCE":          {between: func(_ *site, i *issuer, _ *url.URL) { i.set(func() { i.forge() }) }, status: 403, says: "does not prove who you are"},
		"a member who is removed meanwhile": {between: func(s *site, _ *issuer, _ *url.URL) { s.removeAll() }, status: 403, says: nobody},
	} {
		t.Run(name, func(t *testing.T) {
			s, i, _ := provided(t)
			i.claims = c.claims
			v := s.visitor()
			a := v.through(func(u *url.URL) {
				if c.between != nil {
					c.between(s, i, u)
				}
			})
			if a.status != c.status || !strings.Contains(a.body, c.says) {
				t.Errorf("got %d, want %d and %q: %s", a.status, c.status, c.says, a.body)
			}
			if strings.Contains(a.body, "<script>") || strings.Contains(a.body, "<b>") {
				t.Errorf("the provider's text is on the page: %s", a.body)
			}
			if got := v.get("/settings/profile"); got.status != http.StatusSeeOther {
				t.Errorf("afterwards somebody is signed in: %d", got.status)
			}
		})
	}
}

func set(u *url.URL, name, value string) {
	q := u.Query()
	q.Set(name, value)
	if value == "" {
		q.Del(name)
	}
	u.RawQuery = q.Encode()
}

// forge makes every code one that somebody else began.
func (i *issuer) forge() {
	for code, g := range i.codes {
		g.challenge = "another"
		i.codes[code] = g
	}
}

// An answer of the provider is good once, even where the provider takes its code
// twice and the browser still has the cookie.
func TestAReplayedAnswerOfTheProvider(t *testing.T) {
	s, i, _ := provided(t)
	i.lax = true
	v := s.visitor()
	start := v.get("/sign-in/oidc")
	held := start.cookie(t, "halberd-sign-in")
	back := v.get(start.header.Get("Location")).header.Get("Location")
	if a := v.get(back); a.status != 200 {
		t.Fatalf("the first time: %d %s", a.status, a.body)
	}
	thief := s.visitor()
	if a := thief.get(back); a.status != 403 {
		t.Errorf("without the cookie: %d", a.status)
	}
	thief.hold(held)
	if a := thief.get(back); a.status != 403 || !strings.Contains(a.body, "used before") {
		t.Errorf("with the cookie: %d %s", a.status, a.body)
	}
	if got := thief.get("/settings/profile"); got.status != http.StatusSeeOther {
		t.Errorf("the thief is signed in: %d", got.status)
	}
}

// Where the standard puts the email: behind the userinfo endpoint.
func TestTheEmailIsAskedForWhereTheTokenLacksIt(t *testing.T) {
	for name, c := range map[string]struct {
		info map[string]any
		want int
	}{
		"of the same person":   {map[string]any{"sub": "person-1", "email": "new@waypost.example", "email_verified": true}, 200},
		"not verified":         {map[string]any{"sub": "person-1", "email": "new@waypost.example", "email_verified": false}, 403},
		"of somebody else":     {map[string]any{"sub": "person-2", "email": "new@waypost.example", "email_verified": true}, 403},
		"of nobody in a hurry": {map[string]any{}, 403},
	} {
		s, i, _ := provided(t)
		i.info, i.claims = c.info, map[string]any{"email": nil, "email_verified": nil}
		if a := s.visitor().through(nil); a.status != c.want {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// A provider that is away is said to be, is asked again a little later, and
// stands in the way of no password.
func TestAProviderThatIsAway(t *testing.T) {
	s, i, _ := provided(t)
	i.set(func() { i.away = true })
	v := s.visitor()
	if a := v.get("/sign-in/oidc"); a.status != 503 || !strings.Contains(a.body, "Waypost Login does not answer") || strings.Contains(a.body, "<b>") {
		t.Errorf("away: %d %s", a.status, a.body)
	}
	if a := v.signIn(email, password); a.status != http.StatusSeeOther {
		t.Errorf("by password: %d", a.status)
	}
	i.set(func() { i.away = false })
	s.Clock.Pass(5 * time.Second)
	if a := s.visitor().through(nil); a.status != 200 {
		t.Errorf("back again: %d %s", a.status, a.body)
	}
}

func TestAnIssuerThatCannotBe(t *testing.T) {
	for _, c := range []openid.Config{
		{}, {Issuer: "http://login.example.com", ClientID: "x"}, {Issuer: "https://login.example.com"}, {Issuer: "login", ClientID: "x"},
		{Issuer: "https://a:b@login.example.com", ClientID: "x"}, {Issuer: "https://login.example.com?x=1", ClientID: "x"},
	} {
		if _, err := openid.New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
