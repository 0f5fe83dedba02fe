package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
)

// ruleRow is one alert rule in words.
type ruleRow struct {
	halberd.AlertRule
	Says    kindWords
	Told    string // what it looks for
	Applies string
	KeyLink string
	SentTo  []string
}

func (x *exchange) ruleRow(a *halberd.AlertRule, hooks []halberd.Webhook) ruleRow {
	r := ruleRow{AlertRule: *a, Says: wordsOf(a.Kind), Told: ruleWords(a)}
	switch {
	case !a.Key.IsZero():
		r.Applies, r.KeyLink = x.keyName(a.Key.String()), x.area.At("/api-keys/"+a.Key.String())
		if r.Applies == "" {
			r.Applies = a.Key.String()
		}
	case !a.Project.IsZero():
		r.Applies = "Every key of a deleted project"
		if name := x.projectName(a.Project); name != "" {
			r.Applies = "Every key of " + name
		}
	case a.Kind == halberd.AlertBadKeys:
		r.Applies = "The instance"
	default:
		r.Applies = "Every key"
	}
	for _, id := range a.Channels {
		r.SentTo = append(r.SentTo, channelName(id, hooks))
	}
	return r
}

func channelName(id string, hooks []halberd.Webhook) string {
	for i := range hooks {
		if hooks[i].ID.String() == id {
			return hooks[i].URL
		}
	}
	return id
}

// channels are the webhooks that a rule may name, where the member may read them.
func (x *exchange) channels() ([]halberd.Webhook, error) {
	if x.me.Role != halberd.ScopeAdmin {
		return nil, nil
	}
	list, err := x.c.svc.ListWebhooks(x.r.Context(), x.by, halberd.OrganizationID{}, halberd.Page{Limit: 1000})
	for i := range list.List {
		list.List[i].URL = addressWord(list.List[i].URL)
	}
	return list.List, err
}

// ruleForm is what stands in the form of a rule, as it was typed.
type ruleForm struct {
	Kind      string
	Scope     string // "", a project's id or a key's
	Threshold string
	Window    string // minutes
	Reasons   []string
	Channels  []string
	Active    bool
}

func readRuleForm(x *exchange) ruleForm {
	q := x.r.PostForm
	return ruleForm{
		Kind: q.Get("kind"), Scope: q.Get("scope"), Threshold: strings.TrimSpace(q.Get("threshold")), Window: strings.TrimSpace(q.Get("window")),
		Reasons: q["reason"], Channels: q["channel"], Active: q.Get("active") == "true",
	}
}

// patch reads the form. A field that is left empty is left as it is, or as it is
// by default.
func (f ruleForm) patch(p problems) (out halberd.AlertRulePatch) {
	out.Active, out.Channels = halberd.Some(f.Active), halberd.Some(f.Channels)
	if f.Threshold != "" {
		n, err := strconv.ParseFloat(strings.ReplaceAll(f.Threshold, ",", "."), 64)
		if err != nil {
			p["threshold"] = "Enter a number, or nothing for the usual one."
		}
		out.Threshold = halberd.Some(n)
	}
	if f.Window != "" {
		n, err := strconv.Atoi(f.Window)
		if err != nil || n < 1 || n > 1e6 {
			p["window"] = "Enter whole minutes, or nothing for the usual span."
		}
		out.Window = halberd.Some(time.Duration(n) * time.Minute)
	}
	var reasons []halberd.VerdictCode
	for _, r := range f.Reasons {
		reasons = append(reasons, halberd.VerdictCode(r))
	}
	out.Reasons = halberd.Some(reasons)
	return out
}

// ruleFields is where a field of the Service stands in the form of a rule.
var ruleFields = map[string]string{
	"threshold": "threshold", "window_seconds": "window", "reasons": "reasons", "channels": "channels", "scope": "scope", "project_id": "scope", "key_id": "scope",
}

func (p problems) ruleRefused(err error) error {
	if e, ok := asError(err); ok && e.Code == halberd.CodeInvalid && ruleFields[e.Field] != "" {
		p[ruleFields[e.Field]] = message(err)
		return nil
	}
	return p.refused(err)
}

