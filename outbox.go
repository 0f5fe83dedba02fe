package halberd

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// update is the one way in which the Service changes what is kept of keys,
// projects, organizations, members and webhooks. Every row that fn puts becomes
// an event of the same transaction, without fn's doing: no change can forget it.
func (s *Service) update(ctx context.Context, fn func(Tx) error) error {
	wrote := false
	err := s.store.Update(ctx, func(tx Tx) error {
		o := outbox{Tx: tx, at: s.stamp().Unix()}
		if err := fn(&o); err != nil {
			return err
		}
		wrote = len(o.events) > 0
		return o.close()
	})
	if err == nil && wrote {
		s.wakeRelay()
	}
	return err
}

// wakeRelay says that there is something to deliver, to whoever asked with
// OutboxFilled.
func (s *Service) wakeRelay() {
	select {
	case s.filled <- struct{}{}:
	default: // it is said already
	}
}

// OutboxFilled has a value soon after something was to be delivered. It is a
// hint for one listener, so that nothing waits for the next look: what another
// node commits is not told of.
func (s *Service) OutboxFilled() <-chan struct{} { return s.filled }

// outbox is a Tx that makes an event of each row that is put. Who did it and
// which fields changed it learns from the audit record of the same target, which
// follows; a row without one has an event all the same.
type outbox struct {
	Tx
	at     int64
	events []happening
}

// happening is an event being gathered.
type happening struct {
	EventRecord
	data    map[string]any // nil: the record is whole already
	audited bool
}

// close writes what was gathered, in the order in which it happened.
func (o *outbox) close() error {
	for i := range o.events {
		h := &o.events[i]
		if h.data != nil {
			h.Data = encodeJSON(h.data)
		}
		if err := o.Tx.AppendEvent(h.EventRecord); err != nil {
			return err
		}
	}
	return nil
}

// put notes a row that was put, if it was. id names the target in the data; its
// organization, project and version stand there as well.
func (o *outbox) put(err error, t EventType, kind string, target fmt.Stringer, org OrganizationID, project ProjectID, version int64, data map[string]any) error {
	if err != nil {
		return err
	}
	data[kind+"_id"], data["organization_id"], data["version"] = target.String(), org.String(), version
	if !project.IsZero() {
		data["project_id"] = project.String()
	}
	o.events = append(o.events, happening{
		EventRecord: EventRecord{
			ID: NewEventID(), At: o.at, Type: string(t), Organization: org, Project: project,
			TargetKind: kind, Target: target.String(), Version: version,
		},
		data: data,
	})
	return nil
}

// InsertKey implements Tx.
func (o *outbox) InsertKey(r KeyRecord) error {
	return o.putKey(o.Tx.InsertKey(r), EventKeyCreated, &r)
}

// UpdateKey implements Tx.
func (o *outbox) UpdateKey(r KeyRecord) error {
	t := EventKeyUpdated
	if r.State == StateRevoked {
		t = EventKeyRevoked
	}
	return o.putKey(o.Tx.UpdateKey(r), t, &r)
}

func (o *outbox) putKey(err error, t EventType, r *KeyRecord) error {
	data := map[string]any{"prefix": r.Hint, "state": r.State}
	if r.Name != "" {
		data["label"] = r.Name
	}
	if r.ExternalID != "" {
		data["external_id"] = r.ExternalID
	}
	return o.put(err, t, "key", r.ID, r.Organization, r.Project, r.Version, data)
}

// PutProject implements Tx.
func (o *outbox) PutProject(r ProjectRecord) error {
	t := EventProjectUpdated
	switch {
	case r.DeletedAt != 0:
		t = EventProjectDeleted
	case r.Version == 1:
		t = EventProjectCreated
	}
	return o.put(o.Tx.PutProject(r), t, "project", r.ID, r.Organization, r.ID, r.Version, map[string]any{"name": r.Name})
}

// PutOrganization implements Tx.
func (o *outbox) PutOrganization(r OrganizationRecord) error {
	t := EventOrganizationUpdated
	if r.Version == 1 {
		t = EventOrganizationCreated
	}
	return o.put(o.Tx.PutOrganization(r), t, "organization", r.ID, r.ID, ProjectID{}, r.Version,
		map[string]any{"name": r.Name, "active": r.Active})
}

