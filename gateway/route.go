package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/halberdhq/halberd"
)

// node is one place in the tree of a policy's paths.
type node struct {
	words map[string]*word // what may stand here, by its lower case
	wild  *node            // below {name}
	rules []*rule          // of the path that ends here
	rest  []*rule          // of {name...}: this path and all below
}

// word is a segment that is spelled out.
type word struct {
	text string
	node
}

// match is what one request needs.
type match struct {
	project  halberd.ProjectID
	scopes   []halberd.Scope
	resource string
	filters  bool
	why      string // it is refused
}

// namesHosts is true if what a request needs depends on its host.
func (p *Policy) namesHosts() bool { return len(p.hosts) > 1 || p.hosts[""] == nil }

// match finds the rule for a request. False: there is none, or there is no one
// way to read the path; why says which. The most precise path decides, word
// before {name} before {name...}, from the left; a method that it has no rule for
// is refused, and not tried on a wider one.
func (p *Policy) match(host, method, target string) (match, bool) {
	tree := p.hosts[""]
	if p.namesHosts() {
		name := plainHost(host)
		if name == "" {
			return match{why: msgUnlisted}, false
		}
		if its := p.hosts[name]; its != nil {
			tree = its
		}
	}
	if tree == nil {
		return match{why: msgUnlisted}, false
	}
	path, _, _ := strings.Cut(target, "?")
	var room [16]segment
	at, fine := segments(path, room[:0])
	if !fine {
		return match{why: msgPath}, false
	}
	var values [maxNames]string
	rules, n, exact := tree.walk(at, values[:0])
	if rules == nil {
		return match{why: msgUnlisted}, false
	}
	if !exact {
		return match{why: msgPath}, false
	}
	r := ruleFor(rules, method)
	if r == nil {
		return match{why: msgUnlisted}, false
	}
	m := match{project: r.project, scopes: r.scopes, filters: r.filters}
	if m.scopes == nil {
		m.scopes = scopesOf(method)
	}
	if len(r.resource) > 0 {
		if m.resource, fine = fill(r.resource, n); !fine {
			return match{why: msgPath}, false
		}
	}
	return m, true
}

func ruleFor(rules []*rule, method string) (found *rule) {
	for _, r := range rules {
		if slices.Contains(r.methods, method) {
			return r
		}
		if len(r.methods) == 0 {
			found = r
		}
	}
	return found
}

// walk looks for the most precise path. exact is false where a word was met in
// another spelling than the policy's: some routers take that for the same path,
// others for another.
func (n *node) walk(at []segment, values []string) (rules []*rule, filled []string, exact bool) {
	if len(at) == 0 {
		if n.rules != nil {
			return n.rules, values, true
		}
		return n.rest, append(values, ""), true // the path itself, where all below it is listed
	}
	s := at[0]
	if w := n.words[strings.ToLower(s.text)]; w != nil {
		if rules, filled, exact = w.walk(at[1:], values); rules != nil {
			return rules, filled, exact && w.text == s.text && !s.encoded
		}
	}
	if n.wild != nil && len(values) < maxNames {
		if rules, filled, exact = n.wild.walk(at[1:], append(values, s.text)); rules != nil {
			return rules, filled, exact
		}
	}
	if n.rest == nil {
		return nil, nil, false
	}
	rest := make([]string, len(at))
	for i := range at {
		rest[i] = at[i].text
	}
	return n.rest, append(values, strings.Join(rest, "/")), true
}

// grow makes the places of a path and returns where its rules belong.
func (n *node) grow(path string, r *rule) (*place, error) {
	bad := func(why string) (*place, error) { return nil, fmt.Errorf("the path %q %s", path, why) }
	if path == "" || path[0] != '/' {
		return bad("must begin with a slash, such as /engagements/{id}")
	}
	trimmed := strings.TrimSuffix(path[1:], "/")
	if trimmed == "" {
		return &place{path, &n.rules}, nil
	}
	parts := strings.Split(trimmed, "/")
	if len(parts) > maxSegments/2 {
		return bad("is too deep")
	}
	for i, text := range parts {
		name, wild := strings.CutPrefix(text, "{")
		if !wild {
			s, fine := decode(text)
			if !fine || s.encoded || strings.IndexByte(text, '*') >= 0 {
				return bad("must be of plain words and {names}: no empty parts, dots, wildcards of another kind or percent signs")
			}
			w := n.words[strings.ToLower(text)]
			if w == nil {
				w = &word{text: text}
				if n.words == nil {
					n.words = map[string]*word{}
				}
				n.words[strings.ToLower(text)] = w
			} else if w.text != text {
				return bad(fmt.Sprintf("differs from another one in the letters' case only: %q", w.text))
			}
			n = &w.node
			continue
		}
		name, closed := strings.CutSuffix(name, "}")
		name, rest := strings.CutSuffix(name, "...")
		switch {
		case !closed || name == "" || strings.ContainsFunc(name, func(c rune) bool { return !unreserved(byte(min(c, 0x7f))) }):
			return bad("has a {name} that is not well formed")
		case slices.Contains(r.names, name):
			return bad("names {" + name + "} twice")
		case len(r.names) == maxNames:
			return bad(fmt.Sprintf("has more than %d {names}", maxNames))
		}
		r.names = append(r.names, name)
		if rest {
			if i < len(parts)-1 {
				return bad("may have {" + name + "...} at its end only")
			}
			return &place{path, &n.rest}, nil
		}
		if n.wild == nil {
			n.wild = &node{}
		}
		n = n.wild
	}
	return &place{path, &n.rules}, nil
}

// place is where the rules of one path are kept.
type place struct {
	path  string
	rules *[]*rule
}

// take adds a rule, unless another one of the path has its methods.
func (p *place) take(r *rule) error {
	for _, other := range *p.rules {
		if len(r.methods)+len(other.methods) == 0 {
			return fmt.Errorf("the path %q has two rules for the same methods", p.path)
		}
		if i := slices.IndexFunc(r.methods, func(m string) bool { return slices.Contains(other.methods, m) }); i >= 0 {
			return fmt.Errorf("the path %q has two rules for %s", p.path, r.methods[i])
		}
	}
	*p.rules = append(*p.rules, r)
	return nil
}
