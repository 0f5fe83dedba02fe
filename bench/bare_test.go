package bench

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// bareOrder is what the server that looks at nothing answers: what the real one
// answered a moment ago.
type bareOrder struct {
	Headers map[string][]string // of the forward door
	Verdict string              // of the verify call
	Check   []byte              // of ext_authz
}

// bareAt is where it listens.
type bareAt struct{ HTTP, GRPC string }

// serveBare serves until stdin ends.
func serveBare(o bareOrder, out *json.Encoder) error {
	for _, name := range []string{"Date", "Content-Length", "Connection"} { // net/http's own
		delete(o.Headers, name)
	}
	verdict, length := []byte(o.Verdict), []string{strconv.Itoa(len(o.Verdict))}
	jsonType := []string{"application/json"}

	mux := http.NewServeMux()
	mux.HandleFunc("/empty", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/v1/auth/forward", func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), o.Headers)
	})
	mux.HandleFunc("/v1/api-keys/verify", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		h := w.Header()
		h["Content-Type"], h["Content-Length"] = jsonType, length
		_, _ = w.Write(verdict)
	})
	answer := &authv3.CheckResponse{}
	if err := proto.Unmarshal(o.Check, answer); err != nil {
		return err
	}
	gateways := grpc.NewServer()
	authv3.RegisterAuthorizationServer(gateways, &blind{answer: answer})

	var listeners [2]net.Listener
	for i := range listeners {
		var err error
		if listeners[i], err = new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	go func() { _ = http.Serve(listeners[0], mux) }()
	go func() { _ = gateways.Serve(listeners[1]) }()
	if err := out.Encode(bareAt{HTTP: listeners[0].Addr().String(), GRPC: listeners[1].Addr().String()}); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}
