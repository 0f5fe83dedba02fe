package cli

import (
	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
)

func (a *app) login() *cobra.Command {
	var file bool
	var url, name string
	c := &cobra.Command{
		Use: "login", GroupID: groupAccess, Args: words(),
		Short: "Keep a key for a server, as a profile",
		Long: "Keep a key for a server. The key is typed without being shown, or read from stdin; it\n" +
			"is tried, kept in the keyring of the system, else in a file of mode 0600, and the\n" +
			"profile becomes the current one.",
		Example: `  hb login --url https://keys.example.com
  hb login --url https://keys.example.com --profile prod < key.txt`,
	}
	f := c.Flags()
	f.StringVar(&url, "url", defaultURL, "the server's address")
	f.StringVar(&name, "profile", "default", "the name of the profile")
	f.BoolVar(&file, "no-keyring", false, "keep the key in a file of mode 0600")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := validProfile(name); err != nil {
			return err
		}
		at, err := a.address("--url", url)
		if err != nil {
			return err
		}
		book, err := a.readProfiles() // before the key is asked for: it may be broken
		if err != nil {
			return err
		}
		key, err := a.readSecret(cmd.Context(), "API key for "+at.String()+": ")
		if err != nil {
			return err
		}
		api, err := a.dial(source{at, key, "the key"})
		if err != nil {
			return err
		}
		k, err := api.WhoAmI(cmd.Context())
		if err != nil {
			return err
		}
		store, err := a.keepKey(name, at.String(), key, file)
		if err != nil {
			return err
		}
		old, had := book.Profiles[name]
		book.Profiles[name] = profile{URL: at.String(), Store: store}
		book.Current = name
		if err := a.writeSettings("profiles.yaml", book); err != nil {
			return err
		}
		if had {
			a.dropOld(name, old, book.Profiles[name])
		}
		a.say("The profile %s is in use now: %s, %s (scopes %s).", name, at, called(&k.Key), list(k.Scopes))
		if store == inKeyring {
			a.say("The key is in the system's keyring.")
		} else {
			path, _ := a.settingsPath("credentials.yaml")
			a.say("The key is in %s, readable by you alone, and not encrypted.", path)
		}
		a.noteShadow()
		return nil
	}
	return c
}

// dropOld forgets the key that a profile had before, where the new one did not
// take its place. Failing to is not worth failing the login.
func (a *app) dropOld(name string, old, now profile) {
	was, err := client.ParseURL(old.URL)
	if err != nil {
		return
	}
	if old.Store == inFile && now.Store == inFile || old.Store == inKeyring && now == old {
		return
	}
	if err := a.dropKey(name, was.String(), old.Store); err != nil {
		a.say("hb: the former key of this profile is still kept: %v", err)
	}
}
