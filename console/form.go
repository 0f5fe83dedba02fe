package console

import (
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
)

// keyForm is what stands in the form that makes and edits keys, as it was typed.
type keyForm struct {
	Name       string
	Permission string // read, write, admin or custom
	Scopes     string // with custom
	Resources  string // all or some
	List       string // with some, one a line
	Expires    string // keep, 30, 60, 90, date or never
	Date       string
	Limits     limitForm
	IPs        string
}

func readKeyForm(x *exchange) keyForm {
	q := x.r.PostForm
	return keyForm{
		Name: q.Get("name"), Permission: q.Get("permission"), Scopes: q.Get("scopes"), Resources: q.Get("resources"),
		List: q.Get("list"), Expires: q.Get("expires"), Date: q.Get("date"), Limits: readLimits(x), IPs: q.Get("ips"),
	}
}

// problems are what is wrong with a form, by the field where it is mended.
type problems map[string]string

func (p problems) add(field string, err error) {
	if err != nil && p[field] == "" {
		p[field] = message(err)
	}
}

// fieldOf is where a field of the Service stands in the form.
var fieldOf = map[string]string{
	"label": "name", "scopes": "scopes", "resources": "list", "expires_at": "date", "expires_in_days": "date",
	"rate_limits": "rate", "quota": "quota", "ip_allow": "ips",
}

// refused puts what the Service refused where it is mended. What the form cannot
// mend is handed back.
func (p problems) refused(err error) error {
	e, ok := errors.AsType[*halberd.Error](err)
	if !ok {
		return err
	}
	switch e.Code {
	case halberd.CodeInvalid:
		field := fieldOf[e.Field]
		if field == "" {
			field = "form"
		}
		p[field] = message(err)
		switch { // what the API calls seconds has units here
		case strings.Contains(e.Message, "window_seconds"):
			p[field] = "A limit’s span must be from a second to 31 days."
		case strings.Contains(e.Message, "every_seconds"):
			p[field] = "The interval must be from a minute to 366 days."
		}
	case halberd.CodeForbidden:
		field := "form"
		if strings.HasPrefix(e.Message, "rate_limits") { // the only thing in a form that takes more than its reader's role
			field, err = "rate", &halberd.Error{Code: e.Code, Message: "a limit above the project’s is set by an operator: contact support, or whoever runs this service"}
		}
		p[field] = message(err)
	case halberd.CodeScopeEscalation, halberd.CodeKeyLimitExceeded, halberd.CodeConflict, halberd.CodeLastAdmin:
		p["form"] = message(err)
	default:
		return err
	}
	return nil
}

// chosen is a form read into the ground's words.
type chosen struct {
	scopes    halberd.Scopes
	resources halberd.Resources
	expires   halberd.Maybe[halberd.Expiry]
	days      halberd.Maybe[halberd.ExpiresIn]
	ips       []netip.Prefix
	limits    halberd.RateLimits // nil: the project's
	quota     *halberd.Quota     // nil: none
}