// PutMember implements Tx. Neither the address nor the name of a person leaves
// in an event.
func (o *outbox) PutMember(r MemberRecord) error {
	t := EventMemberUpdated
	switch r.State {
	case MemberRemoved:
		t = EventMemberRemoved
	case MemberInvited:
		t = EventMemberInvited
	}
	return o.put(o.Tx.PutMember(r), t, "member", r.ID, r.Organization, ProjectID{}, r.Version,
		map[string]any{"role": r.Role, "state": r.State})
}

// PutWebhook implements Tx.
func (o *outbox) PutWebhook(r WebhookRecord) error {
	t := EventWebhookUpdated
	data := map[string]any{"format": r.Format, "active": r.Active}
	if r.Version == 1 {
		t = EventWebhookCreated
	}
	if r.Stopped != "" {
		data["reason"] = r.Stopped
	}
	return o.put(o.Tx.PutWebhook(r), t, "webhook", r.ID, r.Organization, ProjectID{}, r.Version, data)
}

// DropWebhook implements Tx.
func (o *outbox) DropWebhook(id WebhookID) error {
	r, err := o.Webhook(id)
	if err != nil {
		return err
	}
	return o.put(o.Tx.DropWebhook(id), EventWebhookDeleted, "webhook", id, r.Organization, ProjectID{}, r.Version+1,
		map[string]any{"format": r.Format})
}

// AppendEvent implements Tx: an event that is no row of these keeps its place
// among those that are.
func (o *outbox) AppendEvent(r EventRecord) error {
	o.events = append(o.events, happening{EventRecord: r, audited: true})
	return nil
}

// AppendAudit implements Tx.
func (o *outbox) AppendAudit(a AuditRecord) error {
	if err := o.Tx.AppendAudit(a); err != nil {
		return err
	}
	for i := range slices.Backward(o.events) {
		h := &o.events[i]
		if h.audited || h.TargetKind != a.TargetKind || h.Target != a.Target {
			continue
		}
		h.audited = true
		return h.tell(&a)
	}
	return nil
}

// tell adds what the audit record knows: who, which fields, and by what.
func (h *happening) tell(a *AuditRecord) error {
	h.data["actor"] = map[string]string{"type": a.ActorKind, "id": strings.TrimPrefix(a.Actor, "system:")}
	var changes map[string]Change
	if a.Changes != "" {
		if err := json.Unmarshal([]byte(a.Changes), &changes); err != nil {
			return fmt.Errorf("changes of an audit record: %w", err)
		}
	}
	if fields := slices.Sorted(maps.Keys(changes)); len(fields) > 0 && h.Version > 1 {
		h.data["changed"] = fields
	}
	h.Type = string(refined(EventType(h.Type), Action(a.Action), changes))
	return nil
}

// refined is the type that says the most: what became active or inactive is told
// as that, even if other fields changed with it.
func refined(t EventType, act Action, changes map[string]Change) EventType {
	on, off := t, t
	switch t {
	case EventWebhookUpdated:
		if act == ActionDisableWebhook {
			return EventWebhookDisabled
		}
	case EventKeyUpdated:
		if act == ActionRotateKey {
			return EventKeyRotated
		}
		on, off = EventKeyActivated, EventKeyDeactivated
	case EventProjectUpdated:
		on, off = EventProjectActivated, EventProjectDeactivated
	case EventOrganizationUpdated:
		on, off = EventOrganizationActivated, EventOrganizationDeactivated
	case EventMemberUpdated:
		switch {
		case act == ActionSignOut:
			return EventMemberSignedOut
		case changes["state"].Before == string(MemberInvited):
			return EventMemberJoined
		case changes["state"].After == string(MemberActive):
			return EventMemberActivated
		case changes["state"].After == string(MemberInactive):
			return EventMemberDeactivated
		}
	}
	switch changes["active"].After {
	case true:
		return on
	case false:
		return off
	}
	return t
}
