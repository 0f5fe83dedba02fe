package console_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/halberdhq/halberd"
)

// makingRows are about making keys and showing them once.
func makingRows() []rowTest {
	return []rowTest{
		{rows: "S4-02_S1-10", check: oneTabListsTheKeys},
		{rows: "S4-03_S4-04_S4-05_S4-06_S4-07_S4-08", check: createInSettings},
		{rows: "S1-02_S1-03_S1-04_S1-05_S1-08", check: createInConfiguration},
		{rows: "S1-06_S1-07_S1-09", check: theWiderChoices},
		{rows: "S4-05", check: expiryByDateOrNone},
		{rows: "S4-09_S4-10_S4-17_S1-17_S1-19_S1-21", check: samples},
		{rows: "S4-01_S4-16", check: keysOutliveTheSession},
		{rows: "A-77", check: shownOnce},
		{rows: "sent twice", check: sentTwice},
		{rows: "keyboard only", check: keyboardOnly},
		{rows: "without scripts", check: withoutScripts},
	}
}

// keepingRows are about what is done to keys that are there.
func keepingRows() []rowTest {
	return []rowTest{
		{rows: "S4-11", check: columns},
		{rows: "S1-11_S1-12", check: editKeepsTheSecret},
		{rows: "S4-12_S4-13_S4-14", check: revokeFromTheMenu},
		{rows: "S1-13_S1-14_S1-15", check: revokeReasons},
		{rows: "S1-16", check: rotation},
		{rows: "S1-22", check: goodPractice},
		{rows: "S1-23", check: usageTab},
		{rows: "S1-26", check: higherLimits},
		{rows: "S1-27_S1-28", check: causes},
		{rows: "S1-29_S4-15", check: lostKey},
		{rows: "two tabs", check: twoTabs},
		{rows: "deactivate and activate", check: offAndOn},
		{rows: "extend an expired key", check: extend},
	}
}

func (p *tab) checkWhoami(key string, want int) {
	p.T.Helper()
	if got := p.whoami(key); got != want {
		p.T.Errorf("the API answers the key with %d, not %d", got, want)
	}
}

// id is the id that the API has for a key's name.
func (p *tab) id(name string) string {
	p.T.Helper()
	id, _ := p.called(name)["key_id"].(string)
	return id
}

// api asks /v1 as the admin key.
func (s *site) api(path string) map[string]any {
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
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.T.Fatal(err)
	}
	var out struct{ Data map[string]any }
	if err := json.Unmarshal(text, &out); err != nil || res.StatusCode != http.StatusOK {
		s.T.Fatalf("%s: %d %s", path, res.StatusCode, text)
	}
	return out.Data
}

func oneTabListsTheKeys(p *tab) {
	p.Make(halberd.NewKey{Name: "First"})
	p.Make(halberd.NewKey{Name: "Second"})
	p.visit("/")
	p.says("Settings", "The full key value is only shown once at creation")
	if got := p.text(".tabs [aria-current]"); got != "API Keys" {
		p.T.Errorf("the open tab is %q", got)
	}
	names := script[[]string](p, `[...document.querySelectorAll('tbody tr .name')].map(e => e.innerText)`)
	for _, k := range p.list() {
		if k["project_id"] != nil && !slices.Contains(names, k["label"].(string)) { //nolint:forcetypeassert // a text in /v1
			p.T.Errorf("the page lists %q, not %v", names, k["label"])
		}
	}
	p.accessible()
}

func theWiderChoices(p *tab) {
	p.visit("/configuration/api-keys/new")
	p.says("Higher risk", "Recommended", "30 to 90 days is recommended")
	p.fill("Name", "Importer")
	p.choose("Read/Write")
	p.choose("All Engagements")
	p.choose("60 days")
	p.press("Generate", true)
	k := p.called("Importer")
	scopes, resources := k["scopes"].([]any), k["resources"].([]any) //nolint:forcetypeassert // lists in /v1
	if !slices.Contains(scopes, any("write")) || resources[0] != "*" || k["expires_at"] != p.Clock.Now().AddDate(0, 0, 60).Format(time.RFC3339) {
		p.T.Errorf("the API says %v", k)
	}
}

