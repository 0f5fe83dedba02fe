package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
)

// keyView is one key's own page.
type keyView struct {
	Area    area
	Project string
	Admin   bool
	Row     keyRow
	Called  string
	Plot    plot
	Periods []period
	Period  period
	Total   int64
	Share   string
	Kinds   []string
	Reasons []reason
	Rows    []usageRow
	Earlier []usageRow
	History []eventRow
	Limits  []string
	Quota   []string
	Own     bool // the limits are the key's, not its project's
	IPs     []string
	Owner   string
	Ends    string // in words
	Until   string // when the old secret of a rotation ends
	Origins []originRow
}

// originRow is where a key was used from.
type originRow struct {
	halberd.Origin
	New bool // within a week, and not among the first
}

func keyPage(x *exchange) error {
	k, err := x.key()
	if err != nil {
		return err
	}
	people, err := x.people()
	if err != nil {
		return err
	}
	v := keyView{
		Area: x.area, Admin: x.me.Role == halberd.ScopeAdmin, Row: x.row(&k, people), Called: called(&k),
		Periods: periods[:], Period: x.period("30d"), Limits: limitWords(k.RateLimits), Quota: quotaWords(&k), Own: k.RateLimits != nil,
	}
	for _, p := range x.projects {
		if p.ID == k.Project {
			v.Project = p.Name
			if k.RateLimits == nil {
				v.Limits = limitWords(p.RateLimits)
			}
		}
	}
	for _, p := range k.IPAllow {
		v.IPs = append(v.IPs, p.String())
	}
	if !k.OwnedBy.IsZero() {
		v.Owner = person(k.OwnedBy.String(), people)
	}
	if v.Row.State == halberd.StateActive && !k.ExpiresAt.IsZero() {
		v.Ends = soon(k.ExpiresAt, x.now)
	}
	if v.Row.Rotating {
		v.Until = exact(k.PreviousExpiresAt)
	}
	s, err := x.usage(v.Period, k.ID)
	if err != nil {
		return err
	}
	origins, err := x.c.svc.Origins(x.r.Context(), x.by, k.ID)
	if err != nil {
		return err
	}
	for _, o := range origins {
		fresh := x.now.Sub(o.FirstAt) < 7*24*time.Hour && o.FirstAt.Sub(origins[0].FirstAt) > 24*time.Hour // all of a new key's are
		v.Origins = append(v.Origins, originRow{o, fresh})
	}
	var u usageView
	u.read(&s)
	v.Plot = newPlot("k", "Checks, by verdict", &s, 0, len(kinds)-1, 232)
	v.Total, v.Share, v.Kinds, v.Reasons, v.Rows, v.Earlier = u.Total, u.Share, u.Kinds, u.Reasons, u.Rows, u.Earlier
	if v.Admin {
		events, err := x.c.svc.Audit(x.r.Context(), x.by, halberd.AuditQuery{Target: k.ID.String(), Page: halberd.Page{Limit: 50}})
		if err != nil {
			return err
		}
		for i := range events.List {
			v.History = append(v.History, x.event(&events.List[i], people))
		}
	}
	return x.render(http.StatusOK, "key.html", v.Called, "keys", v)
}

// limitWords says limits as people do.
func limitWords(ls halberd.RateLimits) []string {
	var out []string
	for _, l := range ls {
		every, unit := spanOf(l.WindowSeconds)
		article := " a "
		switch {
		case every != "1":
			article = " in "
		case unit == "hour":
			article = " an "
		}
		text := count(l.Limit) + article + countedUnit(every, unit)
		if l.Burst != l.Limit {
			text += ", burst " + count(l.Burst)
		}
		if l.Per == halberd.PerExternalID {
			text += ", per external id"
		}
		if len(ls) > 1 {
			text += " (" + l.Name + ")"
		}
		out = append(out, text)
	}
	return out
}

// eventRow is one line of the audit log in words.
type eventRow struct {
	halberd.AuditEvent
	Who     string
	WhoLink string
	Did     string
	What    string
	Link    string
	Detail  string
	Denied  bool
	When    string
}

// did is what the actions are called.
var did = map[halberd.Action]string{
	halberd.ActionCreateKey: "created", halberd.ActionUpdateKey: "changed", halberd.ActionRotateKey: "rotated",
	halberd.ActionEndOverlap: "ended the overlap of", halberd.ActionRevokeKey: "revoked",
	halberd.ActionCreateProject: "created", halberd.ActionUpdateProject: "changed", halberd.ActionDeleteProject: "deleted",
	halberd.ActionCreateOrganization: "created", halberd.ActionUpdateOrganization: "changed",
	halberd.ActionInviteMember: "invited", halberd.ActionUpdateMember: "changed", halberd.ActionRemoveMember: "removed",
	halberd.ActionJoin: "joined", halberd.ActionSignIn: "signed in", halberd.ActionSignOut: "signed out everywhere",
	halberd.ActionCreateWebhook: "created", halberd.ActionUpdateWebhook: "changed", halberd.ActionRotateWebhook: "rotated the secret of",
	halberd.ActionDeleteWebhook: "deleted", halberd.ActionTestWebhook: "tested", halberd.ActionRedeliver: "delivered again", halberd.ActionDisableWebhook: "disabled",
	halberd.ActionAcknowledgeAlert: "acknowledged", halberd.ActionSilenceAlert: "silenced",
	halberd.ActionCreateAlertRule: "created", halberd.ActionUpdateAlertRule: "changed", halberd.ActionDeleteAlertRule: "deleted",
	halberd.ActionUpdateSelf: "changed their own profile", halberd.ActionStart: "made", halberd.ActionRecover: "made anew",
}

