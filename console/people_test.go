package console_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/halberdhq/halberd"
)

// peopleRows are about members, what they look at, and what they take with them.
func peopleRows() []rowTest {
	return []rowTest{
		{rows: "first member", bare: true, check: firstMember},
		{rows: "remove with suspend", check: removeAndSuspend},
		{rows: "remove with hand-over", check: removeAndHandOver},
		{rows: "profile and password", check: profileAndPassword},
		{rows: "switch the project", check: switchProject},
		{rows: "a project's settings", check: projectSettings},
		{rows: "audit log", check: auditLog},
		{rows: "usage as CSV", check: usageAsCSV},
		{rows: "S1-26 refused", check: contactSupport},
		{rows: "S1-25", check: severalLimits},
		{rows: "limits without scripts", check: limitsWithoutScripts},
		{rows: "hygiene", check: hygiene},
		{rows: "nodes", check: nodes},
	}
}

// listed is what /v1 lists at a path, as the admin key sees it.
func (s *site) listed(path string) []map[string]any {
	s.T.Helper()
	r, err := http.NewRequestWithContext(s.Ctx(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		s.T.Fatal(err)
	}
	r.Header.Set("X-API-Key", s.Root.Reveal())
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.T.Fatal(err)
	}
	defer res.Body.Close()
	var out struct{ Data []map[string]any }
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode != http.StatusOK {
		s.T.Fatalf("%s: %d, %v", path, res.StatusCode, err)
	}
	return out.Data
}

// joins makes another member, who chose the usual password.
func (s *site) joins(address, name string, role halberd.Scope) halberd.Member {
	s.T.Helper()
	in, err := s.InviteMember(s.Ctx(), s.Admin, halberd.NewMember{Email: address, Role: role})
	if err != nil {
		s.T.Fatal(err)
	}
	who, err := s.Accept(s.Ctx(), in.Secret, name, password, halberd.Request{})
	if err != nil {
		s.T.Fatal(err)
	}
	return who.Member
}

// enters signs somebody in by the form.
func (p *tab) enters(address, with string) {
	p.T.Helper()
	p.visit("/sign-in")
	p.fill("Email", address)
	p.fill("Password", with)
	p.press("Sign in", true)
}

// firstMember: the admin key opens the console once, to make the first member.
func firstMember(p *tab) {
	p.visit("/settings/api-keys")
	p.says("Make the first member", "The admin key opens it once")
	p.accessible()
	fill := func(key string) {
		p.fill("Admin key", key)
		p.fill("Your email", email)
		p.fill("Your name", "Ana Duarte")
		p.fill("New password", password)
		p.press("Make the first member", true)
	}
	fill(strings.Replace(p.Root.Reveal(), "hb_live_", "hb_live_x", 1))
	p.says("The admin key is not the one in admin.key")
	fill(p.Root.Reveal())
	p.says("Welcome. From now on people sign in", "Ana Duarte", "API Keys")
	list := p.listed("/v1/members")
	if len(list) != 1 || list[0]["email"] != email || list[0]["role"] != "admin" || list[0]["operator"] != true {
		p.T.Errorf("the API says %v", list)
	}
	theirs := p.tab(p.browser)
	theirs.visit("/sign-in")
	theirs.says("Email", "Password")
	theirs.silent("Admin key")
	theirs.enters(email, password)
	theirs.says("API Keys")
}

// leaver is an admin who made a key.
func (p *tab) leaver() (halberd.Member, halberd.Changed, *tab) {
	p.T.Helper()
	m := p.joins("tomas@waypost.example", "Tomas Lindqvist", halberd.ScopeAdmin)
	made, err := p.Create(p.Ctx(), p.actorOf(m), halberd.NewKey{Name: "Deploy"})
	if err != nil {
		p.T.Fatal(err)
	}
	theirs := p.tab(p.browser)
	theirs.enters("tomas@waypost.example", password)
	theirs.says("Deploy")
	p.visit("/settings/members")
	p.press("Actions for Tomas Lindqvist", false)
	p.press("Remove…", true)
	p.says("Remove Tomas Lindqvist?", "They answer for 1", "Deploy")
	p.accessible()
	return m, made, theirs
}

