// Package hookshop is an API of its own behind guard, as a program that issues
// keys to its customers would have one. It is small, keeps everything in memory
// and begins with the same few things for every organization, so that examples
// and tests can name them.
//
//	shop, err := hookshop.New(keys, hookshop.Options{})
//	…
//	http.ListenAndServe("127.0.0.1:8081", shop)
//
// Read routes.go first: it is the whole of what a key may do here. calls.go says
// who answers each route, and the rest is the shop itself: webhooks (hooks.go),
// engagements (engagements.go), projects and their tests (projects.go), reviews
// (reviews.go), users (users.go).
//
// Nothing here connects to an address that a caller names: a run and a tunnel
// are only written down.
package hookshop

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/guard"
)

// Options tune a shop. The zero Options are right for most.
type Options struct {
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // one line per request; nil discards
	ClientIP func(r *http.Request) netip.Addr
}

// New is the whole API behind v. Each organization that keys come from has its
// own data (S3-02).
func New(v guard.Verifier, o Options) (http.Handler, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &api{now: o.Now, log: o.Log, shops: map[halberd.OrganizationID]*shop{}}
	routes, calls := Routes(), a.calls()
	g, err := guard.New(v, routes, guard.Options{Refuse: a.refuse, ClientIP: o.ClientIP})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for pattern, call := range calls {
		if _, ok := routes[pattern]; !ok {
			return nil, fmt.Errorf("hookshop: %s has no rule", pattern)
		}
		mux.Handle(pattern, call)
	}
	for pattern := range routes {
		if calls[pattern] == nil {
			return nil, fmt.Errorf("hookshop: nothing answers %s", pattern)
		}
	}
	guarded := g.Protect(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Request-Id", halberd.NewRequestID().String())
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		guarded.ServeHTTP(w, r)
	}), nil
}

// api is the shops and what their calls share.
type api struct {
	now func() time.Time
	log *slog.Logger

	mu    sync.Mutex // guards shops and everything in them
	shops map[halberd.OrganizationID]*shop
}

// shop is the shop of an organization, opened at the first call. The lock is
// held.
func (a *api) shop(of halberd.OrganizationID) *shop {
	s := a.shops[of]
	if s == nil {
		s = opened()
		a.shops[of] = s
	}
	return s
}
