package extauthz_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/gateway/extauthz"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/request"
)

// stand is a server on a socket, and a client of it as Envoy has one.
type stand struct {
	*fixture.World
	t      *testing.T
	doors  *gateway.Doors
	server *extauthz.Server
	client *grpc.ClientConn
	log    *logbook
	away   atomic.Bool // the keys are not loaded
}

// open starts a server that believes the proxies of trusted.
func open(t *testing.T, trusted string) *stand {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return openOn(t, trusted, l, l.Addr().String())
}

func openOn(t *testing.T, trusted string, l net.Listener, target string) *stand {
	t.Helper()
	w := fixture.New(t)
	s := &stand{World: w, t: t, log: &logbook{}}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	s.doors = gateway.New(func() *halberd.Service {
		if s.away.Load() {
			return nil
		}
		return w.Service
	}, log)
	proxies, err := request.ParseProxies(trusted)
	if err != nil {
		t.Fatal(err)
	}
	s.doors.Trust(proxies)
	s.server = extauthz.NewServer(extauthz.New(s.doors, log), nil, func() bool { return !s.away.Load() })
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(l) }()
	if s.client, err = grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.client.Close()
		s.server.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s
}

type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// asked is a request as Envoy describes it. Headers alternate names and values.
func asked(method, path string, headers ...string) *authv3.CheckRequest {
	h := &authv3.AttributeContext_HttpRequest{
		Method: method, Path: path, Host: "api.example.com", Scheme: "https", Protocol: "HTTP/2", Size: -1,
		Headers: map[string]string{":method": method, ":path": path, ":authority": "api.example.com", "x-envoy-internal": "true"},
	}
	for i := 0; i < len(headers); i += 2 {
		h.Headers[headers[i]] = headers[i+1]
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source:  peer("203.0.113.7"),
		Request: &authv3.AttributeContext_Request{Http: h},
	}}
}

// raw is asked with encode_raw_headers: each header as it came.
func raw(method, path string, headers ...string) *authv3.CheckRequest {
	q := asked(method, path)
	h := q.GetAttributes().GetRequest().GetHttp()
	h.Headers, h.HeaderMap = nil, &corev3.HeaderMap{}
	for i := 0; i < len(headers); i += 2 {
		h.HeaderMap.Headers = append(h.HeaderMap.Headers, &corev3.HeaderValue{Key: headers[i], RawValue: []byte(headers[i+1])})
	}
	return q
}

func peer(address string) *authv3.AttributeContext_Peer {
	return &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{Address: address}}}}
}

// on is q on a route with these context_extensions.
func on(q *authv3.CheckRequest, extensions ...string) *authv3.CheckRequest {
	q.Attributes.ContextExtensions = map[string]string{}
	for i := 0; i < len(extensions); i += 2 {
		q.Attributes.ContextExtensions[extensions[i]] = extensions[i+1]
	}
	return q
}

func (s *stand) check(q *authv3.CheckRequest) *authv3.CheckResponse {
	s.t.Helper()
	a, err := authv3.NewAuthorizationClient(s.client).Check(s.t.Context(), q)
	if err != nil {
		s.t.Fatalf("an error of gRPC, which a gateway may let through: %v", err)
	}
	return a
}

// key is a key of the default project.
func (s *stand) key(scopes ...string) halberd.Changed {
	s.t.Helper()
	return s.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes(scopes...)), ExternalID: "customer-7"})
}

// allowed fails the test unless the answer is yes, and returns what is set for
// the API.
func (s *stand) allowed(q *authv3.CheckRequest) map[string]string {
	s.t.Helper()
	a := s.check(q)
	if a.GetStatus().GetCode() != 0 || a.GetOkResponse() == nil {
		s.t.Fatalf("refused: %v", a)
	}
	return set(s.t, a.GetOkResponse().GetHeaders())
}

// set reads a list of headers, each of which must be there once and replace what
// came under its name.
func set(t *testing.T, list []*corev3.HeaderValueOption) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, o := range list {
		name := o.GetHeader().GetKey()
		if _, twice := out[name]; twice || name != strings.ToLower(name) || o.GetAppendAction() != corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			t.Errorf("the header %v", o)
		}
		out[name] = o.GetHeader().GetValue()
	}
	return out
}