func expiryByDateOrNone(p *tab) {
	for _, c := range []struct {
		name, pill string
		want       any
	}{{"Dated", "On a date", "2024-03-01T23:59:59Z"}, {"Endless", "Never", nil}} {
		p.visit("/settings/api-keys/new")
		p.fill("Name", c.name)
		p.choose("All resources")
		p.choose(c.pill)
		if c.want != nil {
			script[bool](p, `(document.querySelector('#date').value = '2024-03-01', true)`)
		} else {
			p.says("Nothing will end this key but you")
		}
		p.press("Create", true)
		if got := p.called(c.name)["expires_at"]; got != c.want {
			p.T.Errorf("%s ends %v", c.name, got)
		}
	}
}

func samples(p *tab) {
	p.visit("/settings/api-keys/new")
	p.fill("Name", "Samples")
	p.choose("All resources")
	p.press("Create", true)
	key := p.text("#secret")
	p.says("not in source control", "HTTPS only")
	for _, name := range []string{"curl", "JavaScript", "Python", "Go", "GitHub Actions", "GitLab CI", "CircleCI"} {
		p.choose(name)
		sample := script[string](p, `[...document.querySelectorAll('.tabbed pre')].find(e => e.checkVisibility())?.innerText ?? ''`)
		if !strings.Contains(sample, p.URL+"/v1/whoami") || !strings.Contains(sample, "X-API-Key") || strings.Contains(sample, key[:20]) {
			p.T.Errorf("%s: %s", name, sample)
		}
	}
	if got := script[string](p, `document.querySelector('.nav a[href="/docs"]').innerText`); strings.TrimSpace(got) != "API reference" {
		p.T.Errorf("the link to the reference says %q", got)
	}
	p.checkWhoami(key, http.StatusOK) // what the samples do
}

func keysOutliveTheSession(p *tab) {
	var secrets []string
	for _, name := range []string{"Pipeline one", "Pipeline two"} {
		p.visit("/settings/api-keys/new")
		p.says("One key per pipeline")
		p.fill("Name", name)
		p.choose("All resources")
		p.press("Create", true)
		secrets = append(secrets, p.text("#secret"))
	}
	p.visit("/settings/api-keys/" + p.id("Pipeline one") + "/revoke")
	p.press("Revoke key", true)
	run(p, chromedp.Click(chromedp.CSS("button.me")))
	p.press("Sign out", true)
	p.says("Sign in")
	p.checkWhoami(secrets[0], http.StatusUnauthorized)
	p.checkWhoami(secrets[1], http.StatusOK)
}

// shownOnce is A-77 in a browser: neither the back button nor any page after,
// nor what the browser keeps, has the secret.
func shownOnce(p *tab) {
	p.visit("/settings/api-keys/new")
	p.fill("Name", "Once")
	p.choose("All resources")
	p.press("Create", true)
	key := p.text("#secret")
	if !wholeKey.MatchString(key) {
		p.T.Fatal("there is no key")
	}
	p.choose("I have stored it")
	p.press("Done", true)
	// The browser would have to send the form again, and asks first.
	if _, err := chromedp.Run(p.ctx, chromedp.NavigateBack()); err != nil && !strings.Contains(err.Error(), "ERR_CACHE_MISS") {
		p.T.Fatal(err)
	}
	if html := script[string](p, `document.documentElement.outerHTML`); strings.Contains(html, key) {
		p.T.Error("the back button shows the key again")
	}
	id := p.id("Once")
	for _, at := range []string{"/settings/api-keys", "/settings/api-keys/" + id, "/settings/api-keys/" + id + "/edit", "/settings/usage", "/settings/audit", "/settings/hygiene"} {
		p.visit(at)
		if strings.Contains(script[string](p, `document.documentElement.outerHTML + location.href`), key[11:]) {
			p.T.Errorf("%s has the secret", at)
		}
	}
	if n := script[int](p, `localStorage.length + sessionStorage.length`); n != 0 {
		p.T.Errorf("the browser keeps %d things", n)
	}
	for _, c := range p.cookies() {
		if strings.Contains(c.Value, key[11:]) {
			p.T.Error("the secret is in a cookie")
		}
	}
	p.checkWhoami(key, http.StatusOK)
}

func sentTwice(p *tab) {
	p.visit("/settings/api-keys/new")
	p.fill("Name", "Twice")
	p.choose("All resources")
	once := script[string](p, `document.querySelector('[name=once]').value`)
	p.press("Create", true)
	run(p, chromedp.NavigateBack()) // the form comes anew: what it had is put back
	p.fill("Name", "Twice")
	p.choose("All resources")
	script[bool](p, `(document.querySelector('[name=once]').value = `+jsText(once)+`, true)`)
	p.press("Create", true)
	p.says("This form was sent before")
	n := 0
	for _, k := range p.list() {
		if k["label"] == "Twice" {
			n++
		}
	}
	if n != 1 {
		p.T.Errorf("there are %d keys", n)
	}
}

