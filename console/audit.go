package console

import (
	"encoding/csv"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
)

type auditView struct {
	Area    area
	Rows    []eventRow
	Action  string
	Actions []string
	Outcome string
	Target  string
	Actor   string
	People  []namedActor
	Older   string
	First   string
	CSV     string
	JSON    string
}

type namedActor struct{ ID, Name string }

func (x *exchange) auditQuery() (halberd.AuditQuery, url.Values) {
	q := x.r.URL.Query()
	return halberd.AuditQuery{
		Action: halberd.Action(q.Get("action")), Actor: q.Get("actor"), Target: q.Get("target"),
		Outcome: halberd.Outcome(q.Get("outcome")), Page: halberd.Page{Limit: 50, Cursor: q.Get("cursor")},
	}, q
}

func auditPage(x *exchange) error {
	ask, q := x.auditQuery()
	list, err := x.c.svc.Audit(x.r.Context(), x.by, ask)
	if err != nil {
		return err
	}
	people, err := x.people()
	if err != nil {
		return err
	}
	v := auditView{Area: x.area, Action: string(ask.Action), Outcome: string(ask.Outcome), Target: ask.Target, Actor: ask.Actor}
	for _, a := range slices.Sorted(maps.Keys(did)) {
		v.Actions = append(v.Actions, string(a))
	}
	for _, id := range sortedKeys(people) {
		v.People = append(v.People, namedActor{id, people[id]})
	}
	for i := range list.List {
		v.Rows = append(v.Rows, x.event(&list.List[i], people))
	}
	if list.Next != "" {
		v.Older = x.sameWith(url.Values{"cursor": {list.Next}})
	}
	if ask.Page.Cursor != "" {
		v.First = x.sameWith(url.Values{"cursor": nil})
	}
	q.Del("cursor")
	v.CSV, v.JSON = x.area.At("/audit.csv")+"?"+q.Encode(), x.area.At("/audit.json")+"?"+q.Encode()
	return x.render(http.StatusOK, "audit.html", "Audit log", "audit", v)
}

// exported bounds how many events one file holds.
const exported = 100_000

// eachEvent walks the log as the page is filtered.
func (x *exchange) eachEvent(begin func(), each func(*halberd.AuditEvent) error) error {
	ask, _ := x.auditQuery()
	ask.Page = halberd.Page{Limit: 1000}
	for n := 0; n < exported; {
		list, err := x.c.svc.Audit(x.r.Context(), x.by, ask)
		if err != nil {
			return err
		}
		if n == 0 {
			begin()
		}
		for i := range list.List {
			if err := each(&list.List[i]); err != nil {
				return err
			}
		}
		if n += len(list.List); list.Next == "" {
			return nil
		}
		ask.Page.Cursor = list.Next
	}
	return nil
}

func auditCSV(x *exchange) error {
	w := csv.NewWriter(x.w)
	err := x.eachEvent(func() {
		x.download("audit.csv", "text/csv; charset=utf-8")
		_ = w.Write([]string{"audit_id", "at", "actor", "action", "target", "outcome", "count", "changes", "request_id", "client_ip"})
	}, func(e *halberd.AuditEvent) error {
		changes := ""
		if len(e.Changes) > 0 {
			b, err := json.Marshal(e.Changes)
			if err != nil {
				return err
			}
			changes = string(b)
		}
		row := []string{
			e.ID.String(), e.At.UTC().Format(time.RFC3339), e.Actor, string(e.Action), e.Target, string(e.Outcome),
			strconv.FormatInt(e.Count, 10), changes, e.RequestID, e.ClientIP,
		}
		for i := range row {
			row[i] = cell(row[i])
		}
		return w.Write(row)
	})
	w.Flush()
	if err == nil {
		err = w.Error()
	}
	return err
}

// cell keeps a spreadsheet from running what a person typed.
func cell(text string) string {
	if text != "" && strings.ContainsAny(text[:1], "=+-@\t\r") || strings.HasPrefix(text, "＝") || strings.HasPrefix(text, "＋") ||
		strings.HasPrefix(text, "－") || strings.HasPrefix(text, "＠") {
		return "'" + text
	}
	return text
}

// auditJSON is one event a line.
func auditJSON(x *exchange) error {
	w := json.NewEncoder(x.w)
	return x.eachEvent(func() { x.download("audit.jsonl", "application/jsonl") }, func(e *halberd.AuditEvent) error {
		return w.Encode(map[string]any{
			"audit_id": e.ID, "at": e.At.UTC(), "actor": map[string]any{"type": e.ActorKind, "id": e.Actor}, "action": e.Action,
			"target": map[string]any{"type": e.TargetKind, "id": e.Target}, "outcome": e.Outcome, "count": e.Count,
			"changes": e.Changes, "request_id": e.RequestID, "client_ip": e.ClientIP,
		})
	})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
