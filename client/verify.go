package client

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// Verify answers a check by asking the server; with *halberd.Service it is the
// Verifier of package guard. A refusal is a Verdict; an error means that the
// answer is not known, and whoever asked must refuse. The server bounds what is
// known by this client's own key; Check.Within bounds it further.
func (c *Client) Verify(ctx context.Context, check halberd.Check) (halberd.Verdict, error) {
	if !check.Secret.WellFormed() {
		// What is no key does not leave the machine: it may be something else's.
		return halberd.Verdict{Code: halberd.Malformed, Reason: "the key is not well formed: it was cut, mistyped, or is no key of this kind"}, nil
	}
	in := wire.Verify{
		Key: check.Secret.Reveal(), Resource: check.Resource, Cost: check.Cost, FiltersResources: check.FiltersResources,
	}
	for _, s := range check.Scopes {
		in.Scopes = append(in.Scopes, string(s))
	}
	if check.ClientIP.IsValid() {
		in.ClientIP = check.ClientIP.WithZone("").String()
	}
	agent := check.UserAgent[:min(len(check.UserAgent), 256)] // no more of it is kept
	in.UserAgent = strings.ToValidUTF8(agent, "")
	got, err := c.Keys.Verify(ctx, in)
	if err != nil {
		return halberd.Verdict{}, err
	}
	v, err := verdict(&got)
	if err != nil {
		return halberd.Verdict{}, err
	}
	w := check.Within
	if !v.KeyID.IsZero() && (!w.Organization.IsZero() && v.Organization != w.Organization ||
		!w.Project.IsZero() && !v.Project.IsZero() && v.Project != w.Project) {
		return halberd.Verdict{Code: halberd.NotFound, Reason: "there is no such key"}, nil
	}
	return v, nil
}

// verdict reads an answer. One that says valid and is not whole is an error: it
// must not let anyone through.
func verdict(in *wire.Verdict) (v halberd.Verdict, err error) {
	v = halberd.Verdict{Code: halberd.VerdictCode(in.Code), Reason: in.Reason}
	if in.Valid != v.Valid() || in.Valid && in.KeyID == nil {
		return v, errors.New("halberd: the server's verdict contradicts itself")
	}
	if in.KeyID == nil {
		return v, nil
	}
	var scopes halberd.Scopes
	var resources halberd.Resources
	errs := []error{v.KeyID.UnmarshalText([]byte(*in.KeyID))}
	if in.OrganizationID != nil {
		errs = append(errs, v.Organization.UnmarshalText([]byte(*in.OrganizationID)))
	}
	if in.ProjectID != nil {
		errs = append(errs, v.Project.UnmarshalText([]byte(*in.ProjectID)))
	}
	scopes, err = halberd.ParseScopes(in.Scopes)
	errs = append(errs, err)
	resources, err = halberd.ParseResources(in.Resources)
	errs = append(errs, err)
	v.Scopes, v.Resources = scopes, resources
	if in.ExternalID != nil {
		v.ExternalID = *in.ExternalID
	}
	if in.ExpiresAt != nil {
		v.ExpiresAt = *in.ExpiresAt
	}
	if in.Revision != nil {
		v.Revision = *in.Revision
	}
	if in.RetryAfter != nil {
		v.RetryAfter = time.Duration(*in.RetryAfter) * time.Second
	}
	limits := make([]halberd.LimitState, len(in.RateLimits))
	for i, l := range in.RateLimits {
		limits[i] = halberd.LimitState{
			Name: l.Name, Limit: l.Limit, Window: time.Duration(l.WindowSeconds) * time.Second,
			Remaining: l.Remaining, Reset: time.Duration(l.ResetSeconds) * time.Second,
		}
	}
	v.RateLimits = halberd.ToldLimits(limits)
	if q := in.Quota; q != nil {
		v.Quota = halberd.Some(halberd.QuotaState{Remaining: q.Remaining})
		if q.RefillsAt != nil {
			v.Quota.Value.RefillsAt = *q.RefillsAt
		}
	}
	return v, errors.Join(errs...)
}

// Verify asks whether a key may do something, in the words of /v1. The key
// that is asked about travels in the body only.
func (k Keys) Verify(ctx context.Context, in wire.Verify) (wire.Verdict, error) {
	a, err := send[wire.Verdict](ctx, k.conn, call{
		method: http.MethodPost, path: "api-keys/verify", body: in, spends: true, asked: []string{in.Key},
	})
	if err != nil {
		return wire.Verdict{}, err
	}
	return a.Data, nil
}

// VerifyBatch asks about up to 100 keys at once; the verdicts stand in the order of
// the checks.
func (k Keys) VerifyBatch(ctx context.Context, in wire.VerifyBatch) ([]wire.Verdict, error) {
	asked := make([]string, len(in.Checks))
	for i := range in.Checks {
		asked[i] = in.Checks[i].Key
	}
	a, err := send[[]wire.Verdict](ctx, k.conn, call{
		method: http.MethodPost, path: "api-keys/verify-batch", body: in, spends: true, asked: asked,
	})
	if err != nil {
		return nil, err
	}
	if len(a.Data) != len(in.Checks) {
		return nil, &Error{Status: http.StatusOK, Code: CodeBadAnswer, Message: "the server answered another number of checks than it was asked"}
	}
	return a.Data, nil
}

// WhoAmI is this client's key looking at itself.
func (c *Client) WhoAmI(ctx context.Context) (wire.WhoAmI, error) {
	a, err := send[wire.WhoAmI](ctx, c.conn, call{method: http.MethodGet, path: "whoami"})
	return a.Data, err
}