// refused fails the test unless the answer is a no with this status, for Envoy
// and for the client, and returns what the client gets.
func (s *stand) refused(status int, code string, q *authv3.CheckRequest) map[string]string {
	s.t.Helper()
	a := s.check(q)
	d := a.GetDeniedResponse()
	want := map[int]codes.Code{400: codes.InvalidArgument, 401: codes.Unauthenticated, 403: codes.PermissionDenied, 429: codes.ResourceExhausted, 503: codes.Unavailable}[status]
	if d == nil || codes.Code(a.GetStatus().GetCode()) != want || int(d.GetStatus().GetCode()) != status {
		s.t.Errorf("%v, want %d", a, status)
		return nil
	}
	var body struct {
		Error struct{ Code, Message string }
		Meta  struct {
			RequestID string `json:"request_id"`
		}
	}
	if err := json.Unmarshal([]byte(d.GetBody()), &body); err != nil || body.Error.Code != code || body.Error.Message == "" {
		s.t.Errorf("%s, want %s (%v)", d.GetBody(), code, err)
	}
	h := set(s.t, d.GetHeaders())
	if h["content-type"] != "application/json" || h["cache-control"] != "no-store" || h["x-auth-code"] != code || h["x-request-id"] == "" || h["x-request-id"] != body.Meta.RequestID {
		s.t.Errorf("%v", h)
	}
	return h
}

const gateways = "127.0.0.1"

func TestAGoodKeyPassesAndTheAPILearnsWhose(t *testing.T) {
	s := open(t, gateways)
	k := s.key("write")
	for name, q := range map[string]*authv3.CheckRequest{
		"bearer":     asked("POST", "/api/sources?x=1", "authorization", "Bearer "+k.Secret.Reveal(), "x-request-id", "abc-1"),
		"x-api-key":  asked("POST", "/api/sources", "x-api-key", k.Secret.Reveal(), "x-request-id", "abc-1"),
		"raw":        raw("POST", "/api/sources", "authorization", "bearer "+k.Secret.Reveal(), "x-request-id", "abc-1"),
		"both alike": raw("GET", "/", "authorization", "Bearer "+k.Secret.Reveal(), "x-api-key", k.Secret.Reveal(), "x-request-id", "abc-1"),
	} {
		t.Run(name, func(t *testing.T) {
			got := s.allowed(q)
			want := map[string]string{
				"x-auth-key-id": k.Key.ID.String(), "x-auth-external-id": "customer-7", "x-auth-organization-id": s.Org.String(),
				"x-auth-project-id": s.Home.String(), "x-auth-scopes": "read write", "x-auth-resources": "*", "x-request-id": "abc-1",
			}
			for name, value := range want {
				if got[name] != value {
					t.Errorf("%s: %q, want %q", name, got[name], value)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%v", got)
			}
			if away := s.check(q).GetOkResponse().GetHeadersToRemove(); !slices.Equal(away, []string{"authorization", "x-api-key"}) {
				t.Errorf("the key stays at the gateway, but it takes off %q", away)
			}
		})
	}
	// Empty is set as well, or the client's own would be left.
	wide := s.Make(halberd.NewKey{Wide: true})
	got := s.allowed(asked("GET", "/", "x-api-key", wide.Secret.Reveal(), "x-auth-project-id", "forged", "x-auth-external-id", "forged"))
	for _, name := range []string{"x-auth-external-id", "x-auth-project-id"} {
		if value, there := got[name]; !there || value != "" {
			t.Errorf("%s: %q, %v", name, value, there)
		}
	}
}

// a key is where a key belongs, once, or is none.
func TestA10_A11_A12_WhatIsNoKey(t *testing.T) {
	s := open(t, gateways)
	k, other := s.key("admin"), s.key("read")
	secret, second := k.Secret.Reveal(), other.Secret.Reveal()
	for _, headers := range [][]string{
		nil, {"authorization", ""}, {"authorization", "Bearer"}, {"authorization", "Bearer "}, {"authorization", secret},
		{"authorization", "Basic " + secret}, {"authorization", "Bearer  " + secret}, {"authorization", "Bearer " + secret + " "},
		{"x-api-key", ""}, {"x-api-key", " " + secret}, {"x_api_key", secret}, {"x-api-key-2", secret}, {"x-api_key", secret},
		{"cookie", "key=" + secret}, {"proxy-authorization", "Bearer " + secret}, {"sec-websocket-protocol", secret},
		{"authorization", "Bearer hb_live_abc"}, {"authorization", "", "x-api-key", secret},
		// Envoy merges headers that came twice, unless told to send them raw.
		{"authorization", "Bearer " + secret + ",Bearer " + second}, {"x-api-key", secret + "," + second}, {"x-api-key", secret + "," + secret},
	} {
		s.refused(401, "UNAUTHORIZED", asked("GET", "/", headers...))
		s.refused(401, "UNAUTHORIZED", raw("GET", "/", headers...))
	}
	for _, path := range []string{"/?api_key=", "/?access_token=", "/", "/?authorization=Bearer%20"} {
		s.refused(401, "UNAUTHORIZED", asked("GET", path+secret))
	}
	for _, headers := range [][]string{
		{"authorization", "Bearer " + secret, "authorization", "Bearer " + second}, {"authorization", "Bearer " + secret, "authorization", "Bearer " + secret},
		{"x-api-key", secret, "x-api-key", second}, {"authorization", "Bearer " + second, "x-api-key", secret},
		{"authorization", "Bearer " + secret, "Authorization", "Bearer " + second}, {"x-api-key", secret, "X-API-Key", second},
	} {
		s.refused(400, "INVALID_REQUEST", raw("GET", "/", headers...))
	}
	// Both forms at once: one of them may be a lie.
	both := raw("GET", "/", "x-api-key", secret)
	both.Attributes.Request.Http.Headers = map[string]string{"x-api-key": second}
	s.refused(400, "INVALID_REQUEST", both)
	if strings.Contains(s.log.String(), secret) {
		t.Error("the key is in the log")
	}
}

// what is missing or odd is no reason to let through.
func TestA13_WhatIsMissing(t *testing.T) {
	s := open(t, gateways)
	k := s.key("admin").Secret.Reveal()
	noMethod := asked("", "/", "x-api-key", k)
	noMethod.Attributes.Request.Http.Headers[":method"] = "GET"
	for name, q := range map[string]*authv3.CheckRequest{
		"nothing":       {},
		"no attributes": {Attributes: &authv3.AttributeContext{}},
		"no request":    {Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{}}},
		"no http":       {Attributes: &authv3.AttributeContext{Source: peer("1.2.3.4"), Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{}}}},
		"no method":     noMethod,
		"a nil header":  {Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Method: "GET", Path: "/", HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{}, {}}}}}}},
	} {
		t.Run(name, func(t *testing.T) { s.refused(401, "UNAUTHORIZED", q) })
	}
}

