package cli

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

var webhookListing = listing[wire.Webhook]{
	what:  "webhooks",
	heads: []string{"ID", "URL", "FORMAT", "EVENTS", "ACTIVE", "CREATED"},
	id:    func(w *wire.Webhook) string { return w.WebhookID },
	row:   webhookRow,
}

func webhookRow(w *wire.Webhook) []cell {
	return []cell{
		text(w.WebhookID), text(w.URL), text(w.Format), text(subscribed(w.Events)), active(w.Active), moment(&w.CreatedAt, ""),
	}
}

func subscribed(events []string) string {
	if len(events) == 0 {
		return "only what names it"
	}
	return list(events)
}

// showWebhook writes one webhook to stdout.
func (a *app) showWebhook(w *wire.Webhook) error {
	return a.show(w, func(p *page) {
		if a.quiet {
			p.line(w.WebhookID)
			return
		}
		p.fact("id", text(w.WebhookID))
		p.fact("url", text(w.URL))
		p.fact("format", text(w.Format))
		p.fact("events", text(subscribed(w.Events)))
		p.fact("organization", text(w.OrganizationID))
		p.fact("active", active(w.Active))
		p.factIf("disabled", deref(w.DisabledReason))
		p.factIf("former secret", until(w))
		p.fact("created", text(instant(&w.CreatedAt)+" by "+w.CreatedBy))
	})
}

func until(w *wire.Webhook) string {
	if w.PreviousSecretUntil == nil {
		return ""
	}
	return "signs until " + instant(w.PreviousSecretUntil)
}

// showSigningSecret writes a signing secret, which is shown this once. With -q it
// is all there is on stdout, whatever the format of the rest.
func (a *app) showSigningSecret(w *wire.NewSecretWebhook) error {
	if w.Secret == nil {
		return a.showWebhook(&w.Webhook)
	}
	// Without this a closed pipe ends the program before it can say anything.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	defer signal.Stop(broken)

	if !a.quiet {
		a.say("%s signs what it is sent with this secret. It is shown this once.", w.WebhookID)
	}
	out := []byte(clean(*w.Secret) + "\n")
	if !a.quiet && a.format != "" && a.format != "table" {
		var err error
		if out, err = a.render(w, nil); err != nil {
			return err
		}
	}
	err := a.write(out)
	if err == nil && leadsNowhere(a.out) {
		err = fmt.Errorf("stdout is closed, or the null device")
	}
	if err != nil {
		return &problem{exit: exitFailure, err: err, text: fmt.Sprintf("%s is there, but its secret could not be written: %v.\n"+
			"    Make another with `hb webhooks rotate-secret %s --overlap 0s`.", w.WebhookID, err, w.WebhookID)}
	}
	a.tell("Receivers verify the header webhook-signature with it, as standardwebhooks.com says.")
	return nil
}

func (a *app) webhooksList() *cobra.Command {
	var q client.WebhookQuery
	var many paging
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: words(),
		Short:   "List webhooks, oldest first",
		Example: `  hb webhooks list`,
	}
	c.Flags().StringVar(&q.OrganizationID, "organization", "", "of another organization (operators)")
	many.on(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		api, err := a.connect()
		if err != nil {
			return err
		}
		q.PageOf = many.first()
		return webhookListing.print(a, api.Webhooks.All(cmd.Context(), q), many)
	}
	return c
}

func (a *app) webhooksGet() *cobra.Command {
	return &cobra.Command{
		Use: "get <id>", Aliases: []string{"show"}, Args: words("the id of a webhook"),
		Short:   "Show one webhook",
		Example: `  hb webhooks get whk_01h455vb4pex5vsknk084sn02q`,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := a.connect()
			if err != nil {
				return err
			}
			w, err := api.Webhooks.Get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.showWebhook(&w)
		},
	}
}

func (a *app) webhooksTest() *cobra.Command {
	return &cobra.Command{
		Use: "test <id>", Args: words("the id of a webhook"),
		Short: "Send a webhook a test event",
		Long: "Send an event of the type webhook.test to this webhook only, whatever it subscribes to.\n" +
			"`hb webhooks deliveries <id>` tells how it went.",
		Example: `  hb webhooks test whk_01h455vb4pex5vsknk084sn02q`,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := a.connect()
			if err != nil {
				return err
			}
			e, err := api.Webhooks.Test(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := a.show(e, func(p *page) { p.line(e.EventID) }); err != nil {
				return err
			}
			a.tell("It is on its way: hb webhooks deliveries %s", args[0])
			return nil
		},
	}
}

var deliveryListing = listing[wire.Delivery]{
	what:  "deliveries",
	heads: []string{"ID", "TYPE", "EVENT", "STATE", "TRIES", "STATUS", "LAST", "NEXT", "ERROR"},
	id:    func(d *wire.Delivery) string { return d.DeliveryID },
	row:   deliveryRow,
}

func deliveryRow(d *wire.Delivery) []cell {
	status := ""
	if d.Status != nil {
		status = strconv.Itoa(*d.Status)
	}
	color := map[string]string{"delivered": green, "pending": yellow, "failed": red}[d.State]
	return []cell{
		text(d.DeliveryID), text(d.Type), text(d.EventID), {d.State, color}, text(strconv.FormatInt(d.Attempts, 10)), text(status),
		moment(d.LastAt, ""), moment(d.NextAt, ""), text(deref(d.Error)),
	}
}

func (a *app) webhooksDeliveries() *cobra.Command {
	var q client.DeliveryQuery
	var many paging
	c := &cobra.Command{
		Use: "deliveries <id>", Args: words("the id of a webhook"),
		Short: "Show what was sent to a webhook, newest first",
		Example: `  hb webhooks deliveries whk_01h455vb4pex5vsknk084sn02q
  hb webhooks deliveries whk_01h455vb4pex5vsknk084sn02q --state failed`,
	}
	c.Flags().StringVar(&q.State, "state", "", "pending, delivered, failed or canceled")
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions([]string{"pending", "delivered", "failed", "canceled"}, cobra.ShellCompDirectiveNoFileComp))
	many.on(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := a.connect()
		if err != nil {
			return err
		}
		q.PageOf = many.first()
		return deliveryListing.print(a, api.Webhooks.AllDeliveries(cmd.Context(), args[0], q), many)
	}
	return c
}

func (a *app) webhooksRedeliver() *cobra.Command {
	return &cobra.Command{
		Use: "redeliver <id> <delivery-id>", Args: words("the id of a webhook", "the id of a delivery"),
		Short:   "Send the event of a delivery once more",
		Long:    "Send the event of a delivery once more, from the beginning of its tries: under the same\nevent id, so that a receiver that has it already can tell.",
		Example: `  hb webhooks redeliver whk_01h455vb4pex5vsknk084sn02q dlv_01h455vb4pex5vsknk084sn02q`,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := a.connect()
			if err != nil {
				return err
			}
			d, err := api.Webhooks.Redeliver(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			if err := a.show(d, func(p *page) { p.line(d.DeliveryID) }); err != nil {
				return err
			}
			a.tell("It is on its way: hb webhooks deliveries %s", args[0])
			return nil
		},
	}
}
