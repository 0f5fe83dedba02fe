package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func (a *app) membersRemove() *cobra.Command {
	var force bool
	var l client.Leaving
	c := &cobra.Command{
		Use: "remove <id>", Aliases: []string{"delete"}, Args: words("the id of a member"),
		Short: "Remove a member, for good",
		Long: "Remove a member and end their sessions, before this command ends. Keys belong to\n" +
			"projects: those that the member owned are shown and go on, unless --keys says\n" +
			"suspend, or hand_over with --to. To keep someone out for a while, use update\n" +
			"--inactive.\n\nOn a terminal hb asks first; without one, --force is needed.",
		Example: `  hb members remove mem_01h455vb4pex5vsknk084sn02q
  hb members remove mem_01h455vb4pex5vsknk084sn02q --keys suspend --force
  hb members remove mem_01h455vb4pex5vsknk084sn02q --keys hand_over --to mem_01h455vb4pex5vsknk084sn02r`,
	}
	f := c.Flags()
	f.BoolVar(&force, "force", false, "do not ask")
	f.StringVar(&l.Keys, "keys", "", "what becomes of their keys: keep, suspend or hand_over (default keep)")
	f.StringVar(&l.To, "to", "", "with --keys hand_over: the member who takes them over")
	_ = c.RegisterFlagCompletionFunc("keys", cobra.FixedCompletions([]string{"keep", "suspend", "hand_over"}, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if _, ok := terminal(a.in); !ok && !force {
			return usage(noTerminal)
		}
		if l.To != "" && l.Keys == "" {
			return usage("--to goes with --keys hand_over")
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		if !force {
			if err := a.confirmRemoval(cmd.Context(), api, args[0], l); err != nil {
				return err
			}
		}
		done, err := api.Members.Remove(cmd.Context(), args[0], l)
		if err != nil {
			return err
		}
		m := &done.Value
		err = a.show(m, func(p *page) {
			if a.quiet {
				p.line(m.MemberID)
				return
			}
			describeMember(p, &m.Member)
		})
		if err != nil {
			return err
		}
		if !done.Confirmed() {
			return unconfirmed("the member is removed", done.Propagation)
		}
		a.tell("\nRemoved %s; every session of theirs has ended.", known(&m.Member))
		a.tellKeys(m, l)
		return nil
	}
	return c
}

// confirmRemoval asks, having shown which keys the member owns.
func (a *app) confirmRemoval(ctx context.Context, api *client.Client, id string, l client.Leaving) error {
	m, err := api.Members.Get(ctx, id)
	if err != nil {
		return err
	}
	const shown = 20
	q := client.KeyQuery{OwnedBy: id, OrganizationID: m.OrganizationID, PageOf: client.PageOf{Limit: shown + 1}}
	keys, err := api.Keys.List(ctx, q)
	if err != nil {
		return err
	}
	if n := len(keys.Items); n > 0 {
		a.say("%s owns:", known(&m))
		for i := range min(n, shown) {
			k := &keys.Items[i]
			a.say("  %s  %s  %s", k.KeyID, called(k), k.State)
		}
		if n > shown {
			a.say("  and more: hb api-keys list --owned-by %s", id)
		}
		a.say("Their keys %s.", map[string]string{"": "go on working", "keep": "go on working", "suspend": "are suspended", "hand_over": "go to " + l.To}[l.Keys])
	}
	return a.confirm(ctx, fmt.Sprintf("Remove %s (%s)? This cannot be undone.", known(&m), m.Email))
}

// tellKeys says what became of the leaver's keys, and which they are.
func (a *app) tellKeys(m *wire.RemovedMember, l client.Leaving) {
	if m.KeyCount == 0 {
		a.tell("They owned no keys.")
		return
	}
	a.tell("Their keys %s:", map[string]string{"": "go on working", "keep": "go on working", "suspend": "are suspended", "hand_over": "are handed over"}[l.Keys])
	for i := range m.Keys {
		a.tell("  %s  %s  %s", m.Keys[i].KeyID, called(&m.Keys[i]), m.Keys[i].State)
	}
	if n := m.KeyCount - len(m.Keys); n > 0 {
		a.tell("  and %d more", n)
	}
}
