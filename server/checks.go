package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fastlane"
)

// checkPaths is everything that the listener for checks answers.
var checkPaths = [...]string{
	"/v1/auth/forward", "/v1/auth/nginx", "/v1/api-keys/verify", "/v1/api-keys/verify-batch", "/healthz", "/readyz",
}

// openChecks opens the listener for checks alone, where there is to be one. The
// rooms behind it are those of the public one.
func (in *instance) openChecks(ctx context.Context, c Config) error {
	if c.CheckListen == "" {
		return nil
	}
	l, err := listenApart(ctx, "check_listen", c.CheckListen)
	if err != nil {
		return err
	}
	in.warnExposed(c, "check_listen", c.CheckListen)
	at := l.Addr()
	l = in.bounds.bound(l)
	if in.certs != nil && at.Network() != "unix" {
		config := in.certs.config()
		config.NextProtos = []string{"http/1.1"}
		l = tls.NewListener(l, config)
	}
	in.checks = fastlane.New(in.onlyChecks(), at, fastlane.Options{
		MaxHeader: maxHeader, MaxBody: maxCheckBody,
		ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 60 * time.Second,
		Answered: func(c net.Conn) { in.bounds.state(c, http.StateIdle) },
		Refuse:   unread,
	})
	in.log.Info("checks are answered", "listen", at.String())
	in.serving.Go(func() {
		if err := in.checks.Serve(l); err != nil {
			in.failed <- fmt.Errorf("listening on %s: %w", at, err)
		}
	})
	return nil
}

// onlyChecks answers checkPaths.
func (in *instance) onlyChecks() http.HandlerFunc {
	elsewhere := refusal(http.StatusNotFound, halberd.CodeNotFound, "not found here: this listener answers checks only")
	return func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(checkPaths[:], r.URL.Path) {
			in.answer(w, r)
		} else {
			elsewhere(w, r)
		}
	}
}

// maxCheckBody is more than the dialect takes, so that as a rule the dialect says
// what is too large, and to whom.
const maxCheckBody = 256 << 10

// unread answers a request that is not understood.
func unread(w http.ResponseWriter, r *http.Request, status int) {
	switch status {
	case http.StatusRequestEntityTooLarge:
		refusal(status, halberd.CodePayloadTooLarge, "the body is too large")(w, r)
	case http.StatusRequestHeaderFieldsTooLarge:
		refusal(status, halberd.CodeHeadersTooLarge, "the headers are larger than 16 KiB")(w, r)
	default:
		refusal(status, halberd.CodeInvalid, "the request could be read in more than one way, or not at all")(w, r)
	}
}
