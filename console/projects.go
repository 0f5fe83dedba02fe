package console

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/halberdhq/halberd"
)

type projectsView struct {
	Area area
	Rows []projectRow
	Make bool
}

type projectRow struct {
	halberd.Project
	InUse  int
	Limits []string
	Full   bool
}

func projectsPage(x *exchange) error {
	v := projectsView{Area: x.area, Make: x.me.Role == halberd.ScopeAdmin}
	for _, p := range x.projects {
		n, err := x.c.svc.KeysInUse(x.r.Context(), x.by, p.ID)
		if err != nil {
			return err
		}
		v.Rows = append(v.Rows, projectRow{p, n, limitWords(p.RateLimits), n >= p.KeyCeiling})
	}
	return x.render(http.StatusOK, "projects.html", "Projects", "projects", v)
}

// projectForm is what stands in the form, as it was typed.
type projectForm struct {
	Name, Prefix, Ceiling, Scopes, Days, Most string
	Limits                                    limitForm
	Active, Default                           bool
}

type projectView struct {
	Area     area
	Edit     *halberd.Project // nil: a new one
	Form     projectForm
	Problems problems
	Operator bool
	Admin    bool
	InUse    int
}

func (x *exchange) showProject(status int, v projectView) error {
	v.Area, v.Operator, v.Admin = x.area, x.me.Operator, x.me.Role == halberd.ScopeAdmin
	title := "Create project"
	if v.Edit != nil {
		title = v.Edit.Name
		var err error
		if v.InUse, err = x.c.svc.KeysInUse(x.r.Context(), x.by, v.Edit.ID); err != nil {
			return err
		}
	}
	return x.render(status, "project.html", title, "projects", v)
}

func newProjectPage(x *exchange) error {
	if err := x.c.svc.Permit(x.by, halberd.ActionCreateProject); err != nil {
		return err
	}
	return x.showProject(http.StatusOK, projectView{Form: projectForm{
		Prefix: halberd.DefaultKeyPrefix, Ceiling: strconv.Itoa(halberd.DefaultKeyCeiling), Scopes: "read, write", Limits: emptyLimits(), Active: true,
	}})
}

// projectOf is the one that the path names.
func (x *exchange) projectOf() (halberd.Project, error) {
	id, err := halberd.ParseProjectID(x.r.PathValue("project"))
	if err != nil {
		return halberd.Project{}, &halberd.Error{Code: halberd.CodeNotFound, Message: "there is no such project"}
	}
	return x.c.svc.GetProject(x.r.Context(), x.by, id)
}

func projectPage(x *exchange) error {
	p, err := x.projectOf()
	if err != nil {
		return err
	}
	return x.showProject(http.StatusOK, projectView{Edit: &p, Form: formOfProject(&p)})
}

func formOfProject(p *halberd.Project) projectForm {
	days := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	return projectForm{
		Name: p.Name, Prefix: p.KeyPrefix, Ceiling: strconv.Itoa(p.KeyCeiling), Scopes: strings.Join(p.DefaultScopes.Strings(), ", "),
		Days: days(p.DefaultExpiresInDays), Most: days(p.MaxExpiresInDays), Limits: limitsOf(p.RateLimits, nil), Active: p.Active, Default: p.Default,
	}
}

func readProjectForm(x *exchange) projectForm {
	return projectForm{
		Name: x.form("name"), Prefix: x.form("prefix"), Ceiling: x.form("ceiling"), Scopes: x.form("scopes"), Days: x.form("days"),
		Most: x.form("most"), Limits: readLimits(x), Active: x.form("active") == "true", Default: x.form("default") == "true",
	}
}

// patch reads the form; former is what there was.
func (f projectForm) patch(p problems, former *halberd.Project) halberd.ProjectPatch {
	out := halberd.ProjectPatch{Name: halberd.Some(f.Name), KeyPrefix: halberd.Some(f.Prefix), Active: halberd.Some(f.Active)}
	number := func(field, text string, empty int) halberd.Maybe[int] {
		if text = strings.TrimSpace(text); text == "" {
			return halberd.Some(empty)
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			p[field] = "Enter a whole number from 1, or nothing."
		}
		return halberd.Some(n)
	}
	out.DefaultExpiresInDays, out.MaxExpiresInDays = number("days", f.Days, 0), number("most", f.Most, 0)
	if f.Ceiling != "" {
		if n := number("ceiling", f.Ceiling, former.KeyCeiling); n.Value != former.KeyCeiling {
			out.KeyCeiling = n
		}
	}
	k := keyForm{Permission: "custom", Scopes: f.Scopes, Resources: "all", Limits: f.Limits}
	c := k.read(p)
	out.DefaultScopes = halberd.Some(c.scopes)
	out.RateLimits = halberd.Some(c.limits)
	if f.Default && !former.Default {
		out.Default = halberd.Some(true)
	}
	return out
}

