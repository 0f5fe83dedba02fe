package console

import (
	"net/http"
	"net/url"
	"time"

	"github.com/halberdhq/halberd"
)

// lastingShown bounds the open alerts of the page, and drawnBeside those that have
// a line of the key's checks beside them.
const (
	lastingShown = 100
	drawnBeside  = 10
)

type alertsView struct {
	Area     area
	Admin    bool
	Operator bool
	Key      *halberd.Key // nil: of every key
	Called   string
	Open     []alertRow
	MoreOpen bool
	Rules    []ruleRow
	On       int
	Past     []alertRow
	Older    string
	First    string
}

// alertRow is one alert in words.
type alertRow struct {
	halberd.Alert
	Says   kindWords
	Since  string
	Lasted string
	Ended  string // how, in words
	Seen   string // who acknowledged it
	Hushed bool   // silenced
	Spark  spark
}

// alertsPage is what is open, the rules, and what is over. Alerts are shown of
// every project: one that is missed because another project is looked at helps
// nobody.
func alertsPage(x *exchange) error {
	v := alertsView{Area: x.area, Admin: x.me.Role == halberd.ScopeAdmin, Operator: x.me.Operator}
	people, err := x.people()
	if err != nil {
		return err
	}
	ask := halberd.AlertQuery{States: []halberd.AlertState{halberd.AlertOpen, halberd.AlertAcknowledged}, Page: halberd.Page{Limit: lastingShown}}
	if text := x.r.URL.Query().Get("key"); text != "" {
		if ask.Key, err = halberd.ParseKeyID(text); err != nil {
			return halberd.Invalid("key", "is not one")
		}
		k, err := x.c.svc.Get(x.r.Context(), x.by, ask.Key)
		if err != nil {
			return err
		}
		v.Key, v.Called = &k, called(&k)
	}
	open, err := x.c.svc.ListAlerts(x.r.Context(), x.by, ask)
	if err != nil {
		return err
	}
	v.MoreOpen = open.Next != ""
	for i := range open.List {
		row := x.alertRow(&open.List[i], people)
		if i < drawnBeside && !row.Key.IsZero() {
			s, err := x.around(&row.Alert)
			if err != nil {
				return err
			}
			row.Spark = newSpark(&s)
		}
		v.Open = append(v.Open, row)
	}
	ask.States, ask.Page = []halberd.AlertState{halberd.AlertResolved}, halberd.Page{Limit: 25, Cursor: x.r.URL.Query().Get("cursor")}
	past, err := x.c.svc.ListAlerts(x.r.Context(), x.by, ask)
	if err != nil {
		return err
	}
	for i := range past.List {
		v.Past = append(v.Past, x.alertRow(&past.List[i], people))
	}
	if past.Next != "" {
		v.Older = x.sameWith(url.Values{"cursor": {past.Next}}) + "#past"
	}
	if ask.Page.Cursor != "" {
		v.First = x.sameWith(url.Values{"cursor": nil}) + "#past"
	}
	rules, err := x.c.svc.ListAlertRules(x.r.Context(), x.by, halberd.OrganizationID{}, halberd.Page{Limit: 1000})
	if err != nil {
		return err
	}
	hooks, err := x.channels()
	if err != nil {
		return err
	}
	for i := range rules.List {
		row := x.ruleRow(&rules.List[i], hooks)
		if row.Active {
			v.On++
		}
		v.Rules = append(v.Rules, row)
	}
	return x.render(http.StatusOK, "alerts.html", "Alerts", "keys", v)
}

// alarms is how many alerts nobody has acknowledged, as the tab says it.
func (x *exchange) alarms() (string, error) {
	const most = 99
	open, err := x.c.svc.ListAlerts(x.r.Context(), x.by, halberd.AlertQuery{States: []halberd.AlertState{halberd.AlertOpen}, Page: halberd.Page{Limit: most}})
	switch {
	case err != nil || len(open.List) == 0:
		return "", err
	case open.Next != "":
		return count(most) + "+", nil
	}
	return count(len(open.List)), nil
}

func (x *exchange) alertRow(a *halberd.Alert, people map[string]string) alertRow {
	r := alertRow{Alert: *a, Says: wordsOf(a.Kind), Since: ago(a.OpenedAt, x.now), Hushed: x.now.Before(a.SilencedUntil)}
	if a.AcknowledgedBy != "" {
		r.Seen = person(a.AcknowledgedBy, people)
	}
	if a.State == halberd.AlertResolved {
		r.Ended, r.Lasted = "Resolved by itself", lasted(a.ResolvedAt.Sub(a.OpenedAt))
	}
	return r
}

// Lasts is for the templates, which have rows by value.
func (r alertRow) Lasts() bool { return r.Alert.Lasts() }

// Called is the key's name as it was when the alert opened.
func (r alertRow) Called() string {
	if r.KeyName != "" {
		return r.KeyName
	}
	return r.KeyHint
}

// lasted is a length of time as people say it.
func lasted(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "under a minute"
	case d < time.Hour:
		return plural(int(d/time.Minute), "minute", "minutes")
	case d < 48*time.Hour:
		return plural(int(d/time.Hour), "hour", "hours")
	}
	return plural(int(d/(24*time.Hour)), "day", "days")
}

