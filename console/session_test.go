package console_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/console"
	"github.com/halberdhq/halberd/internal/fixture"
)

const sessionCookie = "halberd" // on a loopback address

// ana is the first member, signed in.
func ana(t *testing.T) (*site, *visitor) {
	t.Helper()
	s := newSite(t)
	s.member()
	v := s.visitor()
	v.enters(email)
	return s, v
}

func (v *visitor) enters(as string) *http.Cookie {
	v.t.Helper()
	a := v.signIn(as, password)
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/" {
		v.t.Fatalf("signing in: %d %s", a.status, a.body)
	}
	return a.cookie(v.t, sessionCookie)
}

// alive reports whether somebody is signed in, by a page and by what changes.
func (v *visitor) alive() bool {
	v.t.Helper()
	page := v.get("/settings/profile").status == http.StatusOK
	a := v.post("/settings/profile", url.Values{"name": {"Ana"}})
	change := a.status == http.StatusSeeOther && a.header.Get("Location") == "/settings/profile"
	if page != change {
		v.t.Errorf("a page says %v, a change %v", page, change)
	}
	return page
}

// other is a second admin, and a browser of theirs.
func (s *site) other() (halberd.Member, *visitor) {
	s.T.Helper()
	in, err := s.InviteMember(s.Ctx(), s.Admin, halberd.NewMember{Email: "bo@waypost.example", Role: halberd.ScopeAdmin})
	if err != nil {
		s.T.Fatal(err)
	}
	who, err := s.Accept(s.Ctx(), in.Secret, "Bo", password, halberd.Request{})
	if err != nil {
		s.T.Fatal(err)
	}
	v := s.visitor()
	v.enters("bo@waypost.example")
	return who.Member, v
}

func TestA84_TheCookieOfASession(t *testing.T) {
	for public, name := range map[string]string{"https://keys.example.com": "__Host-halberd", "": sessionCookie} {
		s := newSiteWith(t, func(_ *fixture.Clock, o *console.Options) {
			if public != "" {
				o.PublicURL = public
			}
		})
		s.member()
		a := s.visitor().signIn(email, password)
		k := a.cookie(t, name)
		if !k.HttpOnly || k.Secure != (public != "") || k.SameSite != http.SameSiteStrictMode || k.Path != "/" || k.Domain != "" ||
			k.MaxAge != 0 || !k.Expires.IsZero() || len(k.Value) < 32 {
			t.Errorf("%s: %+v", name, k)
		}
	}
	s := newSite(t)
	s.member()
	if got := s.visitor().get("/sign-in").header["Set-Cookie"]; got != nil {
		t.Errorf("whoever only looks is given %v", got)
	}
}