// what the client says of its request is not what the gateway says.
func TestA13_TheGatewaySays(t *testing.T) {
	s := open(t, gateways)
	k := s.key("read").Secret.Reveal()
	for _, lie := range []string{"x-forwarded-method", "x-original-method", "x-http-method-override", ":method"} {
		s.refused(403, "FORBIDDEN", asked("POST", "/", "x-api-key", k, lie, "GET"))
	}
	s.refused(403, "FORBIDDEN", on(asked("GET", "/?scopes=read&project=", "x-api-key", k), "scopes", "write"))
	s.allowed(asked("GET", "/?scopes=admin", "x-api-key", k))
	s.allowed(asked("HEAD", "/", "x-api-key", k))
	s.refused(403, "FORBIDDEN", asked("get", "/", "x-api-key", k)) // methods have a case
}

func TestARouteSaysWhatItNeeds(t *testing.T) {
	s := open(t, "") // nobody is believed: what stands in the configuration needs nobody's word
	read := s.key("read").Secret.Reveal()
	one, err := halberd.ParseResources([]string{"engagement/42"})
	if err != nil {
		t.Fatal(err)
	}
	some := s.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("write", "deliveries:replay")), Resources: halberd.Some(one)}).Secret.Reveal()
	for range 2 { // read once, then remembered
		s.allowed(on(asked("GET", "/", "x-api-key", read), "scopes", "read"))
		s.refused(403, "FORBIDDEN", on(asked("GET", "/", "x-api-key", read), "scopes", "write"))
		s.refused(403, "FORBIDDEN", on(asked("GET", "/", "x-api-key", read), "scopes", "read,write"))
		s.allowed(on(asked("GET", "/", "x-api-key", some), "scopes", "read,deliveries:replay", "resource", "engagement/42"))
		s.refused(403, "FORBIDDEN", on(asked("GET", "/", "x-api-key", some), "scopes", "read", "resource", "engagement/43"))
		s.refused(403, "FORBIDDEN", on(asked("GET", "/", "x-api-key", some), "scopes", "read"))
		s.allowed(on(asked("GET", "/", "x-api-key", read), "scopes", "read", "project", s.Home.String()))
	}
	s.refused(401, "UNAUTHORIZED", asked("GET", "/", "x-api-key", read)) // nothing is asked, and the method is a stranger's word
	for _, wrong := range [][]string{
		{"scope", "read"}, {"scopes", "read", "Scopes", "admin"}, {"scopes", ""}, {"scopes", "read write"}, {"scopes", "nonsense"},
		{"project", "default"}, {"project", halberd.NewProjectID().String()}, {"scopes", "read", "virtual_host", "api"}, {"resource", "42"}, {"project", ""},
	} {
		s.refused(401, "UNAUTHORIZED", on(asked("GET", "/", "x-api-key", read), wrong...))
	}
	if !strings.Contains(s.log.String(), "context_extensions") {
		t.Errorf("the operator reads nothing of it:\n%s", s.log)
	}
}

