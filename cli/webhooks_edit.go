package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// noEvents is how a flag says that a webhook subscribes to nothing.
const noEvents = "none"

// subscriptions reads --events.
func subscriptions(flag []string) ([]string, error) {
	events := commas(flag)
	if slices.Equal(events, []string{noEvents}) {
		return []string{}, nil
	}
	if len(events) == 0 {
		return nil, usage("--events must name types of events, such as key.revoked or key.*, or be none")
	}
	return events, nil
}

// endpoint reads --url: what stands there, or a line of stdin, without an echo.
func (a *app) endpoint(ctx context.Context, flag string) (string, error) {
	if flag != "-" {
		return flag, nil
	}
	return a.readSecret(ctx, "Address: ")
}

func (a *app) webhooksCreate() *cobra.Command {
	var url, format, organization string
	var events []string
	c := &cobra.Command{
		Use: "create --url <address> --events <list>", Aliases: []string{"new"}, Args: words(),
		Short: "Make a webhook",
		Long: "Make a webhook: an address that is told of events as they happen. Its signing secret is\n" +
			"written to stdout, once.\n\n" +
			"A Slack address is a credential, and arguments can be read by everyone on the machine:\n" +
			"give it on stdin, with --url -. For email the address is mailto:name@example.com.",
		Example: `  hb webhooks create --url https://example.com/hooks --events 'key.*,alert.opened'
  hb webhooks create --url - --format slack --events alert.opened < address
  hb webhooks create --url mailto:ops@example.com --format email --events none`,
	}
	f := c.Flags()
	f.StringVar(&url, "url", "", "where to send: an https address, or - to read it from stdin")
	f.Var(several(&events, "list"), "events", "such as key.revoked, key.* for all of a noun, *, or none for only what names it")
	f.StringVar(&format, "format", "", "standard, slack or email (default standard)")
	f.StringVar(&organization, "organization", "", "of another organization (operators)")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"standard", "slack", "email"}, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if url == "" {
			return usage("a webhook needs a --url")
		}
		subscribe, err := subscriptions(events)
		if err != nil {
			return err
		}
		in := wire.CreateWebhook{Events: subscribe}
		if in.URL, err = a.endpoint(cmd.Context(), url); err != nil {
			return err
		}
		if format != "" {
			in.Format = wire.Some(format)
		}
		if organization != "" {
			in.OrganizationID = wire.Some(organization)
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		w, err := api.Webhooks.Create(cmd.Context(), in)
		if e, ok := errors.AsType[*client.Error](err); ok && e.Code == client.CodeUnreachable {
			a.say("hb: whether the webhook was made is not known; `hb webhooks list` tells")
		}
		if err != nil {
			return err
		}
		return a.showSigningSecret(&w)
	}
	return c
}

func (a *app) webhooksUpdate() *cobra.Command {
	var url string
	var events []string
	var on, off bool
	c := &cobra.Command{
		Use: "update <id>", Aliases: []string{"edit"}, Args: words("the id of a webhook"),
		Short: "Change a webhook",
		Long: "Change a webhook. What no flag names stays as it is. What happens while it is inactive is\n" +
			"not sent later. --active also forgets why the server disabled it.",
		Example: `  hb webhooks update whk_01h455vb4pex5vsknk084sn02q --events 'key.*'
  hb webhooks update whk_01h455vb4pex5vsknk084sn02q --active`,
	}
	f := c.Flags()
	f.StringVar(&url, "url", "", "where to send: an https address, or - to read it from stdin")
	f.Var(several(&events, "list"), "events", "such as key.revoked, key.* for all of a noun, *, or none for only what names it")
	f.BoolVar(&on, "active", false, "send to it (again)")
	f.BoolVar(&off, "inactive", false, "send nothing to it, for now")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := something(cmd); err != nil {
			return err
		}
		var in wire.UpdateWebhook
		var err error
		if f.Changed("url") {
			address, err := a.endpoint(cmd.Context(), url)
			if err != nil {
				return err
			}
			in.URL = wire.Some(address)
		}
		if f.Changed("events") {
			subscribe, err := subscriptions(events)
			if err != nil {
				return err
			}
			in.Events = wire.Some(subscribe)
		}
		if in.Active, err = switches(on, off); err != nil {
			return err
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		w, err := api.Webhooks.Update(cmd.Context(), args[0], in)
		if err != nil {
			return err
		}
		return a.showWebhook(&w)
	}
	return c
}

func (a *app) webhooksRotateSecret() *cobra.Command {
	var overlap string
	c := &cobra.Command{
		Use: "rotate-secret <id>", Args: words("the id of a webhook"),
		Short: "Give a webhook a new signing secret",
		Long: "Give a webhook a new signing secret, which is written to stdout, once. For the overlap\n" +
			"(up to 30 days) both sign every message, so that receivers can change without a gap;\n" +
			"with --overlap 0s the former is dead at once.",
		Example: `  hb webhooks rotate-secret whk_01h455vb4pex5vsknk084sn02q
  hb webhooks rotate-secret whk_01h455vb4pex5vsknk084sn02q --overlap 0s`,
	}
	c.Flags().StringVar(&overlap, "overlap", "24h", "how long the former secret signs as well, such as 24h or 7d")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := span(overlap)
		if err != nil || d%time.Second != 0 {
			return usage("--overlap must be a length of time such as 24h or 7d")
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		w, err := api.Webhooks.RotateSecret(cmd.Context(), args[0], wire.RotateWebhookSecret{OverlapSeconds: wire.Some(int64(d / time.Second))})
		if err != nil {
			return err
		}
		return a.showSigningSecret(&w)
	}
	return c
}

func (a *app) webhooksDelete() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "delete <id>", Args: words("the id of a webhook"),
		Short: "Delete a webhook",
		Long: "Delete a webhook: nothing is sent to it any more. To stop it for a while, use\n" +
			"update --inactive.\n\nOn a terminal hb asks first; without one, --force is needed.",
		Example: `  hb webhooks delete whk_01h455vb4pex5vsknk084sn02q`,
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
			w, err := api.Webhooks.Get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := a.confirm(cmd.Context(), fmt.Sprintf("Delete the webhook to %s? This cannot be undone.", w.URL)); err != nil {
				return err
			}
		}
		if err := api.Webhooks.Delete(cmd.Context(), args[0]); err != nil {
			return err
		}
		gone := wire.DeletedWebhook{WebhookID: args[0]}
		if err := a.show(gone, func(p *page) { p.line(gone.WebhookID) }); err != nil {
			return err
		}
		a.tell("Deleted the webhook; nothing is sent to it any more.")
		return nil
	}
	return c
}
