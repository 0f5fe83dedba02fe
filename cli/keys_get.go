package cli

import "github.com/spf13/cobra"

func (a *app) keysGet() *cobra.Command {
	return &cobra.Command{
		Use: "get <id>", Aliases: []string{"show"}, Args: words("the id of a key"),
		Short:   "Show one API key, without its secret",
		Example: `  hb api-keys get key_01h455vb4pex5vsknk084sn02q`,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := a.connect()
			if err != nil {
				return err
			}
			k, err := api.Keys.Get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.showKey(&k)
		},
	}
}
