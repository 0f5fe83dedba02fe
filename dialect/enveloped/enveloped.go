// Package enveloped is the canonical dialect, /v1: S2's envelope over the whole
// product.
package enveloped

import (
	"log/slog"
	"net/http"

	"github.com/halberdhq/halberd"
)

// Handler serves /v1/…, paths included. Mount it where nothing cleans or
// redirects paths first: `//` and `..` are its own 404.
func Handler(svc *halberd.Service, log *slog.Logger) http.Handler {
	_, _ = svc, log
	return http.NotFoundHandler()
}
