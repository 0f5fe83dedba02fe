package halberd

import (
	"net/netip"
	"time"
)

// ActorKind says what an actor is.
type ActorKind string

// The kinds of actor. ActorSystem is the instance itself: its first start, a
// recovery, an embedding program.
const (
	ActorKey    ActorKind = "key"
	ActorMember ActorKind = "member"
	ActorSystem ActorKind = "system"
)

// Actor is who asks for something. It is always an explicit argument and comes
// from Authenticate, from MemberActor, or from Root in a program that embeds the Service. The
// zero Actor may do nothing.
type Actor struct {
	kind         ActorKind
	key          KeyID
	member       MemberID
	epoch        int64  // of the member's session
	name         string // of a system actor
	organization OrganizationID
	project      ProjectID // zero: organization-wide
	operator     bool
	scopes       Scopes
	resources    Resources
	ipAllow      []netip.Prefix
	rateLimits   RateLimits
	quota        *Quota
	expiresAt    time.Time
	digest       Digest     // of the secret that was presented
	revision     int64      // of the directory that found it good; 0: none did
	from         netip.Addr // where it was presented

	request Request
}

// Request is what one call carries besides its values. All of it is optional.
type Request struct {
	ID       string     // goes into the audit record
	ClientIP netip.Addr // the address the caller came from, into the audit record
	// UserAgent is what the caller calls its program, kept with the key's last use.
	UserAgent string
	// Idempotency makes a create or rotate happen once: the key the caller
	// chose, the route, and a digest of the body. Zero: none.
	Idempotency Idempotency
	// Wait bounds how long a change that narrows waits for other nodes; then it is
	// UNAVAILABLE, though it was made. Zero: as long as it takes. With Async such a
	// change is answered after Wait, which may be zero, as one that is not Confirmed:
	// its Propagation says by when it will be.
	Wait  time.Duration
	Async bool
}

// Idempotency is one use of an Idempotency-Key header.
type Idempotency struct {
	Key         string   // 1–255 visible ASCII characters; empty: none
	Route       string   // so that one key on two routes is two requests
	Fingerprint [32]byte // of the body; another one under the same key is refused
}

// Root is the embedding program itself, or the operator at the machine: it may
// do everything. The name goes into the audit records.
func Root(name string) Actor {
	return Actor{
		kind: ActorSystem, name: name, operator: true,
		scopes: MustScopes("admin"), resources: AllResources(),
	}
}

// Via returns the actor with the request it comes by.
func (a Actor) Via(r Request) Actor {
	a.request = r
	return a
}

// KeyID is the key the actor presented; zero for others.
func (a Actor) KeyID() KeyID { return a.key }

// MemberID is the member who acts; zero for others.
func (a Actor) MemberID() MemberID { return a.member }

// Organization is the actor's own; zero for a system actor.
func (a Actor) Organization() OrganizationID { return a.organization }

// Project is the actor's own; zero for an organization-wide actor.
func (a Actor) Project() ProjectID { return a.project }

// Operator reports whether the actor runs the instance.
func (a Actor) Operator() bool { return a.operator }

// IsZero reports whether nobody is meant.
func (a Actor) IsZero() bool { return a.kind == "" }

// Ref names the actor in records: a key's or a member's id, or `system:<name>`.
func (a Actor) Ref() string {
	switch a.kind {
	case ActorKey:
		return a.key.String()
	case ActorMember:
		return a.member.String()
	case ActorSystem:
		return "system:" + a.name
	}
	return ""
}

// wide reports whether the actor stands for its whole organization.
func (a Actor) wide() bool { return a.project.IsZero() }

// reaches reports whether objects of a project (zero: of the organization as
// a whole) are the actor's to know of. Outside the reach is NOT_FOUND.
func (a Actor) reaches(org OrganizationID, project ProjectID) bool {
	switch {
	case a.operator:
		return true
	case a.organization != org || org.IsZero():
		return false
	}
	return a.wide() || a.project == project
}

// Action is one thing the Service does for an actor. The text goes into the
// audit record.
type Action string

