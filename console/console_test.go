package console_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
)

// TestConsole is the rows of S1 and S4 that name a page, a button, a tab, a column
// or a menu, each in a real browser and ending with what the API says.
func TestConsole(t *testing.T) {
	browser := chromium(t)
	for _, c := range slices.Concat(makingRows(), keepingRows(), otherRows(), peopleRows(), alertRows(), webhookRows()) {
		t.Run(c.rows, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			p := s.tab(browser)
			if !c.bare {
				s.member()
				p.signIn()
			}
			c.check(p)
		})
	}
}

// rowTest is one test of the table; rows are those of the documents, joined by _,
// or of reliability, or a sentence.
type rowTest struct {
	rows  string
	check func(*tab)
	bare  bool // without a member who is signed in
}

var wholeKey = regexp.MustCompile(`^hb_live_[0-9A-Za-z]{32}$`)

func createInSettings(p *tab) {
	p.visit("/settings/api-keys")
	p.press("Create API Key", true)
	p.accessible()
	p.fill("Name", "CI pipeline")
	p.choose("Read/Write")
	p.choose("All resources")
	p.choose("30 days")
	p.press("Create", true)
	p.says("Store this key now", "API key is shown only once. Store it securely!", "CI pipeline")
	p.accessible()
	key := p.text("#secret")
	if !wholeKey.MatchString(key) {
		p.T.Fatalf("the page shows %d characters that are no key", len(key))
	}
	if got := p.whoami(key); got != 200 {
		p.T.Errorf("the API answers the key with %d", got)
	}
	if at := p.where(); strings.Contains(at, key[8:]) {
		p.T.Error("the key is in the address")
	}
	k := p.called("CI pipeline")
	if k["prefix"] != key[:11] || k["expires_at"] != p.Clock.Now().AddDate(0, 0, 30).Format(time.RFC3339) {
		p.T.Errorf("the API says %v", k)
	}
	p.choose("I have stored it")
	p.press("Done", true)
	p.silent(key)
	p.visit("/settings/api-keys/" + k["key_id"].(string)) //nolint:forcetypeassert // a text in /v1
	p.silent(key)
}

func createInConfiguration(p *tab) {
	p.visit("/configuration/api-keys")
	p.says("Configuration")
	p.press("Generate", true)
	p.says("Read-Only", "View data only", "Read/Write", "View and modify data", "All Engagements", "Higher risk",
		"Specific Engagements", "Recommended", "30 to 90 days is recommended")
	p.fill("Name", "Runbooks")
	p.choose("Read-Only")
	p.choose("Specific Engagements")
	p.fill("List of engagements", "engagement/42")
	p.press("Generate", true)
	p.says("API key is shown only once. Store it securely!")
	k := p.called("Runbooks")
	scopes, resources := k["scopes"].([]any), k["resources"].([]any) //nolint:forcetypeassert // lists in /v1
	if len(scopes) != 1 || scopes[0] != "read" || len(resources) != 1 || resources[0] != "engagement/42" {
		p.T.Errorf("the API says %v", k)
	}
	if got := p.whoami(p.text("#secret")); got != 200 {
		p.T.Errorf("the API answers the key with %d", got)
	}
}

func columns(p *tab) {
	used := p.Make(halberd.NewKey{Name: "Reporting script", ExpiresInDays: halberd.Some(halberd.ExpiresIn(1))})
	p.Make(halberd.NewKey{Name: "Forever", ExpiresAt: halberd.Never()})
	if got := p.Code(used.Secret); got != halberd.Valid {
		p.T.Fatal(got)
	}
	p.Clock.Pass(25 * time.Hour)
	p.signIn() // no session lives so long
	p.visit("/settings/api-keys")
	row := strings.Join(p.row("Reporting script"), " | ")
	for _, want := range []string{used.Key.Hint, "15 Jan 2024", "16 Jan 2024", "Expired"} {
		if !strings.Contains(row, want) {
			p.T.Errorf("the row lacks %q: %s", want, row)
		}
	}
	if got := strings.Join(p.row("Forever"), " | "); !strings.Contains(got, "Never") || strings.Contains(got, "Expired") {
		p.T.Errorf("the other row: %s", got)
	}
	if k := p.called("Reporting script"); k["state"] != "expired" || k["last_used_at"] == nil {
		p.T.Errorf("the API says %v", k)
	}
	p.accessible()
}

func revokeFromTheMenu(p *tab) {
	made := p.Make(halberd.NewKey{Name: "Zapier bridge"})
	p.Make(halberd.NewKey{Name: "Other"})
	p.visit("/settings/api-keys")
	p.press("Actions for Zapier bridge", false)
	p.press("Revoke…", true)
	p.says("Revoke “Zapier bridge”?", made.Key.Hint, "There is no grace period", "cannot be reinstated")
	p.accessible()
	if got := p.whoami(made.Secret.Reveal()); got != 200 {
		p.T.Fatalf("before: %d", got)
	}
	p.choose("Compromised")
	p.press("Revoke key", true)
	if got := p.whoami(made.Secret.Reveal()); got != 401 {
		p.T.Errorf("after: %d", got)
	}
	if k := p.called("Zapier bridge"); k["state"] != "revoked" || k["revoke_reason"] != "compromised" {
		p.T.Errorf("the API says %v", k)
	}
	if k := p.called("Other"); k["state"] != "active" {
		p.T.Errorf("the other key is %v", k["state"])
	}
	p.visit("/settings/api-keys?state=revoked")
	p.press("Actions for Zapier bridge", false)
	acts := script[[]string](p, `[...document.querySelectorAll(':popover-open a, :popover-open button')].map(e => e.innerText.trim())`)
	if len(acts) != 1 || acts[0] != "View usage and history" {
		p.T.Errorf("a revoked key's menu offers %q", acts)
	}
}
