// Package console is the page people picture when they hear "API Keys" (S1, S4):
// server-rendered, in its own style, at home without JavaScript. It holds no
// rule: every page asks the Service as the member who is signed in, past the
// same gate as everyone.
//
// Start at New: the table of routes is the list of pages. A request becomes an
// exchange (exchange.go), which finds the member behind the session and renders
// a template of templates/ with a view of its own.
package console

import (
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/alexedwards/scs/v2"

	"github.com/halberdhq/halberd"
)

// Options say how the console is reached.
type Options struct {
	Log *slog.Logger // nil discards
	// PublicURL is where people and their scripts reach the instance. Links and
	// snippets are made from it, never from a request.
	PublicURL string
	// Closed is why nobody may sign in, as a sentence; empty: they may. Keys and
	// passwords must not travel in the clear.
	Closed string
	// Provider is where people may sign in besides by password; nil: nowhere.
	Provider Provider
	// Version is shown on the sign-in page.
	Version string
	// AdminKeyLeft reports whether the file of the admin key is still on the server,
	// which operators are told of. Nil: there is none.
	AdminKeyLeft func() bool
}

// Console serves the pages. Make one with New.
type Console struct {
	svc       *halberd.Service
	log       *slog.Logger
	public    *url.URL
	closed    string
	version   string
	flows     *flows // nil: no provider
	keyLeft   func() bool
	sessions  *scs.SessionManager
	templates *templates
	assets    http.Handler
	mux       *http.ServeMux
}

// page is one route. Pages whose path begins with {area} are served under
// /settings and /configuration alike: the words follow the path (S1-02, S4-02).
type page struct {
	method, path string
	open         bool // without a session
	serve        func(*exchange) error
}

