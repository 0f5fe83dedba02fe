package grpcguard_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	pb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped"
	"github.com/halberdhq/halberd/guard"
	"github.com/halberdhq/halberd/guard/grpcguard"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/keytext"
)

// The shop's messages are those of the health service: a request has one text.
func source(m any) string { return "source/" + m.(*pb.HealthCheckRequest).GetService() }

var methods = grpcguard.Methods{
	"/shop.Shop/List":              {Scope: "read", Filters: true},
	"/shop.Shop/Get":               {Scope: "read", ResourceOf: source},
	"/shop.Shop/Add":               {Scope: "write"},
	"/shop.Shop/Costly":            {Cost: 5},
	"/shop.Shop/Anyone":            {},
	"/shop.Shop/Main":              {Scope: "read", Resource: "source/main"},
	"/shop.Shop/Tail":              {Scope: "read"},
	"/shop.Shop/Edit":              {Scope: "write", ResourceOf: source},
	"/shop.Shop/Early":             {Scope: "write", ResourceOf: source},
	"/grpc.health.v1.Health/Check": {Open: true},
	"/grpc.health.v1.Health/Watch": {Open: true},
}

// who is a handler that answers with who called.
func who(ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor, method string) (any, error) {
	in := &pb.HealthCheckRequest{}
	if err := decode(in); err != nil {
		return nil, err
	}
	return intercept(ctx, in, &grpc.UnaryServerInfo{FullMethod: method}, func(ctx context.Context, _ any) (any, error) {
		v, ok := guard.From(ctx)
		if !ok {
			return nil, errors.New("nobody called")
		}
		return &pb.HealthCheckRequest{Service: v.KeyID.String() + " " + v.Scopes.String()}, nil
	})
}

func unary(name string) grpc.MethodDesc {
	return grpc.MethodDesc{MethodName: name, Handler: func(_ any, ctx context.Context, decode func(any) error, i grpc.UnaryServerInterceptor) (any, error) {
		return who(ctx, decode, i, "/shop.Shop/"+name)
	}}
}

// answer sends back what comes in, with who sent it.
func answer(_ any, s grpc.ServerStream) error {
	for {
		in := &pb.HealthCheckRequest{}
		if err := s.RecvMsg(in); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		v, ok := guard.From(s.Context())
		if !ok {
			return errors.New("nobody called")
		}
		if err := s.SendMsg(&pb.HealthCheckRequest{Service: v.KeyID.String() + " " + in.Service}); err != nil {
			return err
		}
	}
}

// early sends before it knows what about, and does not look at errors.
func early(_ any, s grpc.ServerStream) error {
	_ = s.SendMsg(&pb.HealthCheckRequest{Service: "too early"})
	_ = s.RecvMsg(&pb.HealthCheckRequest{})
	_ = s.SendMsg(&pb.HealthCheckRequest{Service: "too late"})
	return nil
}

var shop = grpc.ServiceDesc{
	ServiceName: "shop.Shop", HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{unary("List"), unary("Get"), unary("Add"), unary("Costly"), unary("Anyone"), unary("Main"), unary("Hidden")},
	Streams: []grpc.StreamDesc{
		{StreamName: "Tail", Handler: answer, ServerStreams: true, ClientStreams: true},
		{StreamName: "Edit", Handler: answer, ServerStreams: true, ClientStreams: true},
		{StreamName: "Early", Handler: early, ServerStreams: true, ClientStreams: true},
		{StreamName: "HiddenTail", Handler: answer, ServerStreams: true, ClientStreams: true},
	},
}

// serve runs the shop behind g on a port of its own.
func serve(t *testing.T, g *grpcguard.Guard) *grpc.ClientConn {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.UnaryInterceptor(g.Unary), grpc.StreamInterceptor(g.Stream))
	s.RegisterService(&shop, struct{}{})
	pb.RegisterHealthServer(s, health.NewServer())
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return conn
}

func protect(t *testing.T, v guard.Verifier) *grpc.ClientConn {
	t.Helper()
	g, err := grpcguard.New(v, methods, grpcguard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, g)
}

// call calls a method of the shop with metadata as given.
func call(t *testing.T, conn *grpc.ClientConn, method, text string, md ...string) (string, error) {
	t.Helper()
	text, _, err := callWithHeader(t, conn, method, text, md...)
	return text, err
}

