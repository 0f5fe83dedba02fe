package console_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/console"
	"github.com/halberdhq/halberd/dialect/enveloped"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/notify"
	"github.com/halberdhq/halberd/storage/sqlite"
)

// site is a console and /v1 over HTTP, on an engine with a disk, with a clock
// that moves when told.
type site struct {
	*fixture.World
	URL string
}

const (
	email    = "ana@waypost.example"
	password = "correct horse battery"
)

func newSite(t testing.TB) *site {
	t.Helper()
	return newSiteWith(t, nil)
}

// posting judges as a server that sends email does.
type posting struct{ *notify.Webhooks }

func (p posting) Judge(ctx context.Context, address string) error {
	if strings.HasPrefix(address, "mailto:") {
		return nil
	}
	return p.Webhooks.Judge(ctx, address)
}

// newSiteWith is newSite with further options of the console.
func newSiteWith(t testing.TB, further func(*fixture.Clock, *console.Options)) *site {
	t.Helper()
	store, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	hooks := notify.NewWebhooks(notify.Options{})
	t.Cleanup(hooks.Close)
	s := &site{World: fixture.With(t, store, fixture.NewClock(), halberd.Options{Endpoints: posting{hooks}})}
	var pages, api http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if console.Serves(r.URL.Path) {
			pages.ServeHTTP(w, r)
		} else {
			api.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	s.URL = server.URL
	api = enveloped.Handler(s.Service, nil)
	o := console.Options{PublicURL: server.URL, Version: "test"}
	if further != nil {
		further(s.Clock, &o)
	}
	if pages, err = console.New(s.Service, store, o); err != nil {
		t.Fatal(err)
	}
	return s
}

// member makes the first member: an admin and operator.
func (s *site) member() halberd.Member {
	s.T.Helper()
	m, err := s.FirstMember(s.Ctx(), s.Admin, email, "Ana Duarte", password)
	if err != nil {
		s.T.Fatal(err)
	}
	return m.Member
}

// whoami calls the API with a key, as its holder would, and returns the status.
func (s *site) whoami(key string) int {
	s.T.Helper()
	r, err := http.NewRequestWithContext(s.Ctx(), http.MethodGet, s.URL+"/v1/whoami", nil)
	if err != nil {
		s.T.Fatal(err)
	}
	r.Header.Set("X-API-Key", key)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.T.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// list is what the API says of the keys, whatever their state.
func (s *site) list() []map[string]any {
	s.T.Helper()
	r, err := http.NewRequestWithContext(s.Ctx(), http.MethodGet, s.URL+"/v1/api-keys?limit=100&state=active,inactive,expired,revoked", nil)
	if err != nil {
		s.T.Fatal(err)
	}
	r.Header.Set("X-API-Key", s.Root.Reveal())
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.T.Fatal(err)
	}
	defer res.Body.Close()
	var body struct{ Data []map[string]any }
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		s.T.Fatal(err)
	}
	return body.Data
}

// called is the one key of that name, as the API tells it.
func (s *site) called(name string) map[string]any {
	s.T.Helper()
	for _, k := range s.list() {
		if k["label"] == name {
			return k
		}
	}
	s.T.Fatalf("the API knows no key %q", name)
	return nil
}

// chromium starts a browser for the tests of t. Where it cannot be installed
// that is a failure, not a skip.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: scripts/debian.sh installs it")
	}
	all, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true))...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(all)
	t.Cleanup(end)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	return ctx
}

// tab is a browser's window on a site, with nothing of other tests in it. It
// fails its test for whatever a careful reader of the developer tools would
// object to: errors, CSP reports, requests to anyone else.
type tab struct {
	*site
	ctx context.Context

	browser context.Context

	beside string // another place that the browser may go to, such as a provider

	mu       sync.Mutex
	troubles []string
}

const patience = 20 * time.Second // for one step; a bound, not a measure

