// Command bare is what the others are measured against: net/http and nothing
// else.
package main

import (
	"net/http"
	"time"
)

func main() {
	api := http.NewServeMux()
	api.HandleFunc("GET /sources", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	_ = (&http.Server{Addr: "127.0.0.1:8082", Handler: api, ReadHeaderTimeout: time.Second}).ListenAndServe()
}