// keyboardOnly makes a key with Tab, Space, arrows and Enter alone.
func keyboardOnly(p *tab) {
	p.visit("/settings/api-keys")
	until := func(what, test string) {
		p.T.Helper()
		for range 60 {
			if script[bool](p, `(e => `+test+`)(document.activeElement)`) {
				if !script[bool](p, `(e => e.matches(':focus-visible'))(document.activeElement)`) {
					p.T.Errorf("the focus on %s cannot be seen", what)
				}
				return
			}
			run(p, chromedp.KeyEvent("\t"))
		}
		p.T.Fatalf("Tab never reaches %s", what)
	}
	enter := func() {
		p.T.Helper()
		if _, err := chromedp.RunResponse(p.ctx, chromedp.KeyEvent("\r")); err != nil {
			p.T.Fatal(err)
		}
	}
	until("the button", `e.innerText?.trim() === 'Create API Key'`)
	enter()
	until("the name", `e.id === 'name'`)
	run(p, chromedp.KeyEvent("By hand"))
	until("the permission", `e.name === 'permission'`)
	until("the resources", `e.name === 'resources'`)
	run(p, chromedp.KeyEvent(kb.ArrowDown))
	until("the end", `e.name === 'expires'`)
	until("the button of the form", `e.innerText?.trim() === 'Create'`)
	enter()
	key := p.text("#secret")
	until("the box", `e.type === 'checkbox'`)
	run(p, chromedp.KeyEvent(" "))
	until("Done", `e.innerText?.trim() === 'Done'`)
	enter()
	p.checkWhoami(key, http.StatusOK)
}

func withoutScripts(p *tab) {
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	p.visit("/settings/api-keys")
	p.press("Create API Key", true)
	p.fill("Name", "Plain")
	p.choose("All resources")
	p.press("Create", true)
	key := p.text("#secret")
	p.says("Select the key with one click")
	p.checkWhoami(key, http.StatusOK)
	p.visit("/settings/api-keys")
	p.press("Actions for Plain", false)
	p.press("Revoke…", true)
	p.press("Revoke key", true)
	p.checkWhoami(key, http.StatusUnauthorized)
	p.visit("/settings/members")
	p.press("Invite member", false)
	p.fill("Email", "tomas@waypost.example")
	p.press("Create invitation", true)
	link := p.text("#link")
	if !strings.HasPrefix(link, p.URL+"/invitation#") {
		p.T.Errorf("the link is %q", link)
	}
	list, err := p.ListMembers(p.Ctx(), p.Admin, halberd.OrganizationID{}, halberd.Page{})
	if err != nil || len(list.List) != 2 {
		p.T.Errorf("there are %d members, %v", len(list.List), err)
	}
}

func editKeepsTheSecret(p *tab) {
	made := p.Make(halberd.NewKey{Name: "Importer", ExpiresInDays: halberd.Some(halberd.ExpiresIn(30))})
	p.visit("/configuration/api-keys/" + made.Key.ID.String() + "/edit")
	p.says("The secret stays as it is")
	if script[bool](p, `document.documentElement.outerHTML.includes(`+jsText(made.Secret.Reveal())+`)`) {
		p.T.Error("the form has the secret")
	}
	p.choose("Read-Only")
	p.choose("Specific Engagements")
	p.fill("List of engagements", "engagement/7")
	p.choose("90 days")
	p.press("Save", true)
	k := p.called("Importer")
	scopes, resources := k["scopes"].([]any), k["resources"].([]any) //nolint:forcetypeassert // lists in /v1
	if len(scopes) != 1 || scopes[0] != "read" || resources[0] != "engagement/7" || k["expires_at"] != p.Clock.Now().AddDate(0, 0, 90).Format(time.RFC3339) {
		p.T.Errorf("the API says %v", k)
	}
	if k["prefix"] != made.Key.Hint {
		p.T.Errorf("the key is another: %v", k["prefix"])
	}
	p.checkWhoami(made.Secret.Reveal(), http.StatusOK)
}

