package enveloped

import (
	"errors"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

// newKey reads the body of create. Null is as good as absent where the default
// is nothing; of what must be something, it is refused.
func newKey(b *wire.CreateKey) (n halberd.NewKey, err error) {
	n = halberd.NewKey{Name: b.Label.Value, ExternalID: b.ExternalID.Value, Metadata: b.Metadata.Value}
	if n.Scopes, err = scopesIn("scopes", b.Scopes); err != nil {
		return n, err
	}
	if n.Resources, err = resourcesIn(b.Resources); err != nil {
		return n, err
	}
	if n.ExpiresAt, err = expiryIn(b.ExpiresAt); err != nil {
		return n, err
	}
	if n.ExpiresInDays, err = daysIn(b.ExpiresInDays); err != nil {
		return n, err
	}
	notBefore, err := notBeforeIn(b.NotBefore)
	if err != nil {
		return n, err
	}
	n.NotBefore = notBefore.Value
	n.Wide = b.ProjectID.Null
	if b.ProjectID.Set && !b.ProjectID.Null {
		if n.Project, err = projectIn(b.ProjectID.Value); err != nil {
			return n, err
		}
	}
	if n.Organization, err = organizationIn(b.OrganizationID); err != nil {
		return n, err
	}
	if b.Operator.Null {
		return n, mustNotBeNull("operator")
	}
	n.Operator = b.Operator.Value
	if !b.IPAllow.Null {
		if n.IPAllow, err = ipAllowIn(b.IPAllow); err != nil {
			return n, err
		}
	}
	if !b.RateLimits.Null {
		n.RateLimits = limitsIn(b.RateLimits)
	}
	n.Quota = quotaIn(b.Quota)
	return n, nil
}

// keyPatch reads a merge patch: null is back to the default.
func keyPatch(b *wire.UpdateKey) (p halberd.KeyPatch, err error) {
	p = halberd.KeyPatch{
		Name:       maybe(b.Label),
		ExternalID: maybe(b.ExternalID),
		Metadata:   halberd.Maybe[map[string]*string]{Set: b.Metadata.Set, Value: b.Metadata.Value},
		RateLimits: limitsIn(b.RateLimits),
		Quota:      quotaIn(b.Quota),
	}
	if p.Scopes, err = scopesIn("scopes", b.Scopes); err != nil {
		return p, err
	}
	if p.Resources, err = resourcesIn(b.Resources); err != nil {
		return p, err
	}
	if p.ExpiresAt, err = expiryIn(b.ExpiresAt); err != nil {
		return p, err
	}
	if p.ExpiresInDays, err = daysIn(b.ExpiresInDays); err != nil {
		return p, err
	}
	if p.NotBefore, err = notBeforeIn(b.NotBefore); err != nil {
		return p, err
	}
	if p.IPAllow, err = ipAllowIn(b.IPAllow); err != nil {
		return p, err
	}
	p.Active, err = flagIn("active", b.Active)
	return p, err
}

// maybe takes a field whose null is its zero value.
func maybe[T any](f wire.Field[T]) halberd.Maybe[T] {
	return halberd.Maybe[T]{Set: f.Set, Value: f.Value}
}

func mustNotBeNull(field string) error { return halberd.Invalid(field, "must not be null") }

func flagIn(field string, f wire.Field[bool]) (halberd.Maybe[bool], error) {
	if f.Null {
		return halberd.Maybe[bool]{}, mustNotBeNull(field)
	}
	return maybe(f), nil
}

func scopesIn(field string, f wire.Field[[]string]) (m halberd.Maybe[halberd.Scopes], err error) {
	if f.Null {
		return m, mustNotBeNull(field)
	}
	if !f.Set {
		return m, nil
	}
	s, err := halberd.ParseScopes(f.Value)
	return halberd.Some(s), rename(err, "scopes", field)
}

// rename says field where the ground, which knows one field of that kind, says
// another.
func rename(err error, from, field string) error {
	e, ok := errors.AsType[*halberd.Error](err)
	if !ok || e.Field != from || from == field {
		return err
	}
	return halberd.Invalid(field, "%s", strings.TrimPrefix(e.Message, from+" "))
}

func resourcesIn(f wire.Field[[]string]) (m halberd.Maybe[halberd.Resources], err error) {
	if f.Null {
		return m, mustNotBeNull("resources")
	}
	if !f.Set {
		return m, nil
	}
	r, err := halberd.ParseResources(f.Value)
	return halberd.Some(r), err
}

func expiryIn(f wire.Field[string]) (m halberd.Maybe[halberd.Expiry], err error) {
	switch {
	case f.Null:
		return halberd.Never(), nil
	case !f.Set:
		return m, nil
	}
	at, err := request.InstantOrDate("expires_at", f.Value)
	return halberd.Some(halberd.Expiry{At: at}), err
}

func daysIn(f wire.Field[int64]) (m halberd.Maybe[halberd.ExpiresIn], err error) {
	if f.Null {
		return m, mustNotBeNull("expires_in_days")
	}
	return halberd.Maybe[halberd.ExpiresIn]{Set: f.Set, Value: halberd.ExpiresIn(number(f.Value))}, nil
}

// number fits into an int anywhere; beyond that the Service refuses it by its
// own bounds.
func number(n int64) int { return int(min(max(n, math.MinInt32), math.MaxInt32)) }

func notBeforeIn(f wire.Field[string]) (m halberd.Maybe[time.Time], err error) {
	if !f.Set || f.Null {
		return halberd.Maybe[time.Time]{Set: f.Set}, nil
	}
	at, err := request.Instant("not_before", f.Value)
	return halberd.Some(at), err
}

func ipAllowIn(f wire.Field[[]string]) (m halberd.Maybe[[]netip.Prefix], err error) {
	if !f.Set || f.Null {
		return halberd.Maybe[[]netip.Prefix]{Set: f.Set}, nil
	}
	list, err := halberd.ParseIPAllow(f.Value)
	return halberd.Some(list), err
}

// limitsIn: null is the project's, an empty list is none at all.
func limitsIn(f wire.Field[[]wire.RateLimit]) halberd.Maybe[halberd.RateLimits] {
	if !f.Set || f.Null {
		return halberd.Maybe[halberd.RateLimits]{Set: f.Set}
	}
	out := make(halberd.RateLimits, len(f.Value))
	for i, l := range f.Value {
		out[i] = halberd.RateLimit{Name: l.Name, Limit: l.Limit, WindowSeconds: l.WindowSeconds, Burst: l.Burst, Per: halberd.Per(l.Per)}
	}
	return halberd.Some(out)
}

// quotaIn: null is none.
func quotaIn(f wire.Field[wire.QuotaRule]) halberd.Maybe[*halberd.Quota] {
	if !f.Set || f.Null {
		return halberd.Maybe[*halberd.Quota]{Set: f.Set}
	}
	q := f.Value
	return halberd.Some(&halberd.Quota{Limit: q.Limit, Refill: halberd.Refill(q.Refill), EverySeconds: q.EverySeconds, Per: halberd.Per(q.Per)})
}

// keyID reads the path's key. What is no id cannot be there.
func keyID(c *request.Call) (halberd.KeyID, error) {
	id, err := halberd.ParseKeyID(c.Path("key_id"))
	if err != nil {
		return id, request.NotFound()
	}
	return id, nil
}

func projectIn(text string) (halberd.ProjectID, error) {
	id, err := halberd.ParseProjectID(text)
	if err != nil {
		return id, halberd.Invalid("project_id", "must be a project's id: prj_ and 26 characters")
	}
	return id, nil
}

func projectNamed(text string) (id halberd.ProjectID, err error) {
	if text == "" {
		return id, nil
	}
	return projectIn(text)
}

func organizationNamed(text string) (id halberd.OrganizationID, err error) {
	if text == "" {
		return id, nil
	}
	if id, err = halberd.ParseOrganizationID(text); err != nil {
		return id, halberd.Invalid("organization_id", "must be an organization's id: org_ and 26 characters")
	}
	return id, nil
}

func organizationIn(f wire.Field[string]) (id halberd.OrganizationID, err error) {
	switch {
	case f.Null:
		return id, mustNotBeNull("organization_id")
	case !f.Set:
		return id, nil
	case f.Value == "":
		return id, halberd.Invalid("organization_id", "must not be empty")
	}
	return organizationNamed(f.Value)
}

// between reads from and to; the zero time is where the caller gave none.
func between(c *request.Call) (from, to time.Time, err error) {
	if text := c.Query["from"]; text != "" {
		if from, err = request.Instant("from", text); err != nil {
			return from, to, err
		}
	}
	if text := c.Query["to"]; text != "" {
		to, err = request.Instant("to", text)
	}
	return from, to, err
}