func callWithHeader(t *testing.T, conn *grpc.ClientConn, method, text string, md ...string) (string, metadata.MD, error) {
	t.Helper()
	var header metadata.MD
	out := &pb.HealthCheckRequest{}
	err := conn.Invoke(metadata.AppendToOutgoingContext(t.Context(), md...), "/shop.Shop/"+method, &pb.HealthCheckRequest{Service: text}, out, grpc.Header(&header))
	return out.Service, header, err
}

// open opens a stream and sends texts, and returns what came back until the end.
func open(t *testing.T, conn *grpc.ClientConn, method, key string, texts ...string) (back []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "x-api-key", key), 10*time.Second)
	defer cancel()
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/shop.Shop/"+method)
	if err != nil {
		return nil, err
	}
	for _, text := range texts {
		if err := s.SendMsg(&pb.HealthCheckRequest{Service: text}); err != nil {
			break // what it was, Recv says
		}
	}
	_ = s.CloseSend()
	for {
		in := &pb.HealthCheckRequest{}
		if err := s.RecvMsg(in); errors.Is(err, io.EOF) {
			return back, nil
		} else if err != nil {
			return back, err
		}
		back = append(back, in.Service)
	}
}

func scopes(words ...string) halberd.Maybe[halberd.Scopes] {
	return halberd.Some(halberd.MustScopes(words...))
}

func only(t *testing.T, names ...string) halberd.Maybe[halberd.Resources] {
	t.Helper()
	r, err := halberd.ParseResources(names)
	if err != nil {
		t.Fatal(err)
	}
	return halberd.Some(r)
}

// S3-29, S1-30: each method asks for its scope and resource, and what has no
// line is refused.
func TestMethodsAskForTheirScopeAndResource(t *testing.T) {
	w := fixture.New(t)
	conn := protect(t, w.Service)
	read, write := w.Make(halberd.NewKey{Scopes: scopes("read")}), w.Make(halberd.NewKey{Scopes: scopes("write")})
	some := w.Make(halberd.NewKey{Scopes: scopes("read"), Resources: only(t, "source/main", "source/a/*")})
	for _, c := range []struct {
		by           halberd.Secret
		method, text string
		want         codes.Code
	}{
		{read.Secret, "List", "", codes.OK}, {read.Secret, "Add", "", codes.PermissionDenied}, {write.Secret, "Add", "", codes.OK},
		{read.Secret, "Get", "x", codes.OK}, {some.Secret, "Get", "x", codes.PermissionDenied}, {some.Secret, "Get", "main", codes.OK},
		{some.Secret, "Get", "a/b", codes.OK}, {some.Secret, "Get", "a/../b", codes.PermissionDenied},
		{read.Secret, "Get", "", codes.PermissionDenied}, {read.Secret, "Get", "*", codes.PermissionDenied},
		{halberd.Secret{}, "Get", "*", codes.Unauthenticated},
		{some.Secret, "List", "", codes.OK}, {some.Secret, "Main", "", codes.OK}, {some.Secret, "Anyone", "", codes.PermissionDenied},
		{read.Secret, "Anyone", "", codes.OK}, {read.Secret, "Hidden", "", codes.PermissionDenied}, {w.Root, "Hidden", "", codes.PermissionDenied},
		{halberd.Secret{}, "Hidden", "", codes.Unauthenticated}, {read.Secret, "Nowhere", "", codes.Unimplemented},
	} {
		var md []string
		if !c.by.IsZero() {
			md = []string{"authorization", "Bearer " + c.by.Reveal()}
		}
		if _, err := call(t, conn, c.method, c.text, md...); status.Code(err) != c.want {
			t.Errorf("%s(%q) by %s: %v, want %s", c.method, c.text, c.by.Hint(), err, c.want)
		}
	}
	if r, err := pb.NewHealthClient(conn).Check(t.Context(), &pb.HealthCheckRequest{}); err != nil || r.Status != pb.HealthCheckResponse_SERVING {
		t.Errorf("an open method: %v %v", r, err)
	}
}