func (x *exchange) event(e *halberd.AuditEvent, people map[string]string) eventRow {
	r := eventRow{
		AuditEvent: *e, Who: person(e.Actor, people), Did: did[e.Action], Denied: e.Outcome == halberd.OutcomeDenied,
		When: exact(e.At), Detail: changesWords(e, people),
	}
	if r.Did == "" {
		r.Did = string(e.Action)
	}
	if r.Denied {
		r.Did = "was refused: " + string(e.Action)
		if e.Count > 1 {
			r.Detail = count(e.Count) + " times within a minute"
		}
	}
	if e.ActorKind == halberd.ActorSystem {
		r.Who = strings.TrimPrefix(e.Actor, "system:")
	}
	r.What = e.Target
	if e.ActorKind == halberd.ActorKey {
		if name := x.keyName(e.Actor); name != "" {
			r.Who, r.WhoLink = name, x.area.At("/api-keys/"+e.Actor)
		}
	}
	switch e.TargetKind {
	case "key":
		r.Link = x.area.At("/api-keys/" + e.Target)
		if name := x.keyName(e.Target); name != "" {
			r.What = name
		}
	case "member":
		if name := people[e.Target]; name != "" {
			r.What = name
		}
		if e.Target == e.Actor {
			r.What = ""
		}
	case "organization":
		r.What = "the organization"
	case "webhook":
		r.What = "a webhook"
		if e.Action != halberd.ActionDeleteWebhook {
			r.Link = x.area.At("/webhooks/" + e.Target)
		}
	case "alert":
		r.What, r.Link = "an alert", x.area.At("/alerts/"+e.Target)
	case "alert_rule":
		r.What = "an alert rule"
		if e.Action != halberd.ActionDeleteAlertRule {
			r.Link = x.area.At("/alert-rules/" + e.Target)
		}
	case "project":
		r.Link = x.area.At("/projects/" + e.Target)
		for _, p := range x.projects {
			if p.ID.String() == e.Target {
				r.What = p.Name
			}
		}
	}
	return r
}

// madeFields are what a person would ask for first of something new, in this order.
var madeFields = [...]string{"role", "scopes", "resources", "expires_at", "key_prefix", "url", "kind"}

// fieldNames are the page's words for fields whose own are not.
var fieldNames = map[string]string{
	"label": "name", "expires_at": "expires", "previous_expires_at": "old secret ends", "revoke_reason": "why", "owned_by": "answers for it",
	"ip_allow": "allowed addresses", "key_ceiling": "most keys", "default_expires_in_days": "keys end after days", "max_expires_in_days": "at most days",
}

// maxKeyNames bounds how many keys one page asks for.
const maxKeyNames = 64

// keyName is what a key is called now, as far as the member may see it; "": it is
// not known.
func (x *exchange) keyName(text string) string {
	if name, ok := x.keyNames[text]; ok || len(x.keyNames) >= maxKeyNames {
		return name
	}
	name := ""
	if id, err := halberd.ParseKeyID(text); err == nil {
		if k, err := x.c.svc.Get(x.r.Context(), x.by, id); err == nil {
			name = called(&k)
		}
	}
	if x.keyNames == nil {
		x.keyNames = map[string]string{}
	}
	x.keyNames[text] = name
	return name
}

// changesWords says what changed, shortly.
func changesWords(e *halberd.AuditEvent, people map[string]string) string {
	var out []string
	if made := string(e.Action); strings.HasSuffix(made, ".create") || strings.HasSuffix(made, ".invite") {
		for _, field := range madeFields {
			c, ok := e.Changes[field]
			if word := valueWord(c.After, people); ok && word != "*" && word != "none" {
				if field == "expires_at" {
					word = "until " + word
				}
				out = append(out, word)
			}
		}
		return strings.Join(out, " · ")
	}
	if e.Action == halberd.ActionJoin || e.Action == halberd.ActionStart { // the words say it all
		return ""
	}
	for _, field := range sortedKeys(e.Changes) {
		c := e.Changes[field]
		word := fieldNames[field]
		switch {
		case field == "revoked_at" || field == "revoked_by": // the event is that
			continue
		case word == "":
			word = strings.ReplaceAll(field, "_", " ")
		}
		before, after := valueWord(c.Before, people), valueWord(c.After, people)
		if field == "rate_limits" {
			before, after = limitsWord(c.Before), limitsWord(c.After)
		}
		if before != "none" {
			after = before + " → " + after
		}
		out = append(out, word+": "+after)
	}
	return strings.Join(out, " · ")
}

// limitsWord says limits as people do, as far as they can be read.
func limitsWord(v any) string {
	var ls halberd.RateLimits
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &ls)
	}
	if err != nil || len(ls) == 0 {
		return valueWord(v, nil)
	}
	return strings.Join(limitWords(ls), ", ")
}

func valueWord(v any, people map[string]string) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case string:
		if v == "" {
			return "none"
		}
		if name := people[v]; name != "" {
			return name
		}
		if t, err := time.Parse(time.RFC3339, v); err == nil {
			return t.Format("2 Jan 2006, 15:04")
		}
		return v
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case map[string]any:
		var parts []string
		for _, k := range sortedKeys(v) {
			parts = append(parts, strings.ReplaceAll(k, "_", " ")+" "+valueWord(v[k], people))
		}
		return strings.Join(parts, ", ")
	case []any:
		var parts []string
		for _, p := range v {
			parts = append(parts, valueWord(p, people))
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(v)
}
