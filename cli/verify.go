package cli

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

func (a *app) verify() *cobra.Command {
	var in wire.Verify
	var scopes, include []string
	c := &cobra.Command{
		Use: "verify", Aliases: []string{"check"}, GroupID: groupKeys, Args: words(),
		Short: "Ask whether a key may do something",
		Long: "Ask whether a key may do something. The key to check is read from stdin, or from\n" +
			"HB_VERIFY_KEY; the key in use needs the scope verify or admin.\n\n" +
			"The verdict is on stdout either way. The exit code is 0 when the key may, 8 when it may\n" +
			"not, and another when the answer is not known. With -q only the exit code tells.",
		Example: `  hb verify --scopes write --resource engagement/42 < key.txt
  HB_VERIFY_KEY=$presented hb verify -q && echo good`,
	}
	f := c.Flags()
	f.Var(several(&scopes, "list"), "scopes", "what it must hold")
	f.StringVar(&in.Resource, "resource", "", "what it must be good for, such as engagement/42")
	f.StringVar(&in.ClientIP, "client-ip", "", "where its holder calls from")
	f.Int64Var(&in.Cost, "cost", 0, "how much to take from its limits (default 1)")
	f.BoolVar(&in.FiltersResources, "filters-resources", false, "the caller filters by the verdict's resources itself")
	f.Var(several(&include, "list"), "include", "label, metadata")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.Changed("cost") && in.Cost < 1 {
			return usage("--cost must be 1 or more")
		}
		in.Scopes, in.Include = commas(scopes), commas(include)
		api, err := a.connect()
		if err != nil {
			return err
		}
		if in.Key = a.getenv("HB_VERIFY_KEY"); in.Key == "" {
			if in.Key, err = a.readSecret(cmd.Context(), "Key to check: "); err != nil {
				return err
			}
		}
		v, err := api.Keys.Verify(cmd.Context(), in)
		if err != nil {
			return err
		}
		if !a.quiet {
			if err := a.show(&v, func(p *page) { describeVerdict(p, &v) }); err != nil {
				return err
			}
		}
		if !v.Valid {
			return &problem{exit: exitRefused}
		}
		return nil
	}
	return c
}

func describeVerdict(p *page, v *wire.Verdict) {
	color := red
	if v.Valid {
		color = green
	}
	p.fact("valid", cell{yesNo(v.Valid), color})
	p.fact("code", text(v.Code))
	p.factIf("reason", v.Reason)
	if v.KeyID == nil {
		return
	}
	p.fact("key", text(*v.KeyID))
	p.factIf("name", deref(v.Label))
	p.factIf("external id", deref(v.ExternalID))
	p.fact("scopes", text(list(v.Scopes)))
	p.fact("resources", text(list(v.Resources)))
	p.fact("expires", text(cmp.Or(instant(v.ExpiresAt), "never")))
	describeLimits(p, v.RateLimits)
	if q := v.Quota; q != nil {
		left := fmt.Sprintf("%d left", q.Remaining)
		if q.RefillsAt != nil {
			left += ", refilled at " + instant(q.RefillsAt)
		}
		p.fact("quota", text(left))
	}
	for _, name := range sorted(v.Metadata) {
		p.fact("metadata", text(name+"="+v.Metadata[name]))
	}
}

func describeLimits(p *page, of []wire.LimitState) {
	for _, l := range of {
		p.fact("rate limit", text(fmt.Sprintf("%s: %d of %d left, full in %d s", l.Name, l.Remaining, l.Limit, l.ResetSeconds)))
	}
}