// gone: the member is in no list, and their open page leads nowhere.
func (p *tab) gone(m halberd.Member, theirs *tab) {
	p.T.Helper()
	theirs.visit("/settings/api-keys")
	theirs.says("Sign in")
	for _, other := range p.listed("/v1/members") {
		if other["member_id"] == m.ID.String() {
			p.T.Errorf("the API still knows %v", other)
		}
	}
	theirs.enters("tomas@waypost.example", password)
	theirs.says("Sign in")
	theirs.silent("API Keys")
}

func removeAndSuspend(p *tab) {
	m, made, theirs := p.leaver()
	p.choose("Suspend")
	p.press("Remove member", true)
	p.says("Tomas Lindqvist is removed, and every session of theirs has ended. 1 key is suspended.")
	p.checkWhoami(made.Secret.Reveal(), http.StatusUnauthorized)
	if k := p.called("Deploy"); k["state"] != "inactive" {
		p.T.Errorf("the API says %v", k)
	}
	p.gone(m, theirs)
}

func removeAndHandOver(p *tab) {
	m, made, theirs := p.leaver()
	p.choose("Hand over")
	p.press("Remove member", true)
	p.says("1 key was handed over.")
	p.checkWhoami(made.Secret.Reveal(), http.StatusOK)
	p.gone(m, theirs)
	p.visit("/settings/members")
	p.press("Actions for Ana Duarte", false)
	p.press("Keys they answer for", true)
	p.row("Deploy")
}

func profileAndPassword(p *tab) {
	other := p.tab(p.browser)
	other.signIn()
	run(p, chromedp.Click(chromedp.CSS("button.me")))
	p.press("Your profile", true)
	p.says(email, "operator of this instance")
	p.accessible()
	p.fill("Your name", "Ana D.")
	p.press("Save", true)
	p.says("Your name is changed.", "Ana D.")
	p.fill("Present password", "not the right one")
	p.fill("New password", "a new long password")
	p.press("Change password", true)
	p.says("Nothing was changed")
	p.fill("Present password", password)
	p.fill("New password", "short")
	p.press("Change password", false) // the browser says it is too short
	if at := p.where(); at != "/settings/profile/password" && at != "/settings/profile" {
		p.T.Errorf("at %s", at)
	}
	p.fill("New password", "a new long password")
	p.press("Change password", true)
	p.says("Your password is changed, and your other sessions have ended.")
	other.visit("/settings/api-keys")
	other.says("Sign in")
	other.enters(email, password)
	other.silent("API Keys")
	other.enters(email, "a new long password")
	other.says("API Keys")
	if got := p.listed("/v1/members")[0]["name"]; got != "Ana D." {
		p.T.Errorf("the API says %v", got)
	}
	p.press("Sign out everywhere", true)
	p.says("Sign in")
	other.visit("/settings/api-keys")
	other.says("Sign in")
}

func switchProject(p *tab) {
	staging, err := p.CreateProject(p.Ctx(), p.Admin, halberd.NewProject{Name: "Staging"})
	if err != nil {
		p.T.Fatal(err)
	}
	p.Make(halberd.NewKey{Name: "At home"})
	p.Make(halberd.NewKey{Name: "Away", Project: staging.ID})
	p.visit("/settings/api-keys")
	p.row("At home")
	p.silent("Away")
	run(p, chromedp.Click(chromedp.CSS("button.switch")))
	p.press("Staging hb_live", true)
	p.row("Away")
	p.silent("At home")
	p.press("Create API Key", true)
	p.says("In Staging")
	p.fill("Name", "Made there")
	p.choose("All resources")
	p.press("Create", true)
	if k := p.called("Made there"); k["project_id"] != staging.ID.String() {
		p.T.Errorf("the API says %v", k)
	}
}