// projectFields is where a field of the Service stands in the project's form.
var projectFields = map[string]string{
	"name": "name", "key_prefix": "prefix", "key_ceiling": "ceiling", "default_scopes": "scopes",
	"default_expires_in_days": "days", "max_expires_in_days": "most", "rate_limits": "rate",
}

func (p problems) projectRefused(err error) error {
	if e, ok := asError(err); ok && projectFields[e.Field] != "" {
		p[projectFields[e.Field]] = message(err)
		return nil
	}
	return p.refused(err)
}

func createProject(x *exchange) error {
	if err := x.c.svc.Permit(x.by, halberd.ActionCreateProject); err != nil {
		return err
	}
	v := projectView{Form: readProjectForm(x), Problems: problems{}}
	fresh := halberd.Project{KeyCeiling: halberd.DefaultKeyCeiling}
	p := v.Form.patch(v.Problems, &fresh)
	if len(v.Problems) > 0 {
		return x.showProject(http.StatusBadRequest, v)
	}
	made, err := x.c.svc.CreateProject(x.r.Context(), x.by, halberd.NewProject{
		Name: v.Form.Name, KeyPrefix: v.Form.Prefix, KeyCeiling: p.KeyCeiling, DefaultScopes: p.DefaultScopes,
		DefaultExpiresInDays: p.DefaultExpiresInDays, MaxExpiresInDays: p.MaxExpiresInDays, RateLimits: p.RateLimits,
	})
	if err != nil {
		if err := v.Problems.projectRefused(err); err != nil {
			return err
		}
		return x.showProject(http.StatusBadRequest, v)
	}
	x.c.sessions.Put(x.r.Context(), sessionProject, made.ID.String())
	x.say(made.Name + " is ready.")
	return x.goTo(x.area.At("/api-keys"))
}

func editProject(x *exchange) error {
	p, err := x.projectOf()
	if err == nil {
		err = x.c.svc.Permit(x.by, halberd.ActionUpdateProject)
	}
	if err != nil {
		return err
	}
	v := projectView{Edit: &p, Form: readProjectForm(x), Problems: problems{}}
	version, _ := strconv.ParseInt(x.form("version"), 10, 64)
	patch := v.Form.patch(v.Problems, &p)
	if len(v.Problems) > 0 {
		return x.showProject(http.StatusBadRequest, v)
	}
	if _, err := x.c.svc.UpdateProject(x.r.Context(), x.by, p.ID, patch, version); err != nil {
		if err := v.Problems.projectRefused(err); err != nil {
			return err
		}
		return x.showProject(http.StatusConflict, v)
	}
	x.say("Saved. It is so on every node.")
	return x.goTo(x.area.At("/projects/" + p.ID.String()))
}

func deleteProject(x *exchange) error {
	p, err := x.projectOf()
	if err == nil {
		err = x.c.svc.Permit(x.by, halberd.ActionDeleteProject)
	}
	if err != nil {
		return err
	}
	if x.form("sure") != p.ID.String() {
		return x.showProject(http.StatusBadRequest, projectView{
			Edit: &p, Form: formOfProject(&p), Problems: problems{"form": "Tick the box that says what is deleted."},
		})
	}
	if _, err := x.c.svc.DeleteProject(x.r.Context(), x.by, p.ID, 0); err != nil {
		v := projectView{Edit: &p, Form: formOfProject(&p), Problems: problems{}}
		if err := v.Problems.projectRefused(err); err != nil {
			return err
		}
		return x.showProject(http.StatusConflict, v)
	}
	x.say(p.Name + " is deleted, and every key of it is revoked.")
	return x.goTo(x.area.At("/projects"))
}
