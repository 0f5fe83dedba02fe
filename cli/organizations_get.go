package cli

import "github.com/spf13/cobra"

func (a *app) organizationsGet() *cobra.Command {
	return &cobra.Command{
		Use: "get <id>", Aliases: []string{"show"}, Args: words("the id of an organization"),
		Short:   "Show one organization (operators)",
		Example: `  hb organizations get org_01h455vb4pex5vsknk084sn02q`,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := a.connect()
			if err != nil {
				return err
			}
			o, err := api.Organizations.Get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.showOrganization(&o)
		},
	}
}
