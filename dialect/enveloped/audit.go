package enveloped

import (
	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

func listAuditEvents(c *request.Call) (out many[wire.AuditEvent], err error) {
	q := halberd.AuditQuery{
		Action: halberd.Action(c.Query["action"]), Actor: c.Query["actor"], Target: c.Query["target"],
		Outcome: halberd.Outcome(c.Query["outcome"]), Ascending: c.Query["sort"] == "at", Page: pageOf(c),
	}
	if q.Organization, err = organizationNamed(c.Query["organization_id"]); err != nil {
		return out, err
	}
	if q.From, q.To, err = between(c); err != nil {
		return out, err
	}
	if text := c.Query["after"]; text != "" {
		if q.After, err = halberd.ParseAuditID(text); err != nil {
			return out, halberd.Invalid("after", "must be an audit_id: aud_ and 26 characters")
		}
	}
	events, err := c.Service.Audit(c.Context(), c.Actor, q)
	if err != nil {
		return out, err
	}
	return manyOf(c, events.List, events.Next, auditEvent), nil
}
