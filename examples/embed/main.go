// Command embed is a web API that keeps API keys itself: the library on SQLite,
// and guard. The lines that matter are in open and protect.
//
//	go run ./examples/embed
//	curl -H "X-API-Key: $(cat embed-data/admin.key)" http://127.0.0.1:8082/sources
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/guard"
	"github.com/halberdhq/halberd/storage/sqlite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, "embed-data", "127.0.0.1:8082", os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // the end of main
	}
}

// open reads the keys in dir into memory. The very first time it makes an admin
// key and keeps it in dir/admin.key: move it to a safe place.
func open(ctx context.Context, dir string) (*halberd.Service, error) {
	store, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	keys, err := halberd.New(ctx, store, halberd.Options{})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	_, err = keys.FirstStart(ctx, func(admin halberd.Secret) error {
		return os.WriteFile(filepath.Join(dir, "admin.key"), []byte(admin.Reveal()+"\n"), 0o600)
	})
	if err != nil {
		return nil, errors.Join(err, keys.Close())
	}
	return keys, nil
}

// protect is the API, behind what each route asks of a key.
func protect(keys guard.Verifier) (http.Handler, error) {
	g, err := guard.New(keys, guard.Routes{
		"GET /sources":  {Scope: "read"},
		"POST /sources": {Scope: "write"},
	}, guard.Options{})
	if err != nil {
		return nil, err
	}
	api := http.NewServeMux()
	api.HandleFunc("/sources", sources)
	return g.Protect(api), nil
}

// sources knows nothing of keys but who called.
func sources(w http.ResponseWriter, r *http.Request) {
	caller, _ := guard.From(r.Context())
	_, _ = io.WriteString(w, "called by "+caller.KeyID.String()+"\n")
}

// run serves until ctx ends, and says where on out.
func run(ctx context.Context, dir, address string, out io.Writer) error {
	keys, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { _ = keys.Close() }() // writes the last second of counts
	handler, err := protect(keys)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s\n", l.Addr())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer ended()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
