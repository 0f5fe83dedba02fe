package gateway

import "github.com/halberdhq/halberd"

// Policy says which keys may do what behind the gateways.
type Policy struct{}

// match is what one request needs.
type match struct {
	project  halberd.ProjectID
	scopes   []halberd.Scope
	resource string
	filters  bool
	why      string // it is refused
}

func (p *Policy) match(host, method, target string) (match, bool) {
	return match{why: msgUnlisted}, false
}
