package cli

import (
	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func (a *app) organizationsCreate() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "create --name <name>", Args: words(),
		Short:   "Make an organization and its default project (operators)",
		Example: `  hb organizations create --name "Acme Ltd"`,
	}
	c.Flags().StringVar(&name, "name", "", "what people call it (up to 255 characters)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if name == "" {
			return usage("an organization needs a --name")
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		o, err := api.Organizations.Create(cmd.Context(), wire.CreateOrganization{Name: name})
		if err != nil {
			return err
		}
		return a.showOrganization(&o)
	}
	return c
}
