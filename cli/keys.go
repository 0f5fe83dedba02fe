package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// keyFlags are the properties of a key that both create and update set.
type keyFlags struct {
	name, expiresIn, expiresAt, notBefore, externalID string
	quota                                             string
	scopes, resources, metadata, ipAllow, rateLimit   []string
}

func (k *keyFlags) on(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&k.name, "name", "", "what people call the key (up to 255 characters)")
	f.Var(several(&k.scopes, "list"), "scopes", "admin, write, read, verify or words of your own")
	f.Var(several(&k.resources, "list"), "resources", "what it is good for, such as engagement/42,engagement/7")
	f.StringVar(&k.expiresIn, "expires-in", "", "how long it lives: 90 or 90d (days), 12h")
	f.StringVar(&k.expiresAt, "expires-at", "", "when it ends: an instant, a date (its end, UTC) or never")
	f.StringVar(&k.notBefore, "not-before", "", "when it begins to work: an instant")
	f.StringVar(&k.externalID, "external-id", "", "your own customer's id")
	f.Var(several(&k.metadata, "name=value"), "metadata", "a note, name=value")
	f.Var(several(&k.ipAllow, "list"), "ip-allow", "addresses or networks it may be used from")
	f.Var(several(&k.rateLimit, "limit"), "rate-limit", "such as 100/1m or uploads=10/1h; a third part is the burst; @external_id shares it; none is no limit")
	f.StringVar(&k.quota, "quota", "", "how many uses it has: 10000/month, 500/day, 100/12h, 1000 or none; @external_id shares it")
	mayBeEmpty(c, "name")
}

// keyValues is keyFlags after reading. Fields that were not given are absent.
type keyValues struct {
	label, notBefore, externalID wire.Field[string]
	scopes, resources, ipAllow   wire.Field[[]string]
	rateLimits                   wire.Field[[]wire.RateLimit]
	quota                        wire.Field[wire.QuotaRule]
	metadata                     map[string]string
	expiry
}

func (a *app) keyValues(k *keyFlags, c *cobra.Command) (v keyValues, err error) {
	f := c.Flags()
	words := func(flag, value string) (field wire.Field[string]) {
		if f.Changed(flag) {
			field = wire.Some(value)
		}
		return field
	}
	lists := func(flag string, values []string) (field wire.Field[[]string]) {
		if f.Changed(flag) {
			field = wire.Some(commas(values))
		}
		return field
	}
	v.label, v.notBefore, v.externalID = words("name", k.name), words("not-before", k.notBefore), words("external-id", k.externalID)
	v.scopes, v.resources, v.ipAllow = lists("scopes", k.scopes), lists("resources", k.resources), lists("ip-allow", k.ipAllow)
	if slices.Equal(v.ipAllow.Value, []string{"none"}) {
		v.ipAllow.Value = []string{}
	}
	switch {
	case !f.Changed("rate-limit"):
	case slices.Equal(k.rateLimit, []string{"default"}):
		v.rateLimits = wire.Null[[]wire.RateLimit]()
	case slices.Equal(k.rateLimit, []string{"none"}):
		v.rateLimits = wire.Some([]wire.RateLimit{})
	default:
		ls, err := rateLimits(k.rateLimit)
		if err != nil {
			return v, err
		}
		v.rateLimits = wire.Some(ls)
	}
	if f.Changed("quota") {
		if v.quota, err = quotaIn(k.quota); err != nil {
			return v, err
		}
	}
	if v.metadata, err = pairs("--metadata", k.metadata); err != nil {
		return v, err
	}
	v.expiry, err = a.expiry(k.expiresIn, k.expiresAt, f.Changed("expires-in"), f.Changed("expires-at"))
	return v, err
}

// called is a key's name for a sentence, or what can be shown of the key.
func called(k *wire.Key) string { return cmp.Or(k.Label, k.Prefix+"…") }

var keyListing = listing[wire.Key]{
	what:  "API keys",
	heads: []string{"ID", "NAME", "PREFIX", "SCOPES", "STATE", "LAST USED", "EXPIRES"},
	id:    func(k *wire.Key) string { return k.KeyID },
	row:   keyRow,
}

func keyRow(k *wire.Key) []cell {
	return []cell{
		text(k.KeyID), text(k.Label), text(k.Prefix + "…"), text(strings.Join(k.Scopes, ",")),
		state(k.State), moment(k.LastUsedAt, "never"), moment(k.ExpiresAt, "never"),
	}
}

// describeKey is one key in full.
func describeKey(p *page, k *wire.Key) {
	p.fact("id", text(k.KeyID))
	p.fact("name", text(k.Label))
	p.fact("prefix", text(k.Prefix+"…"))
	p.fact("state", state(k.State))
	p.fact("scopes", text(list(k.Scopes)))
	p.fact("resources", text(list(k.Resources)))
	p.fact("project", text(cmp.Or(deref(k.ProjectID), "all of the organization")))
	p.fact("organization", text(k.OrganizationID))
	if k.Operator {
		p.fact("operator", text("yes"))
	}
	p.factIf("external id", deref(k.ExternalID))
	p.fact("created", text(instant(&k.CreatedAt)+" by "+k.CreatedBy))
	p.factIf("not before", instant(k.NotBefore))
	p.fact("expires", text(cmp.Or(instant(k.ExpiresAt), "never")))
	p.fact("last used", text(cmp.Or(instant(k.LastUsedAt), "never")))
	p.factIf("from", deref(k.LastUsedFrom))
	p.factIf("by", deref(k.LastUsedAgent))
	if k.PreviousExpiresAt != nil {
		p.fact("overlap", text("the old secret works until "+instant(k.PreviousExpiresAt)))
	}
	if k.RevokedAt != nil {
		p.fact("revoked", text(instant(k.RevokedAt)+" by "+deref(k.RevokedBy)))
		p.factIf("reason", deref(k.RevokeReason))
	}
	p.factIf("ip allow", list(k.IPAllow))
	p.factIf("rate limits", limits(k.RateLimits))
	if k.Quota != nil {
		p.fact("quota", text(formatQuota(k.Quota)))
	}
	for _, name := range sorted(k.Metadata) {
		p.fact("metadata", text(name+"="+k.Metadata[name]))
	}
}

func sorted(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// showKey writes one key to stdout.
func (a *app) showKey(k *wire.Key) error {
	return a.show(k, func(p *page) {
		if a.quiet {
			p.line(k.KeyID)
			return
		}
		describeKey(p, k)
	})
}

// tell is say for what -q leaves out.
func (a *app) tell(format string, args ...any) {
	if !a.quiet {
		a.say(format, args...)
	}
}

// unconfirmed is the error of a change that some node may not know of yet.
func unconfirmed(what string, p *wire.Propagation) error {
	return &problem{exit: exitUnavailable, text: fmt.Sprintf("%s, but after %v not every node has confirmed it: "+
		"one may still answer by the old state.\n    Repeat the command until it ends with 0.",
		what, time.Duration(p.WaitedMS)*time.Millisecond)}
}
