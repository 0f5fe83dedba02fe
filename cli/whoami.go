package cli

import "github.com/spf13/cobra"

func (a *app) whoami() *cobra.Command {
	return &cobra.Command{
		Use: "whoami", GroupID: groupAccess, Args: words(),
		Short:   "Show the key in use, and the server",
		Example: `  hb whoami`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.source()
			if err != nil {
				return err
			}
			api, err := a.dial(s)
			if err != nil {
				return err
			}
			k, err := api.WhoAmI(cmd.Context())
			if err != nil {
				return err
			}
			a.tell("The key of %s, at %s:\n", s.from, s.at)
			return a.show(&k, func(p *page) {
				if a.quiet {
					p.line(k.KeyID)
					return
				}
				describeKey(p, &k.Key)
				describeLimits(p, k.Limits)
			})
		},
	}
}
