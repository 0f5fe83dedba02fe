package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// The headings of `hb --help`.
const (
	groupKeys   = "keys"
	groupPeople = "people"
	groupAccess = "access"
	groupServer = "server"
)

// commands is the directory of hb: every verb has its line here.
func (a *app) commands(extra []*cobra.Command) *cobra.Command {
	root := a.group("hb", "Make, check and revoke API keys", "")
	root.Long = "hb makes, checks and revokes API keys on a Halberd server.\n\n" +
		"The server and the key come from HB_URL and HB_API_KEY (or HB_API_KEY_FILE), else\n" +
		"from a profile that `hb login` made. A key is never given as an argument."
	root.Example = `  hb login --url https://keys.example.com
  hb api-keys create --name "CI Key" --scopes read --expires-in 90d
  hb api-keys list`
	root.Version = a.version
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetVersionTemplate("hb {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage("%v (see %s --help)", err, c.CommandPath()) })
	root.AddGroup(
		&cobra.Group{ID: groupKeys, Title: "Keys:"},
		&cobra.Group{ID: groupPeople, Title: "People:"},
		&cobra.Group{ID: groupAccess, Title: "Access:"},
	)
	root.AddCommand(
		a.talks(a.group("api-keys", "Make, list, change and revoke API keys", groupKeys,
			a.keysList(), a.keysCreate(), a.keysGet(), a.keysUpdate(), a.keysRotate(), a.keysDelete(),
			a.group("bulk", "Revoke, deactivate or activate many API keys at once", "",
				a.bulkVerb(bulkRevoke), a.bulkVerb(bulkDeactivate), a.bulkVerb(bulkActivate)))),
		a.talks(a.verify()),
		a.talks(a.group("projects", "Where keys live: their prefix, ceiling and defaults", groupKeys,
			a.projectsList(), a.projectsCreate(), a.projectsGet(), a.projectsUpdate(), a.projectsDelete())),
		a.talks(a.group("organizations", "The tenants of an instance, for operators", groupPeople,
			a.organizationsList(), a.organizationsCreate(), a.organizationsGet(), a.organizationsUpdate())),
		a.talks(a.group("members", "The people who sign in to the console", groupPeople,
			a.membersList(), a.membersGet(), a.membersInvite(), a.membersInviteAgain(), a.membersUpdate(), a.membersRemove())),
		a.talksIn(a.usageVerb(), "plot, table, json, yaml or csv", usageFormats),
		a.talks(a.group("webhooks", "Where to send what happens: addresses, Slack, email", groupKeys,
			a.webhooksList(), a.webhooksCreate(), a.webhooksGet(), a.webhooksUpdate(), a.webhooksDelete(),
			a.webhooksRotateSecret(), a.webhooksTest(), a.webhooksDeliveries(), a.webhooksRedeliver())),
		a.talks(a.group("alerts", "What the server noticed, and what it looks for", groupKeys,
			a.alertsList(), a.alertsGet(), a.alertsAcknowledge(), a.alertsSilence(),
			a.alertsRules(), a.alertsCreateRule(), a.alertsUpdateRule(), a.alertsDeleteRule())),
		a.talks(a.events()),
		a.talks(a.audit()),
		a.talks(a.whoami()),
		a.talks(a.nodes()),
		a.login(),
		a.logout(),
		a.group("profile", "The servers that hb knows", groupAccess,
			a.profileList(), a.profileUse(), a.profileShow()),
		a.versionVerb(),
	)
	for _, c := range root.Commands() {
		c.PersistentPreRunE = refuseEmpty
	}
	if len(extra) > 0 { // cobra prints a heading even over nothing
		root.AddGroup(&cobra.Group{ID: groupServer, Title: "Server:"})
		for _, c := range extra {
			a.adopt(c)
		}
		root.AddCommand(extra...)
	}
	completeWithoutFiles(root)
	return root
}

// completeWithoutFiles ends the shell's habit of offering files: no verb takes
// one as a word.
func completeWithoutFiles(c *cobra.Command) {
	if c.ValidArgsFunction == nil {
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, below := range c.Commands() {
		completeWithoutFiles(below)
	}
}

// group is a command that only holds others. Cobra answers an unknown word
// under one with the help text and exit code 0; a script must not take that
// for done.
func (a *app) group(use, short, heading string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, GroupID: heading, Args: cobra.ArbitraryArgs,
		SuggestionsMinimumDistance: 1, // letter; zero would find beginnings only
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			hint := ""
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				hint = "; did you mean " + strings.Join(near, " or ") + "?"
			}
			return usage("%s has no command %q%s (see %s --help)", cmd.CommandPath(), clean(args[0]), hint, cmd.CommandPath())
		},
	}
	c.AddCommand(verbs...)
	return c
}

// connectionFlags are the names of what talks adds.
var connectionFlags = []string{"url", "profile", "output", "no-color", "quiet"}

// talks gives a verb, and all below it, the flags of those that talk to a
// server.
func (a *app) talks(c *cobra.Command) *cobra.Command {
	return a.talksIn(c, "table, json or yaml", formats)
}

// talksIn is talks for a verb with formats of its own.
func (a *app) talksIn(c *cobra.Command, help string, formats []string) *cobra.Command {
	f := c.PersistentFlags()
	f.StringVar(&a.url, "url", "", "the server's address")
	f.StringVar(&a.profile, "profile", "", "the profile to use (default: the current one)")
	f.VarP(output{&a.format, formats}, "output", "o", help)
	f.BoolVar(&a.noColor, "no-color", false, "no colors (also: NO_COLOR)")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "only the key or the ids, no words")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// adopt puts a verb of the server under its heading and makes a wrong use of
// it exit as ours do.
func (a *app) adopt(c *cobra.Command) {
	if c.GroupID == "" {
		c.GroupID = groupServer
	}
	if judge := c.Args; judge != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := judge(cmd, args); err != nil {
				return usage("%v", err)
			}
			return nil
		}
	}
}

// words is the rule for a verb that takes exactly these positional arguments.
// What was given too much is not repeated: it may be a secret.
func words(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usage("%s needs %s (see %s --help)", cmd.CommandPath(), names[len(args)], cmd.CommandPath())
		case len(args) > len(names):
			return usage("%s takes %d arguments, not %d (see %s --help)", cmd.CommandPath(), len(names), len(args), cmd.CommandPath())
		}
		return nil
	}
}
