package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

var ruleListing = listing[wire.AlertRule]{
	what:  "alert rules",
	heads: []string{"ID", "KIND", "THRESHOLD", "WINDOW", "SCOPE", "ACTIVE"},
	id:    func(r *wire.AlertRule) string { return r.AlertRuleID },
	row:   ruleRow,
}

func ruleRow(r *wire.AlertRule) []cell {
	return []cell{text(r.AlertRuleID), text(r.Kind), text(ruleThreshold(r)), text(ruleWindow(r)), text(ruleScope(r)), active(r.Active)}
}

func ruleThreshold(r *wire.AlertRule) string {
	if r.Threshold == nil {
		return ""
	}
	unit := map[string]string{
		"error_share": " %", "limit_spent": " %", "volume": " times", "expiring": " days", "unused": " days",
		"ended_key_used": " uses", "bad_keys": " bad keys",
	}[r.Kind]
	if *r.Threshold == 1 {
		unit = strings.TrimSuffix(unit, "s")
	}
	return strconv.FormatFloat(*r.Threshold, 'f', -1, 64) + unit
}

func ruleWindow(r *wire.AlertRule) string {
	if r.WindowSeconds == nil {
		return ""
	}
	return strconv.FormatInt(*r.WindowSeconds/60, 10) + " min"
}

func ruleScope(r *wire.AlertRule) string {
	switch {
	case r.Scope.KeyID != nil:
		return *r.Scope.KeyID
	case r.Scope.ProjectID != nil:
		return *r.Scope.ProjectID
	}
	return "every key"
}

// showRule writes one rule to stdout.
func (a *app) showRule(r *wire.AlertRule) error {
	return a.show(r, func(p *page) {
		if a.quiet {
			p.line(r.AlertRuleID)
			return
		}
		p.fact("id", text(r.AlertRuleID))
		p.fact("kind", text(r.Kind))
		p.factIf("threshold", ruleThreshold(r))
		p.factIf("window", ruleWindow(r))
		p.fact("scope", text(ruleScope(r)))
		p.factIf("reasons", list(r.Reasons))
		p.factIf("tells", list(r.Channels))
		p.fact("active", active(r.Active))
		p.fact("created", text(instant(&r.CreatedAt)+" by "+r.CreatedBy))
	})
}

func (a *app) alertsRules() *cobra.Command {
	var q client.AlertRuleQuery
	var many paging
	c := &cobra.Command{
		Use: "rules", Args: words(),
		Short:   "List the rules, oldest first",
		Example: `  hb alerts rules`,
	}
	c.Flags().StringVar(&q.OrganizationID, "organization", "", "of another organization (operators)")
	many.on(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		api, err := a.connect()
		if err != nil {
			return err
		}
		q.PageOf = many.first()
		return ruleListing.print(a, api.Alerts.AllRules(cmd.Context(), q), many)
	}
	return c
}

// ruleFlags are what can be said of a rule at any time.
type ruleFlags struct {
	threshold         float64
	window            string
	reasons, channels []string
	on, off           bool
}

func (r *ruleFlags) register(c *cobra.Command) {
	f := c.Flags()
	f.Float64Var(&r.threshold, "threshold", 0, "in the kind's unit: percent, times, uses, bad keys or days")
	f.StringVar(&r.window, "window", "", "over how long, such as 15m")
	f.Var(several(&r.reasons, "list"), "reasons", "of error_share: the refusals that count, such as RATE_LIMITED; none for all")
	f.Var(several(&r.channels, "list"), "tell", "webhooks that are told besides those that subscribe to alert.*; none for no others")
	f.BoolVar(&r.on, "active", false, "switch the rule on")
	f.BoolVar(&r.off, "inactive", false, "switch the rule off")
	c.MarkFlagsMutuallyExclusive("active", "inactive")
}

