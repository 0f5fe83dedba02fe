package console

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/halberdhq/halberd"
)

//go:embed assets all:templates
var embedded embed.FS

// templates are the pages, each with the layout and the parts around it.
type templates struct{ pages map[string]*template.Template }

// Files whose name begins with an underscore are parts of every page.
func parseTemplates() (*templates, error) {
	shared, err := template.New("").Funcs(words()).ParseFS(embedded, "templates/_*.html")
	if err != nil {
		return nil, err
	}
	t := &templates{pages: map[string]*template.Template{}}
	files, err := fs.Glob(embedded, "templates/[a-z]*.html")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		one, err := shared.Clone()
		if err == nil {
			one, err = one.ParseFS(embedded, f)
		}
		if err != nil {
			return nil, err
		}
		t.pages[path.Base(f)] = one
	}
	return t, nil
}

// frame is what the layout needs; View is the page's own.
type frame struct {
	Title    string
	Here     string // the entry of the navigation that this page belongs to
	Area     area
	Areas    []area
	Me       halberd.Member
	Initials string
	Org      string
	Project  halberd.Project
	Projects []halberd.Project
	Nodes    string // how many answer
	Revision int64
	Notice   string
	Admin    bool   // the member may write
	Alarms   string // how many alerts are open; "": none, or the page has no tabs
	KeyLeft  bool   // the file of the admin key is still on the server
	View     any
}

// render writes a page. here is the entry of the navigation it belongs to; ""
// leaves the navigation away.
func (x *exchange) render(status int, name, title, here string, view any) error {
	return x.write(status, name, title, here, view, true)
}

// renderSecret writes a page with a secret in it: never compressed, because what
// an attacker can have reflected beside it would tell by the length.
func (x *exchange) renderSecret(name, title, here string, view any) error {
	return x.write(http.StatusOK, name, title, here, view, false)
}

func (x *exchange) write(status int, name, title, here string, view any, compress bool) error {
	f := frame{
		Title: title, Here: here, Area: x.area, Areas: areas[:], Me: x.me, Initials: initials(x.me.Name, x.me.Email),
		Project: x.project, Projects: x.projects, View: view,
	}
	if !x.by.IsZero() {
		o, err := x.c.svc.OwnOrganization(x.r.Context(), x.by)
		if err != nil && status < http.StatusBadRequest {
			return err
		}
		stats := x.c.svc.Stats()
		f.Org, f.Revision, f.Nodes = o.Name, stats.Revision, plural(1, "node", "nodes")
		if stats.Node != nil {
			f.Nodes = plural(stats.Node.Nodes, "node", "nodes")
		}
		f.Notice = x.c.sessions.PopString(x.r.Context(), sessionNotice)
		f.Admin = x.me.Role == halberd.ScopeAdmin
		f.KeyLeft = x.me.Operator && (name == "keys.html" || name == "hygiene.html") && x.c.keyLeft != nil && x.c.keyLeft()
	}
	if !x.by.IsZero() && (name == "keys.html" || name == "usage.html" || name == "alerts.html") {
		var err error
		if f.Alarms, err = x.alarms(); err != nil {
			return err
		}
	}
	page := x.c.templates.pages[name]
	if page == nil {
		return errors.New("console: no template " + name)
	}
	var out bytes.Buffer
	if err := page.ExecuteTemplate(&out, "layout", f); err != nil {
		return err
	}
	h := x.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	body := out.Bytes()
	if compress && strings.Contains(x.r.Header.Get("Accept-Encoding"), "gzip") {
		var err error
		if body, err = zipped(body, gzip.BestSpeed); err != nil {
			return err
		}
		h.Set("Content-Encoding", "gzip")
		h.Add("Vary", "Accept-Encoding")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(status)
	_, err := x.w.Write(body)
	return err
}

func asError(err error) (*halberd.Error, bool) { return errors.AsType[*halberd.Error](err) }
