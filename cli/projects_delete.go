package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) projectsDelete() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "delete <id>", Args: words("the id of a project"),
		Short: "Revoke all keys of a project and hide it",
		Long: "Revoke all keys of a project and hide it. Nothing brings either back. To stop its keys\n" +
			"for a while, use update --inactive.\n\nOn a terminal hb asks first; without one, --force is needed.",
		Example: `  hb projects delete prj_01h455vb4pex5vsknk084sn02q`,
	}
	c.Flags().BoolVar(&force, "force", false, "do not ask")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if _, ok := terminal(a.in); !ok && !force {
			return usage(noTerminal)
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		if !force {
			p, err := api.Projects.Get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := a.confirm(cmd.Context(), fmt.Sprintf("Delete the project %s and revoke all its keys? This cannot be undone.", p.Name)); err != nil {
				return err
			}
		}
		done, err := api.Projects.Delete(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if err := a.show(done.Value, func(p *page) { p.line(done.Value.ProjectID) }); err != nil {
			return err
		}
		if !done.Confirmed() {
			return unconfirmed("the project is deleted", done.Propagation)
		}
		a.tell("Deleted the project; its keys are revoked and work nowhere any more.")
		return nil
	}
	return c
}
