// Package gateway answers gateways: may this request pass? nginx, Traefik, Caddy
// and their like put the question to /v1/auth/… before they pass a request on
// (docs/guide/gateways.md). What a gateway states, its clients cannot weaken:
// project, scope and resource come from the gateway's own URL or from a policy
// file, and what it forwards is believed only of trusted proxies.
//
// All doors share one decision, Doors.Decide. Each translates an Ask from its own
// protocol and an Answer back into it.
package gateway

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/request"
)

// Doors is the decision and what it goes by. Safe for concurrent use; make one
// with New.
type Doors struct {
	service func() *halberd.Service
	log     *slog.Logger
	policy  atomic.Pointer[Policy]
	proxies atomic.Pointer[request.Proxies]
	wants   atomic.Pointer[map[string]*Want] // of queries that gateways have asked with
	said    [faults]atomic.Int64             // the minute in which each fault was logged last
	counts  [doorKinds][len(statuses)]atomic.Int64
}

// New makes doors without a policy that trust no proxy. service returns nil until
// every key is loaded: the doors are there before, and refuse with 503. A nil log
// discards.
func New(service func() *halberd.Service, log *slog.Logger) *Doors {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Doors{service: service, log: log}
}

// Follow makes the doors go by a policy from the next request on; nil: by none.
func (d *Doors) Follow(p *Policy) { d.policy.Store(p) }

// Trust replaces the proxies that are believed; nil: none.
func (d *Doors) Trust(p *request.Proxies) { d.proxies.Store(p) }

// Proxies are those that are believed now.
func (d *Doors) Proxies() *request.Proxies { return d.proxies.Load() }

// Ask is one request as a gateway states it.
type Ask struct {
	// Authorization and APIKey are the values of the headers Authorization and
	// X-API-Key, each as often as it was sent.
	Authorization, APIKey []string
	// Client is whose request it is, as far as a trusted proxy says so. The zero
	// Addr is not known: keys with an address list are refused then.
	Client    netip.Addr
	UserAgent string
	// Want is what the gateway's own configuration asks for; nil: nothing.
	Want *Want
	// Trusted says that what follows is the gateway's own statement, and not its
	// client's. Otherwise it is not looked at.
	Trusted bool
	Method  string // of the request that would be passed on
	Target  string // its path as it was sent, with or without a query
	Host    string
}

// Want is a requirement that stands in a gateway's own configuration.
type Want struct {
	Project   halberd.ProjectID // zero: not named
	Scopes    []halberd.Scope   // all must be held
	Resources []string          // all must be allowed
}

// Answer is what a gateway is told. The zero Answer refuses.
type Answer struct {
	// Status is 200, 401, 403, 429, 503, or 400 for credentials that differ.
	Status int
	// Code is one of the published error codes; empty with 200.
	Code    halberd.Code
	Message string // a sentence for whoever presented the key
	// RetryAfter belongs to 429 and 503.
	RetryAfter time.Duration
	// Presented says that a credential was there, for WWW-Authenticate.
	Presented bool
	// Verdict tells who it is, with 200; otherwise only its RateLimits may
	// leave, since why a key is not good is its owner's to know.
	Verdict halberd.Verdict
}

// Allowed reports whether the request may pass.
func (out *Answer) Allowed() bool { return out.Status == ok }

const (
	ok             = 200
	invalid        = 400
	unauthorized   = 401
	forbidden      = 403
	tooMany        = 429
	unavailable    = 503
	aMoment        = time.Second
	msgBadKey      = "Invalid or missing API key"
	msgTwoKeys     = "More than one API key was sent"
	msgUnavailable = "API keys cannot be checked now: try again"
	msgGuessing    = "Too many bad API keys came from this address: wait, then try again"
	msgSlower      = "Too many requests: wait, then retry with exponential backoff"
	msgNoQuota     = "The API key's quota is spent"
	msgScope       = "This API key does not hold the scope that this call needs"
	msgResource    = "This API key may not act on this resource"
	msgAddress     = "This API key may not be used from this address"
	msgUnlisted    = "No key may call this route"
	msgPath        = "This resource cannot be named so"
)

// statuses are those of answers, in the order in which they are counted.
var statuses = [...]int{ok, invalid, unauthorized, forbidden, tooMany, unavailable}
