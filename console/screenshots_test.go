package console_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/halberdhq/halberd"
)

// TestScreenshots makes pictures of every page for people to look at:
// HALBERD_SCREENSHOTS names the folder. Without it the pages are only visited,
// in the dark and narrow, which finds what scrolls sideways.
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("HALBERD_SCREENSHOTS")
	s := newSite(t)
	p := s.tab(chromium(t))
	p.look("signin-first", folder, "/sign-in")
	s.member()
	p.look("signin", folder, "/sign-in")
	p.signIn()
	p.look("keys-empty", folder, "/settings/api-keys")
	p.look("audit-empty", folder, "/settings/audit?outcome=denied")
	key := s.inhabit()
	alert, rule, hook := s.alarm()
	p.signIn() // weeks later
	for _, page := range []struct{ name, path string }{
		{"keys", "/settings/api-keys"},
		{"keys-configuration", "/configuration/api-keys"},
		{"create", "/settings/api-keys/new"},
		{"key", "/settings/api-keys/" + key},
		{"edit", "/settings/api-keys/" + key + "/edit"},
		{"rotate", "/settings/api-keys/" + key + "/rotate"},
		{"revoke", "/settings/api-keys/" + key + "/revoke"},
		{"usage", "/settings/usage?p=7d"},
		{"alerts", "/settings/alerts"},
		{"alert", "/settings/alerts/" + alert},
		{"alert-rule", "/settings/alert-rules/" + rule},
		{"alert-rule-kinds", "/settings/alert-rules/new"},
		{"alert-rule-new", "/settings/alert-rules/new?kind=error_share"},
		{"webhooks", "/settings/webhooks"},
		{"webhook", "/settings/webhooks/" + hook},
		{"webhook-new", "/settings/webhooks/new"},
		{"webhook-edit", "/settings/webhooks/" + hook + "/edit"},
		{"hygiene", "/settings/hygiene"},
		{"projects", "/settings/projects"},
		{"project", "/settings/projects/" + s.Home.String()},
		{"project-new", "/settings/projects/new"},
		{"members", "/settings/members"},
		{"leave", "/settings/members/" + s.person("Tomas Lindqvist").ID.String() + "/remove"},
		{"nodes", "/settings/nodes"},
		{"profile", "/settings/profile"},
		{"audit", "/settings/audit"},
		{"invitation", "/invitation"},
		{"keys-none", "/settings/api-keys?q=nothing+has+this+name"},
		{"error", "/settings/api-keys/" + halberd.NewKeyID().String()},
	} {
		p.look(page.name, folder, page.path)
	}
	p.visit("/settings/api-keys/new")
	p.press("Create", true)
	p.look("create-refused", folder, "")
	p.fill("Name", "Nightly report")
	p.choose("All resources")
	p.press("Create", true)
	p.look("secret", folder, "")
}

