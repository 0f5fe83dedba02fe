package cli

import (
	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func (a *app) organizationsUpdate() *cobra.Command {
	var name string
	var on, off bool
	c := &cobra.Command{
		Use: "update <id>", Aliases: []string{"edit"}, Args: words("the id of an organization"),
		Short:   "Rename, suspend or resume an organization (operators)",
		Example: `  hb organizations update org_01h455vb4pex5vsknk084sn02q --inactive`,
	}
	f := c.Flags()
	f.StringVar(&name, "name", "", "what people call it (up to 255 characters)")
	f.BoolVar(&on, "active", false, "let its keys work (again)")
	f.BoolVar(&off, "inactive", false, "refuse all its keys, for now")
	c.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if err := something(cmd); err != nil {
			return err
		}
		var in wire.UpdateOrganization
		if f.Changed("name") {
			in.Name = wire.Some(name)
		}
		if in.Active, err = switches(on, off); err != nil {
			return err
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		o, err := api.Organizations.Update(cmd.Context(), args[0], in)
		if err != nil {
			return err
		}
		return a.showOrganization(&o)
	}
	return c
}
