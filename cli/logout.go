package cli

import (
	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
)

func (a *app) logout() *cobra.Command {
	var asked string
	c := &cobra.Command{
		Use: "logout", GroupID: groupAccess, Args: words(),
		Short: "Forget a profile and its key",
		Long: "Forget a profile and the key that is kept for it. The key itself goes on working; to\n" +
			"end it, revoke it first with hb api-keys delete.",
		Example: `  hb logout
  hb logout --profile staging`,
	}
	c.Flags().StringVar(&asked, "profile", "", "which profile (default: the current one)")
	c.RunE = func(*cobra.Command, []string) error {
		book, name, p, err := a.theProfile(asked)
		if err != nil {
			return err
		}
		if at, err := client.ParseURL(p.URL); err == nil {
			if err := a.dropKey(name, at.String(), p.Store); err != nil {
				return err
			}
		}
		delete(book.Profiles, name)
		if book.Current == name {
			book.Current = ""
		}
		if err := a.writeSettings("profiles.yaml", book); err != nil {
			return err
		}
		a.say("Forgot the profile %s and its key. The key itself still works.", name)
		return nil
	}
	return c
}

// theProfile is the one that was asked for, else that of HB_PROFILE or the file.
func (a *app) theProfile(asked string) (book profiles, name string, p profile, err error) {
	if book, err = a.readProfiles(); err != nil {
		return book, "", p, err
	}
	name = book.pick(asked, a.getenv("HB_PROFILE"))
	if name == "" {
		return book, "", p, usage("no profile is in use; `hb profile list` shows those there are")
	}
	p, ok := book.Profiles[name]
	if !ok {
		return book, "", p, &problem{exit: exitNotFound, text: "there is no profile " + name + "; `hb profile list` shows those there are"}
	}
	return book, name, p, nil
}
