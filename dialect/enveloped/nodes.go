package enveloped

import (
	"net/http"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

func nodeOperations() []request.Operation {
	return []request.Operation{{
		Method: http.MethodGet, Path: "/v1/nodes", Name: "listNodes", Status: http.StatusOK,
		Summary: "List the servers that share the database",
		Doc:     "For operators. With SQLite there is one.",
		Action:  halberd.ActionReadNodes, Handling: request.Answers(listNodes),
	}}
}

func listNodes(c *request.Call) (out many[wire.Node], err error) {
	list, err := c.Service.Nodes(c.Context(), c.Actor)
	if err != nil {
		return out, err
	}
	return manyOf(c, list, "", node), nil
}

func node(n *halberd.NodeInfo) wire.Node {
	return wire.Node{
		NodeID: n.Life, Name: n.Name, This: n.This, State: string(n.State), Revision: n.Revision, Behind: n.Behind,
		LeaseSeconds: n.Lease.Seconds(), SeenAt: n.SeenAt, Version: n.Version,
	}
}
