package cli

import (
	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
)

func (a *app) projectsList() *cobra.Command {
	var q client.ProjectQuery
	var many paging
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: words(),
		Short:   "List projects, oldest first",
		Example: `  hb projects list`,
	}
	c.Flags().StringVar(&q.OrganizationID, "organization", "", "of another organization (operators)")
	many.on(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		api, err := a.connect()
		if err != nil {
			return err
		}
		q.PageOf = many.first()
		return projectListing.print(a, api.Projects.All(cmd.Context(), q), many)
	}
	return c
}
