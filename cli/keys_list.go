package cli

import (
	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
)

func (a *app) keysList() *cobra.Command {
	var q client.KeyQuery
	var states []string
	var many paging
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: words(),
		Short: "List API keys",
		Long: "List the keys that the key in use reaches, newest first, without the revoked ones.\n" +
			"A list never shows secrets: they cannot be retrieved.",
		Example: `  hb api-keys list
  hb api-keys list --state active,expired --sort -last_used_at
  hb api-keys list --unused-since 90d -o json`,
	}
	f := c.Flags()
	f.Var(several(&states, "list"), "state", "active, inactive, expired, revoked")
	f.StringVar(&q.Scope, "scope", "", "only keys with this scope")
	f.StringVar(&q.Search, "search", "", "text in the name, prefix, id or external id")
	f.StringVar(&q.ExternalID, "external-id", "", "only keys of this customer of yours")
	f.StringVar(&q.OwnedBy, "owned-by", "", "only keys of this member")
	f.StringVar(&q.ProjectID, "project", "", "only keys of this project")
	f.StringVar(&q.OrganizationID, "organization", "", "keys of another organization (operators)")
	f.StringVar(&q.ExpiresBefore, "expires-before", "", "an instant, a date, or a time from now such as 30d")
	f.StringVar(&q.UnusedSince, "unused-since", "", "an instant, a date, or a time ago such as 90d; never used counts")
	f.StringVar(&q.Sort, "sort", "", "created_at, label, expires_at or last_used_at; - before it reverses")
	mayBeEmpty(c, "search")
	many.on(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		api, err := a.connect()
		if err != nil {
			return err
		}
		q.States = commas(states)
		q.ExpiresBefore, q.UnusedSince = a.ahead(q.ExpiresBefore), a.ago(q.UnusedSince)
		q.PageOf = many.first()
		return keyListing.print(a, api.Keys.All(cmd.Context(), q), many)
	}
	return c
}
