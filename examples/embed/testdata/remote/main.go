// Command remote is an API behind guard that asks a server.
package main

import (
	"net/http"
	"os"
	"time"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/guard"
)

func main() {
	keys, err := client.New("http://127.0.0.1:8080", os.Getenv("HB_API_KEY"))
	if err != nil {
		panic(err)
	}
	g, err := guard.New(keys, guard.Routes{"GET /sources": {Scope: "read"}}, guard.Options{})
	if err != nil {
		panic(err)
	}
	api := http.NewServeMux()
	api.HandleFunc("GET /sources", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	_ = (&http.Server{Addr: "127.0.0.1:8082", Handler: g.Protect(api), ReadHeaderTimeout: time.Second}).ListenAndServe()
}