func (f keyForm) read(p problems) (c chosen) {
	var err error
	words := []string{f.Permission}
	if f.Permission == "custom" {
		words = strings.FieldsFunc(f.Scopes, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' })
	}
	c.scopes, err = halberd.ParseScopes(words)
	if err == nil && c.scopes.IsZero() {
		err = halberd.Invalid("scopes", "must name at least one, such as read")
	}
	p.add("scopes", err)
	c.resources = halberd.AllResources()
	if f.Resources != "all" {
		wanted := lines(f.List)
		if c.resources, err = halberd.ParseResources(wanted); err != nil && len(wanted) == 0 {
			p["list"] = "Name at least one, or choose all of them."
		}
		p.add("list", err)
	}
	switch f.Expires {
	case "keep", "":
	case "never":
		c.expires = halberd.Never()
	case "date":
		end, err := time.Parse(time.DateOnly, f.Date)
		if err != nil {
			p.add("date", halberd.Invalid("date", "must be a day"))
		}
		c.expires = halberd.Some(halberd.Expiry{At: end.Add(24*time.Hour - time.Second)})
	default:
		n, err := strconv.Atoi(f.Expires)
		if err != nil {
			p.add("date", halberd.Invalid("expires", "must be a number of days"))
		}
		c.days = halberd.Some(halberd.ExpiresIn(n))
	}
	c.ips, err = halberd.ParseIPAllow(lines(f.IPs))
	p.add("ips", err)
	c.limits, c.quota = f.Limits.rates(p), f.Limits.quota(p)
	return c
}

// lines are the texts of a field with one a line.
func lines(text string) []string {
	out := []string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// formOf is a key as the form shows it.
func formOf(k *halberd.Key) keyForm {
	f := keyForm{Name: k.Name, Permission: "custom", Scopes: strings.Join(k.Scopes.Strings(), ", "), Resources: "some", Expires: "keep", Limits: limitsOf(k.RateLimits, k.Quota)}
	for _, word := range []string{"read", "write", "admin"} {
		if s, err := halberd.ParseScopes([]string{word}); err == nil && s.String() == k.Scopes.String() {
			f.Permission, f.Scopes = word, ""
		}
	}
	if k.Resources.All() {
		f.Resources = "all"
	} else {
		f.List = strings.Join(k.Resources.Strings(), "\n")
	}
	var ips []string
	for _, p := range k.IPAllow {
		text := p.String()
		if p.IsSingleIP() {
			text = p.Addr().String()
		}
		ips = append(ips, text)
	}
	f.IPs = strings.Join(ips, "\n")
	return f
}

// formView is the page of the form.
type formView struct {
	Area     area
	Project  halberd.Project
	Edit     *halberd.Key // nil: a new key
	InUse    int
	Form     keyForm
	Problems problems
	Once     string // so that a form that is sent twice makes one key
	Today    time.Time
	You      netip.Addr
	Role     halberd.Scope
}

// Ends is the end that so many days would give.
func (v formView) Ends(days int) string {
	return v.Today.AddDate(0, 0, days).Format("2 January 2006")
}

func (x *exchange) showForm(status int, v formView) error {
	v.Area, v.Project, v.Today, v.You, v.Role = x.area, x.project, x.now, x.request().ClientIP, x.me.Role
	var err error
	if v.InUse, err = x.c.svc.KeysInUse(x.r.Context(), x.by, x.project.ID); err != nil {
		return err
	}
	title := x.area.Make
	if v.Edit != nil {
		title = "Edit " + called(v.Edit)
	} else if v.Once == "" {
		v.Once = halberd.NewRequestID().String()
	}
	return x.render(status, "form.html", title, "keys", v)
}

// called is a key's name, or what can be shown of its text.
func called(k *halberd.Key) string {
	if k.Name != "" {
		return k.Name
	}
	return k.Hint
}

func newKeyPage(x *exchange) error {
	if err := x.c.svc.Permit(x.by, halberd.ActionCreateKey); err != nil {
		return err
	}
	return x.showForm(http.StatusOK, formView{Form: keyForm{Permission: "read", Resources: "some", Expires: "90", Limits: emptyLimits()}})
}

func createKey(x *exchange) error {
	if err := x.c.svc.Permit(x.by, halberd.ActionCreateKey); err != nil {
		return err
	}
	v := formView{Form: readKeyForm(x), Problems: problems{}, Once: x.form("once")}
	if strings.TrimSpace(v.Form.Name) == "" {
		v.Problems["name"] = "Enter a name, such as “CI pipeline”."
	}
	c := v.Form.read(v.Problems)
	if len(v.Problems) > 0 {
		return x.showForm(http.StatusBadRequest, v)
	}
	n := halberd.NewKey{
		Project: x.project.ID, Name: v.Form.Name, Scopes: halberd.Some(c.scopes), Resources: halberd.Some(c.resources),
		ExpiresAt: c.expires, ExpiresInDays: c.days, IPAllow: halberd.Maybe[[]netip.Prefix]{Set: len(c.ips) > 0, Value: c.ips},
		RateLimits: halberd.Maybe[halberd.RateLimits]{Set: c.limits != nil, Value: c.limits},
		Quota:      halberd.Maybe[*halberd.Quota]{Set: c.quota != nil, Value: c.quota},
	}
	made, err := x.c.svc.Create(x.r.Context(), x.once("create", v.Once), n)
	if e, ok := asError(err); ok && e.Code == halberd.CodeIdempotencyReplay {
		x.say("This form was sent before: the key was made then, and its secret was shown then. Rotate the key for a new secret.")
		return x.goTo(x.area.At("/api-keys/" + e.KeyID.String()))
	}
	if err != nil {
		if err := v.Problems.refused(err); err != nil {
			return err
		}
		return x.showForm(http.StatusBadRequest, v)
	}
	return x.showSecret(made, "Store this key now")
}

// once makes what the member does now happen once for each form that was shown.
func (x *exchange) once(route, token string) halberd.Actor {
	r := x.request()
	if token != "" && len(token) <= 64 {
		r.Idempotency = halberd.Idempotency{Key: token, Route: "console " + route}
	}
	return x.by.Via(r)
}

func editKeyPage(x *exchange) error {
	k, err := x.key()
	if err != nil {
		return err
	}
	if err := x.c.svc.Permit(x.by, halberd.ActionUpdateKey); err != nil {
		return err
	}
	return x.showForm(http.StatusOK, formView{Edit: &k, Form: formOf(&k)})
}

func editKey(x *exchange) error {
	k, err := x.key()
	if err == nil {
		err = x.c.svc.Permit(x.by, halberd.ActionUpdateKey)
	}
	if err != nil {
		return err
	}
	v := formView{Edit: &k, Form: readKeyForm(x), Problems: problems{}}
	if strings.TrimSpace(v.Form.Name) == "" {
		v.Problems["name"] = "Enter a name, such as “CI pipeline”."
	}
	c := v.Form.read(v.Problems)
	version, err := strconv.ParseInt(x.form("version"), 10, 64)
	if err != nil {
		return halberd.Invalid("version", "must be the one that the form had")
	}
	if len(v.Problems) > 0 {
		return x.showForm(http.StatusBadRequest, v)
	}
	p := halberd.KeyPatch{
		Name: halberd.Some(v.Form.Name), Scopes: halberd.Some(c.scopes), Resources: halberd.Some(c.resources),
		ExpiresAt: c.expires, ExpiresInDays: c.days, IPAllow: halberd.Some(c.ips),
		RateLimits: halberd.Some(c.limits), Quota: halberd.Some(c.quota),
	}
	if _, err := x.c.svc.Update(x.r.Context(), x.by, k.ID, p, version); err != nil {
		if err := v.Problems.refused(err); err != nil {
			return err
		}
		return x.showForm(http.StatusConflict, v)
	}
	x.say("Saved. It is so on every node.")
	return x.goTo(x.area.At("/api-keys/" + k.ID.String()))
}

// key is the one that the path names.
func (x *exchange) key() (halberd.Key, error) {
	id, err := halberd.ParseKeyID(x.r.PathValue("key"))
	if err != nil {
		return halberd.Key{}, &halberd.Error{Code: halberd.CodeNotFound, Message: "there is no such key"}
	}
	return x.c.svc.Get(x.r.Context(), x.by, id)
}
