package halberd

import (
	"slices"
	"strings"
)

const (
	maxResources   = 100
	maxResourceLen = 255
)

// Resources is what a key may act on: everything (`*`), or a list of exact
// names (`engagement/42`) and of everything below one (`engagement/*`). Case
// counts. The zero value holds nothing. A Resources is immutable.
type Resources struct{ list []string }

// AllResources is `*`, the default (S1-07).
func AllResources() Resources { return Resources{list: []string{"*"}} }

// ParseResources reads a list of patterns. `*` swallows the others. Anything
// but `*`, `type/id` and `type/*` is INVALID_REQUEST on `resources`.
func ParseResources(patterns []string) (Resources, error) {
	if len(patterns) == 0 {
		return Resources{}, Invalid("resources", `must name at least one resource, or be ["*"] for all`)
	}
	if len(patterns) > maxResources {
		return Resources{}, Invalid("resources", "must hold at most %d entries", maxResources)
	}
	for _, p := range patterns {
		if p != "*" && (len(p) > maxResourceLen || !validResource(strings.TrimSuffix(p, "/*")+"/x")) {
			return Resources{}, Invalid("resources", "must be *, type/id or type/*, in visible ASCII, at most %d characters each", maxResourceLen)
		}
		if p != "*" && !strings.Contains(p, "/") {
			return Resources{}, Invalid("resources", "must name a type and an id, such as engagement/42, or engagement/* for all below")
		}
	}
	if slices.Contains(patterns, "*") {
		return AllResources(), nil
	}
	list := slices.Clone(patterns)
	slices.Sort(list)
	return Resources{list: slices.Compact(list)}, nil
}

// ValidResource reports whether name is one concrete resource, as a check
// names it: `type/id`, without a wildcard.
func ValidResource(name string) bool { return len(name) <= maxResourceLen && validResource(name) }

func validResource(name string) bool {
	if len(name) > maxResourceLen+len("/x") || !strings.Contains(name, "/") {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' || name[i] == '*' {
			return false
		}
	}
	return true
}

// All reports whether nothing is withheld.
func (r Resources) All() bool { return len(r.list) == 1 && r.list[0] == "*" }

// Allows reports whether one concrete resource is within r.
func (r Resources) Allows(name string) bool {
	for _, p := range r.list {
		if p == "*" || p == name {
			return true
		}
		if strings.HasSuffix(p, "/*") && strings.HasPrefix(name, p[:len(p)-1]) {
			return true
		}
	}
	return false
}

// Within reports whether everything r allows is allowed by outer: the granting
// rule.
func (r Resources) Within(outer Resources) bool {
	for _, p := range r.list {
		if outer.All() || slices.Contains(outer.list, p) {
			continue
		}
		// `a/*` and `a/b` are both below `a/*`; Allows sees the star as a name.
		if p == "*" || !outer.Allows(p) {
			return false
		}
	}
	return true
}

// Equal reports whether both hold the same patterns.
func (r Resources) Equal(s Resources) bool { return slices.Equal(r.list, s.list) }

// IsZero reports whether nothing is allowed at all.
func (r Resources) IsZero() bool { return len(r.list) == 0 }

// Len is how many patterns there are.
func (r Resources) Len() int { return len(r.list) }

// At is one pattern of those that Strings lists.
func (r Resources) At(i int) string { return r.list[i] }

// Strings lists the patterns, sorted.
func (r Resources) Strings() []string { return slices.Clone(r.list) }
