package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
)

const keysAPage = 100

// keysView is the list of keys.
type keysView struct {
	Area    area
	Project halberd.Project
	Admin   bool
	InUse   int
	Checks  int64 // in the last 24 hours
	Refused int64
	Share   string // of the refused
	Spark   spark
	Rows    []keyRow
	Soon    soonest
	Find    keyFind
	Next    string // the address of the next page
	First   string // of the first, when this is another
	From    int    // rows before this page
	Bare    bool   // the project has no key at all
}

// keyFind is what the toolbar and the heads of the columns ask for.
type keyFind struct {
	Text, State, Permission, Expiry, Sort string
	Any                                   bool
}

// keyRow is one key as the table shows it.
type keyRow struct {
	halberd.Key
	State       halberd.State
	Permissions []permission
	Made        string // who made it
	Used        string
	Ends        string
	Soon        string // how near its end is, when it is near
	Rotating    bool
}

func keysPage(x *exchange) error {
	find := readKeyFind(x.r.URL.Query())
	q, err := find.query(x.now)
	if err != nil {
		return err
	}
	ctx := x.r.Context()
	q.Project = x.project.ID
	if owner := x.r.URL.Query().Get("owner"); owner != "" { // of a member's keys, wherever they are
		if q.OwnedBy, err = halberd.ParseMemberID(owner); err != nil {
			return halberd.Invalid("owner", "is not a member's id")
		}
		q.Project = halberd.ProjectID{}
	}
	q.Page = halberd.Page{Limit: keysAPage, Cursor: x.r.URL.Query().Get("cursor")}
	list, err := x.c.svc.List(ctx, x.by, q)
	if err != nil {
		return err
	}
	v := keysView{Area: x.area, Project: x.project, Admin: x.me.Role == halberd.ScopeAdmin, Find: find}
	if v.InUse, err = x.c.svc.KeysInUse(ctx, x.by, x.project.ID); err != nil {
		return err
	}
	if err := x.endingSoon(&v.Soon); err != nil {
		return err
	}
	if err := x.lastDay(&v); err != nil {
		return err
	}
	people, err := x.people()
	if err != nil {
		return err
	}
	for i := range list.List {
		v.Rows = append(v.Rows, x.row(&list.List[i], people))
	}
	v.From, _ = strconv.Atoi(x.r.URL.Query().Get("from"))
	v.From = max(v.From, 0)
	if list.Next != "" {
		v.Next = x.sameWith(url.Values{"cursor": {list.Next}, "from": {strconv.Itoa(v.From + len(v.Rows))}})
	}
	if q.Page.Cursor != "" {
		v.First = x.sameWith(url.Values{"cursor": nil, "from": nil})
	}
	v.Bare = len(v.Rows) == 0 && !find.Any && q.Page.Cursor == ""
	return x.render(http.StatusOK, "keys.html", "API Keys", "keys", v)
}

// soonest are the active keys that end within a week.
type soonest struct {
	Count int    // of those that were looked at
	Many  bool   // there are still more
	Names string // of the first
	Rest  int    // how many of Count are not among the names
}

const (
	soonCounted = 50
	soonNamed   = 3
)

func (x *exchange) endingSoon(s *soonest) error {
	list, err := x.c.svc.List(x.r.Context(), x.by, halberd.KeyQuery{
		Project: x.project.ID, States: []halberd.State{halberd.StateActive}, ExpiresBefore: x.now.Add(week),
		Sort: halberd.KeySort{By: halberd.SortExpires}, Page: halberd.Page{Limit: soonCounted},
	})
	s.Count, s.Many = len(list.List), list.Next != ""
	var names []string
	for i := range list.List[:min(len(list.List), soonNamed)] {
		names = append(names, called(&list.List[i]))
	}
	s.Names, s.Rest = strings.Join(names, ", "), s.Count-len(names)
	return err
}

// lastDay fills in how often the project's keys were checked.
func (x *exchange) lastDay(v *keysView) error {
	s, err := x.usage(periods[0], halberd.KeyID{})
	if err != nil {
		return err
	}
	for k, n := range sums(s.Total) {
		v.Checks += n
		if k > 0 {
			v.Refused += n
		}
	}
	v.Share, v.Spark = share(v.Refused, v.Checks), newSpark(&s)
	return nil
}

const week = 7 * 24 * time.Hour