// Streams are checked when they begin; where a resource is named, each message
// is held against it.
func TestStreams(t *testing.T) {
	w := fixture.New(t)
	conn := protect(t, w.Service)
	read := w.Make(halberd.NewKey{Scopes: scopes("read")})
	some := w.Make(halberd.NewKey{Scopes: scopes("write"), Resources: only(t, "source/a", "source/b")})
	me := some.Key.ID.String()
	for _, c := range []struct {
		name, key, method string
		send              []string
		want              codes.Code
		back              string
	}{
		{"its scope", read.Secret.Reveal(), "Tail", []string{"1", "2"}, codes.OK, read.Key.ID.String() + " 1," + read.Key.ID.String() + " 2"},
		{"another scope", read.Secret.Reveal(), "Edit", []string{"a"}, codes.PermissionDenied, ""},
		{"its resources", some.Secret.Reveal(), "Edit", []string{"a", "b", "a"}, codes.OK, me + " a," + me + " b," + me + " a"},
		{"another resource", some.Secret.Reveal(), "Edit", []string{"c", "a"}, codes.PermissionDenied, ""},
		{"another resource, later", some.Secret.Reveal(), "Edit", []string{"a", "c", "b"}, codes.PermissionDenied, me + " a"},
		{"no resource", some.Secret.Reveal(), "Edit", []string{"../a"}, codes.PermissionDenied, ""},
		{"limited, and the method names none", some.Secret.Reveal(), "Tail", []string{"a"}, codes.PermissionDenied, ""},
		{"an answer before the question", some.Secret.Reveal(), "Early", []string{"a"}, codes.PermissionDenied, ""},
		{"unlisted", read.Secret.Reveal(), "HiddenTail", []string{"a"}, codes.PermissionDenied, ""},
		{"unlisted, no key", "", "HiddenTail", []string{"a"}, codes.Unauthenticated, ""},
		{"no key", "", "Tail", []string{"a"}, codes.Unauthenticated, ""},
	} {
		back, err := open(t, conn, c.method, c.key, c.send...)
		if status.Code(err) != c.want || strings.Join(back, ",") != c.back {
			t.Errorf("%s: %q %v, want %q %s", c.name, back, err, c.back, c.want)
		}
	}
}

// a key travels in one of two names, once.
func TestCredentials(t *testing.T) {
	w := fixture.New(t)
	conn := protect(t, w.Service)
	k, other := w.Make(halberd.NewKey{}).Secret.Reveal(), w.Make(halberd.NewKey{}).Secret.Reveal()
	for name, c := range map[string]struct {
		md   []string
		want codes.Code
	}{
		"bearer":                 {[]string{"authorization", "Bearer " + k}, codes.OK},
		"the scheme's case":      {[]string{"authorization", "bearer " + k}, codes.OK},
		"x-api-key":              {[]string{"x-api-key", k}, codes.OK},
		"X-API-Key":              {[]string{"X-API-Key", k}, codes.OK}, // gRPC sends names in small letters
		"both equal":             {[]string{"authorization", "Bearer " + k, "x-api-key", k}, codes.OK},
		"A-06 none":              {nil, codes.Unauthenticated},
		"A-06 empty":             {[]string{"x-api-key", ""}, codes.Unauthenticated},
		"A-06 Bearer alone":      {[]string{"authorization", "Bearer"}, codes.Unauthenticated},
		"A-06 undefined":         {[]string{"authorization", "Bearer undefined"}, codes.Unauthenticated},
		"A-06 object":            {[]string{"x-api-key", "[object Object]"}, codes.Unauthenticated},
		"A-07 another prefix":    {[]string{"x-api-key", "hb_test" + k[7:]}, codes.Unauthenticated},
		"A-08 both, different":   {[]string{"authorization", "Bearer " + k, "x-api-key", other}, codes.InvalidArgument},
		"A-08 one is no key":     {[]string{"authorization", "Bearer " + k, "x-api-key", "x"}, codes.InvalidArgument},
		"A-09 bearer twice":      {[]string{"authorization", "Bearer " + k, "authorization", "Bearer " + k}, codes.InvalidArgument},
		"A-09 x-api-key twice":   {[]string{"x-api-key", k, "x-api-key", other}, codes.InvalidArgument},
		"A-09 in two spellings":  {[]string{"x-api-key", k, "X-Api-Key", k}, codes.InvalidArgument},
		"A-09 twice in one line": {[]string{"x-api-key", k + ", " + k}, codes.Unauthenticated},
		"A-10 other metadata":    {[]string{"api_key", k, "access_token", k}, codes.Unauthenticated},
		"A-11 underscore":        {[]string{"x_api_key", k}, codes.Unauthenticated},
		"A-11 another name":      {[]string{"x-api-key-2", k}, codes.Unauthenticated},
		"A-11 binary":            {[]string{"x-api-key-bin", k}, codes.Unauthenticated},
		"A-12 basic":             {[]string{"authorization", "Basic " + k + ":"}, codes.Unauthenticated},
		"A-12 cookie":            {[]string{"cookie", "api_key=" + k}, codes.Unauthenticated},
		"A-12 bearer and basic":  {[]string{"authorization", "Basic x", "x-api-key", k}, codes.Unauthenticated},
		"unknown":                {[]string{"x-api-key", keytext.Mint("hb_live")}, codes.Unauthenticated},
	} {
		_, err := call(t, conn, "List", "", c.md...)
		if status.Code(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), k[8:]) {
			t.Errorf("%s: the key is in %q", name, err)
		}
	}
}

