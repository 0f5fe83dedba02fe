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
	s.member()
	key := s.inhabit()
	p := s.tab(chromium(t))
	p.look("signin", folder, "/sign-in")
	p.signIn()
	for _, page := range []struct{ name, path string }{
		{"keys", "/settings/api-keys"},
		{"keys-configuration", "/configuration/api-keys"},
		{"create", "/settings/api-keys/new"},
		{"key", "/settings/api-keys/" + key},
		{"edit", "/settings/api-keys/" + key + "/edit"},
		{"rotate", "/settings/api-keys/" + key + "/rotate"},
		{"revoke", "/settings/api-keys/" + key + "/revoke"},
		{"usage", "/settings/usage?p=7d"},
		{"hygiene", "/settings/hygiene"},
		{"projects", "/settings/projects"},
		{"project", "/settings/projects/" + s.Home.String()},
		{"members", "/settings/members"},
		{"profile", "/settings/profile"},
		{"audit", "/settings/audit"},
		{"invitation", "/invitation"},
		{"error", "/settings/api-keys/" + halberd.NewKeyID().String()},
	} {
		p.look(page.name, folder, page.path)
	}
}

// inhabit gives the site a few weeks of life and returns the busiest key's id.
func (s *site) inhabit() string {
	t := s.T
	t.Helper()
	limits := halberd.RateLimits{{Name: "default", Limit: 100, WindowSeconds: 60, Burst: 100}}
	if _, err := s.UpdateProject(s.Ctx(), s.Admin, s.Home, halberd.ProjectPatch{Name: halberd.Some("Production"), RateLimits: halberd.Some(limits)}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateProject(s.Ctx(), s.Admin, halberd.NewProject{Name: "Staging", KeyPrefix: "whr_test"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.InviteMember(s.Ctx(), s.Admin, halberd.NewMember{Email: "tomas@waypost.example", Role: "write"}); err != nil {
		t.Fatal(err)
	}
	some := func(list ...string) halberd.Maybe[halberd.Resources] {
		r, err := halberd.ParseResources(list)
		if err != nil {
			t.Fatal(err)
		}
		return halberd.Some(r)
	}
	days := func(n int) halberd.Maybe[halberd.ExpiresIn] { return halberd.Some(halberd.ExpiresIn(n)) }
	var keys []halberd.Changed
	for _, n := range []halberd.NewKey{
		{Name: "Ingest gateway"},
		{Name: "Grafana exporter", Scopes: halberd.Some(halberd.MustScopes("read")), ExpiresInDays: days(90)},
		{Name: "Billing worker", Scopes: halberd.Some(halberd.MustScopes("write", "deliveries:replay")), Resources: some("source/stripe", "source/shopify", "destination/billing"), ExpiresInDays: days(30)},
		{Name: "GitHub Actions", Resources: some("source/*"), ExpiresInDays: days(12)},
		{Name: "Reporting script", Scopes: halberd.Some(halberd.MustScopes("read")), ExpiresInDays: days(5)},
		{Name: "Terraform", Scopes: halberd.Some(halberd.MustScopes("admin")), ExpiresInDays: days(60)},
		{Name: "Mobile backend (v1)"},
		{Name: "Zapier bridge"},
		{Name: "Data team notebook", Scopes: halberd.Some(halberd.MustScopes("read"))},
	} {
		keys = append(keys, s.Make(n))
	}
	for day := range 9 {
		for i, k := range keys[:8] {
			for range (i*7+day*3)%11 + 3 {
				_, _ = s.Verify(s.Ctx(), halberd.Check{
					Secret: k.Secret, Scopes: []halberd.Scope{[]halberd.Scope{"read", "write", "admin"}[(i+day)%3]}, Resource: "source/stripe",
					ClientIP: netip.AddrFrom4([4]byte{203, 0, 113, byte(20 + i)}), UserAgent: "billing-worker/2.14",
				})
			}
		}
		if _, err := s.Usage(s.Ctx(), s.Admin, halberd.UsageQuery{}); err != nil { // stores the counts under their day
			t.Fatal(err)
		}
		s.Clock.Pass(23 * time.Hour)
	}
	if _, err := s.Update(s.Ctx(), s.Admin, keys[6].Key.ID, halberd.KeyPatch{Active: halberd.Some(false)}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Revoke(s.Ctx(), s.Admin, keys[7].Key.ID, "compromised", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rotate(s.Ctx(), s.Admin, keys[2].Key.ID, 48*time.Hour, 0); err != nil {
		t.Fatal(err)
	}
	return keys[2].Key.ID.String()
}

// look takes a picture of a page in each of its dresses.
func (p *tab) look(name, folder, path string) {
	p.T.Helper()
	for _, d := range []struct {
		dress, scheme string
		width         int64
	}{{"light", "light", 1280}, {"dark", "dark", 1280}, {"mobile", "light", 390}} {
		call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: d.scheme}},
		})
		run(p, chromedp.EmulateViewport(d.width, 900))
		p.visit(path)
		if over := script[int](p, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
			p.T.Errorf("%s scrolls %d pixels sideways at a width of %d", path, over, d.width)
		}
		if over := script[int](p, "Math.max(0, ...[...document.querySelectorAll('.table-wrap')].map(e => e.scrollWidth - e.clientWidth))"); over > 0 && d.width > 720 { // below they are cards
			p.T.Errorf("a table of %s is %d pixels wider than its place at a width of %d", path, over, d.width)
		}
		if folder == "" {
			continue
		}
		picture := run(p, chromedp.FullScreenshot(100))
		if err := os.WriteFile(filepath.Join(folder, name+"-"+d.dress+".png"), picture, 0o600); err != nil {
			p.T.Fatal(err)
		}
	}
	p.accessible()
}