// option is one choice of a form.
type option struct {
	ID, Word string
	Chosen   bool
}

type ruleView struct {
	Area     area
	Org      string
	Kinds    []kindWords // to choose from, first
	Says     kindWords
	Edit     *halberd.AlertRule
	Applies  string
	Form     ruleForm
	Scopes   []option
	Reasons  []option
	Channels []option
	Problems problems
	Once     string
}

func (x *exchange) showRule(status int, v ruleView) error {
	v.Area, v.Says = x.area, wordsOf(halberd.AlertKind(v.Form.Kind))
	if v.Form.Kind == "" {
		for _, k := range alertKinds {
			if k.Kind != halberd.AlertBadKeys || x.me.Operator {
				v.Kinds = append(v.Kinds, k)
			}
		}
		return x.render(status, "alertrule.html", "Create rule", "keys", v)
	}
	v.Scopes = append(v.Scopes, option{"", "Every key", v.Form.Scope == ""})
	for i := range x.projects {
		id := x.projects[i].ID.String()
		v.Scopes = append(v.Scopes, option{id, "Every key of " + x.projects[i].Name, v.Form.Scope == id})
	}
	if strings.HasPrefix(v.Form.Scope, "key_") {
		if name := x.keyName(v.Form.Scope); name != "" {
			v.Scopes = append(v.Scopes, option{v.Form.Scope, "Only " + name, true})
		}
	}
	for _, c := range halberd.VerdictCodes() {
		chosen := slices.Contains(v.Form.Reasons, string(c))
		ofKeys := c != halberd.Valid && c != halberd.Malformed && c != halberd.NotFound // the others are nobody's
		if v.Form.Kind == string(halberd.AlertErrors) && (ofKeys || chosen) {
			v.Reasons = append(v.Reasons, option{string(c), string(c), chosen})
		}
	}
	hooks, err := x.channels()
	if err != nil {
		return err
	}
	for i := range hooks {
		id := hooks[i].ID.String()
		v.Channels = append(v.Channels, option{id, hooks[i].URL, slices.Contains(v.Form.Channels, id)})
	}
	for _, id := range v.Form.Channels { // a webhook that is there no more
		if channelName(id, hooks) == id {
			v.Channels = append(v.Channels, option{id, id, true})
		}
	}
	title := "Create rule"
	if v.Edit != nil {
		title, v.Applies = "Edit rule", x.ruleRow(v.Edit, hooks).Applies
	} else if v.Once == "" {
		v.Once = halberd.NewRequestID().String()
	}
	return x.render(status, "alertrule.html", title, "keys", v)
}

func newRulePage(x *exchange) error {
	if err := x.c.svc.Permit(x.by, halberd.ActionCreateAlertRule); err != nil {
		return err
	}
	q := x.r.URL.Query()
	if kind := q.Get("kind"); kind != "" && !slices.Contains(halberd.AlertKinds(), halberd.AlertKind(kind)) {
		return halberd.Invalid("kind", "is none that there is")
	}
	v := ruleView{Form: ruleForm{Kind: q.Get("kind"), Scope: q.Get("scope"), Active: true}}
	return x.showRule(http.StatusOK, v)
}

func createRule(x *exchange) error {
	if err := x.c.svc.Permit(x.by, halberd.ActionCreateAlertRule); err != nil {
		return err
	}
	v := ruleView{Form: readRuleForm(x), Problems: problems{}, Once: x.form("once")}
	p := v.Form.patch(v.Problems)
	n := halberd.NewAlertRule{
		Kind: halberd.AlertKind(v.Form.Kind), Window: p.Window, Threshold: p.Threshold, Active: p.Active,
		Reasons: p.Reasons.Value, Channels: p.Channels.Value,
	}
	var err error
	switch {
	case strings.HasPrefix(v.Form.Scope, "key_"):
		n.Key, err = halberd.ParseKeyID(v.Form.Scope)
	case v.Form.Scope != "":
		n.Project, err = halberd.ParseProjectID(v.Form.Scope)
	}
	if err != nil {
		v.Problems["scope"] = "Choose one of those in the list."
	}
	if len(v.Problems) > 0 {
		return x.showRule(http.StatusBadRequest, v)
	}
	a, err := x.c.svc.CreateAlertRule(x.r.Context(), x.once("create alert rule", v.Once), n)
	if err != nil {
		if err := v.Problems.ruleRefused(err); err != nil {
			return err
		}
		return x.showRule(http.StatusBadRequest, v)
	}
	x.say("The rule “" + wordsOf(a.Kind).Title + "” is made.")
	return x.goTo(x.area.At("/alerts"))
}

