package cli

import (
	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func (a *app) keysUpdate() *cobra.Command {
	var k keyFlags
	var active, inactive bool
	var forget []string
	c := &cobra.Command{
		Use: "update <id>", Aliases: []string{"edit"}, Args: words("the id of a key"),
		Short: "Rename, activate, deactivate or otherwise change an API key",
		Long: "Change an API key. What no flag names stays as it is; the secret always does.\n" +
			"An inactive key stops working and can be activated again with the same secret.",
		Example: `  hb api-keys update key_01h455vb4pex5vsknk084sn02q --name "New Name"
  hb api-keys update key_01h455vb4pex5vsknk084sn02q --inactive
  hb api-keys update key_01h455vb4pex5vsknk084sn02q --active --expires-in 90d`,
	}
	f := c.Flags()
	k.on(c)
	f.BoolVar(&active, "active", false, "make it work (again)")
	f.BoolVar(&inactive, "inactive", false, "stop it from working, for now")
	f.Var(several(&forget, "name"), "remove-metadata", "the name of a note to remove")
	f.Lookup("ip-allow").Usage += "; none lifts it"
	f.Lookup("not-before").Usage += ", or none"
	f.Lookup("external-id").Usage += "; an empty one takes it away"
	mayBeEmpty(c, "external-id")
	f.Lookup("rate-limit").Usage += "; default takes the project's"
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := something(cmd); err != nil {
			return err
		}
		v, err := a.keyValues(&k, cmd)
		if err != nil {
			return err
		}
		in := wire.UpdateKey{
			Label: v.label, Scopes: v.scopes, Resources: v.resources, ExpiresAt: v.at, ExpiresInDays: v.days,
			NotBefore: orNull(v.notBefore, "none"), ExternalID: orNull(v.externalID, ""), IPAllow: v.ipAllow, RateLimits: v.rateLimits, Quota: v.quota,
		}
		if in.Active, err = switches(active, inactive); err != nil {
			return err
		}
		notes := wire.MetadataPatch{}
		for name, value := range v.metadata {
			notes[name] = &value
		}
		for _, name := range forget {
			notes[name] = nil
		}
		if len(notes) > 0 {
			in.Metadata = wire.Some(notes)
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		done, err := api.Keys.Update(cmd.Context(), args[0], in)
		if err != nil {
			return err
		}
		if err := a.showKey(&done.Value); err != nil {
			return err
		}
		if !done.Confirmed() {
			return unconfirmed("the key is changed", done.Propagation)
		}
		a.tell("\nUpdated the API key %s.", called(&done.Value))
		return nil
	}
	return c
}

// orNull reads one value as none.
func orNull(f wire.Field[string], none string) wire.Field[string] {
	if f.Set && f.Value == none {
		return wire.Null[string]()
	}
	return f
}

// something refuses an update without a flag that says what to change.
func something(cmd *cobra.Command) error {
	n := cmd.Flags().NFlag()
	for _, flag := range connectionFlags {
		if cmd.Flags().Changed(flag) {
			n--
		}
	}
	if n == 0 {
		return usage("there is nothing to change; %s --help shows what can be", cmd.CommandPath())
	}
	return nil
}
