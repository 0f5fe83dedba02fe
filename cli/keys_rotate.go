package cli

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
)

func (a *app) keysRotate() *cobra.Command {
	var overlap string
	var end bool
	c := &cobra.Command{
		Use: "rotate <id>", Args: words("the id of a key"),
		Short: "Give an API key a new secret",
		Long: "Give an API key a new secret; its id and its rights stay. The new key is written to\n" +
			"stdout, once. The old secret stops working now, or after --overlap (up to 30 days).",
		Example: `  hb api-keys rotate key_01h455vb4pex5vsknk084sn02q
  hb api-keys rotate key_01h455vb4pex5vsknk084sn02q --overlap 24h
  hb api-keys rotate key_01h455vb4pex5vsknk084sn02q --end-overlap`,
	}
	f := c.Flags()
	f.StringVar(&overlap, "overlap", "0s", "how long the old secret lives on, such as 24h or 7d")
	f.BoolVar(&end, "end-overlap", false, "end the old secret of an earlier rotation now; makes no new one")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if end && f.Changed("overlap") {
			return usage("--overlap and --end-overlap contradict each other; give one")
		}
		d, err := span(overlap)
		if err != nil || d%time.Second != 0 {
			return usage("--overlap must be a length of time such as 24h or 7d")
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		if end {
			return a.endOverlap(cmd, api, args[0])
		}
		done, err := api.Keys.Rotate(cmd.Context(), args[0], d)
		if err != nil {
			if e, ok := errors.AsType[*client.Error](err); ok && e.Code == client.CodeUnreachable {
				a.say("hb: whether the key was rotated is not known; `hb api-keys get %s` shows its prefix, which changes", args[0])
			}
			return err
		}
		k := &done.Value
		a.introduce("Rotated", &k.Key)
		if err := a.showSecret(k); err != nil {
			return err
		}
		a.urge()
		if !done.Confirmed() {
			return unconfirmed("the key is rotated", done.Propagation)
		}
		if k.PreviousExpiresAt != nil && k.PreviousExpiresAt.After(a.now()) {
			a.tell("The old secret works until %s. To end it now: hb api-keys rotate %s --end-overlap", instant(k.PreviousExpiresAt), k.KeyID)
		} else {
			a.tell("The old secret does not work any more.")
		}
		return nil
	}
	return c
}

func (a *app) endOverlap(cmd *cobra.Command, api *client.Client, id string) error {
	done, err := api.Keys.EndOverlap(cmd.Context(), id)
	if err != nil {
		return err
	}
	if err := a.showKey(&done.Value); err != nil {
		return err
	}
	if !done.Confirmed() {
		return unconfirmed("the old secret is ended", done.Propagation)
	}
	a.tell("\nOnly the newest secret of %s works.", called(&done.Value))
	return nil
}
