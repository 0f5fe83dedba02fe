package cli

import (
	"github.com/spf13/cobra"
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
		api, err := a.connect()
		if err != nil {
			return err
		}
		return organizationListing.print(a, api.Organizations.All(cmd.Context(), many.first()), many)
	}
	return c
}