// inhabit gives the site a few weeks of life, as its people would, and returns the
// busiest key's id.
func (s *site) inhabit() string {
	t := s.T
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s.Clock.Pass(30 * 24 * time.Hour)
	list, err := s.ListMembers(s.Ctx(), s.Admin, halberd.OrganizationID{}, halberd.Page{})
	must(err)
	from := halberd.Request{ClientIP: netip.MustParseAddr("198.51.100.7")}
	ana := s.actorOf(list.List[0]).Via(from)
	_, err = s.UpdateOrganization(s.Ctx(), ana, s.Org, halberd.OrganizationPatch{Name: halberd.Some("Waypost")}, 0)
	must(err)
	limits := halberd.RateLimits{{Name: "default", Limit: 100, WindowSeconds: 60, Burst: 100}}
	_, err = s.UpdateProject(s.Ctx(), ana, s.Home, halberd.ProjectPatch{Name: halberd.Some("Production"), RateLimits: halberd.Some(limits)}, 0)
	must(err)
	_, err = s.CreateProject(s.Ctx(), ana, halberd.NewProject{Name: "Staging", KeyPrefix: "whr_test"})
	must(err)
	joins := func(address, name string, role halberd.Scope) halberd.Actor {
		in, err := s.InviteMember(s.Ctx(), ana, halberd.NewMember{Email: address, Role: role})
		must(err)
		who, err := s.Accept(s.Ctx(), in.Secret, name, password, from)
		must(err)
		return s.actorOf(who.Member).Via(from)
	}
	tomas := joins("tomas@waypost.example", "Tomas Lindqvist", halberd.ScopeAdmin)
	joins("mei@waypost.example", "Mei Okafor", halberd.ScopeRead)
	some := func(list ...string) halberd.Maybe[halberd.Resources] {
		r, err := halberd.ParseResources(list)
		if err != nil {
			t.Fatal(err)
		}
		return halberd.Some(r)
	}
	days := func(n int) halberd.Maybe[halberd.ExpiresIn] { return halberd.Some(halberd.ExpiresIn(n)) }
	var keys []halberd.Changed
	for i, n := range []halberd.NewKey{
		{Name: "A pipeline whose name somebody made very long because names are cheap, of the team for deliveries in northern regions (second try)", ExternalID: "customer-000042"},
		{Name: "Ingest gateway"},
		{Name: "Grafana exporter", Scopes: halberd.Some(halberd.MustScopes("read")), ExpiresInDays: days(90)},
		{Name: "Billing worker", Scopes: halberd.Some(halberd.MustScopes("write", "deliveries:replay")), Resources: some("source/stripe", "source/shopify", "destination/billing"), ExpiresInDays: days(40),
			RateLimits: halberd.Some(halberd.RateLimits{{Name: "burst", Limit: 10, WindowSeconds: 1}, {Name: "hourly", Limit: 5000, WindowSeconds: 3600, Burst: 500}}),
			Quota:      halberd.Some(&halberd.Quota{Limit: 1_000_000, Refill: halberd.RefillMonth})},
		{Name: "GitHub Actions", Resources: some("source/*"), ExpiresInDays: days(20)},
		{Name: "Reporting script", Scopes: halberd.Some(halberd.MustScopes("read")), ExpiresInDays: days(11)},
		{Name: "Terraform", Scopes: halberd.Some(halberd.MustScopes("admin")), ExpiresInDays: days(60)},
		{Name: "Mobile backend (v1)"},
		{Name: "Zapier bridge"},
		{Name: "Data team notebook", Scopes: halberd.Some(halberd.MustScopes("read"))},
	} {
		by := []halberd.Actor{ana, ana, tomas}[(i+1)%3]
		made, err := s.Create(s.Ctx(), by, n)
		must(err)
		keys = append(keys, made)
		s.Clock.Pass(25 * time.Hour)
	}
	checks := func(at int) {
		for i, k := range keys[1:9] {
			for n := range (i*7+at*3)%11 + 3 {
				_, _ = s.Verify(s.Ctx(), halberd.Check{
					Secret: k.Secret, Scopes: []halberd.Scope{[]halberd.Scope{"read", "read", "read", "read", "read", "write"}[(i+at+n)%6]}, Resource: "source/stripe",
					ClientIP: netip.AddrFrom4([4]byte{203, 0, 113, byte(20 + i)}), UserAgent: "billing-worker/2.14",
				})
			}
		}
		_, err := s.Usage(s.Ctx(), s.Admin, halberd.UsageQuery{}) // stores the counts under their time
		must(err)
	}
	for day := range 9 {
		checks(day)
		s.Clock.Pass(23 * time.Hour)
	}
	for hour := range 22 {
		checks(max(0, 11-hour, hour-11))
		s.Clock.Pass(time.Hour)
	}
	if _, err := s.Update(s.Ctx(), ana, keys[7].Key.ID, halberd.KeyPatch{Active: halberd.Some(false)}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Revoke(s.Ctx(), tomas, keys[8].Key.ID, "compromised", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rotate(s.Ctx(), ana, keys[3].Key.ID, 48*time.Hour, 0); err != nil {
		t.Fatal(err)
	}
	return keys[3].Key.ID.String()
}

// alarm lets something go wrong, and returns the ids of an alert, of its rule,
// and of a webhook that was told.
func (s *site) alarm() (alert, rule, webhook string) {
	s.T.Helper()
	people, err := s.ListMembers(s.Ctx(), s.Admin, halberd.OrganizationID{}, halberd.Page{})
	if err != nil {
		s.T.Fatal(err)
	}
	ana := s.actorOf(people.List[0])
	hook, err := s.CreateWebhook(s.Ctx(), ana, halberd.NewWebhook{URL: endpoint + "/alerts", Events: []string{"alert.*", "key.*"}})
	if err != nil {
		s.T.Fatal(err)
	}
	if _, err := s.CreateWebhook(s.Ctx(), ana, halberd.NewWebhook{URL: "https://93.184.216.34/services/T000/B000/x8Qw", Format: halberd.FormatSlack}); err != nil {
		s.T.Fatal(err)
	}
	k, err := s.Create(s.Ctx(), ana, halberd.NewKey{Name: "Nightly export", Scopes: halberd.Some(halberd.MustScopes("read"))})
	if err != nil {
		s.T.Fatal(err)
	}
	calls := func(minutes, good, bad int) {
		for i := range minutes {
			for range good + i%3 {
				_, _ = s.Verify(s.Ctx(), halberd.Check{Secret: k.Secret, ClientIP: netip.MustParseAddr("203.0.113.40"), UserAgent: "nightly-export/3.1"})
			}
			for range bad * (i + 1) / 2 {
				_, _ = s.Verify(s.Ctx(), halberd.Check{Secret: k.Secret, Scopes: []halberd.Scope{"write"}, FiltersResources: true})
			}
			s.minute()
		}
	}
	s.endedInUse(ana, "Old deploy")
	s.delivered(halberd.Attempt{Status: 204, Took: 84 * time.Millisecond})
	calls(25, 4, 0)
	calls(8, 3, 4)
	s.Clock.Pass(40 * time.Minute)
	s.minute()
	calls(3, 3, 20)
	s.delivered(halberd.Attempt{Status: 503, Took: 9 * time.Second, Error: "the endpoint answered 503", NextAt: s.Now().Add(5 * time.Minute)})
	list, err := s.ListAlerts(s.Ctx(), s.Admin, halberd.AlertQuery{Kind: halberd.AlertErrors})
	if err != nil || len(list.List) == 0 {
		s.T.Fatalf("no alert of errors: %v", err)
	}
	first := list.List[len(list.List)-1]
	return first.ID.String(), first.Rule.String(), hook.Webhook.ID.String()
}

// person is the member of a name.
func (s *site) person(name string) halberd.Member {
	s.T.Helper()
	people, err := s.ListMembers(s.Ctx(), s.Admin, halberd.OrganizationID{}, halberd.Page{})
	if err != nil {
		s.T.Fatal(err)
	}
	for _, m := range people.List {
		if m.Name == name {
			return m
		}
	}
	s.T.Fatalf("nobody is called %s", name)
	return halberd.Member{}
}

// look takes a picture of a page in each of its dresses. An empty path is the page
// that is there, for those that cannot be got again.
func (p *tab) look(name, folder, path string) {
	p.T.Helper()
	for _, d := range []struct {
		dress, scheme string
		width         int64
	}{{"light", "light", 1280}, {"dark", "dark", 1280}, {"mobile", "light", 390}} {
		call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: d.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}, // no color on its way
		})
		run(p, chromedp.EmulateViewport(d.width, 900))
		if path != "" {
			p.visit(path)
		}
		if over := script[int](p, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
			p.T.Errorf("%s scrolls %d pixels sideways at a width of %d", name, over, d.width)
		}
		if weak := script[[]string](p, faint); len(weak) > 0 {
			p.T.Errorf("%s, %s: too little contrast: %q", name, d.dress, weak)
		}
		if over := script[int](p, "Math.max(0, ...[...document.querySelectorAll('.table-wrap')].map(e => e.scrollWidth - e.clientWidth))"); over > 0 && d.width > 720 { // below they are cards
			p.T.Errorf("a table of %s is %d pixels wider than its place at a width of %d", name, over, d.width)
		}
		if folder == "" {
			continue
		}
		run(p, chromedp.EmulateViewport(d.width, max(900, script[int64](p, "document.documentElement.scrollHeight")))) // what sticks to the edges reaches them
		picture := run(p, chromedp.FullScreenshot(100))
		if err := os.WriteFile(filepath.Join(folder, name+"-"+d.dress+".png"), picture, 0o600); err != nil {
			p.T.Fatal(err)
		}
	}
	p.accessible()
}