func projectSettings(p *tab) {
	p.visit("/settings/projects")
	p.press("Default", true)
	p.says("This project has no rate limit", "100 a minute is a sensible beginning")
	p.fill("Name", "Production")
	p.fill("Most keys", "33")
	p.fill("Keys end after, in days", "45")
	p.fill("At most, in days", "many")
	p.press("Save", true)
	p.says("Not saved", "Enter a whole number from 1, or nothing.")
	p.fill("At most, in days", "90")
	p.fill("Rate limit", "100")
	p.press("Save", true)
	p.says("Saved.", "Production")
	for _, got := range p.listed("/v1/projects") {
		limits, _ := json.Marshal(got["rate_limits"])
		if got["name"] != "Production" || got["key_ceiling"] != 33.0 || got["default_expires_in_days"] != 45.0 || got["max_expires_in_days"] != 90.0 ||
			!strings.Contains(string(limits), `"limit":100`) || !strings.Contains(string(limits), `"window_seconds":60`) {
			p.T.Errorf("the API says %v", got)
		}
	}
}

// fetched is a file of the console, as the browser's own session gets it by a link.
func (p *tab) fetched(link string) string {
	p.T.Helper()
	at := script[string](p, `document.evaluate(`+jsText(byName(link))+`, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE, null).singleNodeValue.href`)
	v := p.visitor()
	for _, k := range p.cookies() {
		v.hold(&http.Cookie{Name: k.Name, Value: k.Value})
	}
	got := v.get(at)
	if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") {
		p.T.Fatalf("%s: %d %v", at, got.status, got.header)
	}
	return got.body
}

func auditLog(p *tab) {
	made := p.Make(halberd.NewKey{Name: "Watched"})
	p.Make(halberd.NewKey{Name: "Other"})
	p.visit("/settings/api-keys/" + made.Key.ID.String())
	p.press("Deactivate", true)
	reader := p.joins("mei@waypost.example", "Mei Okafor", halberd.ScopeRead)
	_ = p.Permit(p.actorOf(reader), halberd.ActionRevokeKey) // refused, and noted
	p.visit("/settings/audit")
	p.accessible()
	p.says("Ana Duarte", "Watched", "Other", "active: yes → no")
	pick := func(label, value string) {
		p.T.Helper()
		script[bool](p, `(document.querySelector('[aria-label=`+jsText(label)+`]').value = `+jsText(value)+`, true)`)
	}
	rows := func() int { return script[int](p, `document.querySelectorAll('tbody tr').length`) }
	pick("Action", "key.update")
	p.press("Apply", true)
	if n := rows(); n != 1 {
		p.T.Errorf("%d changes of keys", n)
	}
	p.says("Watched", "Ana Duarte")
	csvRows, err := csv.NewReader(strings.NewReader(p.fetched("CSV"))).ReadAll()
	if err != nil || len(csvRows) != 2 || csvRows[1][4] != made.Key.ID.String() || csvRows[1][3] != "key.update" {
		p.T.Errorf("the CSV has %v, %v", csvRows, err)
	}
	var event map[string]any
	if err := json.Unmarshal([]byte(p.fetched("JSON")), &event); err != nil || event["action"] != "key.update" {
		p.T.Errorf("the JSON has %v, %v", event, err)
	}
	events := p.listed("/v1/audit-events?action=key.update")
	if len(events) != 1 || events[0]["audit_id"] != event["audit_id"] || csvRows[1][0] != event["audit_id"] {
		p.T.Errorf("the API says %v", events)
	}
	pick("Action", "")
	pick("Outcome", "denied")
	p.press("Apply", true)
	p.says("Refused", "key.revoke", "Mei Okafor")
	pick("Outcome", "")
	run(p, chromedp.SendKeys(chromedp.CSS("input[name=target]"), made.Key.ID.String()))
	p.press("Apply", true)
	if n := rows(); n != 2 { // made and changed
		p.T.Errorf("%d events of one key", n)
	}
	p.visit("/settings/audit?actor=" + made.Key.ID.String())
	p.says("Nothing matches")
}