// rule is the one that the path names.
func (x *exchange) rule() (halberd.AlertRule, error) {
	id, err := halberd.ParseAlertRuleID(x.r.PathValue("rule"))
	if err != nil {
		return halberd.AlertRule{}, &halberd.Error{Code: halberd.CodeNotFound, Message: "there is no such rule"}
	}
	return x.c.svc.GetAlertRule(x.r.Context(), x.by, id)
}

func formOfRule(a *halberd.AlertRule) ruleForm {
	f := ruleForm{Kind: string(a.Kind), Channels: a.Channels, Active: a.Active}
	if a.Threshold != 0 {
		f.Threshold = numberWord(a.Threshold)
	}
	if a.Window != 0 {
		f.Window = strconv.Itoa(int(a.Window / time.Minute))
	}
	for _, r := range a.Reasons {
		f.Reasons = append(f.Reasons, string(r))
	}
	return f
}

func rulePage(x *exchange) error {
	a, err := x.rule()
	if err == nil {
		err = x.c.svc.Permit(x.by, halberd.ActionUpdateAlertRule)
	}
	if err != nil {
		return err
	}
	return x.showRule(http.StatusOK, ruleView{Edit: &a, Form: formOfRule(&a)})
}

func editRule(x *exchange) error {
	a, err := x.rule()
	if err == nil {
		err = x.c.svc.Permit(x.by, halberd.ActionUpdateAlertRule)
	}
	if err != nil {
		return err
	}
	v := ruleView{Edit: &a, Form: readRuleForm(x), Problems: problems{}}
	v.Form.Kind = string(a.Kind)
	p := v.Form.patch(v.Problems)
	version, err := strconv.ParseInt(x.form("version"), 10, 64)
	if err != nil {
		return halberd.Invalid("version", "must be the one that the form had")
	}
	if len(v.Problems) > 0 {
		return x.showRule(http.StatusBadRequest, v)
	}
	if _, err := x.c.svc.UpdateAlertRule(x.r.Context(), x.by, a.ID, p, version); err != nil {
		if err := v.Problems.ruleRefused(err); err != nil {
			return err
		}
		return x.showRule(http.StatusConflict, v)
	}
	x.say("Saved. The next minute is judged by it.")
	return x.goTo(x.area.At("/alerts"))
}

// switchRule turns a rule off and on from the list.
func switchRule(x *exchange) error {
	a, err := x.rule()
	if err == nil {
		a, err = x.c.svc.UpdateAlertRule(x.r.Context(), x.by, a.ID, halberd.AlertRulePatch{Active: halberd.Some(x.form("active") == "true")}, 0)
	}
	if err != nil {
		return err
	}
	if a.Active {
		x.say("“" + wordsOf(a.Kind).Title + "” is on.")
	} else {
		x.say("“" + wordsOf(a.Kind).Title + "” is off. What is open under it ends by itself.")
	}
	return x.goTo(x.area.At("/alerts"))
}

func deleteRule(x *exchange) error {
	a, err := x.rule()
	if err == nil {
		a, err = x.c.svc.DeleteAlertRule(x.r.Context(), x.by, a.ID, 0)
	}
	if err != nil {
		return err
	}
	x.say("The rule “" + wordsOf(a.Kind).Title + "” is deleted. What it told stays in the history.")
	return x.goTo(x.area.At("/alerts"))
}
