// Package plain is S3's dialect, /api/api-keys: bare camelCase bodies.
package plain

import (
	"log/slog"
	"net/http"

	"github.com/halberdhq/halberd"
)

// Handler serves /api/…, paths included. Mount it where nothing cleans or
// redirects paths first: `//` and `..` are its own 404.
func Handler(svc *halberd.Service, log *slog.Logger) http.Handler {
	_, _ = svc, log
	return http.NotFoundHandler()
}