// around reads what was counted of an alert's key about the time it was raised: by
// the minute while those are kept, else as finely as there is.
func (x *exchange) around(a *halberd.Alert) (s halberd.UsageSeries, err error) {
	const minutes, hours, days = time.Minute, time.Hour, 24 * time.Hour
	looks := []struct {
		step         halberd.UsageStep
		before, past time.Duration
	}{{halberd.StepMinute, 55 * minutes, 5 * minutes}, {halberd.StepHour, 24 * hours, 3 * hours}, {halberd.StepDay, 28 * days, 2 * days}}
	if a.Kind == halberd.AlertExpiring || a.Kind == halberd.AlertUnused {
		looks = looks[2:] // nothing happens within an hour there
	}
	for _, l := range looks {
		to := a.OpenedAt.Add(l.past)
		if to.After(x.now) {
			to = x.now.Add(time.Second)
		}
		s, err = x.c.svc.Usage(x.r.Context(), x.by, halberd.UsageQuery{From: a.OpenedAt.Add(-l.before), To: to, Step: l.step, Key: a.Key})
		if err != nil || !s.KeptFrom.After(s.From) {
			break
		}
	}
	return s, err
}

// alertView is one alert's own page.
type alertView struct {
	Area    area
	Admin   bool
	Row     alertRow
	Rule    *ruleRow // nil: it was deleted
	Plot    *plot    // nil: it is about no key
	Measure *measure // what the rule looked at; nil: no number of checks
	Own     *plot    // of the measure; nil: its line is in Plot
	Kinds   []string
	Rows    []usageRow
	Earlier []usageRow
	Project string
}

func alertPage(x *exchange) error {
	a, err := x.alert()
	if err != nil {
		return err
	}
	people, err := x.people()
	if err != nil {
		return err
	}
	v := alertView{Area: x.area, Admin: x.me.Role == halberd.ScopeAdmin, Row: x.alertRow(&a, people), Project: x.projectName(a.Project)}
	rule, err := x.c.svc.GetAlertRule(x.r.Context(), x.by, a.Rule)
	switch {
	case err == nil:
		row := x.ruleRow(&rule, nil)
		v.Rule = &row
	case halberd.CodeOf(err) != halberd.CodeNotFound:
		return err
	}
	if !a.Key.IsZero() {
		s, err := x.around(&a)
		if err != nil {
			return err
		}
		if err := x.draw(&v, &a, &rule, &s); err != nil {
			return err
		}
	}
	return x.render(http.StatusOK, "alert.html", v.Row.Says.Title, "keys", v)
}

// draw fills in the plots and the table of an alert's key.
func (x *exchange) draw(v *alertView, a *halberd.Alert, rule *halberd.AlertRule, s *halberd.UsageSeries) (err error) {
	if v.Rule == nil {
		rule = nil
	}
	if v.Measure, err = x.measured(a, rule, s); err != nil {
		return err
	}
	m := v.Measure
	if m != nil && m.Title != "" {
		own := newMeasured(m, s)
		own.raise(s, a.OpenedAt)
		v.Own, m = &own, nil
	}
	p := newPlotHeld("w", "Checks around the alert", s, 0, len(kinds)-1, 232, m)
	p.raise(s, a.OpenedAt)
	var u usageView
	u.Measure = v.Measure
	u.read(s)
	v.Plot, v.Kinds, v.Rows, v.Earlier = &p, u.Kinds, u.Rows, u.Earlier
	return nil
}

// alert is the one that the path names.
func (x *exchange) alert() (halberd.Alert, error) {
	id, err := halberd.ParseAlertID(x.r.PathValue("alert"))
	if err != nil {
		return halberd.Alert{}, &halberd.Error{Code: halberd.CodeNotFound, Message: "there is no such alert"}
	}
	return x.c.svc.GetAlert(x.r.Context(), x.by, id)
}

func acknowledgeAlert(x *exchange) error {
	a, err := x.alert()
	if err == nil {
		a, err = x.c.svc.AcknowledgeAlert(x.r.Context(), x.by, a.ID)
	}
	if err != nil {
		return err
	}
	x.say("Acknowledged. It resolves by itself when its cause is over.")
	return x.goTo(x.backFrom(&a))
}

// silences are how long nobody is told.
var silences = map[string]time.Duration{"1h": time.Hour, "1d": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour, "end": 0}

func silenceAlert(x *exchange) error {
	length, ok := silences[x.form("for")]
	if !ok {
		return halberd.Invalid("for", "must be one of the lengths that the form offers")
	}
	a, err := x.alert()
	if err == nil {
		var until time.Time
		if length > 0 {
			until = x.now.Add(length)
		}
		a, err = x.c.svc.SilenceAlert(x.r.Context(), x.by, a.ID, until)
	}
	if err != nil {
		return err
	}
	if a.SilencedUntil.IsZero() {
		x.say("The silence is over: who is told of alerts is told of this one again.")
	} else {
		x.say("Silenced until " + exact(a.SilencedUntil) + ": nobody is told of it, nor of its return, before.")
	}
	return x.goTo(x.backFrom(&a))
}

// backFrom is the page on which a button was pressed.
func (x *exchange) backFrom(a *halberd.Alert) string {
	if x.form("from") == "alert" {
		return x.area.At("/alerts/" + a.ID.String())
	}
	return x.area.At("/alerts")
}

// projectName is what a project is called; "": it is none, or was deleted.
func (x *exchange) projectName(id halberd.ProjectID) string {
	for i := range x.projects {
		if x.projects[i].ID == id {
			return x.projects[i].Name
		}
	}
	return ""
}
