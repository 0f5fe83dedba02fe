package cli

import "github.com/halberdhq/halberd/dialect/enveloped/wire"

var organizationListing = listing[wire.Organization]{
	what:  "organizations",
	heads: []string{"ID", "NAME", "ACTIVE", "CREATED"},
	id:    func(o *wire.Organization) string { return o.OrganizationID },
	row:   organizationRow,
}

func organizationRow(o *wire.Organization) []cell {
	return []cell{text(o.OrganizationID), text(o.Name), active(o.Active), moment(&o.CreatedAt, "")}
}

// showOrganization writes one organization to stdout.
func (a *app) showOrganization(o *wire.Organization) error {
	return a.show(o, func(p *page) {
		if a.quiet {
			p.line(o.OrganizationID)
			return
		}
		p.fact("id", text(o.OrganizationID))
		p.fact("name", text(o.Name))
		p.fact("active", active(o.Active))
		p.fact("created", text(instant(&o.CreatedAt)))
	})
}
