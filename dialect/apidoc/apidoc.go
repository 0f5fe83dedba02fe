// Package apidoc describes the dialects and the doors: the OpenAPI document, made from their
// tables, and the page that renders it.
package apidoc

import "net/http"

// Handler serves /openapi.json, /docs and the page's own files below /docs/,
// to anyone.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /openapi.json", document(Document()))
	docs := newPage()
	mux.Handle("GET /docs", docs)
	mux.Handle("GET /docs/{$}", docs)
	mux.Handle("GET /docs/{file}", docs)
	return mux
}

// document serves the document to pages of any origin: it says nothing that is
// not public, and the page below is sandboxed, so that even its own server is
// another origin to it.
func document(text []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		_, _ = w.Write(text)
	})
}
