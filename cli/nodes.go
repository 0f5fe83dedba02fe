package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// nodes lists the servers that share a database.
func (a *app) nodes() *cobra.Command {
	return &cobra.Command{
		Use: "nodes", GroupID: groupAccess, Args: words(),
		Short:   "List the servers that share the database, for operators",
		Example: `  hb nodes`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := a.connect()
			if err != nil {
				return err
			}
			list, err := api.Nodes(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(list, func(p *page) {
				rows(a, p, []string{"ID", "NAME", "STATE", "REVISION", "BEHIND", "LEASE", "SEEN", "VERSION"}, list,
					func(n *wire.Node) string { return n.NodeID }, nodeRow)
			})
		},
	}
}

func nodeRow(n *wire.Node) []cell {
	name := n.Name
	if n.This {
		name += " (this)"
	}
	lease := "none needed"
	if n.LeaseSeconds > 0 {
		lease = time.Duration(n.LeaseSeconds * float64(time.Second)).String()
	}
	return []cell{
		text(n.NodeID), text(name), {n.State, map[string]string{"active": green, "joining": yellow, "fenced": red}[n.State]},
		text(fmt.Sprint(n.Revision)), text(fmt.Sprint(n.Behind)), text(lease), text(instant(&n.SeenAt)), text(n.Version),
	}
}