func (x *exchange) row(k *halberd.Key, people map[string]string) keyRow {
	r := keyRow{
		Key: *k, State: k.StateAt(x.now), Permissions: permissions(k.Scopes),
		Made: x.maker(k.CreatedBy, people), Used: ago(k.LastUsedAt, x.now), Ends: day(k.ExpiresAt),
		Rotating: x.now.Before(k.PreviousExpiresAt),
	}
	if r.State == halberd.StateActive && !k.ExpiresAt.IsZero() && k.ExpiresAt.Before(x.now.Add(week)) {
		r.Soon = soon(k.ExpiresAt, x.now)
	}
	return r
}

// maker says who made a key, by the name of the key that did where there is one.
func (x *exchange) maker(ref string, people map[string]string) string {
	if strings.HasPrefix(ref, "key_") {
		if name := x.keyName(ref); name != "" {
			return "the key " + name
		}
	}
	return person(ref, people)
}

// people are the names of the members by their ids, where the member may read
// them.
func (x *exchange) people() (map[string]string, error) {
	out := map[string]string{x.me.ID.String(): nameOf(&x.me)}
	if x.me.Role != halberd.ScopeAdmin {
		return out, nil
	}
	list, err := x.c.svc.ListMembers(x.r.Context(), x.by, halberd.OrganizationID{}, halberd.Page{Limit: 1000})
	for i := range list.List {
		out[list.List[i].ID.String()] = nameOf(&list.List[i])
	}
	return out, err
}

func nameOf(m *halberd.Member) string {
	if m.Name != "" {
		return m.Name
	}
	return m.Email
}

// person says who an actor is.
func person(ref string, people map[string]string) string {
	switch name := people[ref]; {
	case name != "":
		return name
	case len(ref) > 4 && ref[:4] == "mem_":
		return "a member"
	case len(ref) > 4 && ref[:4] == "key_":
		return "an API key"
	}
	return "the server"
}

func readKeyFind(q url.Values) keyFind {
	f := keyFind{Text: q.Get("q"), State: q.Get("state"), Permission: q.Get("permission"), Expiry: q.Get("expiry"), Sort: q.Get("sort")}
	f.Any = f.Text != "" || f.State != "" || f.Permission != "" || f.Expiry != ""
	return f
}

// query is what the Service is asked. Revoked keys stay in the list: people look
// for them there.
func (f keyFind) query(now time.Time) (halberd.KeyQuery, error) {
	q := halberd.KeyQuery{
		Text: f.Text, Scope: halberd.Scope(f.Permission),
		States: []halberd.State{halberd.StateActive, halberd.StateInactive, halberd.StateExpired, halberd.StateRevoked},
	}
	if f.State != "" {
		q.States = []halberd.State{halberd.State(f.State)}
	}
	switch f.Expiry {
	case "":
	case "soon":
		q.ExpiresBefore, q.States = now.Add(week), []halberd.State{halberd.StateActive}
	case "past":
		q.States = []halberd.State{halberd.StateExpired}
	default:
		return q, halberd.Invalid("expiry", "must be soon or past")
	}
	sort := f.Sort
	if sort == "" {
		sort = "-created_at"
	}
	if sort[0] == '-' {
		q.Sort.Descending, sort = true, sort[1:]
	}
	q.Sort.By = halberd.SortField(sort)
	return q, nil
}

// sameWith is this page's address with some of its query changed; nil takes one
// out.
func (x *exchange) sameWith(change url.Values) string {
	q := x.r.URL.Query()
	for name, v := range change {
		if v == nil {
			q.Del(name)
		} else {
			q[name] = v
		}
	}
	if len(q) == 0 {
		return x.r.URL.Path
	}
	return x.r.URL.Path + "?" + q.Encode()
}

// chooseProject remembers which project is looked at.
func chooseProject(x *exchange) error {
	id, err := halberd.ParseProjectID(x.form("project"))
	if err != nil {
		return halberd.Invalid("project", "is not one")
	}
	if _, err := x.c.svc.GetProject(x.r.Context(), x.by, id); err != nil {
		return err
	}
	x.c.sessions.Put(x.r.Context(), sessionProject, id.String())
	return x.goTo(x.area.At("/api-keys"))
}

// SortBy is the address part that orders by a column, or turns the order around
// when it is that column's already.
func (f keyFind) SortBy(column string) string {
	want := column
	if f.Sort == column {
		want = "-" + column
	}
	q := url.Values{"sort": {want}}
	for name, v := range map[string]string{"q": f.Text, "state": f.State, "permission": f.Permission, "expiry": f.Expiry} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return "?" + q.Encode()
}

// Sorted is the column's aria-sort; empty when the list is in another order.
func (f keyFind) Sorted(column string) string {
	switch f.Sort {
	case column:
		return "ascending"
	case "-" + column:
		return "descending"
	case "":
		if column == "created_at" {
			return "descending"
		}
	}
	return ""
}
