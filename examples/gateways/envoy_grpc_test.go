package gateways_test

import (
	"net/http"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// envoy asks by gRPC as envoy/grpc.yaml makes it: every header as it came, what
// the route of the path states, and the address that the connection is from.
func (h *halberd) envoy() func(asked) answer {
	h.t.Helper()
	c, err := grpc.NewClient(h.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = c.Close() })
	return func(q asked) answer {
		h.t.Helper()
		headers := []*corev3.HeaderValue{
			{Key: ":method", RawValue: []byte(q.method)}, {Key: ":path", RawValue: []byte(q.target)}, {Key: ":authority", RawValue: []byte("api.example.com")},
			{Key: "x-forwarded-for", RawValue: []byte("203.0.113.7")}, {Key: "x-forwarded-proto", RawValue: []byte("http")},
		}
		for _, line := range q.lines {
			name, value, _ := strings.Cut(line, ": ")
			headers = append(headers, &corev3.HeaderValue{Key: strings.ToLower(name), RawValue: []byte(value)})
		}
		about := &authv3.AttributeContext{
			Source:  &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{Address: "203.0.113.7"}}}},
			Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Method: q.method, Path: q.target, Host: "api.example.com", HeaderMap: &corev3.HeaderMap{Headers: headers}}},
		}
		if strings.HasPrefix(q.target, "/api/users") {
			about.ContextExtensions = map[string]string{"scopes": "admin"}
		}
		res, err := authv3.NewAuthorizationClient(c).Check(h.t.Context(), &authv3.CheckRequest{Attributes: about})
		if err != nil {
			h.t.Fatalf("an error of gRPC, which failure_mode_allow lets through: %v", err)
		}
		if ok := res.GetOkResponse(); ok != nil && res.GetStatus().GetCode() == 0 {
			if away := strings.Join(ok.GetHeadersToRemove(), " "); !strings.Contains(away, "authorization") || !strings.Contains(away, "x-api-key") {
				h.t.Errorf("the key reaches the API: only %s are taken off", away)
			}
			return answer{http.StatusOK, collected(ok.GetHeaders()), ""}
		}
		no := res.GetDeniedResponse()
		if no == nil || res.GetStatus().GetCode() == 0 {
			h.t.Fatalf("neither yes nor no: %v", res)
		}
		return answer{int(no.GetStatus().GetCode()), collected(no.GetHeaders()), no.GetBody()}
	}
}

func collected(list []*corev3.HeaderValueOption) http.Header {
	out := http.Header{}
	for _, o := range list {
		out.Add(o.GetHeader().GetKey(), o.GetHeader().GetValue())
	}
	return out
}
