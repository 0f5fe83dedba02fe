package cli

import (
	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func (a *app) projectsUpdate() *cobra.Command {
	var pf projectFlags
	var on, off, standard bool
	c := &cobra.Command{
		Use: "update <id>", Aliases: []string{"edit"}, Args: words("the id of a project"),
		Short: "Change a project",
		Long:  "Change a project. What no flag names stays as it is. An inactive project refuses all\nits keys, and can be activated again.",
		Example: `  hb projects update prj_01h455vb4pex5vsknk084sn02q --name Staging
  hb projects update prj_01h455vb4pex5vsknk084sn02q --inactive`,
	}
	f := c.Flags()
	pf.on(c)
	f.BoolVar(&on, "active", false, "let its keys work (again)")
	f.BoolVar(&off, "inactive", false, "refuse all its keys, for now")
	f.BoolVar(&standard, "default", false, "where keys go when nobody names a project")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := something(cmd); err != nil {
			return err
		}
		v, err := pf.read(cmd)
		if err != nil {
			return err
		}
		in := wire.UpdateProject{
			Name: v.name, KeyPrefix: v.prefix, KeyCeiling: v.ceiling, DefaultScopes: v.defaultScopes,
			DefaultExpiresInDays: v.defaultExpires, MaxExpiresInDays: v.maxExpires, RateLimits: v.rateLimits,
		}
		if in.Active, err = switches(on, off); err != nil {
			return err
		}
		if f.Changed("default") {
			in.Default = wire.Some(standard)
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		p, err := api.Projects.Update(cmd.Context(), args[0], in)
		if err != nil {
			return err
		}
		return a.showProject(&p)
	}
	return c
}