func revokeReasons(p *tab) {
	for label, want := range map[string]string{
		"Compromised": "compromised", "No longer needed": "no longer needed", "Replaced by another key": "replaced by another key",
	} {
		made := p.Make(halberd.NewKey{Name: label})
		p.visit("/configuration/api-keys/" + made.Key.ID.String() + "/revoke")
		p.says("cannot be reinstated")
		p.choose(label)
		p.press("Revoke key", true)
		p.checkWhoami(made.Secret.Reveal(), http.StatusUnauthorized)
		if k := p.called(label); k["revoke_reason"] != want {
			p.T.Errorf("the API says %v", k)
		}
		p.visit("/configuration/api-keys/" + made.Key.ID.String())
		p.says("It cannot be used and cannot be reinstated")
		if n := script[int](p, `document.querySelectorAll('main form button').length`); n != 0 {
			p.T.Errorf("a revoked key's page has %d buttons", n)
		}
	}
}

func rotation(p *tab) {
	made := p.Make(halberd.NewKey{Name: "Worker"})
	old := made.Secret.Reveal()
	p.visit("/settings/api-keys")
	p.press("Actions for Worker", false)
	p.press("Rotate…", true)
	p.accessible()
	p.choose("After 48 hours")
	p.press("Rotate and show the new secret", true)
	fresh := p.text("#secret")
	if fresh == old || !wholeKey.MatchString(fresh) {
		p.T.Fatal("there is no new key")
	}
	p.checkWhoami(old, http.StatusOK)
	p.checkWhoami(fresh, http.StatusOK)
	p.visit("/settings/api-keys/" + made.Key.ID.String())
	p.says("Two secrets work until")
	p.press("End the overlap now", true)
	p.checkWhoami(old, http.StatusUnauthorized)
	p.checkWhoami(fresh, http.StatusOK)
}

func goodPractice(p *tab) {
	words := []string{"environment variables", "secrets manager", "Never commit", "source control", "HTTPS only", "30 to 90 days", "At once if a key is compromised"}
	p.visit("/configuration/api-keys") // without a key
	p.says(words...)
	made := p.Make(halberd.NewKey{Name: "One"})
	p.visit("/configuration/api-keys")
	p.says(words...)
	p.checkWhoami(made.Secret.Reveal(), http.StatusOK)
}

func usageTab(p *tab) {
	made := p.Make(halberd.NewKey{Name: "Busy", Scopes: halberd.Some(halberd.MustScopes("read"))})
	for range 3 {
		p.Code(made.Secret)
	}
	_, _ = p.Verify(p.Ctx(), halberd.Check{Secret: made.Secret, Scopes: []halberd.Scope{"write"}, FiltersResources: true})
	p.visit("/settings/api-keys")
	p.press("Usage", true)
	if got := p.text(".tabs [aria-current]"); got != "Usage" {
		p.T.Errorf("the open tab is %q", got)
	}
	p.says("Checks 4", "Valid 3", "Scope or resource", "Busy")
	p.accessible()
	total, _ := p.api("/v1/usage?key_id=" + made.Key.ID.String())["total"].(map[string]any)
	if total["VALID"] != 3.0 || total["INSUFFICIENT_SCOPE"] != 1.0 {
		p.T.Errorf("the API says %v", total)
	}
}

// higherLimits: whoever runs the instance gives a key more than its project's,
// and nobody else.
func higherLimits(p *tab) {
	project := halberd.RateLimits{{Name: "default", Limit: 100, WindowSeconds: 60, Burst: 100}}
	if _, err := p.UpdateProject(p.Ctx(), p.Admin, p.Home, halberd.ProjectPatch{RateLimits: halberd.Some(project)}, 0); err != nil {
		p.T.Fatal(err)
	}
	made := p.Make(halberd.NewKey{Name: "Hungry"})
	p.visit("/settings/api-keys/" + made.Key.ID.String() + "/edit")
	run(p, chromedp.Click(chromedp.CSS("details.more > summary")))
	p.says("A limit above the project’s is set by an operator")
	p.fill("Rate limit", "5000")
	p.press("Save", true)
	p.says("5,000 a minute")
	got, err := p.Get(p.Ctx(), p.Admin, made.Key.ID)
	if err != nil || len(got.RateLimits) != 1 || got.RateLimits[0].Limit != 5000 {
		p.T.Errorf("the limits are %v, %v", got.RateLimits, err)
	}
}

