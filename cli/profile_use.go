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
			a.noteShadow()
			return nil
		},
	}
}

// noteShadow says when the profile that was just chosen will not be read.
func (a *app) noteShadow() {
	for _, name := range []string{"HB_URL", "HB_API_KEY", "HB_API_KEY_FILE"} {
		if a.getenv(name) != "" {
			a.say("hb: but %s is set, and with it no profile is read", name)
		}
	}
}