// A token that was there before is worth nothing after the sign-in: neither one
// that was made up, nor one of the attacker's own session.
func TestA84_Fixation(t *testing.T) {
	s, attacker := ana(t)
	var theirs *http.Cookie
	for _, k := range attacker.jar.Cookies(mustURL(t, s.URL)) {
		theirs = k
	}
	s.other()
	for what, planted := range map[string]*http.Cookie{
		"made up": {Name: sessionCookie, Value: strings.Repeat("A", 43)}, "the attacker's": theirs,
	} {
		victim := s.visitor()
		victim.hold(planted)
		if k := victim.enters("bo@waypost.example"); k.Value == planted.Value {
			t.Errorf("%s: the token is taken over", what)
		}
		thief := s.visitor()
		thief.hold(planted)
		if thief.alive() {
			t.Errorf("%s: it signs in", what)
		}
	}
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Whatever ends a right ends its sessions by the time of the answer, in every
// browser, for pages and for changes; and what was signed out stays out.
func TestA23_A84_AReplayedCookieIsDead(t *testing.T) {
	for what, end := range map[string]func(*site, halberd.Member, *visitor, *visitor){
		"sign-out":   func(_ *site, _ halberd.Member, _, bo *visitor) { bo.post("/sign-out", nil) },
		"everywhere": func(_ *site, _ halberd.Member, _, bo *visitor) { bo.post("/settings/profile/sign-out-everywhere", nil) },
		"demotion": func(_ *site, m halberd.Member, ana, _ *visitor) {
			ana.post("/settings/members/"+m.ID.String(), url.Values{"role": {"read"}})
		},
		"deactivation": func(_ *site, m halberd.Member, ana, _ *visitor) {
			ana.post("/settings/members/"+m.ID.String(), url.Values{"active": {"false"}})
		},
		"removal": func(_ *site, m halberd.Member, ana, _ *visitor) {
			ana.post("/settings/members/"+m.ID.String()+"/remove", url.Values{"keys": {"keep"}})
		},
		"another invitation": func(_ *site, m halberd.Member, ana, _ *visitor) {
			ana.post("/settings/members/"+m.ID.String()+"/invite", nil)
		},
		"the API": func(s *site, m halberd.Member, _, _ *visitor) {
			if _, err := s.RemoveMember(s.Ctx(), s.Admin, m.ID, halberd.Leaving{}, 0); err != nil {
				s.T.Fatal(err)
			}
		},
		"12 hours of use": func(s *site, _ halberd.Member, _, bo *visitor) {
			for range 36 {
				if !bo.alive() {
					s.T.Error("a session in use ended early")
				}
				s.Clock.Pass(20 * time.Minute)
			}
		},
		"30 idle minutes": func(s *site, _ halberd.Member, _, bo *visitor) {
			s.Clock.Pass(29 * time.Minute)
			if !bo.alive() {
				s.T.Error("a session ended before 30 idle minutes")
			}
			s.Clock.Pass(31 * time.Minute)
		},
	} {
		t.Run(what, func(t *testing.T) {
			s, ana := ana(t)
			m, bo := s.other()
			copied := s.visitor()
			for _, k := range bo.jar.Cookies(mustURL(t, s.URL)) {
				copied.hold(k)
			}
			if !copied.alive() || !bo.alive() {
				t.Fatal("before: nobody is signed in")
			}
			end(s, m, ana, bo)
			if bo.alive() || copied.alive() {
				t.Error("the cookie still signs in")
			}
			before := len(s.list())
			copied.post("/settings/api-keys/new", url.Values{"name": {"minted"}, "permission": {"read"}, "resources": {"all"}, "expiry": {"30"}})
			if got := len(s.list()); got != before {
				t.Error("and mints keys")
			}
		})
	}
}

// A request that is under way while its session ends does not bring it back.
func TestA84_AnEndedSessionStaysEnded(t *testing.T) {
	s, v := ana(t)
	var cookie string
	for _, k := range v.jar.Cookies(mustURL(t, s.URL)) {
		cookie = k.Name + "=" + k.Value
	}
	body := "project=" + s.Home.String() // it changes the session, which so is stored at its end
	slow, err := new(net.Dialer).DialContext(t.Context(), "tcp", mustURL(t, s.URL).Host)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprintf(slow, "POST /settings/project HTTP/1.1\r\nHost: x\r\nCookie: %s\r\nExpect: 100-continue\r\nConnection: close\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n", cookie, len(body))
	// The server says so once it reads the body: the session is loaded by then.
	answer := bufio.NewReader(slow)
	if line, err := answer.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	v.post("/sign-out", nil)
	if _, err := io.WriteString(slow, body); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(answer); err != nil {
		t.Fatal(err)
	}
	thief := s.visitor()
	name, value, _ := strings.Cut(cookie, "=")
	thief.hold(&http.Cookie{Name: name, Value: value})
	if thief.alive() {
		t.Error("the session is back")
	}
}

// Every post of the console, as another site would have the browser send it.
func TestA81_CrossSitePosts(t *testing.T) {
	s, v := ana(t)
	made := s.Make(halberd.NewKey{Name: "target"})
	before := fmt.Sprint(s.list())
	key := "/settings/api-keys/" + made.Key.ID.String()
	for _, at := range []string{
		"/sign-in", "/first-member", "/sign-out", "/invitation", "/settings/project", "/settings/api-keys/new", key + "/edit", key + "/state",
		key + "/rotate", key + "/end-overlap", key + "/revoke", "/settings/projects/new", "/settings/members", "/settings/profile",
		"/settings/profile/password", "/settings/profile/sign-out-everywhere",
	} {
		for _, header := range [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
		} {
			a := v.post(at, url.Values{"active": {"false"}, "why": {""}, "name": {"x"}, "overlap": {"now"}, "email": {"eve@example.com"}, "role": {"admin"}}, header...)
			if a.status != http.StatusForbidden {
				t.Errorf("%s with %v: %d", at, header, a.status)
			}
		}
	}
	if got := fmt.Sprint(s.list()); got != before {
		t.Errorf("something was changed:\n%s\n%s", before, got)
	}
	if !v.alive() {
		t.Error("somebody was signed out by another site")
	}
	if a := v.post(key+"/state", url.Values{"active": {"false"}}, "Sec-Fetch-Site", "same-origin"); a.status != http.StatusSeeOther {
		t.Errorf("its own post: %d", a.status)
	}
}

// no answer may be framed or kept, whatever it is.
func TestA82_EveryAnswerForbidsFramingAndKeeping(t *testing.T) {
	s, v := ana(t)
	made := s.Make(halberd.NewKey{Name: "one"})
	stranger := s.visitor()
	for _, a := range []page{
		v.get("/"), v.get("/settings/api-keys"), v.get("/configuration/api-keys"), v.get("/settings/api-keys/new"),
		v.get("/settings/api-keys/" + made.Key.ID.String()), v.get("/settings/api-keys/" + halberd.NewKeyID().String()), v.get("/settings/usage"),
		v.get("/settings/usage.csv"), v.get("/settings/alerts"), v.get("/settings/alert-rules/new"), v.get("/settings/webhooks"),
		v.post("/settings/webhooks/new", url.Values{"url": {endpoint}, "format": {"standard"}}), // the secret
		v.get("/settings/audit"), v.get("/settings/audit.csv"), v.get("/settings/audit.json"), v.get("/settings/members"),
		v.get("/settings/projects"), v.get("/settings/hygiene"), v.get("/settings/profile"), v.get("/settings/nothing"), v.get("/settings//x"),
		v.get("/sign-in/oidc"), v.get("/sign-in/oidc/callback"),
		stranger.get("/sign-in"), stranger.get("/invitation"), stranger.get("/settings/api-keys"), stranger.signIn(email, "wrong"),
		v.post("/settings/members", url.Values{"email": {"bo@waypost.example"}, "role": {"read"}}),
		v.post("/settings/profile", nil, "Sec-Fetch-Site", "cross-site"),
	} {
		h := a.header
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "DENY" || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cross-Origin-Opener-Policy") != "same-origin" {
			t.Errorf("%d: %v", a.status, h)
		}
		policy := strings.Split(h.Get("Content-Security-Policy"), "; ")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !slices.Contains(policy, want) {
				t.Errorf("%d: the policy %q lacks %s", a.status, policy, want)
			}
		}
	}
}

// unknown and wrong are one answer, to the letter.
func TestA76_UnknownAndWrongLookAlike(t *testing.T) {
	s := newSite(t)
	s.member()
	said := map[string]string{}
	for _, as := range []string{email, "eve@waypost.example"} {
		for range 10 {
			a := s.visitor().signIn(as, "a wrong password")
			said[as] += fmt.Sprint(a.status, strings.ReplaceAll(a.body, as, "?"))
		}
		a := s.visitor().signIn(as, password)
		if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") != "30" || !strings.Contains(a.body, "wait 30 s") {
			t.Errorf("the 11th for %s: %d %v", as, a.status, a.header)
		}
		said[as] += fmt.Sprint(a.status, strings.ReplaceAll(a.body, as, "?"))
	}
	if said[email] != said["eve@waypost.example"] {
		t.Error("the answers differ")
	}
	s.Clock.Pass(30 * time.Second)
	s.visitor().enters(email)
}
