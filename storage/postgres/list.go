package postgres

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/halberdhq/halberd"
)

// listed is what a Reader answers of a key: its record, and its last use.
func listed() string {
	return "k." + strings.ReplaceAll(keyColumns, ", ", ", k.") + ", u.at, u.address, u.agent"
}

func (s *scanner) listedKey(k *halberd.KeyRecord) {
	s.key(k)
	k.LastUsedAt, k.LastUsedFrom, k.LastUsedAgent = s.int(), s.text(), s.text()
}

// Keys walks indexes: the list falls into segments, of which each is one range
// of one index in the wanted order. Revoked keys are a segment of their own,
// so that thousands of them cost a list without them nothing, and so are the
// keys that have no value to sort by, which come last.
func (r reader) Keys(f halberd.KeyFilter) ([]halberd.KeyRecord, error) {
	if !sayable(f.Text, f.Scope, f.ExternalID) || f.After != nil && !sayable(f.After.Text) {
		return nil, nil
	}
	var list []halberd.KeyRecord
	for _, valueless := range []bool{false, true} {
		nullable := f.Sort == halberd.SortExpires || f.Sort == halberd.SortLastUsed
		passed := f.After != nil && f.After.Int == 0 // the first part, when nullable
		if valueless && f.Sort == halberd.SortExpires && f.ExpiresBefore != 0 {
			continue // what never ends does not end before: walking it all would find nothing
		}
		if valueless && !nullable || !valueless && nullable && passed || f.Limit > 0 && len(list) == f.Limit {
			continue
		}
		part := f
		if valueless && !passed {
			part.After = nil
		}
		if f.Limit > 0 {
			part.Limit = f.Limit - len(list)
		}
		var found []halberd.KeyRecord
		for _, gone := range standings(f.States) {
			q := segment(part, gone, valueless)
			if err := r.all(q.text, q.args, func(s *scanner) {
				found = append(found, halberd.KeyRecord{})
				s.listedKey(&found[len(found)-1])
			}); err != nil {
				return nil, err
			}
		}
		slices.SortFunc(found, func(a, b halberd.KeyRecord) int { return compare(f, &a, &b) })
		if part.Limit > 0 && len(found) > part.Limit {
			found = found[:part.Limit]
		}
		list = append(list, found...)
	}
	return list, nil
}

// standings are the values of the column gone that the states are found under.
func standings(states []halberd.State) []int64 {
	revoked := slices.Contains(states, halberd.StateRevoked)
	switch {
	case len(states) == 0, revoked && len(states) > 1:
		return []int64{0, 1}
	case revoked:
		return []int64{1}
	}
	return []int64{0}
}

// segment selects the part of a list with this value of gone, and with or
// without a value to sort by.
func segment(f halberd.KeyFilter, gone int64, valueless bool) *selection {
	value, id := "k.created_at", "k.id"
	var after any
	if f.After != nil {
		after = f.After.Int
	}
	switch f.Sort {
	case halberd.SortName:
		value = "k.name"
		if f.After != nil {
			after = f.After.Text
		}
	case halberd.SortExpires:
		value = "k.expires_at"
	case halberd.SortLastUsed:
		value = "u.at"
	}

	q := &selection{text: "SELECT " + listed() + " FROM "}
	usageFirst := f.Sort == halberd.SortLastUsed && !valueless
	if usageFirst {
		id = "u.key"
		q.text += "last_used u JOIN keys k ON k.id = u.key"
		q.where(!f.Project.IsZero(), "u.project = ?", f.Project[:])
		q.where(f.Project.IsZero() && !f.Organization.IsZero(), "u.organization = ?", f.Organization[:])
	} else {
		q.text += "keys k LEFT JOIN last_used u ON u.key = k.id"
	}
	q.where(true, "k.gone = ?", gone)
	q.where(!f.Project.IsZero(), "k.project = ?", f.Project[:])
	q.where(!f.Organization.IsZero(), "k.organization = ?", f.Organization[:])

	ascending, beyond := "", ">"
	if f.Descending {
		ascending, beyond = " DESC", "<"
	}
	switch {
	case valueless && f.Sort == halberd.SortLastUsed:
		q.where(true, "u.key IS NULL")
	case valueless:
		q.where(true, value+" = 0")
	case f.Sort == halberd.SortExpires:
		q.where(true, value+" > 0")
	}
	switch {
	case f.After == nil:
	case valueless:
		q.where(true, id+" "+beyond+" ?", f.After.ID[:])
	default:
		q.where(true, "("+value+", "+id+") "+beyond+" (?, ?)", after, f.After.ID[:])
	}
	if gone == 0 {
		q.states(f)
	}
	q.where(f.Scope != "", "strpos(' ' || k.scopes || ' ', ?) > 0", " "+f.Scope+" ")
	q.where(f.Text != "", "strpos(k.search, ?) > 0", f.Text)
	q.where(f.ExternalID != "", "k.external_id = ? AND k.external_id <> ''", f.ExternalID)
	q.where(!f.OwnedBy.IsZero(), "k.owned_by = ?", f.OwnedBy[:])
	q.where(f.ExpiresBefore != 0, "k.expires_at > 0 AND k.expires_at < ?", f.ExpiresBefore)
	if usageFirst {
		q.where(f.UnusedSince != 0, "u.at < ?", f.UnusedSince)
	} else {
		q.where(f.UnusedSince != 0, "coalesce(u.at, 0) < ?", f.UnusedSince)
	}
	order := value + ascending + ", " + id + ascending
	if valueless {
		order = id + ascending
	}
	q.end(" ORDER BY " + order + bound(f.Limit))
	return q
}

// states narrows keys that are not revoked to some of their states.
func (q *selection) states(f halberd.KeyFilter) {
	if len(f.States) == 0 {
		return
	}
	var each []string
	var args []any
	for _, state := range f.States {
		switch state {
		case halberd.StateActive:
			each = append(each, "k.state = 'active' AND (k.expires_at = 0 OR k.expires_at > ?)")
			args = append(args, f.Now)
		case halberd.StateExpired:
			each = append(each, "k.state = 'active' AND k.expires_at > 0 AND k.expires_at <= ?")
			args = append(args, f.Now)
		case halberd.StateInactive:
			each = append(each, "k.state = 'inactive'")
		}
	}
	missing := func(s halberd.State) bool { return !slices.Contains(f.States, s) }
	some := slices.ContainsFunc([]halberd.State{halberd.StateActive, halberd.StateExpired, halberd.StateInactive}, missing)
	q.where(some && len(each) > 0, "("+strings.Join(each, " OR ")+")", args...)
}

// compare orders two records of one part of a list.
func compare(f halberd.KeyFilter, a, b *halberd.KeyRecord) int {
	c := 0
	switch f.Sort {
	case halberd.SortName:
		c = cmp.Compare(a.Name, b.Name)
	case halberd.SortExpires:
		c = cmp.Compare(a.ExpiresAt, b.ExpiresAt)
	case halberd.SortLastUsed:
		c = cmp.Compare(a.LastUsedAt, b.LastUsedAt)
	default:
		c = cmp.Compare(a.CreatedAt, b.CreatedAt)
	}
	if c == 0 {
		c = bytes.Compare(a.ID[:], b.ID[:])
	}
	if f.Descending {
		return -c
	}
	return c
}