// The actions. ActionWhoAmI needs a good key and nothing else.
const (
	ActionWhoAmI             Action = "whoami"
	ActionVerify             Action = "key.verify"
	ActionReadKeys           Action = "key.read"
	ActionCreateKey          Action = "key.create"
	ActionUpdateKey          Action = "key.update"
	ActionRotateKey          Action = "key.rotate"
	ActionEndOverlap         Action = "key.end_overlap"
	ActionRevokeKey          Action = "key.revoke"
	ActionBulkKeys           Action = "key.bulk" // each key is recorded as key.revoke or key.update
	ActionReadUsage          Action = "usage.read"
	ActionReadProjects       Action = "project.read"
	ActionCreateProject      Action = "project.create"
	ActionUpdateProject      Action = "project.update"
	ActionDeleteProject      Action = "project.delete"
	ActionReadOrganizations  Action = "organization.read"
	ActionCreateOrganization Action = "organization.create"
	ActionUpdateOrganization Action = "organization.update"
	ActionReadMembers        Action = "member.read"
	ActionInviteMember       Action = "member.invite"
	ActionUpdateMember       Action = "member.update"
	ActionRemoveMember       Action = "member.remove"
	ActionJoin               Action = "member.join"        // an invitation was accepted
	ActionSignIn             Action = "member.sign_in"     // a session began
	ActionSignOut            Action = "member.sign_out"    // every session of a member was ended
	ActionUpdateSelf         Action = "member.update_self" // a member's own name or password
	ActionReadAudit          Action = "audit.read"
	ActionReadNodes          Action = "node.read"
	ActionReadEvents         Action = "event.read"
	ActionReadWebhooks       Action = "webhook.read"
	ActionCreateWebhook      Action = "webhook.create"
	ActionUpdateWebhook      Action = "webhook.update"
	ActionRotateWebhook      Action = "webhook.rotate_secret"
	ActionDeleteWebhook      Action = "webhook.delete"
	ActionTestWebhook        Action = "webhook.test"
	ActionRedeliver          Action = "webhook.redeliver"
	ActionDisableWebhook     Action = "webhook.disable" // by the server
	ActionReadAlerts         Action = "alert.read"
	ActionAcknowledgeAlert   Action = "alert.acknowledge"
	ActionSilenceAlert       Action = "alert.silence"
	ActionCreateAlertRule    Action = "alert_rule.create"
	ActionUpdateAlertRule    Action = "alert_rule.update"
	ActionDeleteAlertRule    Action = "alert_rule.delete"
	ActionStart              Action = "instance.start"   // the first start
	ActionRecover            Action = "instance.recover" // a new admin key, at the machine
)

// repeats reports whether an action may take something away: then a call that
// finds nothing to do may repeat one whose answer was lost.
func (act Action) repeats() bool {
	switch act {
	case ActionUpdateKey, ActionRotateKey, ActionEndOverlap, ActionRevokeKey, ActionBulkKeys,
		ActionUpdateProject, ActionDeleteProject, ActionUpdateOrganization,
		ActionInviteMember, ActionUpdateMember, ActionRemoveMember, ActionUpdateSelf:
		return true
	}
	return false
}

// revokes reports whether an action may revoke keys: it is no success while
// tombstones are owed to the journal.
func (act Action) revokes() bool {
	return act == ActionRevokeKey || act == ActionBulkKeys || act == ActionDeleteProject
}

// permits reports whether the actor holds the right for an action at all; what
// it may be done to is the reach's question.
func (a Actor) permits(act Action) bool {
	switch act {
	case ActionWhoAmI:
		return !a.IsZero()
	case ActionVerify:
		return a.scopes.Holds(ScopeVerify)
	case ActionReadKeys, ActionReadUsage, ActionReadProjects, ActionReadAlerts:
		return a.scopes.Holds(ScopeRead)
	case ActionCreateKey, ActionUpdateKey, ActionRotateKey, ActionEndOverlap, ActionRevokeKey, ActionBulkKeys,
		ActionUpdateProject, ActionReadAudit, ActionReadEvents,
		ActionAcknowledgeAlert, ActionSilenceAlert, ActionCreateAlertRule, ActionUpdateAlertRule, ActionDeleteAlertRule:
		return a.scopes.Holds(ScopeAdmin)
	case ActionUpdateSelf:
		return a.kind == ActorMember
	case ActionCreateProject, ActionDeleteProject,
		ActionReadMembers, ActionInviteMember, ActionUpdateMember, ActionRemoveMember,
		ActionReadWebhooks, ActionCreateWebhook, ActionUpdateWebhook, ActionRotateWebhook, ActionDeleteWebhook,
		ActionTestWebhook, ActionRedeliver:
		return a.scopes.Holds(ScopeAdmin) && a.wide()
	case ActionReadNodes, ActionReadOrganizations, ActionCreateOrganization, ActionUpdateOrganization:
		return a.scopes.Holds(ScopeAdmin) && a.operator
	}
	return false
}
