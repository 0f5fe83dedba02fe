package cli

import (
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// projectFlags are the properties of a project that both create and update set.
type projectFlags struct {
	name, prefix               string
	ceiling                    int64
	defaultScopes, rateLimit   []string
	defaultExpires, maxExpires string
}

func (p *projectFlags) on(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&p.name, "name", "", "what people call the project (up to 255 characters)")
	f.StringVar(&p.prefix, "key-prefix", "", "what its keys begin with, such as hb_live")
	f.Int64Var(&p.ceiling, "key-ceiling", 0, "how many keys it may have (operators)")
	f.Var(several(&p.defaultScopes, "list"), "default-scopes", "what a key gets when nobody says")
	f.StringVar(&p.defaultExpires, "default-expires-in", "", "how long a key lives when nobody says: days, or never")
	f.StringVar(&p.maxExpires, "max-expires-in", "", "how long a key may live at most: days, or never for no bound")
	f.Var(several(&p.rateLimit, "limit"), "rate-limit", "for keys without their own, such as 100/1m; none lifts it")
}

// projectValues is projectFlags after reading.
type projectValues struct {
	name, prefix                        wire.Field[string]
	ceiling, defaultExpires, maxExpires wire.Field[int64]
	defaultScopes                       wire.Field[[]string]
	rateLimits                          wire.Field[[]wire.RateLimit]
}

func (p *projectFlags) read(c *cobra.Command) (v projectValues, err error) {
	f := c.Flags()
	if f.Changed("name") {
		v.name = wire.Some(p.name)
	}
	if f.Changed("key-prefix") {
		v.prefix = wire.Some(p.prefix)
	}
	if f.Changed("key-ceiling") {
		v.ceiling = wire.Some(p.ceiling)
	}
	if f.Changed("default-scopes") {
		v.defaultScopes = wire.Some(commas(p.defaultScopes))
	}
	if v.defaultExpires, err = days(c, "default-expires-in", p.defaultExpires); err != nil {
		return v, err
	}
	if v.maxExpires, err = days(c, "max-expires-in", p.maxExpires); err != nil {
		return v, err
	}
	switch {
	case !f.Changed("rate-limit"):
	case slices.Equal(p.rateLimit, []string{"none"}):
		v.rateLimits = wire.Null[[]wire.RateLimit]()
	default:
		ls, err := rateLimits(p.rateLimit)
		if err != nil {
			return v, err
		}
		v.rateLimits = wire.Some(ls)
	}
	return v, nil
}

// days reads a flag of whole days: 90, 90d or never.
func days(c *cobra.Command, flag, s string) (v wire.Field[int64], err error) {
	if !c.Flags().Changed(flag) {
		return v, nil
	}
	if s == "never" || s == "none" {
		return wire.Null[int64](), nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		d, err := span(s)
		if err != nil || d%day != 0 {
			return v, usage("--%s must be a number of days, or never", flag)
		}
		n = int64(d / day)
	}
	return wire.Some(n), nil
}

var projectListing = listing[wire.Project]{
	what:  "projects",
	heads: []string{"ID", "NAME", "PREFIX", "CEILING", "DEFAULT SCOPES", "ACTIVE", "DEFAULT"},
	id:    func(pr *wire.Project) string { return pr.ProjectID },
	row:   projectRow,
}

func projectRow(p *wire.Project) []cell {
	return []cell{
		text(p.ProjectID), text(p.Name), text(p.KeyPrefix), text(strconv.Itoa(p.KeyCeiling)),
		text(list(p.DefaultScopes)), active(p.Active), text(yesNo(p.Default)),
	}
}

func active(b bool) cell {
	if b {
		return cell{"yes", green}
	}
	return cell{"no", yellow}
}

// showProject writes one project to stdout.
func (a *app) showProject(pr *wire.Project) error {
	return a.show(pr, func(p *page) {
		if a.quiet {
			p.line(pr.ProjectID)
			return
		}
		p.fact("id", text(pr.ProjectID))
		p.fact("name", text(pr.Name))
		p.fact("organization", text(pr.OrganizationID))
		p.fact("active", active(pr.Active))
		p.fact("default", text(yesNo(pr.Default)))
		p.fact("key prefix", text(pr.KeyPrefix))
		p.fact("key ceiling", text(strconv.Itoa(pr.KeyCeiling)))
		p.fact("default scopes", text(list(pr.DefaultScopes)))
		p.fact("default expiry", text(inDays(pr.DefaultExpiresInDays, "never")))
		p.fact("max expiry", text(inDays(pr.MaxExpiresInDays, "no bound")))
		p.factIf("rate limits", limits(pr.RateLimits))
		p.fact("created", text(instant(&pr.CreatedAt)))
	})
}

func inDays(n *int, none string) string {
	if n == nil {
		return none
	}
	return strconv.Itoa(*n) + " days"
}
