package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"github.com/halberdhq/halberd/gateway/extauthz"
)

// openExtAuthz opens the door for gateways that ask by gRPC, where there is to
// be one. Until every key is loaded it refuses.
func (in *instance) openExtAuthz(ctx context.Context, c Config) error {
	if c.ExtAuthzListen == "" {
		return nil
	}
	l, err := listenApart(ctx, "ext_authz_listen", c.ExtAuthzListen)
	if err != nil {
		return err
	}
	in.warnExposed(c, "ext_authz_listen", c.ExtAuthzListen)
	var certificates *tls.Config
	if in.certs != nil && l.Addr().Network() != "unix" { // who reaches a socket is decided by its rights
		certificates = in.certs.config()
	}
	in.extAuthz = extauthz.NewServer(extauthz.New(in.doors, in.log), certificates, in.serves)
	in.log.Info("ext_authz is answered", "listen", l.Addr().String())
	in.serving.Go(func() {
		if err := in.extAuthz.Serve(l); err != nil {
			in.failed <- fmt.Errorf("listening on %s: %w", l.Addr(), err)
		}
	})
	return nil
}

// listenApart listens where a setting says, on an address or a socket. The socket
// is for the owner's group as well: a gateway runs as somebody else.
func listenApart(ctx context.Context, setting, at string) (net.Listener, error) {
	path, ok := strings.CutPrefix(at, "unix:")
	if !ok {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", at)
		if err != nil {
			return nil, unheard(setting, err)
		}
		return l, nil
	}
	l, err := listenSocket(ctx, path, 0o660)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return l, nil
}

// serves reports whether checks are answered.
func (in *instance) serves() bool {
	return in.service.Load() != nil && !in.stopping.Load()
}
