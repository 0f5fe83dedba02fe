package enveloped

import (
	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

// maxLeft is how many of a leaver's keys one answer shows.
const maxLeft = 1000

func listMembers(c *request.Call) (out many[wire.Member], err error) {
	org, err := organizationNamed(c.Query["organization_id"])
	if err != nil {
		return out, err
	}
	page, err := c.Service.ListMembers(c.Context(), c.Actor, org, pageOf(c))
	if err != nil {
		return out, err
	}
	return manyOf(c, page.List, page.Next, member), nil
}

func inviteMember(c *request.Call, body *wire.InviteMember) (out changed[wire.InvitedMember], err error) {
	n := halberd.NewMember{Email: body.Email, Role: halberd.Scope(body.Role), Operator: body.Operator.Value}
	if body.Operator.Null {
		return out, mustNotBeNull("operator")
	}
	if n.Organization, err = organizationIn(body.OrganizationID); err != nil {
		return out, err
	}
	in, err := c.Service.InviteMember(c.Context(), c.Actor, n)
	return invited(c, &in, err)
}

func inviteAgain(c *request.Call, _ *wire.InviteAgain) (out changed[wire.InvitedMember], err error) {
	id, err := memberID(c)
	if err != nil {
		return out, err
	}
	in, err := c.Service.InviteAgain(c.Context(), c.Actor, id)
	return invited(c, &in, err)
}

// invited is where an invitation's secret leaves, once. It stands behind the #,
// which browsers do not send: it is in no log and in no Referer.
func invited(c *request.Call, in *halberd.Invited, err error) (out changed[wire.InvitedMember], _ error) {
	if err != nil {
		return out, err
	}
	return changedTo(c, wire.InvitedMember{
		Member: member(&in.Member), InviteURL: c.PublicURL + "/invitation#" + in.Secret.Reveal(),
	}, in.Propagation), nil
}

func getMember(c *request.Call) (out one[wire.Member], err error) {
	id, err := memberID(c)
	if err != nil {
		return out, err
	}
	m, err := c.Service.GetMember(c.Context(), c.Actor, id)
	if err != nil {
		return out, err
	}
	return oneOf(c, member(&m)), nil
}

func updateMember(c *request.Call, body *wire.UpdateMember) (out changed[wire.Member], err error) {
	id, err := memberID(c)
	if err != nil {
		return out, err
	}
	p := halberd.MemberPatch{Name: maybe(body.Name), Role: halberd.Maybe[halberd.Scope]{Set: body.Role.Set, Value: halberd.Scope(body.Role.Value)}}
	if body.Role.Null {
		return out, mustNotBeNull("role")
	}
	if p.Operator, err = flagIn("operator", body.Operator); err != nil {
		return out, err
	}
	if p.Active, err = flagIn("active", body.Active); err != nil {
		return out, err
	}
	m, err := c.Service.UpdateMember(c.Context(), c.Actor, id, p, c.Version)
	if err != nil {
		return out, err
	}
	return changedTo(c, member(&m.Member), m.Propagation), nil
}

func removeMember(c *request.Call) (out changed[wire.RemovedMember], err error) {
	id, err := memberID(c)
	if err != nil {
		return out, err
	}
	l := halberd.Leaving{Keys: halberd.KeysOfLeaver(c.Query["keys"])}
	if l.To, err = memberNamed("to", c.Query["to"]); err != nil {
		return out, err
	}
	left, err := c.Service.RemoveMember(c.Context(), c.Actor, id, l, c.Version)
	if err != nil {
		return out, err
	}
	shown := left.Keys[:min(len(left.Keys), maxLeft)]
	removed := wire.RemovedMember{Member: member(&left.Member), Keys: make([]wire.Key, len(shown)), KeyCount: len(left.Keys)}
	render := renderer(c)
	for i := range shown {
		removed.Keys[i] = render(&shown[i])
	}
	return changedTo(c, removed, left.Propagation), nil
}

func memberID(c *request.Call) (halberd.MemberID, error) {
	id, err := halberd.ParseMemberID(c.Path("member_id"))
	if err != nil {
		return id, request.NotFound()
	}
	return id, nil
}

func memberNamed(field, text string) (id halberd.MemberID, err error) {
	if text == "" {
		return id, nil
	}
	if id, err = halberd.ParseMemberID(text); err != nil {
		return id, halberd.Invalid(field, "must be a member's id: mem_ and 26 characters")
	}
	return id, nil
}
