package client

import (
	"context"
	"net/url"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// Nodes lists the servers that share the database, for operators.
func (c *Client) Nodes(ctx context.Context) ([]wire.Node, error) {
	p, err := page[wire.Node](ctx, c.conn, "nodes", url.Values{})
	return p.Items, err
}
