package storagetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/halberdhq/halberd"
)

var listCases = []contract{
	{"a list is of one organization, or one project", func(s *subject) {
		s.insert(
			key(1),
			key(2, func(k *halberd.KeyRecord) { k.Project = projectID(2) }),
			key(3, func(k *halberd.KeyRecord) { k.Project = halberd.ProjectID{} }),
			key(4, func(k *halberd.KeyRecord) { k.Organization, k.Project = organizationID(2), projectID(3) }),
		)
		s.wantList(halberd.KeyFilter{}, 1, 2, 3, 4)
		s.wantList(halberd.KeyFilter{Organization: organizationID(1)}, 1, 2, 3)
		s.wantList(halberd.KeyFilter{Organization: organizationID(2)}, 4)
		s.wantList(halberd.KeyFilter{Project: projectID(2)}, 2)
		s.wantList(halberd.KeyFilter{Organization: organizationID(1), Project: projectID(2)}, 2)
		s.wantList(halberd.KeyFilter{Organization: organizationID(1), Project: projectID(3)})
	}},
	{"states are derived at now", func(s *subject) {
		inactive := func(k *halberd.KeyRecord) { k.State = halberd.StateInactive }
		ends := func(at int64) func(*halberd.KeyRecord) {
			return func(k *halberd.KeyRecord) { k.ExpiresAt = at }
		}
		s.insert(key(1), key(2, inactive), key(3, ends(500)), key(4, revoke(5)),
			key(5, inactive, ends(500)), key(6, revoke(5), ends(500)), key(7, ends(501)))
		is := func(states ...halberd.State) halberd.KeyFilter { return halberd.KeyFilter{States: states, Now: 500} }
		s.wantList(is(halberd.StateActive), 1, 7)
		s.wantList(is(halberd.StateInactive), 2, 5)
		s.wantList(is(halberd.StateExpired), 3)
		s.wantList(is(halberd.StateRevoked), 4, 6)
		s.wantList(is(halberd.StateActive, halberd.StateExpired), 1, 3, 7)
		s.wantList(is(halberd.StateActive, halberd.StateInactive, halberd.StateExpired), 1, 2, 3, 5, 7)
		s.wantList(is(), 1, 2, 3, 4, 5, 6, 7)
	}},
	{"a scope is a whole word", func(s *subject) {
		for i, scopes := range []string{"read", "read write", "read write admin", "verify", "read deliveries:replay", "read deliveries:replayx", ""} {
			s.insert(key(i+1, func(k *halberd.KeyRecord) { k.Scopes = scopes }))
		}
		s.wantList(halberd.KeyFilter{Scope: "write"}, 2, 3)
		s.wantList(halberd.KeyFilter{Scope: "admin"}, 3)
		s.wantList(halberd.KeyFilter{Scope: "deliveries:replay"}, 5)
		s.wantList(halberd.KeyFilter{Scope: "deliveries"})
		s.wantList(halberd.KeyFilter{Scope: "rea_"})
		s.wantList(halberd.KeyFilter{Scope: "READ"})
	}},
	{"text is looked for literally, without regard to ASCII case", func(s *subject) {
		names := []string{"Checkout", "CHECKOUT two", "100% sure", "100 sure", "a_b", "axb", `back\slash`, "Größe", "GRÖSSE", "[x]", "a*b?"}
		for i, name := range names {
			s.insert(key(i+1, func(k *halberd.KeyRecord) { k.Name, k.Hint = name, "" }))
		}
		s.insert(key(50, func(k *halberd.KeyRecord) { k.Name, k.Hint, k.ExternalID = "", "WHR_live_q9Z", "Cust-7" }))
		text := func(t string) halberd.KeyFilter { return halberd.KeyFilter{Text: t} }
		s.wantList(text("checkout"), 1, 2)
		s.wantList(text("100%"), 3)
		s.wantList(text("a_b"), 5)
		s.wantList(text(`k\s`), 7)
		s.wantList(text("größe"), 8)
		s.wantList(text("[x]"), 10)
		s.wantList(text("a*b?"), 11)
		s.wantList(text("whr_live_q9z"), 50)
		s.wantList(text("cust-7"), 50)
		s.wantList(text(keyID(50).String()), 50)
		s.wantList(text("'"))
		s.wantList(text("no such"))
	}},
	{"external ids are compared with their case", func(s *subject) {
		s.insert(key(1, func(k *halberd.KeyRecord) { k.ExternalID = "Acme" }),
			key(2, func(k *halberd.KeyRecord) { k.ExternalID = "acme" }),
			key(3, func(k *halberd.KeyRecord) { k.ExternalID = "acme " }))
		s.wantList(halberd.KeyFilter{ExternalID: "acme", Organization: organizationID(1)}, 2)
		s.wantList(halberd.KeyFilter{ExternalID: "Acme"}, 1)
		s.wantList(halberd.KeyFilter{ExternalID: "ACME"})
	}},
	{"expires-before leaves out keys without an end", func(s *subject) {
		for i, at := range []int64{0, 100, 200, 300} {
			s.insert(key(i+1, func(k *halberd.KeyRecord) { k.ExpiresAt = at }))
		}
		s.wantList(halberd.KeyFilter{ExpiresBefore: 200}, 2)
		s.wantList(halberd.KeyFilter{ExpiresBefore: 201, Organization: organizationID(1)}, 2, 3)
		s.wantList(halberd.KeyFilter{ExpiresBefore: 1 << 40, Project: projectID(1), Sort: halberd.SortExpires, Descending: true}, 4, 3, 2)
	}},
	{"unused-since takes in keys never used", func(s *subject) {
		s.insert(key(1), key(2), key(3), key(4))
		s.use(used(2, 5000), used(3, 6000), used(4, 7000))
		s.wantList(halberd.KeyFilter{UnusedSince: 6000}, 1, 2)
		s.wantList(halberd.KeyFilter{UnusedSince: 6001, Organization: organizationID(1)}, 1, 2, 3)
		s.wantList(halberd.KeyFilter{UnusedSince: 6001, Sort: halberd.SortLastUsed, Organization: organizationID(1)}, 2, 3, 1)
	}},
	{"filters narrow together", func(s *subject) {
		s.insert(key(1, func(k *halberd.KeyRecord) { k.ExternalID, k.ExpiresAt = "e", 100 }),
			key(2, func(k *halberd.KeyRecord) { k.ExternalID, k.ExpiresAt = "e", 900 }),
			key(3, func(k *halberd.KeyRecord) { k.ExternalID, k.ExpiresAt, k.Scopes = "e", 100, "admin" }))
		s.wantList(halberd.KeyFilter{
			Organization: organizationID(1), Project: projectID(1), ExternalID: "e", ExpiresBefore: 500, Scope: "read",
			Text: "key", States: []halberd.State{halberd.StateActive}, UnusedSince: 50, Now: 50, Limit: 10,
		}, 1)
	}},
	{"a limit is kept, and without one everything comes", func(s *subject) {
		for n := range 30 {
			s.insert(key(n + 1))
		}
		equal(s, "bounded", len(s.list(halberd.KeyFilter{Limit: 7})), 7)
		equal(s, "unbounded", len(s.list(halberd.KeyFilter{})), 30)
	}},
	{"last-used times come with every answer", func(s *subject) {
		s.insert(key(1), key(2))
		s.use(used(1, 7777))
		equal(s, "one", s.key(1).LastUsedAt, int64(7777))
		equal(s, "other", s.key(2).LastUsedAt, int64(0))
		for _, sort := range sorts {
			got := s.list(halberd.KeyFilter{Sort: sort, Organization: organizationID(1)})
			slices.SortFunc(got, func(a, b halberd.KeyRecord) int { return cmp.Compare(number(a.ID), number(b.ID)) })
			equal(s, "listed by "+string(sort), got[0].LastUsedAt, int64(7777))
			equal(s, "listed by "+string(sort), got[1].LastUsedAt, int64(0))
		}
	}},
	{"names are ordered by their bytes", func(s *subject) {
		for i, name := range []string{"b", "B", "a", "é", "", "Z", "aa", "~"} {
			s.insert(key(i+1, func(k *halberd.KeyRecord) { k.Name = name }))
		}
		s.wantList(halberd.KeyFilter{Sort: halberd.SortName}, 5, 2, 6, 3, 7, 1, 8, 4)
		s.wantList(halberd.KeyFilter{Sort: halberd.SortName, Descending: true, Organization: organizationID(1)}, 4, 8, 1, 7, 3, 6, 2, 5)
	}},
	{"none comes last in both directions", func(s *subject) {
		for n := range 6 {
			s.insert(key(n+1, func(k *halberd.KeyRecord) { k.ExpiresAt = []int64{0, 900, 0, 800, 900, 0}[n] }))
		}
		s.use(used(2, 9000), used(4, 8000), used(5, 9000))
		for _, sort := range []halberd.SortField{halberd.SortExpires, halberd.SortLastUsed} {
			s.wantList(halberd.KeyFilter{Sort: sort, Organization: organizationID(1)}, 4, 2, 5, 1, 3, 6)
			s.wantList(halberd.KeyFilter{Sort: sort, Descending: true, Project: projectID(1)}, 5, 2, 4, 6, 3, 1)
			s.wantList(halberd.KeyFilter{Sort: sort}, 4, 2, 5, 1, 3, 6)
		}
	}},
	{"pages hold every key once, in every order, at every size", func(s *subject) {
		fill(s, 1, 90)
		for _, sort := range sorts {
			for _, descending := range []bool{false, true} {
				for _, where := range []halberd.KeyFilter{{}, {Organization: organizationID(1)}, {Project: projectID(1)}, {Organization: organizationID(1), States: []halberd.State{halberd.StateActive}, Now: 1}} {
					f := where
					f.Sort, f.Descending = sort, descending
					all := s.list(f)
					wantSorted(s, f, all)
					for _, size := range []int{1, 7, 30, 91} {
						equal(s, fmt.Sprintf("%s %v by %d", sort, descending, size), fmt.Sprint(numbers(s.pages(f, size, nil))), fmt.Sprint(numbers(all)))
					}
				}
			}
		}
	}},
	{"pages neither repeat nor skip while keys are inserted", func(s *subject) {
		for _, sort := range sorts {
			for _, descending := range []bool{false, true} {
				base := 1000 * (len(s.list(halberd.KeyFilter{})) + 1)
				fill(s, base, 24)
				f := halberd.KeyFilter{Organization: organizationID(1), Sort: sort, Descending: descending}
				before := s.list(f)
				more := base + 500
				got := s.pages(f, 7, func() {
					fill(s, more, 2)
					more += 2
				})
				seen := map[halberd.KeyID]int{}
				for _, k := range got {
					seen[k.ID]++
				}
				for _, k := range before {
					equal(s, fmt.Sprintf("%s %v: times key %d was listed", sort, descending, number(k.ID)), seen[k.ID], 1)
				}
				wantSorted(s, f, got)
			}
		}
	}},
}

