package console_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
)

// visitor is a browser without scripts: it keeps cookies and follows nothing.
type visitor struct {
	*site
	t    testing.TB
	http *http.Client
	jar  http.CookieJar
}

type page struct {
	status int
	header http.Header
	body   string
}

func (s *site) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.T.Fatal(err)
	}
	v := &visitor{site: s, t: s.T, jar: jar}
	v.http = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return v
}

func (v *visitor) do(r *http.Request) page {
	v.t.Helper()
	res, err := v.http.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return page{res.StatusCode, res.Header, string(text)}
}

// get reads a page; at is a path of the site, or an address.
func (v *visitor) get(at string) page {
	v.t.Helper()
	if strings.HasPrefix(at, "/") {
		at = v.URL + at
	}
	r, err := http.NewRequestWithContext(v.Ctx(), http.MethodGet, at, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.do(r)
}

// post sends a form, with further headers as name, value.
func (v *visitor) post(at string, form url.Values, header ...string) page {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.Ctx(), http.MethodPost, v.URL+at, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return v.do(r)
}

func (v *visitor) signIn(email, password string) page {
	v.t.Helper()
	return v.post("/sign-in", url.Values{"email": {email}, "password": {password}})
}

// hold puts a cookie into the jar, as somebody who planted or stole it would.
func (v *visitor) hold(k *http.Cookie) {
	v.t.Helper()
	u, err := url.Parse(v.URL)
	if err != nil {
		v.t.Fatal(err)
	}
	v.jar.SetCookies(u, []*http.Cookie{{Name: k.Name, Value: k.Value, Path: "/"}})
}

// cookie is one that an answer sets.
func (p page) cookie(t testing.TB, name string) *http.Cookie {
	t.Helper()
	for _, k := range (&http.Response{Header: p.header}).Cookies() {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("the answer sets no cookie %s: %v", name, p.header)
	return nil
}

// actorOf is a member in a session begun now.
func (s *site) actorOf(m halberd.Member) halberd.Actor {
	s.T.Helper()
	for epoch := range int64(20) {
		if by, err := s.MemberActor(m.ID, epoch, halberd.Request{}); err == nil {
			return by
		}
	}
	s.T.Fatal("the member has no session")
	return halberd.Actor{}
}

// removeAll removes every member who may be.
func (s *site) removeAll() {
	s.T.Helper()
	list, err := s.ListMembers(s.Ctx(), s.Admin, halberd.OrganizationID{}, halberd.Page{})
	if err != nil {
		s.T.Fatal(err)
	}
	for _, m := range list.List {
		if _, err := s.RemoveMember(s.Ctx(), s.Admin, m.ID, halberd.Leaving{}, 0); err != nil {
			s.T.Fatal(err)
		}
	}
}
