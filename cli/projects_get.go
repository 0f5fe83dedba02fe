package cli

import "github.com/spf13/cobra"

func (a *app) projectsGet() *cobra.Command {
	return &cobra.Command{
		Use: "get <id>", Aliases: []string{"show"}, Args: words("the id of a project"),
		Short:   "Show one project",
		Example: `  hb projects get prj_01h455vb4pex5vsknk084sn02q`,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := a.connect()
			if err != nil {
				return err
			}
			p, err := api.Projects.Get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.showProject(&p)
		},
	}
}
