package bench

import (
	"bytes"
	"context"
	"errors"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

// blind answers every gateway the same without looking.
type blind struct {
	authv3.UnimplementedAuthorizationServer
	answer *authv3.CheckResponse
}

func (b *blind) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return b.answer, nil
}

// question is what Envoy asks about a request with the key.
func question(key string) ([]byte, error) {
	return proto.Marshal(&authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{Address: "192.0.2.7", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 40000}},
		}}},
		ContextExtensions: map[string]string{"scopes": "read"},
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
			Id: "4711", Method: "GET", Path: "/orders/42", Host: "api.example.com", Scheme: "https", Protocol: "HTTP/1.1",
			Headers: map[string]string{
				":authority": "api.example.com", ":method": "GET", ":path": "/orders/42", "authorization": "Bearer " + key,
				"user-agent": "shop/2.1", "accept": "*/*", "x-request-id": "4bf92f3577b34da6a3ce929d0e0e4736",
			},
		}},
	}})
}

// gatewayCaller asks by gRPC, with questions that were packed before, on a
// connection that all callers share, as a gateway's do.
type gatewayCaller struct {
	conn     *grpc.ClientConn
	requests [][]byte
	want     []byte
}

func dialGateway(o *order, keys []string) (caller, error) {
	target := "passthrough:///" + o.Address
	if o.Network == "unix" {
		target = "unix:" + o.Address
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(packed{})))
	if err != nil {
		return nil, err
	}
	c := &gatewayCaller{conn: conn, requests: make([][]byte, len(keys)), want: []byte(o.Want)}
	for i, key := range keys {
		if c.requests[i], err = question(key); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *gatewayCaller) ask(n int) (bool, error) {
	answer, err := c.fetch(c.requests[n%len(c.requests)])
	return bytes.Contains(answer, c.want), err
}

func (c *gatewayCaller) fetch(asked []byte) (answer []byte, err error) {
	err = c.conn.Invoke(context.Background(), authv3.Authorization_Check_FullMethodName, &asked, &answer)
	return answer, err
}

// packed passes messages through as they are: the load is to cost less than
// what it loads.
type packed struct{}

var errNotPacked = errors.New("a message that is not packed")

func (packed) Name() string { return "proto" }

func (packed) Marshal(v any) ([]byte, error) {
	if b, ok := v.(*[]byte); ok {
		return *b, nil
	}
	return nil, errNotPacked
}

func (packed) Unmarshal(data []byte, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return errNotPacked
	}
	*b = append((*b)[:0], data...)
	return nil
}

// askGateway asks once.
func askGateway(address, key string) ([]byte, error) {
	c, err := dialGateway(&order{Network: "tcp", Address: address}, []string{key})
	if err != nil {
		return nil, err
	}
	g := c.(*gatewayCaller)
	answer, err := g.fetch(g.requests[0])
	if err == nil && !strings.Contains(strings.ToLower(string(answer)), "x-auth-key-id") {
		err = errors.New("the gateway's check was refused")
	}
	return answer, errors.Join(err, g.conn.Close())
}
