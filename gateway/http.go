package gateway

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/ratefield"
	"github.com/halberdhq/halberd/internal/request"
)

// door is a protocol that gateways speak over HTTP.
type door int

const (
	forward  door = iota // Traefik, Caddy, Kong, APISIX, HAProxy
	nginx                // auth_request
	prefix               // Envoy ext_authz, Gateway API ExternalAuth: any path below a prefix
	extAuthz             // gateway/extauthz: Envoy ext_authz by gRPC
	doorKinds
)

// The paths. The prefix is followed by the path of the request in question.
const (
	forwardPath = "/v1/auth/forward"
	nginxPath   = "/v1/auth/nginx"
	prefixPath  = "/v1/auth/envoy"
)

// Serve answers r if it came to a door. False: it did not, and nothing was
// written. It must see requests before a mux does, which would answer `//` and
// `..` with a redirect.
func (d *Doors) Serve(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasPrefix(r.URL.Path, "/v1/auth/") {
		return false
	}
	switch {
	case r.URL.Path == forwardPath && r.URL.RawPath == "":
		d.serve(w, r, forward)
	case r.URL.Path == nginxPath && r.URL.RawPath == "":
		d.serve(w, r, nginx)
	case strings.HasPrefix(r.RequestURI, prefixPath+"/"):
		d.serve(w, r, prefix)
	default:
		return false
	}
	return true
}

func (d *Doors) serve(w http.ResponseWriter, r *http.Request, at door) {
	a := Ask{Authorization: r.Header["Authorization"], APIKey: r.Header["X-Api-Key"], UserAgent: one(r.Header["User-Agent"])}
	var peer netip.Addr
	proxies := d.proxies.Load()
	peer, a.Trusted = proxies.Trusted(r)
	a.Client = client(proxies, r, at, peer, a.Trusted)
	switch at {
	case forward:
		a.Method, a.Target, a.Host = one(r.Header["X-Forwarded-Method"]), one(r.Header["X-Forwarded-Uri"]), one(r.Header["X-Forwarded-Host"])
	case nginx:
		a.Method, a.Target, a.Host = one(r.Header["X-Original-Method"]), one(r.Header["X-Original-Uri"]), one(r.Header["X-Original-Host"])
	case prefix:
		a.Method, a.Target, a.Host = r.Method, r.RequestURI[len(prefixPath):], r.Host
	}
	var out Answer
	query, fresh := d.wanted(r, at, &a, &out)
	if out.Status == 0 {
		d.Decide(r.Context(), &a, &out)
	}
	if fresh && out.Allowed() {
		d.remember(query, a.Want)
	}
	d.write(w, r, at, &out)
}

// wanted reads the requirement in the URL into a, or refuses. What stands in the
// URL of a prefix door is the client's, and is not looked at.
func (d *Doors) wanted(r *http.Request, at door, a *Ask, out *Answer) (query string, fresh bool) {
	query = r.URL.RawQuery
	if query == "" || at == prefix {
		return "", false
	}
	// Caddy asks with its client's query where our URL has none. A client must
	// not say what its key has to be good for.
	stated := r.Header["X-Forwarded-Uri"]
	if at == nginx {
		stated = r.Header["X-Original-Uri"]
	}
	if slices.ContainsFunc(stated, func(uri string) bool { _, its, _ := strings.Cut(uri, "?"); return its == query }) {
		if a.Trusted && d.policy.Load() != nil {
			return "", false // the policy has the whole say, and the path is believed as well
		}
		d.blame(out, faultClientsQuery)
		return "", false
	}
	var err error
	if a.Want, fresh, err = d.want(query); err != nil {
		d.blame(out, faultQuery)
	}
	return query, fresh
}

// one is the value of a header that is there once; otherwise it says nothing.
func one(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// client is whose request it is. A trusted proxy that does not say leaves it
// unknown: its own address must not stand for the client's in an address list.
func client(proxies *request.Proxies, r *http.Request, at door, peer netip.Addr, trusted bool) netip.Addr {
	if !trusted {
		return peer
	}
	if at == nginx { // which hands its client's X-Forwarded-For on unless told otherwise
		a, _ := request.ParseAddr(one(r.Header["X-Real-Ip"]))
		return a
	}
	stated := r.Header["X-Forwarded-For"]
	if len(stated) == 0 {
		return netip.Addr{}
	}
	return proxies.Forwarded(peer, stated)
}

// The names of the headers that tell who passes, as net/http spells them, in
// the order of Identity.
var identityNames = [...]string{
	"X-Auth-Key-Id", "X-Auth-External-Id", "X-Auth-Organization-Id", "X-Auth-Project-Id", "X-Auth-Scopes", "X-Auth-Resources",
}

// Values that all answers share. Never changed.
var (
	noStore     = []string{"no-store"}
	noLength    = []string{"0"}
	inJSON      = []string{request.JSON}
	allowedCode = []string{"VALID"}
	challenges  = map[bool][]string{
		false: {`Bearer realm="halberd"`},
		true:  {`Bearer realm="halberd", error="invalid_token"`},
	}
	statusTexts    = []string{"200", "400", "401", "403", "429", "503"} // of statuses
	scopeChallenge = []string{`Bearer realm="halberd", error="insufficient_scope"`}
)

// write translates an answer. Every header of identity is always there, even
// empty, so that a client's own cannot stand in its place.
func (d *Doors) write(w http.ResponseWriter, r *http.Request, at door, a *Answer) {
	h := w.Header()
	id := request.ID(r.Header)
	values := a.Identity(id)
	for i, name := range identityNames {
		h[name] = values[i : i+1 : i+1]
	}
	h["X-Request-Id"] = values[len(identityNames):]
	h["Cache-Control"] = noStore
	ratefield.Set(h, &a.Verdict.RateLimits, a.RetryAfter)
	d.counts[at][statusIndex(a.Status)].Add(1)
	status, code := a.Status, a.Code
	if a.Allowed() {
		request.Tell(w, id, string(halberd.Valid))
	} else {
		request.Tell(w, id, string(code))
	}
	if at == nginx { // which makes 500 of all but 200, 401 and 403
		i := statusIndex(status)
		h["X-Auth-Status"] = statusTexts[i : i+1 : i+1]
		switch status {
		case invalid:
			status, code = unauthorized, halberd.CodeUnauthorized
		case tooMany, unavailable:
			status = forbidden
		}
	}
	if a.Allowed() {
		h["X-Auth-Code"] = allowedCode
		h["Content-Length"] = noLength
		w.WriteHeader(http.StatusOK)
		return
	}
	h["X-Auth-Code"] = []string{string(code)}
	switch {
	case status == unauthorized:
		h["Www-Authenticate"] = challenges[a.Presented]
	case a.Status == forbidden:
		h["Www-Authenticate"] = scopeChallenge
	case a.Status == tooMany, a.Status == unavailable:
		h["Retry-After"] = []string{strconv.FormatInt(max(ratefield.Seconds(a.RetryAfter), 1), 10)}
	}
	body := Body(code, a.Message, id)
	h["Content-Type"] = inJSON
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // words of ours in JSON, and an id of plain letters; a gateway that has gone needs no answer
}

// Body is a refusal in the words of /v1. None of the values needs escaping.
func Body(code halberd.Code, message, requestID string) []byte {
	return []byte(`{"error":{"code":"` + string(code) + `","message":"` + message + `"},"meta":{"request_id":"` + requestID + `"}}`)
}

func statusIndex(status int) int { return max(slices.Index(statuses[:], status), 0) }
