package cli

import (
	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func (a *app) membersUpdate() *cobra.Command {
	var name, role string
	var operator, on, off bool
	c := &cobra.Command{
		Use: "update <id>", Aliases: []string{"edit"}, Args: words("the id of a member"),
		Short: "Change a member",
		Long: "Change a member. What no flag names stays as it is. A new role and --inactive end their\n" +
			"sessions at once. The organization's last admin stays one.",
		Example: `  hb members update mem_01h455vb4pex5vsknk084sn02q --role read
  hb members update mem_01h455vb4pex5vsknk084sn02q --inactive`,
	}
	f := c.Flags()
	f.StringVar(&name, "name", "", "what people call them (up to 255 characters)")
	mayBeEmpty(c, "name")
	f.StringVar(&role, "role", "", "read, write or admin")
	f.BoolVar(&operator, "operator", false, "may run the instance, or with =false not any more (operators)")
	f.BoolVar(&on, "active", false, "let them sign in (again)")
	f.BoolVar(&off, "inactive", false, "sign them out everywhere and keep them out, for now")
	_ = c.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"read", "write", "admin"}, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := something(cmd); err != nil {
			return err
		}
		var in wire.UpdateMember
		if f.Changed("name") {
			in.Name = wire.Some(name)
		}
		if f.Changed("role") {
			in.Role = wire.Some(role)
		}
		if f.Changed("operator") {
			in.Operator = wire.Some(operator)
		}
		var err error
		if in.Active, err = switches(on, off); err != nil {
			return err
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		m, err := api.Members.Update(cmd.Context(), args[0], in)
		if err != nil {
			return err
		}
		return a.showMember(&m)
	}
	return c
}
