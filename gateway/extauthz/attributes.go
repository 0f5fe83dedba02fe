package extauthz

import (
	"net/netip"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/internal/request"
)

// told is what a gateway tells of one request.
type told struct {
	method, target string // target: path and query, as the client sent them
	host           string
	bearer, key    []string
	forwarded      []string // X-Forwarded-For
	agent          string
	requestID      []string
	source         netip.Addr
	aliases        []string     // names that some server would take for ours
	room           [4][1]string // for one value of each
}

// read takes what a door needs from the attributes of a request. It judges
// nothing; what is absent is empty.
func (q *told) read(a *authv3.AttributeContext) {
	h := a.GetRequest().GetHttp()
	q.method, q.target, q.host = h.GetMethod(), h.GetPath(), h.GetHost()
	q.bearer, q.key, q.forwarded, q.requestID = q.room[0][:0], q.room[1][:0], q.room[2][:0], q.room[3][:0]
	// A gateway fills in one of the two. Whoever fills in both has said it twice.
	for name, value := range h.GetHeaders() {
		q.header(name, value)
	}
	for _, v := range h.GetHeaderMap().GetHeaders() {
		q.header(v.GetKey(), valueOf(v))
	}
	if s := a.GetSource().GetAddress().GetSocketAddress(); s != nil {
		q.source, _ = request.ParseAddr(s.GetAddress())
	}
}

// client is whose request it is, as a trusted gateway says: where its connection
// came from, or, where that was a trusted proxy, whom that one names. The zero
// Addr where the gateway does not say.
func (q *told) client(proxies *request.Proxies, peer netip.Addr) netip.Addr {
	switch {
	case q.source.IsValid() && !proxies.Trusts(q.source):
		return q.source
	case len(q.forwarded) == 0:
		return netip.Addr{}
	case q.source.IsValid():
		return proxies.Forwarded(q.source, q.forwarded)
	}
	return proxies.Forwarded(peer, q.forwarded)
}

func valueOf(v *corev3.HeaderValue) string {
	if raw := v.GetRawValue(); len(raw) > 0 {
		return string(raw)
	}
	return v.GetValue()
}

// header takes one header. Two of one name are both kept, so that they can be
// refused; the lengths come first because most headers are none of ours.
func (q *told) header(name, value string) {
	switch len(name) {
	case len("x-api-key"):
		if strings.EqualFold(name, "x-api-key") {
			q.key = append(q.key, value)
			return
		}
	case len("user-agent"):
		if strings.EqualFold(name, "user-agent") {
			q.agent = value
			return
		}
	case len("x-request-id"):
		if strings.EqualFold(name, "x-request-id") {
			q.requestID = append(q.requestID, value)
			return
		}
	case len("authorization"):
		if strings.EqualFold(name, "authorization") {
			q.bearer = append(q.bearer, value)
			return
		}
	case len("x-forwarded-for"):
		if strings.EqualFold(name, "x-forwarded-for") {
			q.forwarded = append(q.forwarded, value)
			return
		}
	}
	if alias(name) {
		q.aliases = append(q.aliases, name)
	}
}

// alias reports whether a name begins as ours do, X-Auth-, but is not one of
// those that are set in any case: X_Auth_Scopes, X-Auth-User.
func alias(name string) bool {
	const like = "x-auth-"
	if len(name) < len(like) || name[0]|0x20 != 'x' {
		return false
	}
	for i := range like {
		c := name[i]
		if c == '_' {
			c = '-'
		}
		if c|0x20 != like[i]|0x20 {
			return false
		}
	}
	for _, ours := range gateway.IdentityHeaders() {
		if strings.EqualFold(name, ours) {
			return false
		}
	}
	return true
}
