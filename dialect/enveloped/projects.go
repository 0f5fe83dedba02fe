package enveloped

import (
	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

func listProjects(c *request.Call) (out many[wire.Project], err error) {
	org, err := organizationNamed(c.Query["organization_id"])
	if err != nil {
		return out, err
	}
	page, err := c.Service.ListProjects(c.Context(), c.Actor, org, pageOf(c))
	if err != nil {
		return out, err
	}
	return manyOf(c, page.List, page.Next, project), nil
}

func createProject(c *request.Call, body *wire.CreateProject) (out changed[wire.Project], err error) {
	n := halberd.NewProject{Name: body.Name, KeyPrefix: body.KeyPrefix.Value}
	if n.Organization, err = organizationIn(body.OrganizationID); err != nil {
		return out, err
	}
	if body.KeyPrefix.Set && !body.KeyPrefix.Null && body.KeyPrefix.Value == "" {
		return out, halberd.Invalid("key_prefix", "must not be empty")
	}
	// Null is the default, and so is absent.
	if !body.KeyCeiling.Null {
		n.KeyCeiling = halberd.Maybe[int]{Set: body.KeyCeiling.Set, Value: number(body.KeyCeiling.Value)}
	}
	if !body.DefaultScopes.Null {
		if n.DefaultScopes, err = scopesIn("default_scopes", body.DefaultScopes); err != nil {
			return out, err
		}
	}
	if n.DefaultExpiresInDays, err = daysOrNone("default_expires_in_days", body.DefaultExpiresInDays); err != nil {
		return out, err
	}
	if n.MaxExpiresInDays, err = daysOrNone("max_expires_in_days", body.MaxExpiresInDays); err != nil {
		return out, err
	}
	n.RateLimits = limitsIn(body.RateLimits)
	p, err := c.Service.CreateProject(c.Context(), c.Actor, n)
	if err != nil {
		return out, err
	}
	return changedTo(c, project(&p.Project), p.Propagation), nil
}

func getProject(c *request.Call) (out one[wire.Project], err error) {
	id, err := projectID(c)
	if err != nil {
		return out, err
	}
	p, err := c.Service.GetProject(c.Context(), c.Actor, id)
	if err != nil {
		return out, err
	}
	return oneOf(c, project(&p)), nil
}

func updateProject(c *request.Call, body *wire.UpdateProject) (out changed[wire.Project], err error) {
	id, err := projectID(c)
	if err != nil {
		return out, err
	}
	patch, err := projectPatch(body)
	if err != nil {
		return out, err
	}
	p, err := c.Service.UpdateProject(c.Context(), c.Actor, id, patch, c.Version)
	if err != nil {
		return out, err
	}
	return changedTo(c, project(&p.Project), p.Propagation), nil
}

func deleteProject(c *request.Call) (out changed[wire.DeletedProject], err error) {
	id, err := projectID(c)
	if err != nil {
		return out, err
	}
	p, err := c.Service.DeleteProject(c.Context(), c.Actor, id, c.Version)
	if err != nil {
		return out, err
	}
	return changedTo(c, wire.DeletedProject{ProjectID: id.String()}, p), nil
}

// projectPatch reads a merge patch: null is what a fresh project has.
func projectPatch(b *wire.UpdateProject) (p halberd.ProjectPatch, err error) {
	if b.Name.Null {
		return p, mustNotBeNull("name")
	}
	p.Name, p.RateLimits = maybe(b.Name), limitsIn(b.RateLimits)
	if p.KeyPrefix = maybe(b.KeyPrefix); b.KeyPrefix.Null {
		p.KeyPrefix.Value = halberd.DefaultKeyPrefix
	}
	p.KeyCeiling = halberd.Maybe[int]{Set: b.KeyCeiling.Set, Value: number(b.KeyCeiling.Value)}
	if b.KeyCeiling.Null {
		p.KeyCeiling.Value = halberd.DefaultKeyCeiling
	}
	if b.DefaultScopes.Null {
		p.DefaultScopes = halberd.Some(halberd.MustScopes("read", "write"))
	} else if p.DefaultScopes, err = scopesIn("default_scopes", b.DefaultScopes); err != nil {
		return p, err
	}
	if p.DefaultExpiresInDays, err = daysOrNone("default_expires_in_days", b.DefaultExpiresInDays); err != nil {
		return p, err
	}
	if p.MaxExpiresInDays, err = daysOrNone("max_expires_in_days", b.MaxExpiresInDays); err != nil {
		return p, err
	}
	if p.Active, err = flagIn("active", b.Active); err != nil {
		return p, err
	}
	p.Default, err = flagIn("default", b.Default)
	return p, err
}

// daysOrNone: none is null and never 0.
func daysOrNone(field string, f wire.Field[int64]) (m halberd.Maybe[int], err error) {
	if f.Set && !f.Null && f.Value < 1 {
		return m, halberd.Invalid(field, "must be 1 or more, or null for none")
	}
	return halberd.Maybe[int]{Set: f.Set, Value: number(f.Value)}, nil
}

func projectID(c *request.Call) (halberd.ProjectID, error) {
	id, err := halberd.ParseProjectID(c.Path("project_id"))
	if err != nil {
		return id, request.NotFound()
	}
	return id, nil
}
