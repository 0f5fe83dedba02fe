package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func (a *app) membersInvite() *cobra.Command {
	var email, role, organization string
	var operator bool
	c := &cobra.Command{
		Use: "invite --email <address>", Args: words(),
		Short: "Invite a person by a link",
		Long: "Invite a person. The link is written to stdout, once, and is good for seven days. No\n" +
			"mail is sent: hand the link on yourself.",
		Example: `  hb members invite --email ana@example.com
  hb members invite --email bo@example.com --role admin -q`,
	}
	f := c.Flags()
	f.StringVar(&email, "email", "", "the person's address, which they sign in with")
	f.StringVar(&role, "role", "read", "read, write or admin")
	f.BoolVar(&operator, "operator", false, "may run the instance (operators)")
	f.StringVar(&organization, "organization", "", "into another organization (operators)")
	_ = c.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"read", "write", "admin"}, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if email == "" {
			return usage("an invitation needs an --email")
		}
		in := wire.InviteMember{Email: email, Role: role}
		if operator {
			in.Operator = wire.Some(true)
		}
		if organization != "" {
			in.OrganizationID = wire.Some(organization)
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		m, err := api.Members.Invite(cmd.Context(), in)
		if e, ok := errors.AsType[*client.Error](err); ok && e.Code == client.CodeUnreachable {
			a.say("hb: whether %s is invited is not known; `hb members list` tells", email)
		}
		if err != nil {
			return err
		}
		return a.showLink(&m)
	}
	return c
}

func (a *app) membersInviteAgain() *cobra.Command {
	return &cobra.Command{
		Use: "invite-again <id>", Args: words("the id of a member"),
		Short: "Give a member a new link",
		Long: "Give a member a new link, for an invitation that ended or a password that was\n" +
			"forgotten. The former link, their sessions and their password end at once.",
		Example: `  hb members invite-again mem_01h455vb4pex5vsknk084sn02q`,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := a.connect()
			if err != nil {
				return err
			}
			m, err := api.Members.InviteAgain(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.showLink(&m)
		},
	}
}
