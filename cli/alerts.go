package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

var alertListing = listing[wire.Alert]{
	what:  "alerts",
	heads: []string{"ID", "OPENED", "STATE", "KIND", "KEY", "CAUSE"},
	id:    func(al *wire.Alert) string { return al.AlertID },
	row:   alertRow,
}

func alertRow(al *wire.Alert) []cell {
	return []cell{
		text(al.AlertID), moment(&al.OpenedAt, ""), alertState(al.State), text(al.Kind), text(alertKey(al)), text(al.Cause),
	}
}

func alertState(s string) cell {
	return cell{s, map[string]string{"open": red, "acknowledged": yellow, "resolved": green}[s]}
}

// alertKey is what a person knows the key by.
func alertKey(al *wire.Alert) string {
	if name := deref(al.Label); name != "" {
		return name
	}
	return deref(al.Prefix)
}

// showAlert writes one alert to stdout.
func (a *app) showAlert(al *wire.Alert) error {
	return a.show(al, func(p *page) {
		if a.quiet {
			p.line(al.AlertID)
			return
		}
		p.fact("id", text(al.AlertID))
		p.fact("state", alertState(al.State))
		p.fact("kind", text(al.Kind))
		p.fact("cause", text(al.Cause))
		p.factIf("key", deref(al.KeyID))
		p.factIf("label", deref(al.Label))
		p.factIf("prefix", deref(al.Prefix))
		p.factIf("page", deref(al.KeyURL))
		p.fact("rule", text(al.AlertRuleID))
		p.fact("opened", text(instant(&al.OpenedAt)))
		p.factIf("acknowledged", strings.TrimSuffix(instant(al.AcknowledgedAt)+" by "+deref(al.AcknowledgedBy), " by "))
		p.factIf("silenced until", instant(al.SilencedUntil))
		p.factIf("resolved", instant(al.ResolvedAt))
	})
}

func (a *app) alertsList() *cobra.Command {
	var q client.AlertQuery
	var many paging
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: words(),
		Short: "List alerts, latest first",
		Example: `  hb alerts list --state open
  hb alerts list --key-id key_01h455vb4pex5vsknk084sn02q`,
	}
	f := c.Flags()
	f.StringVar(&q.State, "state", "", "open, acknowledged or resolved; several are parted by commas")
	f.StringVar(&q.Kind, "kind", "", "of one kind, such as volume")
	f.StringVar(&q.KeyID, "key-id", "", "of one key")
	f.StringVar(&q.ProjectID, "project", "", "of one project")
	f.StringVar(&q.OrganizationID, "organization", "", "of another organization (operators)")
	many.on(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		api, err := a.connect()
		if err != nil {
			return err
		}
		q.PageOf = many.first()
		return alertListing.print(a, api.Alerts.All(cmd.Context(), q), many)
	}
	return c
}

// alertVerb is a verb about one alert.
func (a *app) alertVerb(c *cobra.Command, do func(*cobra.Command, client.Alerts, string) (wire.Alert, error)) *cobra.Command {
	c.Args = words("the id of an alert")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := a.connect()
		if err != nil {
			return err
		}
		al, err := do(cmd, api.Alerts, args[0])
		if err != nil {
			return err
		}
		return a.showAlert(&al)
	}
	return c
}

func (a *app) alertsGet() *cobra.Command {
	return a.alertVerb(&cobra.Command{
		Use: "get <id>", Aliases: []string{"show"}, Short: "Show one alert",
		Example: `  hb alerts get alr_01h455vb4pex5vsknk084sn02q`,
	}, func(cmd *cobra.Command, api client.Alerts, id string) (wire.Alert, error) {
		return api.Get(cmd.Context(), id)
	})
}

func (a *app) alertsAcknowledge() *cobra.Command {
	return a.alertVerb(&cobra.Command{
		Use: "acknowledge <id>", Aliases: []string{"ack"}, Short: "Say that you have seen an alert",
		Example: `  hb alerts acknowledge alr_01h455vb4pex5vsknk084sn02q`,
	}, func(cmd *cobra.Command, api client.Alerts, id string) (wire.Alert, error) {
		return api.Acknowledge(cmd.Context(), id)
	})
}

func (a *app) alertsSilence() *cobra.Command {
	var end string
	c := a.alertVerb(&cobra.Command{
		Use: "silence <id> --until <time>", Short: "Tell nobody of an alert, or of its return, for a while",
		Example: `  hb alerts silence alr_01h455vb4pex5vsknk084sn02q --until 7d
  hb alerts silence alr_01h455vb4pex5vsknk084sn02q --until now`,
	}, func(cmd *cobra.Command, api client.Alerts, id string) (wire.Alert, error) {
		in := wire.SilenceAlert{Until: wire.Some(a.ahead(end))}
		switch end {
		case "":
			return wire.Alert{}, usage("a silence needs an end: --until 7d, an instant, or now")
		case "now":
			in.Until = wire.Null[string]()
		}
		return api.Silence(cmd.Context(), id, in)
	})
	c.Flags().StringVar(&end, "until", "", "an instant, the end of a date, a time ahead such as 7d, or now")
	return c
}