// read is what the flags say, as a patch.
func (r *ruleFlags) read(c *cobra.Command) (in wire.UpdateAlertRule, err error) {
	f := c.Flags()
	if f.Changed("threshold") {
		in.Threshold = wire.Some(r.threshold)
	}
	if f.Changed("window") {
		d, err := span(r.window)
		if err != nil {
			return in, usage("--window must be a time such as 15m")
		}
		in.WindowSeconds = wire.Some(int64(d.Seconds()))
	}
	if f.Changed("reasons") {
		in.Reasons = wire.Some(named(r.reasons))
	}
	if f.Changed("tell") {
		in.Channels = wire.Some(named(r.channels))
	}
	if r.on || r.off {
		in.Active = wire.Some(r.on)
	}
	return in, nil
}

// named reads a list of which none is the empty one.
func named(flag []string) []string {
	words := commas(flag)
	if len(words) == 1 && words[0] == noEvents {
		return []string{}
	}
	return words
}

func (a *app) alertsCreateRule() *cobra.Command {
	var flags ruleFlags
	var key, project, organization string
	c := &cobra.Command{
		Use: "create-rule <kind>", Args: words("a kind: error_share, volume, new_origin, ended_key_used, bad_keys, limit_spent, expiring or unused"),
		Short: "Make a rule",
		Long: "Make a rule. What is not said is the kind's default. Of the rules of one kind those of the\n" +
			"narrowest scope hold for a key, and no others: a rule of a key, --inactive, switches its\n" +
			"project's and its organization's off for that key.",
		Example: `  hb alerts create-rule error_share --threshold 20 --window 5m
  hb alerts create-rule volume --key-id key_01h455vb4pex5vsknk084sn02q --inactive`,
	}
	f := c.Flags()
	f.StringVar(&key, "key-id", "", "about one key")
	f.StringVar(&project, "project", "", "about the keys of one project")
	f.StringVar(&organization, "organization", "", "of another organization (operators)")
	flags.register(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		p, err := flags.read(cmd)
		if err != nil {
			return err
		}
		in := wire.CreateAlertRule{
			Kind: args[0], WindowSeconds: p.WindowSeconds, Threshold: p.Threshold, Reasons: p.Reasons, Channels: p.Channels, Active: p.Active,
		}
		if key != "" {
			in.Scope.KeyID = wire.Some(key)
		}
		if project != "" {
			in.Scope.ProjectID = wire.Some(project)
		}
		if organization != "" {
			in.OrganizationID = wire.Some(organization)
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		r, err := api.Alerts.CreateRule(cmd.Context(), in)
		if err != nil {
			return err
		}
		return a.showRule(&r)
	}
	return c
}

func (a *app) alertsUpdateRule() *cobra.Command {
	var flags ruleFlags
	c := &cobra.Command{
		Use: "update-rule <id>", Args: words("the id of a rule"),
		Short:   "Change a rule, or switch it off and on",
		Example: `  hb alerts update-rule rul_01h455vb4pex5vsknk084sn02q --inactive`,
	}
	flags.register(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		in, err := flags.read(cmd)
		if err != nil {
			return err
		}
		api, err := a.connect()
		if err != nil {
			return err
		}
		r, err := api.Alerts.UpdateRule(cmd.Context(), args[0], in)
		if err != nil {
			return err
		}
		return a.showRule(&r)
	}
	return c
}

func (a *app) alertsDeleteRule() *cobra.Command {
	return &cobra.Command{
		Use: "delete-rule <id>", Args: words("the id of a rule"),
		Short:   "Delete a rule; what it told stays told",
		Example: `  hb alerts delete-rule rul_01h455vb4pex5vsknk084sn02q`,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := a.connect()
			if err != nil {
				return err
			}
			if err := api.Alerts.DeleteRule(cmd.Context(), args[0]); err != nil {
				return err
			}
			a.tell("%s is deleted.", clean(args[0]))
			return nil
		},
	}
}