// A key opens what its own project has, and no other.
func TestAKeyOfAnotherProject(t *testing.T) {
	s := open(t, gateways)
	other := s.Project("Other")
	here, there := s.key("read").Secret.Reveal(), s.Make(halberd.NewKey{Project: other.ID}).Secret.Reveal()
	wide := s.Make(halberd.NewKey{Wide: true}).Secret.Reveal()
	for _, k := range []string{here, there, wide} {
		s.refused(401, "UNAUTHORIZED", asked("GET", "/", "x-api-key", k)) // which of two?
	}
	in := func(k string) *authv3.CheckRequest {
		return on(asked("GET", "/", "x-api-key", k), "project", s.Home.String(), "scopes", "read")
	}
	s.allowed(in(here))
	s.allowed(in(wide))
	s.refused(401, "UNAUTHORIZED", in(there))
}

// what a client calls itself does not reach the API, in no spelling.
func TestA14_TheClientNamesItself(t *testing.T) {
	s := open(t, gateways)
	k := s.key("read").Secret.Reveal()
	aliases := []string{"x_auth_key_id", "x_auth_scopes", "x-auth_scopes", "x-auth-key_id", "X_Auth_Scopes", "x-auth-user", "x-auth-status"}
	ours := []string{"x-auth-key-id", "x-auth-scopes", "X-Auth-Scopes"}
	innocent := []string{"x-author", "x-auth", "x-authentic", "auth-scopes", "x-forwarded-host"}
	var headers []string
	for _, name := range slices.Concat(aliases, ours, innocent) {
		headers = append(headers, name, "forged")
	}
	a := s.check(raw("GET", "/", append(headers, "x-api-key", k)...)).GetOkResponse()
	if a == nil {
		t.Fatal("refused")
	}
	for _, name := range aliases {
		if !slices.Contains(a.GetHeadersToRemove(), name) {
			t.Errorf("%s reaches the API", name)
		}
	}
	for _, name := range innocent {
		if slices.Contains(a.GetHeadersToRemove(), name) {
			t.Errorf("%s does not reach the API, and is none of ours", name)
		}
	}
	if got := set(t, a.GetHeaders()); got["x-auth-scopes"] != "read" {
		t.Errorf("%v", got)
	}
	// What one answer takes off is not taken off the next.
	if away := s.check(asked("GET", "/", "x-api-key", k)).GetOkResponse().GetHeadersToRemove(); len(away) != 2 {
		t.Errorf("%q", away)
	}
}

func TestALimit(t *testing.T) {
	s := open(t, gateways)
	k := s.Make(halberd.NewKey{RateLimits: halberd.Some(halberd.RateLimits{{Name: "default", Limit: 2, WindowSeconds: 60}})}).Secret.Reveal()
	first := s.check(asked("GET", "/", "x-api-key", k)).GetOkResponse()
	if got := set(t, first.GetResponseHeadersToAdd()); got["ratelimit"] != `"default";r=1;t=30` || got["ratelimit-policy"] != `"default";q=2;w=60` {
		t.Errorf("the client gets %v", got)
	}
	s.allowed(asked("GET", "/", "x-api-key", k))
	h := s.refused(429, "RATE_LIMITED", asked("GET", "/", "x-api-key", k))
	if h["retry-after"] != "30" || h["ratelimit"] != `"default";r=0;t=30` {
		t.Errorf("%v", h)
	}
	s.Clock.Pass(30 * time.Second)
	s.allowed(asked("GET", "/", "x-api-key", k))
}

