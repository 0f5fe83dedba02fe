package server_test

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Passwords do not travel in the clear: without TLS, on an address that other
// machines reach, nobody signs in, by no way, while the API goes on.
func TestNobodySignsInWithoutTLSWhereOthersListen(t *testing.T) {
	p := serve(t, shortDir(t), "--listen", "0.0.0.0:0", "--oidc-issuer", "https://login.example.com", "--oidc-client-id", "halberd")
	admin := adminKey(t, p.dir)
	in := p.ok("POST", "/v1/members", admin, `{"email":"ana@example.com","role":"admin"}`)
	_, secret, found := strings.Cut(in.text("data", "invite_url"), "/invitation#")
	if !found {
		t.Fatalf("the link: %s", in.body)
	}
	if a := p.call("GET", "/sign-in", "", ""); a.status != 200 || !strings.Contains(a.body, "This server has no TLS") || strings.Contains(a.body, "<input") {
		t.Errorf("the page: %d %s", a.status, a.body)
	}
	form := url.Values{"email": {"ana@example.com"}, "password": {"correct horse battery"}, "invitation": {secret}, "admin_key": {admin}}
	for path, a := range map[string]answer{
		"/sign-in": p.sends("/sign-in", form), "/first-member": p.sends("/first-member", form), "/invitation": p.sends("/invitation", form),
		"/sign-in/oidc": p.call("GET", "/sign-in/oidc", "", ""), "its answer": p.call("GET", "/sign-in/oidc/callback?code=x&state=x", "", ""),
	} {
		if a.status != 403 || a.header["Set-Cookie"] != nil || !strings.Contains(a.body, "This server has no TLS") {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
	}
}

// A provider that is away stands in the way of nothing but itself, and links are
// made from the public URL, not from where a request came in.
func TestAServerStartsWhileItsProviderIsAway(t *testing.T) {
	p := serve(t, shortDir(t), "--public-url", "https://keys.example.com", "--oidc-issuer", "http://127.0.0.1:1", "--oidc-client-id", "halberd", "--oidc-name", "Example Login")
	p.logs("msg=ready")
	_, at, _ := strings.Cut(p.log.String(), " listen=") // what it says that it listens on is its public URL
	at, _, _ = strings.Cut(at, " ")
	p.url = "http://" + at
	in := p.ok("POST", "/v1/members", adminKey(t, p.dir), `{"email":"ana@example.com","role":"admin"}`)
	link, secret, _ := strings.Cut(in.text("data", "invite_url"), "#")
	if link != "https://keys.example.com/invitation" {
		t.Errorf("the link leads to %s", link)
	}
	if a := p.call("GET", "/sign-in/oidc", "", ""); a.status != 503 || !strings.Contains(a.body, "Example Login does not answer") {
		t.Errorf("by the provider: %d %s", a.status, a.body)
	}
	form := url.Values{"invitation": {secret}, "password": {"correct horse battery"}, "name": {"Ana"}}
	if a := p.sends("/invitation", form); !strings.HasPrefix(a.header.Get("Set-Cookie"), "__Host-halberd=") {
		t.Errorf("by the link: %d %v %s", a.status, a.header, a.body)
	}
	if strings.Contains(p.log.String(), secret) {
		t.Error("the link is in the log")
	}
}

// sends posts a form, as a browser does.
func (p *process) sends(path string, form url.Values) answer {
	p.t.Helper()
	stay := *p.http
	stay.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := stay.PostForm(p.url+path, form)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}

// While the file of the admin key is there, operators are told of it where they
// look most.
func TestTheConsoleWarnsOfTheAdminKeysFile(t *testing.T) {
	p := serve(t, shortDir(t))
	in := p.sends("/first-member", url.Values{"admin_key": {adminKey(t, p.dir)}, "email": {"ana@example.com"}, "name": {"Ana"}, "password": {"correct horse battery"}})
	cookie, _, _ := strings.Cut(in.header.Get("Set-Cookie"), ";")
	warns := func(path string) bool {
		a := p.call("GET", path, "", "", "Cookie", cookie)
		if a.status != http.StatusOK {
			t.Fatalf("%s: %d", path, a.status)
		}
		return strings.Contains(a.body, "The admin key is still in a file on the server")
	}
	if !warns("/settings/api-keys") || !warns("/settings/hygiene") {
		t.Error("the console does not warn")
	}
	if warns("/settings/profile") {
		t.Error("it warns on every page")
	}
	if err := os.Remove(filepath.Join(p.dir, "admin.key")); err != nil {
		t.Fatal(err)
	}
	if warns("/settings/api-keys") {
		t.Error("it warns of a file that is gone")
	}
}
