package console_test

import (
	"encoding/csv"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/halberdhq/halberd"
)

// otherRows are about people, projects, finding one of many, and what hostile
// texts do to the pages.
func otherRows() []rowTest {
	return []rowTest{
		{rows: "A-80_A-94", check: payloads},
		{rows: "A-80 in forms", check: payloadsInForms},
		{rows: "find, sort and turn pages", check: findOneOfMany},
		{rows: "invite, accept, demote", check: inviteAcceptDemote},
		{rows: "projects", check: projects},
	}
}

// hostile are texts that must stay texts.
var hostile = []string{ //nolint:gochecknoglobals // a constant list
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</title><script>alert(2)</script>`, `{{7*7}}`,
	`javascript:alert(3)`, "right\u202eto left", "' onfocus=alert(4) autofocus='",
}

func payloads(p *tab) {
	var keys []halberd.Changed
	for _, text := range hostile {
		k := p.Make(halberd.NewKey{Name: text, ExternalID: text, ExpiresInDays: halberd.Some(halberd.ExpiresIn(5))})
		_, err := p.Verify(p.Ctx(), halberd.Check{Secret: k.Secret, FiltersResources: true, UserAgent: text + "\x1b[31m"})
		if err != nil {
			p.T.Fatal(err)
		}
		keys = append(keys, k)
	}
	project, err := p.CreateProject(p.Ctx(), p.Admin, halberd.NewProject{Name: hostile[1]})
	if err != nil {
		p.T.Fatal(err)
	}
	in, err := p.InviteMember(p.Ctx(), p.Admin, halberd.NewMember{Email: "eve@waypost.example", Role: halberd.ScopeAdmin})
	if err == nil {
		_, err = p.Accept(p.Ctx(), in.Secret, hostile[1], password, halberd.Request{})
	}
	if err != nil {
		p.T.Fatal(err)
	}
	spaced := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	for i, k := range keys {
		at := "/settings/api-keys/" + k.Key.ID.String()
		p.shows(at, spaced(hostile[i]))
		if title := script[string](p, `document.title`); !strings.HasPrefix(title, spaced(hostile[i])) {
			p.T.Errorf("the title is %q", title)
		}
	}
	at := "/settings/api-keys/" + keys[1].Key.ID.String()
	for _, rest := range []string{"/edit", "/rotate", "/revoke"} {
		p.shows(at+rest, hostile[1])
	}
	for _, page := range []string{"/settings/api-keys", "/settings/audit", "/settings/usage", "/settings/hygiene"} {
		p.shows(page, hostile[0], hostile[1], hostile[3])
	}
	p.shows("/settings/api-keys?q="+url.QueryEscape(hostile[1]), hostile[1])
	p.shows("/settings/members", hostile[1])
	p.shows("/settings/members/"+in.Member.ID.String()+"/remove", hostile[1])
	p.shows("/settings/projects", hostile[1])
	p.shows("/settings/projects/"+project.ID.String(), hostile[1])
	p.shows("/sign-in?next=" + url.QueryEscape(hostile[1]))
	p.visit(at + "/rotate")
	p.press("Rotate and show the new secret", true)
	p.says(hostile[1])
	p.visit(at)
	p.press("Deactivate", true) // the notice names the key
	p.says(hostile[1] + " is deactivated")
	if k := p.called(hostile[1]); k["state"] != "inactive" {
		p.T.Errorf("the API says %v", k)
	}
}

// shows opens a page, which must have the texts and nothing that came in by one.
func (p *tab) shows(at string, texts ...string) {
	p.T.Helper()
	p.visit(at)
	p.inert(texts...)
}

// inert: the layout has one script and no picture; whatever is more came in by a
// text.
func (p *tab) inert(texts ...string) {
	p.T.Helper()
	p.says(texts...)
	if n := script[int](p, `document.scripts.length * 100 + document.images.length + document.querySelectorAll('[onerror], [onfocus], [onload], a[href^="javascript:"]').length`); n != 100 {
		p.T.Errorf("%s: a text became more than text (%d)", p.where(), n)
	}
}

// payloadsInForms: what a form gives back with a refusal stays text in its fields,
// and so do the names of what stands around every page, reasons and files.
func payloadsInForms(p *tab) {
	evil := hostile[1]
	if _, err := p.UpdateOrganization(p.Ctx(), p.Admin, p.Org, halberd.OrganizationPatch{Name: halberd.Some(evil)}, 0); err != nil {
		p.T.Fatal(err)
	}
	gone := p.Make(halberd.NewKey{Name: "Gone", Metadata: map[string]string{"note": evil}})
	if _, err := p.Revoke(p.Ctx(), p.Admin, gone.Key.ID, evil, 0); err != nil {
		p.T.Fatal(err)
	}
	p.shows("/settings/api-keys/"+gone.Key.ID.String(), evil)
	p.shows("/settings/members", "People of "+evil)
	p.shows("/settings/audit", evil)
	typed := func(ids ...string) {
		p.T.Helper()
		for _, id := range ids {
			script[bool](p, `(document.querySelector('#`+id+`').value = `+jsText(evil)+`, true)`)
		}
	}
	kept := func(ids ...string) {
		p.T.Helper()
		p.inert()
		for _, id := range ids {
			if got := script[string](p, `document.querySelector('#`+id+`').value`); got != evil {
				p.T.Errorf("%s has %q in %s", p.where(), got, id)
			}
		}
	}
	p.visit("/settings/api-keys/new")
	p.choose("Custom")
	fields := []string{"name", "scopes", "list", "limit-1", "limit-every-1", "limit-burst-1", "limit-name-1", "quota", "quota-every", "ips"}
	typed(fields...)
	p.press("Create", true)
	p.says("Not created")
	kept(fields...)
	p.visit("/settings/projects/new")
	fields = []string{"name", "prefix", "ceiling", "scopes", "days", "most", "limit-1", "limit-name-1"}
	typed(fields...)
	p.press("Create project", true)
	p.says("Not saved")
	kept(fields...)
	p.visit("/settings/members")
	p.press("Invite member", false)
	script[bool](p, `(document.querySelector('#mail').type = 'text', document.querySelector('#mail').value = `+jsText(evil)+`, true)`)
	p.press("Create invitation", true)
	p.says("Nothing was changed")
	kept("mail")
	stranger := p.tab(p.browser)
	stranger.visit("/sign-in?next=" + url.QueryEscape("/settings/api-keys?q="+evil))
	script[bool](stranger, `(document.querySelector('#email').type = 'text', document.querySelector('#email').value = `+jsText(evil)+`, true)`)
	stranger.fill("Password", evil)
	stranger.press("Sign in", true)
	stranger.inert("is wrong")
	v := p.visitor()
	for _, k := range p.cookies() {
		v.hold(&http.Cookie{Name: k.Name, Value: k.Value})
	}
	for at, mime := range map[string]string{"/settings/audit.csv": "text/csv; charset=utf-8", "/settings/audit.json": "application/jsonl", "/settings/usage.csv": "text/csv; charset=utf-8"} {
		got := v.get(at)
		if got.header.Get("Content-Type") != mime || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") || got.header.Get("X-Content-Type-Options") != "nosniff" {
			p.T.Errorf("%s would be shown as a page: %v", at, got.header)
		}
	}
	for _, k := range p.list() {
		if k["label"] == evil {
			p.T.Errorf("the API says %v", k)
		}
	}
}

func findOneOfMany(p *tab) {
	most := 200
	if _, err := p.UpdateProject(p.Ctx(), p.Admin, p.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(most)}, 0); err != nil {
		p.T.Fatal(err)
	}
	for i := range 120 {
		p.Make(halberd.NewKey{Name: "Key " + strconv.Itoa(1000+i)})
	}
	p.visit("/settings/api-keys")
	names := func() []string {
		return script[[]string](p, `[...document.querySelectorAll('tbody .name')].map(e => e.innerText)`)
	}
	p.press("Name", true)
	seen := names()
	if !slices.IsSorted(seen) || seen[0] != "Key 1000" {
		p.T.Errorf("sorted by name: %q", seen[:3])
	}
	for turns := 0; script[bool](p, `!!document.querySelector('a[rel=next]')`); turns++ {
		if turns > 5 {
			p.T.Fatal("there is no last page")
		}
		p.press("Next", true)
		seen = append(seen, names()...)
	}
	if len(seen) != 120 || !slices.IsSorted(seen) {
		p.T.Errorf("%d keys were shown", len(seen))
	}
	p.press("First page", true)
	p.press("Name", true)
	if got := names(); got[0] != "Key 1119" {
		p.T.Errorf("the other way: %q", got[:3])
	}
	run(p, chromedp.SendKeys(chromedp.CSS("input[name=q]"), "1042"))
	p.press("Apply", true)
	if got := names(); len(got) != 1 || got[0] != "Key 1042" {
		p.T.Errorf("the search finds %q", got)
	}
	p.visit("/settings/api-keys?state=revoked")
	p.says("No key matches")
	if p.called("Key 1042")["state"] != "active" {
		p.T.Error("the API says otherwise")
	}
}

func inviteAcceptDemote(p *tab) {
	p.visit("/settings/members")
	p.press("Invite member", false)
	p.fill("Email", "mei@waypost.example")
	p.choose("Admin")
	p.press("Create invitation", true)
	link := p.text("#link")
	theirs := p.tab(p.browser)
	theirs.visit(strings.TrimPrefix(link, p.URL))
	if got := script[string](theirs, `location.hash`); got != "" {
		p.T.Errorf("the address keeps %q", got)
	}
	theirs.fill("Your name", "Mei Okafor")
	theirs.fill("New password", "another long password")
	theirs.press("Accept", true)
	theirs.says("Welcome.", "Mei Okafor")
	theirs.visit("/settings/audit")
	theirs.says("Audit log")
	p.visit("/settings/members")
	script[bool](p, `((s) => { s.value = 'read'; return true; })(document.querySelector('[aria-label="Role of Mei Okafor"]'))`)
	p.press("Save the role of Mei Okafor", true)
	p.says("Every session of Mei Okafor has ended")
	theirs.visit("/settings/audit")
	theirs.says("Sign in")
	list, err := p.ListMembers(p.Ctx(), p.Admin, halberd.OrganizationID{}, halberd.Page{})
	if err != nil {
		p.T.Fatal(err)
	}
	for _, m := range list.List {
		if m.Name == "Mei Okafor" && m.Role != halberd.ScopeRead {
			p.T.Errorf("the role is %s", m.Role)
		}
	}
}

func projects(p *tab) {
	p.visit("/settings/projects")
	p.press("Create project", true)
	p.fill("Name", "Staging")
	p.fill("Key prefix", "hrdly")
	p.press("Create project", true)
	p.says("Staging is ready.", "No keys in Staging yet", "hrdly_")
	p.press("Create API Key", true)
	p.fill("Name", "Robot")
	p.choose("All resources")
	p.press("Create", true)
	key := p.text("#secret")
	if !strings.HasPrefix(key, "hrdly_") {
		p.T.Error("the key has another prefix")
	}
	p.checkWhoami(key, http.StatusOK)
	p.visit("/settings/projects")
	p.press("Staging", true)
	p.choose("Active")
	p.press("Save", true)
	if got := p.whoami(key); got == http.StatusOK {
		p.T.Error("a suspended project's key is good")
	}
	p.choose("Active")
	p.press("Save", true)
	p.checkWhoami(key, http.StatusOK)
	p.choose("Delete Staging")
	p.press("Delete project", true)
	p.says("Staging is deleted")
	p.checkWhoami(key, http.StatusUnauthorized)
}

// TestA83_SpreadsheetsRunNothing: a cell that a spreadsheet would take for a
// formula is text, and the file is RFC 4180.
func TestA83_SpreadsheetsRunNothing(t *testing.T) {
	s := newSite(t)
	s.member()
	texts := []string{`=1+1`, `+1`, `-1`, `@SUM(A1)`, `＝1`, `＋1`, `－1`, `＠x`, `a "quoted", text`}
	for _, text := range texts {
		s.Make(halberd.NewKey{Name: text})
	}
	v := s.visitor()
	v.signIn(email, password)
	// Names stand inside a cell with others; what a caller chooses as a whole cell is
	// the request's id.
	v.post("/settings/profile", url.Values{"name": {"Ana"}}, "X-Request-Id", "-2-3-cmd")
	got := v.get("/settings/audit.csv")
	if !strings.Contains(got.body, ",'-2-3-cmd,") {
		t.Error("the request's id is not there, or not as a text")
	}
	rows, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
	if err != nil || got.status != http.StatusOK || len(rows) < len(texts) {
		t.Fatalf("%d, %v, %d rows", got.status, err, len(rows))
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(string([]rune(cell)[:1]), "=+-@\t\r＝＋－＠") {
				t.Errorf("a cell begins so: %q", cell)
			}
		}
	}
	for _, text := range texts[:8] { // JSON has them as they are
		if !strings.Contains(v.get("/settings/audit.json").body, text) {
			t.Errorf("the JSON lacks %q", text)
		}
	}
	for _, at := range []string{"/settings/usage.csv"} {
		if _, err := csv.NewReader(strings.NewReader(v.get(at).body)).ReadAll(); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}
}

// TestA95_WhatIsNotTheirs: a member of another organization finds nothing, and a
// member who only reads is refused what admins see.
func TestA95_WhatIsNotTheirs(t *testing.T) {
	s := newSite(t)
	ana := s.member()
	made := s.Make(halberd.NewKey{Name: "Ours"})
	other, err := s.CreateOrganization(s.Ctx(), s.Admin, "Other")
	if err != nil {
		t.Fatal(err)
	}
	join := func(address string, org halberd.OrganizationID, role halberd.Scope) *visitor {
		in, err := s.InviteMember(s.Ctx(), s.Admin, halberd.NewMember{Email: address, Role: role, Organization: org})
		if err == nil {
			_, err = s.Accept(s.Ctx(), in.Secret, "Someone", password, halberd.Request{})
		}
		if err != nil {
			t.Fatal(err)
		}
		v := s.visitor()
		v.signIn(address, password)
		return v
	}
	stranger := join("eve@other.example", other.ID, halberd.ScopeAdmin)
	nobody := halberd.NewKeyID().String()
	for _, rest := range []string{"", "/edit", "/rotate", "/revoke"} {
		theirs, none := stranger.get("/settings/api-keys/"+made.Key.ID.String()+rest), stranger.get("/settings/api-keys/"+nobody+rest)
		if theirs.status != http.StatusNotFound || none.status != http.StatusNotFound {
			t.Errorf("%q: %d and %d", rest, theirs.status, none.status)
		}
		cut := func(g page) string {
			head, _, _ := strings.Cut(g.body, "Request ")
			return head
		}
		if cut(theirs) != cut(none) {
			t.Errorf("%q: what is another's looks unlike what is not there", rest)
		}
	}
	for _, at := range []string{"/settings/projects/" + s.Home.String(), "/settings/members/" + ana.ID.String() + "/remove"} {
		if got := stranger.get(at); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", at, got.status)
		}
	}
	for _, at := range []string{"/settings/api-keys", "/settings/audit", "/settings/audit.json", "/settings/members", "/settings/hygiene", "/settings/usage"} {
		if got := stranger.get(at); strings.Contains(got.body, "Ours") || strings.Contains(got.body, email) || strings.Contains(got.body, made.Key.ID.String()) {
			t.Errorf("%s shows what is another's", at)
		}
	}
	reader := join("tomas@waypost.example", halberd.OrganizationID{}, halberd.ScopeRead)
	at := "/settings/api-keys/" + made.Key.ID.String()
	for _, p := range []string{"/settings/members", "/settings/audit", "/settings/audit.csv", "/settings/audit.json", "/settings/api-keys/new", at + "/edit", at + "/rotate", at + "/revoke"} {
		if got := reader.get(p); got.status != http.StatusForbidden {
			t.Errorf("a reader at %s: %d", p, got.status)
		}
	}
	for _, p := range []string{at + "/revoke", at + "/rotate", at + "/state", "/settings/api-keys/new"} {
		form := url.Values{"name": {"x"}, "permission": {"read"}, "resources": {"all"}, "expires": {"30"}, "overlap": {"now"}, "active": {"false"}}
		if got := reader.post(p, form); got.status != http.StatusForbidden {
			t.Errorf("a reader posts %s: %d", p, got.status)
		}
	}
	project := "/settings/projects/" + s.Home.String()
	for _, p := range []string{ // whatever the form says, which is read after the right to send it
		at + "/edit", at + "/rotate", at + "/revoke", at + "/state", at + "/end-overlap", "/settings/api-keys/new", "/settings/projects/new", project,
		project + "/delete", "/settings/webhooks/new", "/settings/alert-rules/new", "/settings/members", "/settings/members/" + ana.ID.String() + "/invite",
	} {
		if got := reader.post(p, nil); got.status != http.StatusForbidden {
			t.Errorf("a reader posts an empty form to %s: %d", p, got.status)
		}
	}
	if got := reader.get("/settings/api-keys"); strings.Contains(got.body, "/revoke") || strings.Contains(got.body, "Create API Key") {
		t.Error("a reader's page has an admin's controls")
	}
	if got := s.whoami(made.Secret.Reveal()); got != http.StatusOK {
		t.Errorf("the key is answered %d", got)
	}
}

// TestTheAssetsAreSmall: what a browser loads besides a page is at most 100 kB.
func TestTheAssetsAreSmall(t *testing.T) {
	v := newSite(t).visitor()
	total := 0
	for _, name := range []string{"halberd.css", "app.js", "mark.svg"} {
		got := v.get("/assets/" + name)
		if got.status != http.StatusOK {
			t.Errorf("%s: %d", name, got.status)
		}
		total += len(got.body)
	}
	if total > 100_000 || total == 0 {
		t.Errorf("the assets are %d bytes", total)
	}
}

// TestAPageOf100KeysIsSmall: with everything it needs, and nothing cached, it is
// under 60 kB over the wire.
func TestAPageOf100KeysIsSmall(t *testing.T) {
	s := newSite(t)
	s.member()
	if _, err := s.UpdateProject(s.Ctx(), s.Admin, s.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(200)}, 0); err != nil {
		t.Fatal(err)
	}
	for i := range 120 {
		s.Make(halberd.NewKey{Name: "A pipeline of the team number " + strconv.Itoa(i), ExpiresInDays: halberd.Some(halberd.ExpiresIn(5))})
	}
	v := s.visitor()
	v.signIn(email, password)
	total := 0
	for _, at := range []string{"/settings/api-keys", "/assets/halberd.css", "/assets/app.js", "/assets/mark.svg"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+at, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "gzip") // said by hand, the answer stays compressed
		res, err := v.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s: %d, %q, %v", at, res.StatusCode, res.Header.Get("Content-Encoding"), err)
		}
		t.Logf("%s: %d bytes", at, len(b))
		total += len(b)
	}
	if total > 60_000 {
		t.Errorf("%d bytes", total)
	}
	if n := strings.Count(v.get("/settings/api-keys").body, `class="lead"`); n != 100 {
		t.Errorf("the page has %d rows", n)
	}
}