func usageAsCSV(p *tab) {
	made := p.Make(halberd.NewKey{Name: "Busy"})
	for range 3 {
		p.Code(made.Secret)
	}
	p.visit("/settings/usage?p=7d")
	rows, err := csv.NewReader(strings.NewReader(p.fetched("CSV"))).ReadAll()
	valid := slices.Index(rows[0], "VALID")
	if err != nil || len(rows) < 2 || rows[0][0] != "start" || valid < 1 {
		p.T.Fatalf("%v, %v", rows, err)
	}
	last := rows[len(rows)-1]
	if last[valid] != "3" || !strings.HasPrefix(last[0], p.Clock.Now().Format("2006-01-02")) {
		p.T.Errorf("today is %v", last)
	}
	total, _ := p.api("/v1/usage?key_id=" + made.Key.ID.String())["total"].(map[string]any)
	if total["VALID"] != 3.0 {
		p.T.Errorf("the API says %v", total)
	}
}

// contactSupport: who is no operator is told whom to ask for more, and nothing is
// changed.
func contactSupport(p *tab) {
	project := halberd.RateLimits{{Name: "default", Limit: 100, WindowSeconds: 60, Burst: 100}}
	if _, err := p.UpdateProject(p.Ctx(), p.Admin, p.Home, halberd.ProjectPatch{RateLimits: halberd.Some(project)}, 0); err != nil {
		p.T.Fatal(err)
	}
	made := p.Make(halberd.NewKey{Name: "Hungry"})
	p.joins("tomas@waypost.example", "Tomas Lindqvist", halberd.ScopeAdmin)
	theirs := p.tab(p.browser)
	theirs.enters("tomas@waypost.example", password)
	theirs.visit("/configuration/api-keys/" + made.Key.ID.String() + "/edit")
	run(theirs, chromedp.Click(chromedp.CSS("details.more > summary")))
	theirs.fill("Rate limit", "5000")
	theirs.press("Save", true)
	theirs.says("Not saved", "contact support")
	theirs.accessible()
	if k := p.called("Hungry"); k["version"] != 1.0 {
		p.T.Errorf("the API says %v", k)
	}
	theirs.fill("Rate limit", "50")
	theirs.press("Save", true)
	theirs.says("50 a minute")
	limits, _ := json.Marshal(p.called("Hungry")["rate_limits"])
	if !strings.Contains(string(limits), `"limit":50`) {
		p.T.Errorf("the API says %s", limits)
	}
}

// severalLimits: a key has named limits and a quota, by the form.
func severalLimits(p *tab) {
	p.visit("/settings/api-keys/new")
	p.fill("Name", "Many")
	p.choose("All resources")
	run(p, chromedp.Click(chromedp.CSS("details.more > summary")))
	p.fill("Rate limit", "10")
	script[bool](p, `(document.querySelector('#limit-unit-1').value = 'second', true)`)
	run(p, chromedp.Click(chromedp.CSS("details.more--sm > summary")))
	p.fill("Limit 2", "5000")
	script[bool](p, `(document.querySelector('#limit-unit-2').value = 'hour', document.querySelector('#limit-name-2').value = 'hourly', true)`)
	p.fill("Quota", "1000000")
	p.press("Create", true)
	p.visit("/settings/api-keys/" + p.id("Many"))
	p.says("10 a second", "5,000 an hour (hourly)", "1,000,000 a month", "1,000,000 left")
	k := p.called("Many")
	limits, _ := json.Marshal(k["rate_limits"])
	quota, _ := json.Marshal(k["quota"])
	for _, want := range []string{`"limit":10`, `"window_seconds":1,`, `"name":"hourly"`, `"window_seconds":3600`} {
		if !strings.Contains(string(limits)+",", want) && !strings.Contains(strings.ReplaceAll(string(limits), "}", ","), want) {
			p.T.Errorf("the API says %s", limits)
		}
	}
	if !strings.Contains(string(quota), `"limit":1000000`) || !strings.Contains(string(quota), `"refill":"month"`) {
		p.T.Errorf("the API says %s", quota)
	}
	p.press("Edit", true) // what there is stands in the form, and goes again
	p.fill("Rate limit", "x")
	p.press("Save", true)
	p.says("Not saved", "Enter whole numbers from 1")
	for _, id := range []string{"limit-1", "limit-2", "quota"} {
		script[bool](p, `(document.querySelector('#`+id+`').value = '', true)`)
	}
	p.press("Save", true)
	if k := p.called("Many"); k["quota"] != nil {
		p.T.Errorf("the API says %v", k)
	}
	p.says("Rate limit None", "Quota None")
}

