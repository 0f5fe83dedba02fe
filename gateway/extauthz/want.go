package extauthz

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/halberdhq/halberd/gateway"
)

// maxWants bounds the statements that are remembered: a gateway has as many as
// its operator has written down.
const maxWants = 256

// statement is what a route's context_extensions say, as they say it.
type statement struct{ project, scopes, resource string }

// wants are the statements that led to an allowed request, read once. The zero
// value is empty and ready.
type wants struct {
	known atomic.Pointer[map[statement]*gateway.Want]
}

// of reads what a route needs; nil where it does not say. An extension that is
// none of ours is an error: it may have been meant to be a condition.
func (w *wants) of(extensions map[string]string) (want *gateway.Want, known bool, err error) {
	if len(extensions) == 0 {
		return nil, true, nil
	}
	var s statement
	for name, value := range extensions {
		switch name {
		case "project":
			s.project = value
		case "scopes":
			s.scopes = value
		case "resource":
			s.resource = value
		default:
			return nil, false, fmt.Errorf("context_extensions may hold project, scopes and resource, and there is something else")
		}
		if value == "" {
			return nil, false, fmt.Errorf("context_extensions must not be empty: leave %s out", name)
		}
	}
	if all := w.known.Load(); all != nil {
		if want := (*all)[s]; want != nil {
			return want, true, nil
		}
	}
	want, err = gateway.ParseWant(s.query())
	if err != nil {
		return nil, false, fmt.Errorf("context_extensions: %w", err)
	}
	return want, false, nil
}

// query is the statement as the other doors take it.
func (s statement) query() string {
	v := url.Values{}
	for name, value := range map[string]string{"project": s.project, "scopes": s.scopes, "resource": s.resource} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v.Encode()
}

// remember keeps what a statement means. One that leads to no good key is not
// worth it, so that strangers cannot fill the room.
func (w *wants) remember(extensions map[string]string, want *gateway.Want) {
	s := statement{strings.Clone(extensions["project"]), strings.Clone(extensions["scopes"]), strings.Clone(extensions["resource"])}
	before := w.known.Load()
	next := map[statement]*gateway.Want{s: want}
	if before != nil {
		if len(*before) >= maxWants {
			return
		}
		maps.Copy(next, *before)
	}
	w.known.CompareAndSwap(before, &next) // lost: the next request's will do
}
