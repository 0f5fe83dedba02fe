package client

import (
	"context"
	"net/http"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// Verify asks whether a key may do something. A refusal is a Verdict; an error
// means that the answer is not known, and whoever asked must refuse. The key
// that is asked about travels in the body only.
func (c *Client) Verify(ctx context.Context, in wire.Verify) (wire.Verdict, error) {
	a, err := send[wire.Verdict](ctx, c.conn, call{
		method: http.MethodPost, path: "api-keys/verify", body: in, spends: true,
	})
	if err != nil {
		return wire.Verdict{}, err
	}
	return a.Data, nil
}

// WhoAmI is this client's key looking at itself.
func (c *Client) WhoAmI(ctx context.Context) (wire.WhoAmI, error) {
	a, err := send[wire.WhoAmI](ctx, c.conn, call{method: http.MethodGet, path: "whoami"})
	return a.Data, err
}
