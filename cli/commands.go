package cli

import "github.com/spf13/cobra"

// commands is the directory of hb: every verb has its line here.
func (a *app) commands(extra []*cobra.Command) *cobra.Command {
	root := &cobra.Command{
		Use:           "hb",
		Short:         "Make, check and revoke API keys",
		Version:       a.version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.AddCommand(extra...)
	return root
}
