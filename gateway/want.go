package gateway

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/halberdhq/halberd"
)

// maxWants bounds the queries that are remembered: a gateway has as many as
// its operator has written down.
const maxWants = 256

// ParseWant reads the query of the URL that a gateway asks: project once, scopes
// and resource as often as needed; scopes may hold several words, parted by
// commas. Anything else is an error: what was misspelled must not be missing.
func ParseWant(query string) (*Want, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	w := &Want{}
	for name, given := range values {
		switch name {
		case "project":
			if len(given) > 1 {
				return nil, errors.New("project is there twice")
			}
			if w.Project, err = halberd.ParseProjectID(given[0]); err != nil {
				return nil, err
			}
		case "scopes":
			if w.Scopes, err = parseScopes(given); err != nil {
				return nil, err
			}
		case "resource":
			if i := slices.IndexFunc(given, func(r string) bool { return !halberd.ValidResource(r) }); i >= 0 {
				return nil, halberd.Invalid("resource", "must be one resource, such as engagement/42")
			}
			w.Resources = given
		default:
			return nil, errors.New("there is a parameter that is none of project, scopes and resource")
		}
	}
	return w, nil
}

// parseScopes reads lists of words parted by commas.
func parseScopes(lists []string) (out []halberd.Scope, err error) {
	for _, list := range lists {
		words := strings.Split(list, ",")
		if _, err := halberd.ParseScopes(words); err != nil {
			return nil, err
		}
		for _, word := range words {
			out = append(out, halberd.Scope(word))
		}
	}
	return out, nil
}

// want is ParseWant, remembered for queries that were part of an allowed request.
func (d *Doors) want(query string) (w *Want, fresh bool, err error) {
	if query == "" {
		return nil, false, nil
	}
	if known := d.wants.Load(); known != nil {
		if w := (*known)[query]; w != nil {
			return w, false, nil
		}
	}
	w, err = ParseWant(query)
	return w, true, err
}

// remember keeps what a query means. One that leads to no good key is not worth
// it, so that strangers cannot fill the room.
func (d *Doors) remember(query string, w *Want) {
	known := d.wants.Load()
	next := map[string]*Want{strings.Clone(query): w}
	if known != nil {
		if len(*known) >= maxWants {
			return
		}
		maps.Copy(next, *known)
	}
	d.wants.CompareAndSwap(known, &next) // lost: the next request's will do
}
