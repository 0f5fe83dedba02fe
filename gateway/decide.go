package gateway

import (
	"context"
	"errors"
	"slices"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/request"
)

// Decide answers one request. It allows only what it knows to be allowed: a
// Service that is not there, a requirement that nobody stated and a statement
// that makes no sense are refusals.
func (d *Doors) Decide(ctx context.Context, a *Ask, out *Answer) {
	*out = Answer{}
	svc := d.service()
	if svc == nil {
		out.refuse(unavailable, halberd.CodeUnavailable, msgUnavailable)
		out.RetryAfter = aMoment
		return
	}
	secret, err := request.CredentialOf(a.Authorization, a.APIKey)
	if err != nil {
		out.Presented = len(a.Authorization)+len(a.APIKey) > 0
		if halberd.CodeOf(err) == halberd.CodeInvalid {
			out.refuse(invalid, halberd.CodeInvalid, msgTwoKeys)
		} else {
			out.refuse(unauthorized, halberd.CodeUnauthorized, msgBadKey)
		}
		return
	}
	out.Presented = true
	c := halberd.Check{Secret: secret, ClientIP: a.Client, UserAgent: a.UserAgent}
	if !d.require(svc, a, &c, out) {
		return
	}
	out.Verdict, err = svc.Verify(ctx, c)
	if err != nil {
		out.refuse(unavailable, halberd.CodeUnavailable, msgUnavailable)
		out.RetryAfter = aMoment
		if e, is := errors.AsType[*halberd.Error](err); is && e.RetryAfter > 0 {
			out.RetryAfter = e.RetryAfter
		}
		return
	}
	out.judge(svc, a)
}

// require fills in what is asked of the key. False: it is answered already.
func (d *Doors) require(svc *halberd.Service, a *Ask, c *halberd.Check, out *Answer) bool {
	var project halberd.ProjectID
	if a.Want != nil {
		project = a.Want.Project
		c.Scopes = a.Want.Scopes
	}
	switch p := d.policy.Load(); {
	case p != nil:
		if !a.Trusted || a.Method == "" || a.Target == "" {
			return d.blame(out, faultNotForwarded)
		}
		if a.Host == "" && p.namesHosts() {
			return d.blame(out, faultNoHost)
		}
		m, found := p.match(a.Host, a.Method, a.Target)
		if !found {
			out.refuse(forbidden, halberd.CodeForbidden, m.why)
			return false
		}
		if !project.IsZero() && !m.project.IsZero() && project != m.project {
			return d.blame(out, faultTwoProjects)
		}
		if project.IsZero() {
			project = m.project
		}
		if len(c.Scopes) == 0 {
			c.Scopes = m.scopes
		} else if len(m.scopes) > 0 {
			c.Scopes = append(slices.Clip(c.Scopes), m.scopes...) // the URL's are everybody's
		}
		c.Resource, c.FiltersResources = m.resource, m.filters
		if a.Want != nil {
			c.More = a.Want.Resources
		}
	case a.Want != nil && len(a.Want.Scopes)+len(a.Want.Resources) > 0:
		if named := a.Want.Resources; len(named) > 0 {
			c.Resource, c.More = named[0], named[1:]
		}
	case !a.Trusted || a.Method == "":
		return d.blame(out, faultNothingAsked)
	default:
		c.Scopes = scopesOf(a.Method)
	}
	known, why := false, faultUnknownProject
	if project.IsZero() {
		c.Within, known = svc.SoleProject()
		why = faultNoProject
	} else {
		c.Within, known = svc.ReachOf(project)
	}
	if known {
		return true
	}
	if svc.Ready() != nil { // nothing is known now
		out.refuse(unavailable, halberd.CodeUnavailable, msgUnavailable)
		out.RetryAfter = aMoment
		return false
	}
	return d.blame(out, why)
}

// Where neither a URL nor a policy asks, the method does. Never changed.
var (
	reading = []halberd.Scope{halberd.ScopeRead}
	writing = []halberd.Scope{halberd.ScopeWrite}
)

func scopesOf(method string) []halberd.Scope {
	if method == "GET" || method == "HEAD" {
		return reading
	}
	return writing
}

// judge turns the verdict into the answer.
func (out *Answer) judge(svc *halberd.Service, a *Ask) {
	switch v := &out.Verdict; v.Code {
	case halberd.Valid:
		out.Status = ok
	case halberd.IPNotAllowed:
		out.refuse(forbidden, halberd.CodeForbidden, msgAddress)
	case halberd.InsufficientScope:
		out.refuse(forbidden, halberd.CodeForbidden, msgScope)
	case halberd.ResourceNotAllowed:
		out.refuse(forbidden, halberd.CodeForbidden, msgResource)
	case halberd.RateLimited:
		out.refuse(tooMany, halberd.CodeRateLimited, msgSlower)
		out.RetryAfter = v.RetryAfter
	case halberd.QuotaExceeded:
		out.refuse(tooMany, halberd.CodeRateLimited, msgNoQuota)
		out.RetryAfter = v.RetryAfter
	default:
		if retry, beyond := svc.Guessed(a.Client); beyond {
			out.refuse(tooMany, halberd.CodeRateLimited, msgGuessing)
			out.RetryAfter = retry
			return
		}
		out.refuse(unauthorized, halberd.CodeUnauthorized, msgBadKey)
	}
}

func (out *Answer) refuse(status int, code halberd.Code, message string) {
	out.Status, out.Code, out.Message = status, code, message
}

// blame refuses with 401 for a fault of the gateway's configuration, and tells
// the operator, once a minute and not for each request.
func (d *Doors) blame(out *Answer, f fault) bool {
	out.refuse(unauthorized, halberd.CodeUnauthorized, msgBadKey)
	d.complain(f)
	return false
}
