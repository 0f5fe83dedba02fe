package cli

import (
	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
)

func (a *app) membersList() *cobra.Command {
	var q client.MemberQuery
	var many paging
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: words(),
		Short:   "List members, oldest first",
		Example: `  hb members list`,
	}
	c.Flags().StringVar(&q.OrganizationID, "organization", "", "of another organization (operators)")
	many.on(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		api, err := a.connect()
		if err != nil {
			return err
		}
		q.PageOf = many.first()
		return memberListing.print(a, api.Members.All(cmd.Context(), q), many)
	}
	return c
}
