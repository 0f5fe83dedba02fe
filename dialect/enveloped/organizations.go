package enveloped

import (
	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

func listOrganizations(c *request.Call) (out many[wire.Organization], err error) {
	page, err := c.Service.ListOrganizations(c.Context(), c.Actor, pageOf(c))
	if err != nil {
		return out, err
	}
	return manyOf(c, page.List, page.Next, organization), nil
}

func createOrganization(c *request.Call, body *wire.CreateOrganization) (out changed[wire.Organization], err error) {
	o, err := c.Service.CreateOrganization(c.Context(), c.Actor, body.Name)
	if err != nil {
		return out, err
	}
	return changedTo(c, organization(&o.Organization), o.Propagation), nil
}

func getOrganization(c *request.Call) (out one[wire.Organization], err error) {
	id, err := organizationID(c)
	if err != nil {
		return out, err
	}
	o, err := c.Service.GetOrganization(c.Context(), c.Actor, id)
	if err != nil {
		return out, err
	}
	return oneOf(c, organization(&o)), nil
}

func updateOrganization(c *request.Call, body *wire.UpdateOrganization) (out changed[wire.Organization], err error) {
	id, err := organizationID(c)
	if err != nil {
		return out, err
	}
	if body.Name.Null {
		return out, mustNotBeNull("name")
	}
	patch := halberd.OrganizationPatch{Name: maybe(body.Name)}
	if patch.Active, err = flagIn("active", body.Active); err != nil {
		return out, err
	}
	o, err := c.Service.UpdateOrganization(c.Context(), c.Actor, id, patch, c.Version)
	if err != nil {
		return out, err
	}
	return changedTo(c, organization(&o.Organization), o.Propagation), nil
}

func organizationID(c *request.Call) (halberd.OrganizationID, error) {
	id, err := halberd.ParseOrganizationID(c.Path("organization_id"))
	if err != nil {
		return id, request.NotFound()
	}
	return id, nil
}
