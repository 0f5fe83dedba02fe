package cli

import (
	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func (a *app) organizationsList() *cobra.Command {
	var many paging
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: words(),
		Short:   "List organizations, oldest first (operators)",
		Example: `  hb organizations list`,
	}
	many.on(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := many.check(); err != nil {
			return err
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		os, more, err := collect(api.Organizations.All(cmd.Context(), many.first()), many)
		if err != nil {
			return err
		}
		err = a.show(os, func(p *page) {
			rows(a, p, organizationHeads, os, func(o *wire.Organization) string { return o.OrganizationID }, organizationRow)
		})
		a.afterList(len(os), more, "organizations", err)
		return err
	}
	return c
}
