package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// mayBeEmpty lets a flag of c be given with nothing in it, where that says
// something. Everywhere else refuseEmpty takes it for a variable of a script that
// was never set: the list of a customer's keys must not become that of all keys,
// nor a list of addresses none at all.
func mayBeEmpty(c *cobra.Command, flags ...string) {
	for _, name := range flags {
		_ = c.Flags().SetAnnotation(name, emptyAllowed, []string{"yes"}) // the flag is there: c just made it
	}
}

const emptyAllowed = "halberd_may_be_empty"

// refuseEmpty is what every verb runs first.
func refuseEmpty(c *cobra.Command, _ []string) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && f.Annotations[emptyAllowed] == nil && isEmpty(f) {
			err = usage("--%s must not be empty: leave it out, or give it a value (see %s --help)", f.Name, c.CommandPath())
		}
	})
	return err
}

// isEmpty also tells a list with nothing between its commas, in any of the
// times that it was given.
func isEmpty(f *pflag.Flag) bool {
	list, repeats := f.Value.(*repeated)
	if !repeats {
		return f.Value.Type() == "string" && f.Value.String() == ""
	}
	for _, v := range *list.to {
		if len(commas([]string{v})) == 0 {
			return true
		}
	}
	return false
}