// New makes the console of a Service. Sessions are kept in the given store.
func New(svc *halberd.Service, kept halberd.Sessions, o Options) (*Console, error) {
	public, err := url.Parse(o.PublicURL)
	if err != nil {
		return nil, err
	}
	tmpl, err := parseTemplates()
	if err != nil {
		return nil, err
	}
	static, err := fs.Sub(embedded, "assets")
	if err != nil {
		return nil, err
	}
	files, err := assets(static)
	if err != nil {
		return nil, err
	}
	c := &Console{
		svc: svc, log: o.Log, public: public, closed: o.Closed, version: o.Version, keyLeft: o.AdminKeyLeft,
		templates: tmpl, assets: files, mux: http.NewServeMux(),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if o.Provider != nil {
		c.flows = newFlows(o.Provider, svc.Now)
	}
	c.sessions = newSessions(svc, kept, public.Scheme == "https")
	for _, p := range c.pages() {
		for _, a := range areas {
			c.mux.Handle(p.method+" "+strings.Replace(p.path, "{area}", a.name, 1), c.handler(p, a))
			if !strings.Contains(p.path, "{area}") {
				break
			}
		}
	}
	c.mux.Handle("GET /assets/", c.assets)
	return c, nil
}

// pages is every page there is.
func (c *Console) pages() []page {
	return []page{
		{"GET", "/{$}", false, home},
		{"GET", "/sign-in", true, signInPage},
		{"POST", "/sign-in", true, signIn},
		{"GET", "/sign-in/oidc", true, beginSignIn},
		{"GET", "/sign-in/oidc/callback", true, finishSignIn},
		{"POST", "/first-member", true, firstMember},
		{"POST", "/sign-out", true, signOut}, // never refused: neither by a limit nor for having ended
		{"GET", "/invitation", true, invitationPage},
		{"POST", "/invitation", true, acceptInvitation},
		{"GET", "/{area}", true, areaHome},
		{"GET", "/{area}/api-keys", false, keysPage},
		{"POST", "/{area}/project", false, chooseProject},
		{"GET", "/{area}/api-keys/new", false, newKeyPage},
		{"POST", "/{area}/api-keys/new", false, createKey},
		{"GET", "/{area}/api-keys/{key}/edit", false, editKeyPage},
		{"POST", "/{area}/api-keys/{key}/edit", false, editKey},
		{"POST", "/{area}/api-keys/{key}/state", false, setActive},
		{"GET", "/{area}/api-keys/{key}/rotate", false, rotatePage},
		{"POST", "/{area}/api-keys/{key}/rotate", false, rotateKey},
		{"POST", "/{area}/api-keys/{key}/end-overlap", false, endOverlap},
		{"GET", "/{area}/api-keys/{key}/revoke", false, revokePage},
		{"POST", "/{area}/api-keys/{key}/revoke", false, revokeKey},
		{"GET", "/{area}/usage", false, usagePage},
		{"GET", "/{area}/usage.csv", false, usageCSV},
		{"GET", "/{area}/api-keys/{key}", false, keyPage},
		{"GET", "/{area}/alerts", false, alertsPage},
		{"GET", "/{area}/alerts/{alert}", false, alertPage},
		{"POST", "/{area}/alerts/{alert}/acknowledge", false, acknowledgeAlert},
		{"POST", "/{area}/alerts/{alert}/silence", false, silenceAlert},
		{"GET", "/{area}/alert-rules/new", false, newRulePage},
		{"POST", "/{area}/alert-rules/new", false, createRule},
		{"GET", "/{area}/alert-rules/{rule}", false, rulePage},
		{"POST", "/{area}/alert-rules/{rule}", false, editRule},
		{"POST", "/{area}/alert-rules/{rule}/state", false, switchRule},
		{"POST", "/{area}/alert-rules/{rule}/delete", false, deleteRule},
		{"GET", "/{area}/hygiene", false, hygienePage},
		{"GET", "/{area}/projects", false, projectsPage},
		{"GET", "/{area}/projects/new", false, newProjectPage},
		{"POST", "/{area}/projects/new", false, createProject},
		{"GET", "/{area}/projects/{project}", false, projectPage},
		{"POST", "/{area}/projects/{project}", false, editProject},
		{"POST", "/{area}/projects/{project}/delete", false, deleteProject},
		{"GET", "/{area}/nodes", false, nodesPage},
		{"GET", "/{area}/webhooks", false, webhooksPage},
		{"GET", "/{area}/webhooks/new", false, newWebhookPage},
		{"POST", "/{area}/webhooks/new", false, createWebhook},
		{"GET", "/{area}/webhooks/{webhook}", false, webhookPage},
		{"GET", "/{area}/webhooks/{webhook}/edit", false, editWebhookPage},
		{"POST", "/{area}/webhooks/{webhook}/edit", false, editWebhook},
		{"POST", "/{area}/webhooks/{webhook}/state", false, switchWebhook},
		{"POST", "/{area}/webhooks/{webhook}/test", false, testWebhook},
		{"POST", "/{area}/webhooks/{webhook}/rotate", false, rotateWebhook},
		{"POST", "/{area}/webhooks/{webhook}/delete", false, deleteWebhook},
		{"POST", "/{area}/webhooks/{webhook}/deliveries/{delivery}/redeliver", false, redeliver},
		{"GET", "/{area}/audit", false, auditPage},
		{"GET", "/{area}/audit.csv", false, auditCSV},
		{"GET", "/{area}/audit.json", false, auditJSON},
		{"GET", "/{area}/members", false, membersPage},
		{"POST", "/{area}/members", false, inviteMember},
		{"POST", "/{area}/members/{member}", false, editMember},
		{"POST", "/{area}/members/{member}/invite", false, inviteAgain},
		{"GET", "/{area}/members/{member}/remove", false, leavePage},
		{"POST", "/{area}/members/{member}/remove", false, removeMember},
		{"GET", "/{area}/profile", false, profilePage},
		{"POST", "/{area}/profile", false, editProfile},
		{"POST", "/{area}/profile/password", false, changePassword},
		{"POST", "/{area}/profile/sign-out-everywhere", false, signOutEverywhere},
		{"GET", "/", true, nothingHere},
	}
}

// Serves reports whether a path is the console's.
func Serves(at string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(at, "/"), "/")
	switch first {
	case "", "sign-in", "sign-out", "first-member", "invitation", "assets", "settings", "configuration":
		return true
	}
	return false
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header(), c.public.Scheme == "https")
	if clean := path.Clean(r.URL.Path); clean != r.URL.Path { // the mux would answer with a redirect
		if clean+"/" == r.URL.Path && r.Method == http.MethodGet { // what people type
			http.Redirect(w, r, (&url.URL{Path: clean, RawQuery: r.URL.RawQuery}).String(), http.StatusSeeOther)
			return
		}
		http.NotFound(w, r)
		return
	}
	guard := http.NewCrossOriginProtection() // against CSRF; a browser says from which site it was sent
	if err := guard.Check(r); err != nil {
		http.Error(w, "This was sent from another site, and nothing was changed.", http.StatusForbidden)
		return
	}
	c.sessions.LoadAndSave(c.mux).ServeHTTP(w, r)
}

// secure sets what every answer of the console carries. Nothing from elsewhere is
// loaded, framed or told.
func secure(h http.Header, https bool) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if https {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}
