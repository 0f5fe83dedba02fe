package cli

import (
	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
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
		if err := many.check(); err != nil {
			return err
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		q.PageOf = many.first()
		ps, more, err := collect(api.Projects.All(cmd.Context(), q), many)
		if err != nil {
			return err
		}
		err = a.show(ps, func(p *page) {
			rows(a, p, projectHeads, ps, func(pr *wire.Project) string { return pr.ProjectID }, projectRow)
		})
		a.afterList(len(ps), more, "projects", err)
		return err
	}
	return c
}