// causes: a key's page tells which of the four it is.
func causes(p *tab) {
	few := halberd.RateLimits{{Name: "default", Limit: 1, WindowSeconds: 60, Burst: 1}}
	inactive := p.Make(halberd.NewKey{Name: "Inactive"})
	if _, err := p.Update(p.Ctx(), p.Admin, inactive.Key.ID, halberd.KeyPatch{Active: halberd.Some(false)}, 0); err != nil {
		p.T.Fatal(err)
	}
	expired := p.Make(halberd.NewKey{Name: "Expired", ExpiresAt: halberd.Some(halberd.Expiry{At: p.Clock.Now().Add(time.Minute)})})
	narrow := p.Make(halberd.NewKey{Name: "Narrow", Scopes: halberd.Some(halberd.MustScopes("read"))})
	limited := p.Make(halberd.NewKey{Name: "Limited", RateLimits: halberd.Some(few)})
	p.Clock.Pass(2 * time.Minute)
	p.Code(limited.Secret)
	for _, c := range []struct {
		made  halberd.Changed
		scope halberd.Scope
		want  halberd.VerdictCode
		words []string
	}{
		{inactive, "read", halberd.Inactive, []string{"Deactivated", "Activate it to undo that"}},
		{expired, "read", halberd.Expired, []string{"Expired on", "Edit it to give it a new end"}},
		{narrow, "write", halberd.InsufficientScope, []string{"Scope or resource 1", "The key may not do that"}},
		{limited, "read", halberd.RateLimited, []string{"Rate limited 1", "let the client back off"}},
	} {
		v, err := p.Verify(p.Ctx(), halberd.Check{Secret: c.made.Secret, Scopes: []halberd.Scope{c.scope}, FiltersResources: true})
		if err != nil || v.Code != c.want {
			p.T.Errorf("%s: %v, %v", c.made.Key.Name, v.Code, err)
		}
		p.visit("/settings/api-keys/" + c.made.Key.ID.String() + "?p=24h")
		p.says(c.words...)
		total, _ := p.api("/v1/usage?key_id=" + c.made.Key.ID.String())["total"].(map[string]any)
		if total[string(c.want)] != 1.0 {
			p.T.Errorf("%s: the API says %v", c.made.Key.Name, total)
		}
	}
}

func lostKey(p *tab) {
	lost := p.Make(halberd.NewKey{Name: "Lost"})
	p.visit("/settings/api-keys/" + lost.Key.ID.String())
	p.press("Revoke", true)
	p.choose("Compromised")
	p.press("Revoke key", true)
	p.press("Create API Key", true)
	p.fill("Name", "Found")
	p.choose("All resources")
	p.press("Create", true)
	p.says("Lost it, or pasted it somewhere public?", "create another")
	p.checkWhoami(lost.Secret.Reveal(), http.StatusUnauthorized)
	p.checkWhoami(p.text("#secret"), http.StatusOK)
}

// twoTabs: what was read before another's change is not written over it.
func twoTabs(p *tab) {
	made := p.Make(halberd.NewKey{Name: "Shared"})
	p.visit("/settings/api-keys/" + made.Key.ID.String() + "/edit")
	if _, err := p.Update(p.Ctx(), p.Admin, made.Key.ID, halberd.KeyPatch{Name: halberd.Some("Theirs")}, 0); err != nil {
		p.T.Fatal(err)
	}
	p.fill("Name", "Mine")
	p.press("Save", true)
	p.says("Not saved")
	p.called("Theirs")
}

func offAndOn(p *tab) {
	made := p.Make(halberd.NewKey{Name: "Switch"})
	p.visit("/settings/api-keys")
	p.press("Actions for Switch", false)
	p.press("Deactivate", true)
	p.checkWhoami(made.Secret.Reveal(), http.StatusUnauthorized)
	p.press("Actions for Switch", false)
	p.press("Activate", true)
	p.checkWhoami(made.Secret.Reveal(), http.StatusOK)
}

func extend(p *tab) {
	made := p.Make(halberd.NewKey{Name: "Ended", ExpiresAt: halberd.Some(halberd.Expiry{At: p.Clock.Now().Add(time.Minute)})})
	p.Clock.Pass(2 * time.Minute)
	p.checkWhoami(made.Secret.Reveal(), http.StatusUnauthorized)
	p.visit("/settings/api-keys/" + made.Key.ID.String())
	p.press("Edit", true)
	p.choose("30 days")
	p.press("Save", true)
	p.checkWhoami(made.Secret.Reveal(), http.StatusOK)
}
