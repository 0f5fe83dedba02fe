package console

import (
	"net/http"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
)

const (
	quarter  = 90 * 24 * time.Hour
	month    = 30 * 24 * time.Hour
	findings = 20 // of each kind on the page
)

// finding is one kind of thing that a careful person would look at.
type finding struct {
	ID, Title, Help string
	Rows            []findingRow
	More            bool
	All             string // the list of them all
}

type findingRow struct {
	keyRow
	Why   string
	Maker bool // who made it belongs to why
	Acts  []act
}

// act is the next step beside a finding.
type act struct{ Word, At, Class string }

type hygieneView struct {
	Area     area
	Admin    bool
	Findings []finding
	Total    int
}

func hygienePage(x *exchange) error {
	v := hygieneView{Area: x.area, Admin: x.me.Role == halberd.ScopeAdmin}
	people, err := x.people()
	if err != nil {
		return err
	}
	for _, look := range x.looks() {
		f := look.finding
		q := look.query
		q.Project = x.project.ID
		for cursor, pages := "", 0; pages < 5 && len(f.Rows) <= findings; pages++ { // most are found on the first
			q.Page = halberd.Page{Limit: 200, Cursor: cursor}
			list, err := x.c.svc.List(x.r.Context(), x.by, q)
			if err != nil {
				return err
			}
			for i := range list.List {
				k := &list.List[i]
				if why, ok := look.why(k); ok {
					f.Rows = append(f.Rows, findingRow{x.row(k, people), why, strings.HasPrefix(why, "Made"), look.acts(k)})
				}
			}
			if cursor = list.Next; cursor == "" {
				break
			}
		}
		if len(f.Rows) > findings {
			f.Rows, f.More = f.Rows[:findings], true
		}
		v.Total += len(f.Rows)
		v.Findings = append(v.Findings, f)
	}
	return x.render(http.StatusOK, "hygiene.html", "Key hygiene", "hygiene", v)
}

// look is how one kind of finding is found.
type look struct {
	finding
	query halberd.KeyQuery
	why   func(*halberd.Key) (string, bool)
	acts  func(*halberd.Key) []act
}

func (x *exchange) looks() []look {
	alive := []halberd.State{halberd.StateActive}
	at := func(k *halberd.Key, rest string) string { return x.area.At("/api-keys/" + k.ID.String() + rest) }
	revoke := func(k *halberd.Key) act { return act{"Revoke", at(k, "/revoke"), "btn--warn"} }
	rotate := func(k *halberd.Key) act { return act{"Rotate", at(k, "/rotate"), ""} }
	edit := func(word string) func(*halberd.Key) []act {
		return func(k *halberd.Key) []act { return []act{{word, at(k, "/edit"), ""}} }
	}
	age := func(t time.Time) string { return plural(int(x.now.Sub(t)/(24*time.Hour)), "day", "days") }
	made := func(k *halberd.Key) string {
		if x.now.Sub(k.CreatedAt) < 24*time.Hour {
			return "Made today"
		}
		return "Made " + age(k.CreatedAt) + " ago"
	}
	return []look{
		{
			finding{ID: "soon", Title: "Expiring soon", Help: "Rotate or extend those in use, so that nothing stops. Let the others end.", All: "?state=active&sort=expires_at"},
			halberd.KeyQuery{States: alive, ExpiresBefore: x.now.Add(month), Sort: halberd.KeySort{By: halberd.SortExpires}},
			func(k *halberd.Key) (string, bool) {
				return "Ends " + soon(k.ExpiresAt, x.now) + ", on " + day(k.ExpiresAt), k.ExpiresAt.After(x.now)
			},
			func(k *halberd.Key) []act {
				if k.LastUsedAt.IsZero() {
					return []act{revoke(k)}
				}
				return []act{{"Extend", at(k, "/edit"), "btn--plain"}, rotate(k)}
			},
		},
		{
			finding{ID: "never", Title: "Never used", Help: "Made and forgotten, or stored somewhere nobody looks. Ask whoever made it, then revoke.", All: "?sort=last_used_at"},
			halberd.KeyQuery{States: alive, UnusedSince: x.now, Sort: halberd.KeySort{By: halberd.SortCreated}},
			func(k *halberd.Key) (string, bool) {
				return made(k), k.LastUsedAt.IsZero() && x.now.Sub(k.CreatedAt) > 24*time.Hour
			},
			func(k *halberd.Key) []act { return []act{revoke(k)} },
		},
		{
			finding{ID: "idle", Title: "Idle for 90 days", Help: "Nothing has used it for a quarter. Deactivate first if unsure: that can be undone.", All: "?sort=last_used_at"},
			halberd.KeyQuery{States: append(alive, halberd.StateInactive), UnusedSince: x.now.Add(-quarter), Sort: halberd.KeySort{By: halberd.SortLastUsed}},
			func(k *halberd.Key) (string, bool) {
				return "Unused for " + age(k.LastUsedAt), !k.LastUsedAt.IsZero()
			},
			func(k *halberd.Key) []act { return []act{revoke(k)} },
		},
		{
			finding{ID: "forever", Title: "Never expires", Help: "A key without an end works until someone remembers it.", All: "?sort=-expires_at"},
			halberd.KeyQuery{States: alive, Sort: halberd.KeySort{By: halberd.SortExpires, Descending: true}},
			func(k *halberd.Key) (string, bool) {
				return made(k), k.ExpiresAt.IsZero()
			},
			edit("Set expiry"),
		},
		{
			finding{ID: "over", Title: "May do everything", Help: "Admin, or every resource: a lost key of this kind reaches furthest. Narrow what need not be so wide.", All: "?permission=write"},
			halberd.KeyQuery{States: alive, Sort: halberd.KeySort{By: halberd.SortCreated}},
			func(k *halberd.Key) (string, bool) {
				switch {
				case k.Scopes.Holds(halberd.ScopeAdmin):
					return "Holds Admin", true
				case k.Scopes.Holds(halberd.ScopeWrite) && k.Resources.All():
					return "May write everything", true
				}
				return "", false
			},
			edit("Narrow…"),
		},
	}
}
