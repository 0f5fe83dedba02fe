package halberd

import (
	"slices"
	"strings"
	"time"
)

// EventType says what happened: a noun and what became of it.
type EventType string

// The types of events. A new one must be in EventTypes too.
const (
	EventKeyCreated     EventType = "key.created"
	EventKeyUpdated     EventType = "key.updated"
	EventKeyActivated   EventType = "key.activated"
	EventKeyDeactivated EventType = "key.deactivated"
	EventKeyRotated     EventType = "key.rotated"
	EventKeyRevoked     EventType = "key.revoked"

	EventProjectCreated     EventType = "project.created"
	EventProjectUpdated     EventType = "project.updated"
	EventProjectActivated   EventType = "project.activated"
	EventProjectDeactivated EventType = "project.deactivated"
	EventProjectDeleted     EventType = "project.deleted"

	EventOrganizationCreated     EventType = "organization.created"
	EventOrganizationUpdated     EventType = "organization.updated"
	EventOrganizationActivated   EventType = "organization.activated"
	EventOrganizationDeactivated EventType = "organization.deactivated"

	EventMemberInvited     EventType = "member.invited"
	EventMemberJoined      EventType = "member.joined"
	EventMemberUpdated     EventType = "member.updated"
	EventMemberActivated   EventType = "member.activated"
	EventMemberDeactivated EventType = "member.deactivated"
	EventMemberSignedOut   EventType = "member.signed_out" // everywhere, by the member
	EventMemberRemoved     EventType = "member.removed"

	EventAlertOpened       EventType = "alert.opened"
	EventAlertAcknowledged EventType = "alert.acknowledged"
	EventAlertResolved     EventType = "alert.resolved"

	EventWebhookCreated  EventType = "webhook.created"
	EventWebhookUpdated  EventType = "webhook.updated"
	EventWebhookDisabled EventType = "webhook.disabled" // by the server; data.reason says why
	EventWebhookDeleted  EventType = "webhook.deleted"
	EventWebhookTest     EventType = "webhook.test" // asked for; sent to one webhook
)

// EventTypes lists every type.
func EventTypes() []EventType {
	return []EventType{
		EventKeyCreated, EventKeyUpdated, EventKeyActivated, EventKeyDeactivated, EventKeyRotated, EventKeyRevoked,
		EventProjectCreated, EventProjectUpdated, EventProjectActivated, EventProjectDeactivated, EventProjectDeleted,
		EventOrganizationCreated, EventOrganizationUpdated, EventOrganizationActivated, EventOrganizationDeactivated,
		EventMemberInvited, EventMemberJoined, EventMemberUpdated, EventMemberActivated, EventMemberDeactivated,
		EventMemberSignedOut, EventMemberRemoved,
		EventAlertOpened, EventAlertAcknowledged, EventAlertResolved,
		EventWebhookCreated, EventWebhookUpdated, EventWebhookDisabled, EventWebhookDeleted, EventWebhookTest,
	}
}

// Event is something that happened: a change of a key, project, organization,
// member or webhook, or of an alert. It is recorded in the transaction of its
// cause, so that there is no change without its event and no event without its
// change, and it is never edited.
type Event struct {
	ID           EventID
	At           time.Time
	Type         EventType
	Organization OrganizationID
	Project      ProjectID // zero: of the organization as a whole
	TargetKind   string    // key, project, organization, member, alert, webhook
	Target       string    // its id
	// Version is the target's after the change. A delivery may be overtaken by a
	// later one: of two events of one target the greater version is the newer.
	Version int64
	// Data is what a receiver is sent, a JSON object: ids and hints, never a secret
	// or a digest.
	Data string
}

// EventQuery selects events. The zero query is everything the caller reaches, in
// the order in which it happened.
type EventQuery struct {
	Organization OrganizationID // operators only; zero: the caller's
	Types        []string       // types, or all of a noun: `key.*`; empty: all
	Target       string
	From, To     time.Time // From ≤ at < To; zero: open
	After        EventID   // only events later than this one; for following
	Descending   bool
	Page         Page
}

// Events is one page. Next is empty at the end.
type Events struct {
	List []Event
	Next string
}

// expandTypes reads a selection of types. It names every type that is selected;
// nothing for an empty selection, or for `*`, which is all.
func expandTypes(field string, selected []string) ([]string, error) {
	var out []string
	for _, word := range selected {
		if word == "*" {
			return nil, nil
		}
		noun, all := strings.CutSuffix(word, "*")
		found := false
		for _, t := range EventTypes() {
			if string(t) == word || all && strings.HasSuffix(noun, ".") && strings.HasPrefix(string(t), noun) {
				found = true
				if !slices.Contains(out, string(t)) {
					out = append(out, string(t))
				}
			}
		}
		if !found {
			return nil, Invalid(field, "must be types of events such as key.revoked, all of a noun such as key.*, or *")
		}
	}
	return out, nil
}

func (r *EventRecord) event() Event {
	return Event{
		ID: r.ID, At: instant(r.At), Type: EventType(r.Type), Organization: r.Organization, Project: r.Project,
		TargetKind: r.TargetKind, Target: r.Target, Version: r.Version, Data: r.Data,
	}
}
