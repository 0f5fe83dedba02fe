package memory

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/halberdhq/halberd"
)

// Keys selects, sorts and cuts: an engine with indexes does it in one go.
func (r reader) Keys(f halberd.KeyFilter) ([]halberd.KeyRecord, error) {
	var out []halberd.KeyRecord
	for at, ids := range r.homes {
		if !f.Organization.IsZero() && at.organization != f.Organization || !f.Project.IsZero() && at.project != f.Project {
			continue
		}
		for id := range ids {
			k := r.answer(r.keys[id])
			if keyMatches(f, &k) && (f.After == nil || compare(f, position(f, &k), *f.After) > 0) {
				out = append(out, k)
			}
		}
	}
	slices.SortFunc(out, func(a, b halberd.KeyRecord) int { return compare(f, position(f, &a), position(f, &b)) })
	return first(out, f.Limit), nil
}

func keyMatches(f halberd.KeyFilter, k *halberd.KeyRecord) bool {
	return (len(f.States) == 0 || slices.Contains(f.States, stateAt(k, f.Now))) &&
		(f.Scope == "" || holds(k, f.Scope)) &&
		(f.Text == "" || strings.Contains(k.Search(), f.Text)) &&
		(f.ExternalID == "" || k.ExternalID == f.ExternalID) &&
		(f.OwnedBy.IsZero() || k.OwnedBy == f.OwnedBy) &&
		(f.ExpiresBefore == 0 || k.ExpiresAt != 0 && k.ExpiresAt < f.ExpiresBefore) &&
		(f.UnusedSince == 0 || k.LastUsedAt < f.UnusedSince)
}

// position is where k stands in the order of f.
func position(f halberd.KeyFilter, k *halberd.KeyRecord) halberd.KeyPosition {
	p := halberd.KeyPosition{ID: k.ID}
	switch f.Sort {
	case halberd.SortName:
		p.Text = k.Name
	case halberd.SortExpires:
		p.Int = k.ExpiresAt
	case halberd.SortLastUsed:
		p.Int = k.LastUsedAt
	default:
		p.Int = k.CreatedAt
	}
	return p
}

// compare orders two positions: "none" last whatever the direction, then the
// value, then the id.
func compare(f halberd.KeyFilter, a, b halberd.KeyPosition) int {
	if f.Sort == halberd.SortExpires || f.Sort == halberd.SortLastUsed {
		switch {
		case a.Int == 0 && b.Int != 0:
			return 1
		case a.Int != 0 && b.Int == 0:
			return -1
		}
	}
	c := cmp.Or(cmp.Compare(a.Int, b.Int), cmp.Compare(a.Text, b.Text), bytes.Compare(a.ID[:], b.ID[:]))
	if f.Descending {
		return -c
	}
	return c
}
