package cli

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) keysDelete() *cobra.Command {
	var force bool
	var reason string
	c := &cobra.Command{
		Use: "delete <id>", Aliases: []string{"revoke"}, Args: words("the id of a key"),
		Short: "Revoke an API key, for good",
		Long: "Revoke an API key. It stops working everywhere before this command ends, without any\n" +
			"grace, and nothing brings it back. To stop a key for a while, use update --inactive.\n\n" +
			"On a terminal hb asks first; without one, --force is needed.",
		Example: `  hb api-keys delete key_01h455vb4pex5vsknk084sn02q
  hb api-keys delete key_01h455vb4pex5vsknk084sn02q --force --reason "laptop stolen"`,
	}
	c.Flags().BoolVar(&force, "force", false, "do not ask")
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit log (up to 255 characters)")
	mayBeEmpty(c, "reason")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if _, ok := terminal(a.in); !ok && !force {
			return usage(noTerminal)
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		if !force {
			k, err := api.Keys.Get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			question := fmt.Sprintf("Revoke %s (%s…)? This cannot be undone.", cmp.Or(k.Label, "the key without a name"), k.Prefix)
			if k.State == "revoked" {
				a.say("This key was revoked before.") // and revoking it again changes nothing
			} else if err := a.confirm(cmd.Context(), question); err != nil {
				return err
			}
		}
		done, err := api.Keys.Revoke(cmd.Context(), args[0], reason)
		if err != nil {
			return err
		}
		if err := a.showKey(&done.Value); err != nil {
			return err
		}
		if !done.Confirmed() {
			return unconfirmed("the key is revoked", done.Propagation)
		}
		a.tell("\nRevoked the API key %s. It works nowhere any more.", called(&done.Value))
		return nil
	}
	return c
}
