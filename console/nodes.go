package console

import (
	"net/http"
	"time"

	"github.com/halberdhq/halberd"
)

type nodesView struct {
	Nodes  []nodeRow
	Shared bool // several processes may share the store
}

type nodeRow struct {
	halberd.NodeInfo
	Seen string
}

// nodesPage lists the servers that answer from one database, for operators.
func nodesPage(x *exchange) error {
	list, err := x.c.svc.Nodes(x.r.Context(), x.by)
	if err != nil {
		return err
	}
	v := nodesView{Shared: x.c.svc.Stats().Node != nil}
	now := x.c.svc.Now()
	for _, n := range list {
		v.Nodes = append(v.Nodes, nodeRow{n, heard(now.Sub(n.SeenAt))})
	}
	return x.render(http.StatusOK, "nodes.html", "Nodes", "nodes", v)
}

// heard is how long ago a node was heard of.
func heard(ago time.Duration) string {
	switch {
	case ago < time.Second:
		return "now"
	case ago < 2*time.Minute: // a lease is a matter of seconds
		return plural(int(ago/time.Second), "second", "seconds") + " ago"
	}
	return lasted(ago) + " ago"
}
