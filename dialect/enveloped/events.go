package enveloped

import (
	"encoding/json"
	"strings"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

func listEvents(c *request.Call) (out many[wire.Event], err error) {
	q := halberd.EventQuery{Target: c.Query["target"], Descending: c.Query["sort"] == "-at", Page: pageOf(c)}
	if q.Organization, err = organizationNamed(c.Query["organization_id"]); err != nil {
		return out, err
	}
	if text := c.Query["type"]; text != "" {
		q.Types = strings.Split(text, ",")
	}
	if q.From, q.To, err = between(c); err != nil {
		return out, err
	}
	if text := c.Query["after"]; text != "" {
		if q.After, err = halberd.ParseEventID(text); err != nil {
			return out, halberd.Invalid("after", "must be an event_id: evt_ and 26 characters")
		}
	}
	events, err := c.Service.Events(c.Context(), c.Actor, q)
	if err != nil {
		return out, err
	}
	return manyOf(c, events.List, events.Next, event), nil
}

func event(e *halberd.Event) wire.Event {
	out := wire.Event{
		EventID: e.ID.String(), At: e.At, Type: string(e.Type), OrganizationID: textOrNull(e.Organization.String()),
		ProjectID: textOrNull(e.Project.String()), Version: e.Version, Data: map[string]any{},
	}
	if e.Target != "" {
		out.Target = &wire.Party{Type: e.TargetKind, ID: e.Target}
	}
	_ = json.Unmarshal([]byte(e.Data), &out.Data) // the ground wrote it; what cannot be read is not told
	return out
}