func limitsWithoutScripts(p *tab) {
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	p.visit("/settings/api-keys/new")
	p.fill("Name", "Plain")
	p.choose("All resources")
	run(p, chromedp.Click(chromedp.CSS("details.more > summary")))
	p.fill("Rate limit", "7")
	run(p, chromedp.Click(chromedp.CSS("details.more--sm > summary")))
	p.fill("Limit 3", "70")
	p.fill("Quota", "700")
	p.press("Create", true)
	k := p.called("Plain")
	limits, _ := json.Marshal(k["rate_limits"])
	if !strings.Contains(string(limits), `"limit":7,`) || !strings.Contains(string(limits), `"name":"limit-3"`) || k["quota"] == nil {
		p.T.Errorf("the API says %s, %v", limits, k["quota"])
	}
}

// nodes: an operator sees which servers answer, and nobody else does.
func nodes(p *tab) {
	p.visit("/settings/nodes")
	p.accessible()
	p.says("This server", "answers alone", "answers this page", "Active")
	for _, n := range p.listed("/v1/nodes") {
		p.says(fmt.Sprint(n["revision"]))
	}
	p.joins("tomas@waypost.example", "Tomas Lindqvist", halberd.ScopeAdmin)
	theirs := p.tab(p.browser)
	theirs.enters("tomas@waypost.example", password)
	theirs.silent("Nodes")
	theirs.visit("/settings/nodes")
	theirs.says("an operator")
}

// hygiene: each finding has the next step beside it, and goes away once it is
// taken.
func hygiene(p *tab) {
	forever := p.Make(halberd.NewKey{Name: "Endless", ExpiresAt: halberd.Never()})
	p.Make(halberd.NewKey{Name: "Soon over", ExpiresInDays: halberd.Some(halberd.ExpiresIn(9))})
	p.Make(halberd.NewKey{Name: "Mighty", Scopes: halberd.Some(halberd.MustScopes("admin")), ExpiresInDays: halberd.Some(halberd.ExpiresIn(60))})
	p.Code(forever.Secret)
	p.visit("/settings/hygiene")
	p.says("Made today, by")
	p.Clock.Pass(49 * time.Hour)
	p.signIn()
	p.visit("/settings/hygiene")
	p.accessible()
	p.says("Expiring soon", "Never used", "Never expires", "May do everything", "Holds Admin", "May write everything")
	p.press("Set expiry Endless", true)
	p.choose("60 days")
	p.press("Save", true)
	if k := p.called("Endless"); k["expires_at"] == nil {
		p.T.Errorf("the API says %v", k)
	}
	p.visit("/settings/hygiene")
	p.silent("Set expiry")
	p.press("Revoke Soon over", true)
	p.press("Revoke key", true)
	if k := p.called("Soon over"); k["state"] != "revoked" {
		p.T.Errorf("the API says %v", k)
	}
	p.visit("/settings/hygiene")
	p.press("Narrow… Mighty", true)
	p.choose("Read-Only")
	p.press("Save", true)
	p.visit("/settings/hygiene")
	p.silent("Holds Admin")
}
