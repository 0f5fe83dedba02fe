package cli

import "github.com/spf13/cobra"

func (a *app) profileUse() *cobra.Command {
	return &cobra.Command{
		Use: "use <name>", Args: words("the name of a profile"),
		Short:   "Make a profile the current one",
		Example: `  hb profile use prod`,
		RunE: func(_ *cobra.Command, args []string) error {
			book, name, p, err := a.theProfile(args[0])
			if err != nil {
				return err
			}
			book.Current = name
			if err := a.writeSettings("profiles.yaml", book); err != nil {
				return err
			}
			a.say("The profile %s is in use now: %s.", name, p.URL)
			if a.getenv("HB_API_KEY") != "" || a.getenv("HB_URL") != "" || a.getenv("HB_API_KEY_FILE") != "" {
				a.say("hb: but HB_URL or HB_API_KEY is set, and with either of them no profile is read")
			}
			return nil
		},
	}
}
