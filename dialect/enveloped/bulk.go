package enveloped

import (
	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

func bulkKeys(c *request.Call, body *wire.BulkKeys) (out wire.BulkEnvelope, err error) {
	b, err := bulkIn(body)
	if err != nil {
		return out, err
	}
	done, err := c.Service.Bulk(c.Context(), c.Actor, b)
	if err != nil {
		return out, err
	}
	out.Data = make([]wire.BulkResult, len(done.Results))
	for i, r := range done.Results {
		out.Data[i] = wire.BulkResult{KeyID: r.ID.String(), Done: r.Refusal == nil}
		if r.Refusal != nil {
			out.Data[i].Error = &wire.Error{Code: string(r.Refusal.Code), Message: r.Refusal.Message, Field: r.Refusal.Field}
		}
	}
	out.Meta = changeMeta(c, done.Propagation)
	return out, nil
}

// bulkIn reads the body. What is there and empty is refused: taken for absent,
// an unset variable in a script would mean more keys than were meant.
func bulkIn(body *wire.BulkKeys) (b halberd.Bulk, err error) {
	b = halberd.Bulk{Action: halberd.BulkAction(body.Action), ExternalID: body.ExternalID.Value, Reason: body.Reason}
	switch {
	case body.KeyIDs.Null:
		return b, mustNotBeNull("key_ids")
	case body.KeyIDs.Set && body.ExternalID.Set:
		return b, halberd.Invalid("external_id", "and key_ids exclude each other")
	case body.ExternalID.Null:
		return b, mustNotBeNull("external_id")
	case body.ExternalID.Set && b.ExternalID == "":
		return b, halberd.Invalid("external_id", "must not be empty")
	case body.ProjectID.Null:
		return b, mustNotBeNull("project_id")
	}
	if body.ProjectID.Set {
		if b.Project, err = projectIn(body.ProjectID.Value); err != nil {
			return b, err
		}
	}
	if b.Organization, err = organizationIn(body.OrganizationID); err != nil {
		return b, err
	}
	b.Keys = make([]halberd.KeyID, len(body.KeyIDs.Value))
	for i, text := range body.KeyIDs.Value {
		if b.Keys[i], err = halberd.ParseKeyID(text); err != nil {
			return b, halberd.Invalid("key_ids", "must hold ids of keys, key_ and 26 characters each; number %d is none", i+1)
		}
	}
	return b, nil
}
