package bench

import (
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"
)

// bareOrder is what the server that looks at nothing answers: what the real one
// answered a moment ago.
type bareOrder struct {
	Headers map[string][]string // of the forward door
	Verdict string              // of the verify call
}

// bareAt is where it listens.
type bareAt struct{ HTTP string }

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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(l, mux) }()
	if err := out.Encode(bareAt{HTTP: l.Addr().String()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
