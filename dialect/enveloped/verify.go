package enveloped

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

// VerifyKey is wire.Verify as the server reads it: a cost of 0 that was sent is
// told apart from none.
type VerifyKey struct {
	wire.Verify
	Cost wire.Field[int64] `json:"cost,omitzero" minimum:"1" maximum:"1000000" nullable:"false" doc:"Of the key's limits. Default: 1"`
}

// verify is asked more often than all else together: it reads and writes by hand
// what encoding and decoding wire's types comes to, for which there is a test.
func verify(c *request.Call, raw, answer []byte) ([]byte, error) {
	var q question
	if err := q.read(raw); err != nil {
		return answer, err
	}
	check, err := checkIn(&q.body, q.scopes[:0])
	if err != nil {
		return answer, err
	}
	v, err := c.Service.VerifyFor(c.Context(), c.Actor, check)
	if err != nil {
		return answer, err
	}
	c.Verdict = string(v.Code)
	if v.KeyID.IsZero() || len(q.body.Include) == 0 {
		return appendVerdict(answer, &v, c.ID)
	}
	w, err := described(c, &v, q.body.Include)
	if err != nil {
		return answer, err
	}
	return request.Encode(answer, oneOf(c, w))
}

// described is a verdict with what include asks for besides, from the store.
func described(c *request.Call, v *halberd.Verdict, include []string) (w wire.Verdict, err error) {
	w = verdict(v)
	if v.KeyID.IsZero() || len(include) == 0 {
		return w, nil
	}
	name, metadata, err := c.Service.Describe(c.Context(), c.Actor, v.KeyID)
	if err != nil {
		return w, err
	}
	if slices.Contains(include, "label") {
		w.Label = &name
	}
	if slices.Contains(include, "metadata") {
		if w.Metadata = metadata; metadata == nil {
			w.Metadata = map[string]string{}
		}
	}
	return w, nil
}

// checkIn is the check that body asks for; scopes is room for its own.
func checkIn(body *VerifyKey, scopes []halberd.Scope) (check halberd.Check, err error) {
	check = halberd.Check{
		Secret: halberd.NewSecret(body.Key), Resource: body.Resource,
		FiltersResources: body.FiltersResources, Cost: body.Cost.Value, UserAgent: body.UserAgent, AtLeast: body.AtLeastRevision,
	}
	if body.Key == "" {
		return check, halberd.Invalid("key", "must be the key to check")
	}
	for _, s := range body.Scopes {
		scopes = append(scopes, halberd.Scope(s))
	}
	check.Scopes = scopes
	if body.ClientIP != "" {
		if check.ClientIP, err = netip.ParseAddr(body.ClientIP); err != nil || check.ClientIP.Zone() != "" {
			return check, halberd.Invalid("client_ip", "must be an address such as 203.0.113.7 or 2001:db8::1")
		}
	}
	if body.Cost.Set && (body.Cost.Null || body.Cost.Value < 1) {
		return check, halberd.Invalid("cost", "must be from 1 to %d", halberd.MaxCost)
	}
	if body.AtLeastRevision < 0 {
		return check, halberd.Invalid("at_least_revision", "must be a revision that a verdict or a change told")
	}
	for _, word := range body.Include {
		if word != "label" && word != "metadata" {
			return check, halberd.Invalid("include", "may hold label and metadata")
		}
	}
	return check, nil
}

// verdict: of a key that is not known to the asker nothing is told but that.
func verdict(v *halberd.Verdict) wire.Verdict {
	w := wire.Verdict{Valid: v.Valid(), Code: string(v.Code), Reason: v.Reason}
	if v.KeyID.IsZero() {
		return w
	}
	w.KeyID, w.ExternalID = textOrNull(v.KeyID.String()), textOrNull(v.ExternalID)
	w.OrganizationID, w.ProjectID = textOrNull(v.Organization.String()), textOrNull(v.Project.String())
	w.Scopes, w.Resources = v.Scopes.Strings(), v.Resources.Strings()
	w.ExpiresAt, w.Revision = timeOrNull(v.ExpiresAt), new(v.Revision)
	if v.Quota.Set {
		w.Quota = &wire.Quota{Remaining: v.Quota.Value.Remaining, RefillsAt: timeOrNull(v.Quota.Value.RefillsAt)}
	}
	if v.RetryAfter > 0 {
		seconds := int64(math.Ceil(v.RetryAfter.Seconds()))
		w.RetryAfter = &seconds
	}
	w.RateLimits = limitStates(&v.RateLimits)
	return w
}

func limitStates(s *halberd.LimitStates) []wire.LimitState {
	out := make([]wire.LimitState, s.Len())
	for i := range out {
		l := s.At(i)
		out[i] = wire.LimitState{
			Name: l.Name, Limit: l.Limit, WindowSeconds: int64(l.Window / time.Second),
			Remaining: l.Remaining, ResetSeconds: int64(math.Ceil(l.Reset.Seconds())),
		}
	}
	return out
}