// to whoever presents it, a key that is not good is one and the same;
// revoked, it is refused at the next call.
func TestNotGoodIsOneAnswer(t *testing.T) {
	w := fixture.New(t)
	conn := protect(t, w.Service)
	revoked, expired := w.Make(halberd.NewKey{}), w.Make(halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(1))})
	if _, err := call(t, conn, "List", "", "x-api-key", revoked.Secret.Reveal()); err != nil {
		t.Error(err)
	}
	if _, err := w.Revoke(w.Ctx(), w.Admin, revoked.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	w.Clock.Pass(48 * time.Hour)
	_, want := call(t, conn, "List", "")
	for name, s := range map[string]halberd.Secret{"revoked": revoked.Secret, "expired": expired.Secret} {
		if _, err := call(t, conn, "List", "", "x-api-key", s.Reveal()); err == nil || err.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

// S1-25: too fast is ResourceExhausted, with the time to wait.
func TestLimitsSayHowLongToWait(t *testing.T) {
	w := fixture.New(t)
	conn := protect(t, w.Service)
	k := w.Make(halberd.NewKey{RateLimits: halberd.Some(halberd.RateLimits{{Limit: 6, WindowSeconds: 60}})}).Secret.Reveal()
	_, told, err := callWithHeader(t, conn, "Costly", "", "x-api-key", k)
	if err != nil || !slices.Equal(told["ratelimit-policy"], []string{`"default";q=6;w=60`}) || len(told["ratelimit"]) != 1 {
		t.Error(told, err)
	}
	_, told, err = callWithHeader(t, conn, "Costly", "", "x-api-key", k)
	if len(told["ratelimit"]) != 1 || !strings.HasPrefix(told["ratelimit"][0], `"default";r=1;t=`) {
		t.Error(told)
	}
	details := status.Convert(err).Details()
	if status.Code(err) != codes.ResourceExhausted || len(details) != 1 {
		t.Fatalf("%v %v", err, details)
	}
	if info, ok := details[0].(*errdetails.RetryInfo); !ok || info.RetryDelay.AsDuration().Round(time.Second) != 40*time.Second {
		t.Errorf("%v", details[0])
	}
}

type broken struct{ err error }

func (b broken) Verify(context.Context, halberd.Check) (halberd.Verdict, error) {
	return halberd.Verdict{Code: halberd.Valid}, b.err
}

// A-99 and the server away: no verifier, a closed one, one that fails:
// Unavailable, never through; not even an open method behind a nil Guard.
func TestWhatIsNotKnownIsRefused(t *testing.T) {
	for name, v := range map[string]guard.Verifier{"nil": nil, "a nil pointer": (*halberd.Service)(nil)} {
		if _, err := grpcguard.New(v, methods, grpcguard.Options{}); err == nil {
			t.Errorf("a guard on %s was made", name)
		}
	}
	w := fixture.New(t)
	k := w.Make(halberd.NewKey{}).Secret.Reveal()
	api := httptest.NewServer(enveloped.Handler(w.Service, slog.New(slog.DiscardHandler)))
	remote, err := client.New(api.URL, w.Make(halberd.NewKey{Scopes: scopes("verify")}).Secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	away := protect(t, remote)
	if _, err := call(t, away, "List", "", "x-api-key", k); err != nil {
		t.Errorf("through a server: %v", err)
	}
	api.Close()
	closed := protect(t, w.Service)
	_ = w.Close()
	for name, conn := range map[string]*grpc.ClientConn{
		"closed": closed, "the server away": away, "failing": protect(t, broken{errors.New("secret cause")}),
		"nil": serve(t, nil), "zero": serve(t, &grpcguard.Guard{}),
	} {
		_, err := call(t, conn, "List", "", "x-api-key", k)
		if status.Code(err) != codes.Unavailable || strings.Contains(err.Error(), "cause") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := open(t, conn, "Tail", k, "a"); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: a stream: %v", name, err)
		}
	}
	if _, err := pb.NewHealthClient(serve(t, nil)).Check(t.Context(), &pb.HealthCheckRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("nil, an open method: %v", err)
	}
}

// many callers at once over one connection, each answered as itself.
func TestIdentitiesAreNotMixedUp(t *testing.T) {
	w := fixture.New(t)
	conn := protect(t, w.Service)
	var all sync.WaitGroup
	for range 15 {
		k := w.Make(halberd.NewKey{})
		all.Go(func() {
			for range 100 {
				who, err := call(t, conn, "List", "", "x-api-key", k.Secret.Reveal())
				if err != nil || !strings.HasPrefix(who, k.Key.ID.String()+" ") {
					t.Errorf("%q %v for %s", who, err, k.Key.ID)
					return
				}
			}
		})
	}
	all.Wait()
}

// The address that a key's list is held against is the other end of the
// connection, or what the program says it is; metadata is not believed.
func TestTheAddressIsThePeers(t *testing.T) {
	w := fixture.New(t)
	allow := func(text string) string {
		list, err := halberd.ParseIPAllow([]string{text})
		if err != nil {
			t.Fatal(err)
		}
		return w.Make(halberd.NewKey{IPAllow: halberd.Some(list)}).Secret.Reveal()
	}
	here, there := allow("127.0.0.0/8"), allow("192.0.2.1")
	g, err := grpcguard.New(w.Service, methods, grpcguard.Options{ClientIP: func(context.Context) netip.Addr { return netip.MustParseAddr("192.0.2.1") }})
	if err != nil {
		t.Fatal(err)
	}
	conn, elsewhere := protect(t, w.Service), serve(t, g)
	for _, c := range []struct {
		conn *grpc.ClientConn
		key  string
		want codes.Code
	}{{conn, here, codes.OK}, {conn, there, codes.PermissionDenied}, {elsewhere, here, codes.PermissionDenied}, {elsewhere, there, codes.OK}} {
		if _, err := call(t, c.conn, "List", "", "x-api-key", c.key, "x-forwarded-for", "192.0.2.1"); status.Code(err) != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	for name, c := range map[string]struct {
		addr net.Addr
		want string
	}{
		"mapped": {&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.1"), Port: 1}, "192.0.2.1"},
		"a zone": {&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 1, Zone: "eth0"}, "fe80::1"},
		"a path": {&net.UnixAddr{Name: "/run/x"}, "invalid IP"},
		"none":   {nil, "invalid IP"},
	} {
		if got := grpcguard.PeerAddr(peer.NewContext(t.Context(), &peer.Peer{Addr: c.addr})); got.String() != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// The API's own errors; no error at all is not taken.
func TestRefuse(t *testing.T) {
	w := fixture.New(t)
	for name, c := range map[string]struct {
		err  error
		want codes.Code
	}{"its own": {status.Error(codes.NotFound, "no"), codes.NotFound}, "nil": {nil, codes.Unauthenticated}} {
		var told guard.Refusal
		var about string
		g, err := grpcguard.New(w.Service, methods, grpcguard.Options{Refuse: func(_ context.Context, method string, why guard.Refusal) error {
			about, told = method, why
			return c.err
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := call(t, serve(t, g), "List", "", "x-api-key", "nonsense"); status.Code(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if about != "/shop.Shop/List" || told.Verdict == nil || told.Verdict.Code != halberd.Malformed {
			t.Errorf("%s: %s %+v", name, about, told)
		}
	}
}

func TestTablesThatMakeNoSense(t *testing.T) {
	w := fixture.New(t)
	for name, m := range map[string]grpcguard.Methods{
		"no slash":          {"shop.Shop/List": {}},
		"no method":         {"/shop.Shop": {}},
		"empty":             {"": {}},
		"empty method":      {"/shop.Shop/": {}},
		"a wildcard":        {"/shop.Shop/*": {}},
		"a pattern":         {"/shop.Shop/{x}": {}},
		"three parts":       {"/shop/Shop/List": {}},
		"scope":             {"/shop.Shop/List": {Scope: "superuser"}},
		"no resource":       {"/shop.Shop/List": {Resource: "everything"}},
		"two resources":     {"/shop.Shop/List": {Resource: "a/b", ResourceOf: source}},
		"open and not open": {"/shop.Shop/List": {Open: true, Scope: "read"}},
		"open resource":     {"/shop.Shop/List": {Open: true, ResourceOf: source}},
		"cost":              {"/shop.Shop/List": {Cost: -1}},
	} {
		if _, err := grpcguard.New(w.Service, m, grpcguard.Options{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