func TestEveryRefusalSaysWhatItsStatusAsks(t *testing.T) {
	s := open(t, gateways)
	k := s.key("read")
	if h := s.refused(401, "UNAUTHORIZED", asked("GET", "/")); h["www-authenticate"] != `Bearer realm="halberd"` {
		t.Errorf("%v", h)
	}
	if h := s.refused(401, "UNAUTHORIZED", asked("GET", "/", "x-api-key", "hb_live_abc")); h["www-authenticate"] != `Bearer realm="halberd", error="invalid_token"` {
		t.Errorf("%v", h)
	}
	if h := s.refused(403, "FORBIDDEN", asked("PUT", "/", "x-api-key", k.Secret.Reveal())); h["www-authenticate"] != `Bearer realm="halberd", error="insufficient_scope"` {
		t.Errorf("%v", h)
	}
	if _, err := s.Revoke(t.Context(), s.Admin, k.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	s.refused(401, "UNAUTHORIZED", asked("GET", "/", "x-api-key", k.Secret.Reveal()))
}

func TestAnswersAreCounted(t *testing.T) {
	s := open(t, gateways)
	k := s.key("read").Secret.Reveal()
	s.allowed(asked("GET", "/", "x-api-key", k))
	s.refused(403, "FORBIDDEN", asked("PUT", "/", "x-api-key", k))
	s.refused(401, "UNAUTHORIZED", asked("GET", "/"))
	s.refused(401, "UNAUTHORIZED", on(asked("GET", "/", "x-api-key", k), "scope", "admin"))
	got := map[int]int64{}
	for _, c := range s.doors.Counts() {
		if c.N > 0 && c.Door != "ext_authz" {
			t.Errorf("%v", c)
		}
		got[c.Status] += c.N
	}
	if got[200] != 1 || got[403] != 1 || got[401] != 2 {
		t.Errorf("%v", got)
	}
}

// Until the keys are there, and after, the answer is a no that no gateway takes
// for a failure of ours.
func TestNotYetLoaded(t *testing.T) {
	s := open(t, gateways)
	k := s.key("read").Secret.Reveal()
	health := func(want healthv1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for _, name := range []string{"", "envoy.service.auth.v3.Authorization"} {
			got, err := healthv1.NewHealthClient(s.client).Check(t.Context(), &healthv1.HealthCheckRequest{Service: name})
			if err != nil || got.GetStatus() != want {
				t.Errorf("%q: %v %v, want %v", name, got, err, want)
			}
		}
	}
	s.away.Store(true)
	if h := s.refused(503, "UNAVAILABLE", asked("GET", "/", "x-api-key", k)); h["retry-after"] != "1" {
		t.Errorf("%v", h)
	}
	s.refused(503, "UNAVAILABLE", asked("GET", "/"))
	health(healthv1.HealthCheckResponse_NOT_SERVING)
	s.away.Store(false)
	s.allowed(asked("GET", "/", "x-api-key", k))
	health(healthv1.HealthCheckResponse_SERVING)
	if _, err := healthv1.NewHealthClient(s.client).Check(t.Context(), &healthv1.HealthCheckRequest{Service: "other"}); err == nil {
		t.Error("an unknown service is healthy")
	}
}

// The client's address: where the gateway's connection came from, or whom a
// trusted proxy before it names. A stranger's word is not taken.
func TestTheClientsAddress(t *testing.T) {
	for _, c := range []struct {
		trusted, source, forwarded string
		want                       bool // 203.0.113.7 it is
	}{
		{gateways, "203.0.113.7", "", true},
		{gateways, "::ffff:203.0.113.7", "", true},
		{gateways, "203.0.113.8", "", false},
		{gateways, "203.0.113.8", "203.0.113.7", false},
		{gateways + ", 10.0.0.0/8", "10.1.2.3", "203.0.113.7", true},
		{gateways + ", 10.0.0.0/8", "10.1.2.3", "203.0.113.7, 10.9.9.9", true},
		{gateways + ", 10.0.0.0/8", "10.1.2.3", "203.0.113.7,198.51.100.1", false},
		{gateways + ", 10.0.0.0/8", "10.1.2.3", "", false},
		{gateways, "", "203.0.113.7", true},
		{gateways, "", "203.0.113.7, 198.51.100.1", false},
		{gateways, "", "", false},
		{gateways, "/run/envoy.sock", "", false},
		{"", "203.0.113.7", "203.0.113.7", false},
		{"192.0.2.0/24", "203.0.113.7", "203.0.113.7", false},
	} {
		s := open(t, c.trusted)
		list, err := halberd.ParseIPAllow([]string{"203.0.113.7"})
		if err != nil {
			t.Fatal(err)
		}
		k := s.Make(halberd.NewKey{IPAllow: halberd.Some(list)}).Secret.Reveal()
		q := on(asked("GET", "/", "x-api-key", k), "scopes", "read")
		q.Attributes.Source = peer(c.source)
		if c.source == "" {
			q.Attributes.Source = nil
		}
		if c.forwarded != "" {
			q.Attributes.Request.Http.Headers["x-forwarded-for"] = c.forwarded
		}
		if got := s.check(q).GetStatus().GetCode() == 0; got != c.want {
			t.Errorf("trusted %q, source %q, X-Forwarded-For %q: %v", c.trusted, c.source, c.forwarded, got)
		}
	}
}

// On a Unix socket who may connect is decided by the socket's rights.
func TestAUnixSocket(t *testing.T) {
	for trusted, want := range map[string]bool{"unix": true, "127.0.0.1": false} {
		path := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		s := openOn(t, trusted, l, "unix:"+path)
		if got := s.check(asked("GET", "/", "x-api-key", s.key("read").Secret.Reveal())).GetStatus().GetCode() == 0; got != want {
			t.Errorf("trusted %q: %v", trusted, got)
		}
	}
}

// A stop lets a question under way be answered, and takes no more.
func TestAStop(t *testing.T) {
	s := open(t, gateways)
	s.allowed(asked("GET", "/", "x-api-key", s.key("read").Secret.Reveal()))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := authv3.NewAuthorizationClient(s.client).Check(t.Context(), asked("GET", "/")); err == nil {
		t.Error("it still answers")
	}
	s.server.Close() // once more does no harm
}

// A client's headers may be as large as Envoy takes them by default, 60 KiB, and
// beyond; a flood is not read.
func TestLargeRequests(t *testing.T) {
	s := open(t, gateways)
	k := s.key("read").Secret.Reveal()
	s.allowed(asked("GET", "/?"+strings.Repeat("x", 60<<10), "x-api-key", k))
	s.refused(401, "UNAUTHORIZED", asked("GET", "/", "x-api-key", strings.Repeat("x", 200<<10)))
	if _, err := authv3.NewAuthorizationClient(s.client).Check(t.Context(), asked("GET", "/", "x", strings.Repeat("x", 1<<20))); err == nil {
		t.Error("a megabyte is read")
	}
	s.allowed(asked("GET", "/", "x-api-key", k)) // and nobody else suffers
}

// The doors say the same: status, code and identity of HTTP's and this one's.
func TestTheSameAnswerAsOverHTTP(t *testing.T) {
	s := open(t, gateways)
	h := httpDoor(t, s.doors)
	for _, scope := range []string{"read", "write"} {
		k := s.key(scope).Secret.Reveal()
		for _, method := range []string{"GET", "POST"} {
			a := s.check(asked(method, "/api/sources", "x-api-key", k, "x-request-id", "r-1"))
			res := h(method, "/api/sources", k)
			if d := a.GetDeniedResponse(); d != nil {
				if res.status != int(d.GetStatus().GetCode()) || res.body != d.GetBody() {
					t.Errorf("%s %s: %v and %d %s", scope, method, d, res.status, res.body)
				}
				continue
			}
			for name, value := range set(t, a.GetOkResponse().GetHeaders()) {
				if got := res.header[http.CanonicalHeaderKey(name)]; len(got) != 1 || got[0] != value {
					t.Errorf("%s: %q here, %q over HTTP", name, value, got)
				}
			}
		}
	}
}