func (s *site) tab(browser context.Context) *tab {
	s.T.Helper()
	p := &tab{site: s, browser: browser}
	ctx, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.listen))
	p.ctx = ctx
	s.T.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, trouble := range p.troubles {
			s.T.Error(trouble)
		}
		end()
	})
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		s.T.Fatal(err)
	}
	call(p, network.Enable, network.EnableParams{})
	call(p, cdplog.Enable, cdp.Empty{})
	call(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}) // whatever other tabs do
	run(p, chromedp.EmulateViewport(1280, 900))
	return p
}

func (p *tab) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		// A refused form answers 4xx: the browser notes it, and so it should be.
		if e.Entry.Source != cdplog.EntrySourceNetwork && e.Entry.Level != cdplog.EntryLevelVerbose && e.Entry.Level != cdplog.EntryLevelInfo {
			p.troubles = append(p.troubles, "the browser logs: "+e.Entry.Text)
		}
	case *cdpruntime.EventExceptionThrown:
		p.troubles = append(p.troubles, "a script failed: "+e.ExceptionDetails.Text)
	case *cdpruntime.EventConsoleAPICalled:
		p.troubles = append(p.troubles, "a script wrote to the console")
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, p.URL+"/") && (p.beside == "" || !strings.HasPrefix(u, p.beside+"/")) && !strings.HasPrefix(u, "data:") && u != "about:blank" {
			p.troubles = append(p.troubles, "a request to someone else: "+u)
		}
	}
}

// call sends one command of the protocol.
func call[P, R any](p *tab, c cdp.Command[P, R], params P) R {
	p.T.Helper()
	return run(p, func(ctx context.Context, t *chromedp.Target) (R, error) { return cdp.Call(ctx, t, c, params) })
}

// run takes one step, which has an end.
func run[T any](p *tab, step chromedp.Action[T]) T {
	p.T.Helper()
	ctx, stop := context.WithTimeout(p.ctx, patience)
	defer stop()
	out, err := chromedp.Run(ctx, step)
	if err != nil {
		p.T.Fatalf("%v, at %s", err, p.where())
	}
	return out
}

// script runs JavaScript and returns what it says.
func script[T any](p *tab, text string) T {
	p.T.Helper()
	return run(p, chromedp.Evaluate[T](text))
}

func (p *tab) where() string {
	ctx, stop := context.WithTimeout(p.ctx, patience)
	defer stop()
	at, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		return err.Error()
	}
	return strings.TrimPrefix(at, p.URL)
}

// visit opens a page.
func (p *tab) visit(path string) {
	p.T.Helper()
	run(p, chromedp.Navigate(p.URL+path))
}

// press clicks what is called so, a button or a link, and waits for the page that
// follows when leads is true.
func (p *tab) press(name string, leads bool) {
	p.T.Helper()
	if !script[bool](p, `(() => {
		document.querySelectorAll('[data-pressed]').forEach(e => e.removeAttribute('data-pressed'));
		const all = document.evaluate(`+jsText(byName(name))+`, document, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE, null);
		for (let i = 0; i < all.snapshotLength; i++) {
			if (all.snapshotItem(i).checkVisibility()) { all.snapshotItem(i).setAttribute('data-pressed', ''); return true; }
		}
		return false;
	})()`) {
		p.T.Fatalf("%s has nothing to press called %q", p.where(), name)
	}
	step := chromedp.Click(chromedp.CSS("[data-pressed]"))
	if !leads {
		run(p, step)
		return
	}
	ctx, stop := context.WithTimeout(p.ctx, patience)
	defer stop()
	if _, err := chromedp.RunResponse(ctx, step); err != nil {
		p.T.Fatalf("pressing %q: %v, at %s", name, err, p.where())
	}
}

// byName finds what a person would press for a word: by its text or its label.
func byName(name string) string {
	q := quoted(name)
	return `//*[self::a or self::button][not(ancestor::*[@hidden])][normalize-space(.)=` + q + ` or @aria-label=` + q + `]`
}