var sorts = []halberd.SortField{halberd.SortCreated, halberd.SortName, halberd.SortExpires, halberd.SortLastUsed}

// fill inserts n keys, from the given number on, with many ties and gaps in
// what can be sorted by.
func fill(s *subject, from, n int) {
	s.Helper()
	var uses []halberd.UsageBatch
	s.update(func(tx halberd.Tx) error {
		for i := from; i < from+n; i++ {
			k := key(i, func(k *halberd.KeyRecord) {
				k.CreatedAt = int64(1000 + i*7%5)
				k.Name = strings.Repeat("n", i*3%4)
				k.ExpiresAt = int64(i * 5 % 3 * 1000)
			})
			if at := int64(i * 11 % 4); at > 0 {
				uses = append(uses, used(i, 6000+at))
			}
			if err := tx.InsertKey(k); err != nil {
				return err
			}
		}
		return nil
	})
	s.use(uses...)
}

// pages reads a list page by page; between runs before every page but the first.
func (s *subject) pages(f halberd.KeyFilter, size int, between func()) (all []halberd.KeyRecord) {
	s.Helper()
	f.Limit = size
	for {
		page := s.list(f)
		all = append(all, page...)
		if len(page) < size || len(all) > 10_000 {
			return all
		}
		last := page[len(page)-1]
		f.After = &halberd.KeyPosition{ID: last.ID}
		switch f.Sort {
		case halberd.SortName:
			f.After.Text = last.Name
		default:
			f.After.Int = sortValue(f.Sort, last)
		}
		if between != nil {
			between()
		}
	}
}

func sortValue(sort halberd.SortField, k halberd.KeyRecord) int64 {
	switch sort {
	case halberd.SortExpires:
		return k.ExpiresAt
	case halberd.SortLastUsed:
		return k.LastUsedAt
	}
	return k.CreatedAt
}

func wantSorted(s *subject, f halberd.KeyFilter, list []halberd.KeyRecord) {
	s.Helper()
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		c := cmp.Or(cmp.Compare(sortValue(f.Sort, a), sortValue(f.Sort, b)), cmp.Compare(number(a.ID), number(b.ID)))
		if f.Sort == halberd.SortName {
			c = cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(number(a.ID), number(b.ID)))
		}
		if f.Descending {
			c = -c
		}
		if none := f.Sort == halberd.SortExpires || f.Sort == halberd.SortLastUsed; none {
			if va, vb := sortValue(f.Sort, a), sortValue(f.Sort, b); (va == 0) != (vb == 0) {
				c = 1
				if vb == 0 {
					c = -1
				}
			}
		}
		if c >= 0 {
			s.Fatalf("%s descending=%v: key %d came before key %d", f.Sort, f.Descending, number(a.ID), number(b.ID))
		}
	}
}
