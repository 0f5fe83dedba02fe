package cli

import (
	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func (a *app) projectsCreate() *cobra.Command {
	var pf projectFlags
	var organization string
	c := &cobra.Command{
		Use: "create --name <name>", Args: words(),
		Short: "Make a project",
		Example: `  hb projects create --name Production --key-prefix acme_live
  hb projects create --name Sandbox --default-expires-in 30 --rate-limit 100/1m`,
	}
	f := c.Flags()
	pf.on(c)
	f.StringVar(&organization, "organization", "", "in another organization (operators)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if pf.name == "" {
			return usage("a project needs a --name")
		}
		v, err := pf.read(cmd)
		if err != nil {
			return err
		}
		in := wire.CreateProject{
			Name: pf.name, KeyPrefix: v.prefix, KeyCeiling: v.ceiling, DefaultScopes: v.defaultScopes,
			DefaultExpiresInDays: v.defaultExpires, MaxExpiresInDays: v.maxExpires, RateLimits: v.rateLimits,
		}
		if organization != "" {
			in.OrganizationID = wire.Some(organization)
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		p, err := api.Projects.Create(cmd.Context(), in)
		if err != nil {
			return err
		}
		return a.showProject(&p)
	}
	return c
}