func jsText(s string) string {
	b, _ := json.Marshal(s) // of a text
	return string(b)
}

func quoted(s string) string {
	if !strings.Contains(s, `"`) {
		return `"` + s + `"`
	}
	return "'" + s + "'"
}

// fill types into the field with a label.
func (p *tab) fill(label, text string) {
	p.T.Helper()
	field := `//*[@id=//label[normalize-space(.)=` + quoted(label) + `]/@for] | //*[@aria-label=` + quoted(label) + `]`
	script[bool](p, `(() => { document.evaluate(`+jsText(field)+`, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE, null).singleNodeValue.value = ''; return true; })()`)
	run(p, chromedp.SendKeys(chromedp.Search(field), text))
}

// choose ticks the radio or the box whose label begins so.
func (p *tab) choose(label string) {
	p.T.Helper()
	run(p, chromedp.Click(chromedp.Search(`//label[starts-with(normalize-space(.),`+quoted(label)+`)]`)))
}

// text is what is written in the first element that fits.
func (p *tab) text(css string) string {
	p.T.Helper()
	return strings.Join(strings.Fields(script[string](p, "document.querySelector("+jsText(css)+")?.innerText ?? ''")), " ")
}

// says fails unless the page has the words.
func (p *tab) says(words ...string) {
	p.T.Helper()
	got := p.text("body")
	for _, w := range words {
		if !strings.Contains(got, w) {
			p.T.Errorf("%s does not say %q; it says:\n%s", p.where(), w, got)
		}
	}
}

// silent fails when the page has the words.
func (p *tab) silent(words ...string) {
	p.T.Helper()
	got := p.text("body")
	for _, w := range words {
		if strings.Contains(got, w) {
			p.T.Errorf("%s says %q", p.where(), w)
		}
	}
}

// signIn signs the member in by the form.
func (p *tab) signIn() {
	p.T.Helper()
	p.visit("/sign-in")
	p.fill("Email", email)
	p.fill("Password", password)
	p.press("Sign in", true)
}

// row is the texts of the table's row that begins with a name.
func (p *tab) row(name string) []string {
	p.T.Helper()
	rows := script[[][]string](p, `[...document.querySelectorAll('tbody tr')].map(r => [...r.cells].map(c => c.innerText.trim().replace(/\s+/g, ' ')))`)
	for _, r := range rows {
		if len(r) > 0 && strings.HasPrefix(r[0], name) {
			return r
		}
	}
	p.T.Fatalf("%s has no row for %q; it has %q", p.where(), name, rows)
	return nil
}

// accessible fails for whatever is pressed, typed into or read and has no name,
// and for a page without one first heading.
func (p *tab) accessible() {
	p.T.Helper()
	nodes := call(p, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
	needs := []string{"button", "link", "textbox", "searchbox", "combobox", "checkbox", "radio", "dialog", "navigation", "img", "table"}
	first := 0
	for _, n := range nodes {
		role, name := value(n.Role), value(n.Name)
		if n.Ignored {
			continue
		}
		if slices.Contains(needs, role) && strings.TrimSpace(name) == "" {
			p.T.Errorf("%s has a %s without a name", p.where(), role)
		}
		if role == "heading" && slices.ContainsFunc(n.Properties, func(x *accessibility.Property) bool {
			return x.Name == accessibility.PropertyNameLevel && value(x.Value) == "1"
		}) {
			first++
		}
	}
	if first != 1 {
		p.T.Errorf("%s has %d first headings", p.where(), first)
	}
}

func value(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	return strings.Trim(string(v.Value), `"`)
}

// cookies are the browser's for the site.
func (p *tab) cookies() []*network.Cookie {
	p.T.Helper()
	return call(p, network.GetCookies, network.GetCookiesParams{URLs: []string{p.URL}}).Cookies
}
