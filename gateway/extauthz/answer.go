package extauthz

import (
	"slices"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpc "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/internal/ratefield"
	"github.com/halberdhq/halberd/internal/request"
)

// overwrite is that a header replaces what is there under its name, however
// often.
const overwrite = corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD

// maxFields is how many headers any answer has.
const maxFields = 9

// fields is a list of headers in one piece of memory.
type fields struct {
	n       int
	list    [maxFields]*corev3.HeaderValueOption
	options [maxFields]corev3.HeaderValueOption
	values  [maxFields]corev3.HeaderValue
}

// add appends a header, by its name in small letters.
func (f *fields) add(name, value string) {
	v, o := &f.values[f.n], &f.options[f.n]
	v.Key, v.Value = name, value
	o.Header, o.AppendAction = v, overwrite
	f.list[f.n] = o
	f.n++
}

// since lists what was added from the n-th on.
func (f *fields) since(n int) []*corev3.HeaderValueOption { return f.list[n:f.n:f.n] }

// yes is an answer that lets a request through.
type yes struct {
	response authv3.CheckResponse
	wrapped  authv3.CheckResponse_OkResponse
	ok       authv3.OkHttpResponse
	status   rpc.Status
	fields   fields
}

// no is an answer that does not.
type no struct {
	response authv3.CheckResponse
	wrapped  authv3.CheckResponse_DeniedResponse
	denied   authv3.DeniedHttpResponse
	status   rpc.Status
	http     typev3.HttpStatus
	fields   fields
}

// Values that all answers share. Never changed.
var (
	// The key stays at the gateway.
	removed = []string{"authorization", "x-api-key"}
	// names are the headers of identity, and the request's id behind them.
	names = [...]string{
		"x-auth-key-id", "x-auth-external-id", "x-auth-organization-id", "x-auth-project-id", "x-auth-scopes", "x-auth-resources", "x-request-id",
	}
)

// allow lets a request through. Every header of identity replaces the client's
// own, even by nothing; names that pass for one of them go, with the key.
func allow(a *gateway.Answer, id string, aliases []string) *authv3.CheckResponse {
	y := &yes{}
	y.response.Status = &y.status // OK
	y.response.HttpResponse = &y.wrapped
	y.wrapped.OkResponse = &y.ok
	for i, value := range a.Identity(id) {
		y.fields.add(names[i], value)
	}
	y.ok.Headers = y.fields.since(0)
	y.ok.HeadersToRemove = removed
	if len(aliases) > 0 {
		y.ok.HeadersToRemove = slices.Concat(removed, aliases)
	}
	n := y.fields.n
	y.fields.limits(a)
	y.ok.ResponseHeadersToAdd = y.fields.since(n)
	return &y.response
}

// refuse does not, and says to the client what every other door would.
func refuse(a *gateway.Answer, id string) *authv3.CheckResponse {
	n := &no{}
	n.status.Code = int32(code(a.Status))
	n.response.Status = &n.status
	n.response.HttpResponse = &n.wrapped
	n.wrapped.DeniedResponse = &n.denied
	n.http.Code = typev3.StatusCode(a.Status)
	n.denied.Status = &n.http
	n.denied.Body = string(gateway.Body(a.Code, a.Message, id))
	f := &n.fields
	f.add("content-type", request.JSON)
	f.add("cache-control", "no-store")
	f.add("x-request-id", id)
	f.add("x-auth-code", string(a.Code))
	switch a.Status {
	case 401:
		f.add("www-authenticate", challenge(a.Presented))
	case 403:
		f.add("www-authenticate", `Bearer realm="halberd", error="insufficient_scope"`)
	case 429, 503:
		f.add("retry-after", strconv.FormatInt(max(ratefield.Seconds(a.RetryAfter), 1), 10))
	}
	f.limits(a)
	n.denied.Headers = f.since(0)
	return &n.response
}

func challenge(presented bool) string {
	if presented {
		return `Bearer realm="halberd", error="invalid_token"`
	}
	return `Bearer realm="halberd"`
}

// limits adds where the key's limits stand, if it has any.
func (f *fields) limits(a *gateway.Answer) {
	s := &a.Verdict.RateLimits
	if s.Len() == 0 {
		return
	}
	var room [256]byte
	b := ratefield.AppendPolicy(room[:0], s)
	n := len(b)
	if n == 0 {
		return
	}
	both := string(ratefield.AppendLimit(b, s, a.RetryAfter))
	f.add("ratelimit-policy", both[:n])
	f.add("ratelimit", both[n:])
}

// code is what a gateway calls a status, where it looks at the code alone.
// Nothing becomes OK.
func code(status int) codes.Code {
	switch status {
	case 400:
		return codes.InvalidArgument
	case 401:
		return codes.Unauthenticated
	case 403:
		return codes.PermissionDenied
	case 429:
		return codes.ResourceExhausted
	}
	return codes.Unavailable
}
