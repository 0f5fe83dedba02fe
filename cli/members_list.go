package cli

import (
	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
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
		if err := many.check(); err != nil {
			return err
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		q.PageOf = many.first()
		ms, more, err := collect(api.Members.All(cmd.Context(), q), many)
		if err != nil {
			return err
		}
		err = a.show(ms, func(p *page) {
			rows(a, p, memberHeads, ms, func(m *wire.Member) string { return m.MemberID }, memberRow)
		})
		a.afterList(len(ms), more, "members", err)
		return err
	}
	return c
}
