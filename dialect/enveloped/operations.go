package enveloped

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

// Operations is the dialect's table, in the order of the reference.
func Operations() []request.Operation {
	return slices.Concat(keyOperations(), usageOperations(), adminOperations(), memberOperations(), eventOperations(), alertOperations(), nodeOperations())
}

// Waits reports whether an operation may wait for other nodes, and may be told
// not to: it is a change that says how far it had gone, and makes nothing new.
func Waits(op *request.Operation) bool {
	meta, has := op.Answer.FieldByName("Meta")
	return has && meta.Type == reflect.TypeFor[wire.ChangeMeta]() && op.Status == http.StatusOK
}

func keyOperations() []request.Operation {
	return []request.Operation{
		{
			Method: http.MethodPost, Path: "/v1/api-keys", Name: "createKey", Status: http.StatusCreated,
			Summary: "Create API key",
			Doc: "The full key is only in this answer: store it securely. Absent fields take the project's defaults, shortened to what the caller holds.\n\n" +
				"With an `Idempotency-Key` a repetition makes no second key and shows no secret: it is `IDEMPOTENT_REPLAY` with the `key_id` made the first time.",
			Action: halberd.ActionCreateKey, Idempotent: true,
			Refusals: []halberd.Code{
				halberd.CodeScopeEscalation, halberd.CodeNotFound, halberd.CodeKeyLimitExceeded, halberd.CodeIdempotencyReplay,
			},
			Handling: request.Takes(createKey),
		},
		{
			Method: http.MethodGet, Path: "/v1/api-keys", Name: "listKeys", Status: http.StatusOK,
			Summary: "List API keys",
			Doc:     "What the caller reaches, newest first, without revoked keys.",
			Action:  halberd.ActionReadKeys,
			Query: page(
				request.Param{Name: "state", Doc: "One or several, parted by commas. Default: all but revoked.", List: true, Enum: []string{"active", "inactive", "expired", "revoked"}},
				request.Param{Name: "scope", Doc: "Keys that hold this scope."},
				request.Param{Name: "q", Doc: "Literal text in label, prefix, id or external id; ASCII letters in either case.", Blank: true},
				request.Param{Name: "external_id", Doc: "Keys of this customer of the API."},
				request.Param{Name: "owned_by", Doc: "Keys of this member: those they made or took over."},
				request.Param{Name: "expires_before", Doc: "An instant, or a date, which is its end. Keys without an expiry never match."},
				request.Param{Name: "unused_since", Doc: "An instant, or a date, which is its end. Keys never used match."},
				request.Param{Name: "project_id", Doc: "Keys of one project."},
				organizationParam,
				request.Param{Name: "sort", Doc: "`-` reverses. Default: `-created_at`.", Enum: []string{
					"created_at", "-created_at", "label", "-label", "expires_at", "-expires_at", "last_used_at", "-last_used_at",
				}},
			),
			Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Answers(listKeys),
		},
		{
			Method: http.MethodPost, Path: "/v1/api-keys/bulk", Name: "bulkKeys", Status: http.StatusOK,
			Summary: "Revoke, deactivate or activate many API keys",
			Doc: "Up to 1,000 by `key_ids`, or all of an `external_id`: in one transaction, with a result for each in the order asked for, and one `meta.propagation`. " +
				"A key that is refused stands in no other's way, so the answer is 200 even where all are. A key named twice has two results.\n\n" +
				"With an `Idempotency-Key` a repetition does nothing and is answered with the results of the first time.",
			Action: halberd.ActionBulkKeys, Idempotent: true,
			Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Takes(bulkKeys),
		},
		{
			Method: http.MethodPost, Path: "/v1/api-keys/verify", Name: "verifyKey", Status: http.StatusOK,
			Summary: "Check a key",
			Doc: "200 whenever the answer is known, also when it is no. `code` is the first that applies of MALFORMED, NOT_FOUND, REVOKED, INACTIVE, NOT_YET_VALID, EXPIRED, " +
				"IP_NOT_ALLOWED, INSUFFICIENT_SCOPE, RESOURCE_NOT_ALLOWED, RATE_LIMITED, QUOTA_EXCEEDED, VALID. Never cache a verdict.",
			Action: halberd.ActionVerify, Quiet: true, Free: true,
			Handling: request.Appends[VerifyKey, one[wire.Verdict]](verify),
		},
		{
			Method: http.MethodPost, Path: "/v1/api-keys/verify-batch", Name: "verifyKeys", Status: http.StatusOK,
			Summary: "Check up to 100 keys",
			Doc: "The verdicts stand in the order of the checks, each as the check alone would have it. While one of the checks makes no sense none is made, " +
				"and `error.field` says which: `checks[3].cost`.",
			Action: halberd.ActionVerify, Quiet: true, Free: true,
			Handling: request.Appends[VerifyKeys, wire.Verdicts](verifyBatch),
		},
		{
			Method: http.MethodGet, Path: "/v1/api-keys/{key_id}", Name: "getKey", Status: http.StatusOK,
			Summary: "Read an API key",
			Action:  halberd.ActionReadKeys, Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Answers(getKey),
		},
		{
			Method: http.MethodPatch, Path: "/v1/api-keys/{key_id}", Name: "updateKey", Status: http.StatusOK,
			Summary: "Change an API key",
			Doc:     "A merge patch (RFC 7396): absent leaves, null goes back to the default. What widens the key obeys the granting rule.",
			Action:  halberd.ActionUpdateKey, Conditional: true,
			Refusals: []halberd.Code{
				halberd.CodeScopeEscalation, halberd.CodeNotFound, halberd.CodeKeyRevoked, halberd.CodeKeyLimitExceeded, halberd.CodeLastAdmin,
			},
			Handling: request.Takes(updateKey),
		},
		{
			Method: http.MethodDelete, Path: "/v1/api-keys/{key_id}", Name: "revokeKey", Status: http.StatusOK,
			Summary: "Revoke an API key",
			Doc:     "For good, both secrets at once; the second time is the same success. `meta.propagation` says whether every node knows.",
			Action:  halberd.ActionRevokeKey, Conditional: true,
			Query:    []request.Param{{Name: "reason", Doc: "Up to 255 characters, kept with the key.", Blank: true}},
			Refusals: []halberd.Code{halberd.CodeScopeEscalation, halberd.CodeNotFound, halberd.CodeLastAdmin},
			Handling: request.Answers(revokeKey),
		},
		{
			Method: http.MethodPost, Path: "/v1/api-keys/{key_id}/rotate", Name: "rotateKey", Status: http.StatusOK,
			Summary: "Give an API key a new secret",
			Doc:     "The id stays. The old secret ends at once, or after `overlap_seconds`.",
			Action:  halberd.ActionRotateKey, Conditional: true, Idempotent: true, BodyOptional: true,
			Refusals: []halberd.Code{
				halberd.CodeScopeEscalation, halberd.CodeNotFound, halberd.CodeKeyRevoked, halberd.CodeIdempotencyReplay,
			},
			Handling: request.Takes(rotateKey),
		},
		{
			Method: http.MethodDelete, Path: "/v1/api-keys/{key_id}/previous", Name: "endOverlap", Status: http.StatusOK,
			Summary: "End the old secret of a rotation now",
			Action:  halberd.ActionEndOverlap, Conditional: true,
			Refusals: []halberd.Code{halberd.CodeScopeEscalation, halberd.CodeNotFound, halberd.CodeKeyRevoked},
			Handling: request.Answers(endOverlap),
		},
		{
			Method: http.MethodGet, Path: "/v1/whoami", Name: "whoAmI", Status: http.StatusOK,
			Summary:  "The presented key looks at itself",
			Action:   halberd.ActionWhoAmI,
			Handling: request.Answers(whoAmI),
		},
	}
}

func adminOperations() []request.Operation {
	return []request.Operation{
		{
			Method: http.MethodGet, Path: "/v1/projects", Name: "listProjects", Status: http.StatusOK,
			Summary: "List projects",
			Action:  halberd.ActionReadProjects, Query: page(organizationParam),
			Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Answers(listProjects),
		},
		{
			Method: http.MethodPost, Path: "/v1/projects", Name: "createProject", Status: http.StatusCreated,
			Summary: "Create a project",
			Action:  halberd.ActionCreateProject, Idempotent: true,
			Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Takes(createProject),
		},
		{
			Method: http.MethodGet, Path: "/v1/projects/{project_id}", Name: "getProject", Status: http.StatusOK,
			Summary: "Read a project",
			Action:  halberd.ActionReadProjects, Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Answers(getProject),
		},
		{
			Method: http.MethodPatch, Path: "/v1/projects/{project_id}", Name: "updateProject", Status: http.StatusOK,
			Summary: "Change a project",
			Doc:     "A merge patch. `active: false` refuses all its keys at once.",
			Action:  halberd.ActionUpdateProject, Conditional: true,
			Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Takes(updateProject),
		},
		{
			Method: http.MethodDelete, Path: "/v1/projects/{project_id}", Name: "deleteProject", Status: http.StatusOK,
			Summary: "Delete a project",
			Doc:     "Revokes all its keys and hides it. The default project stays: `CONFLICT`.",
			Action:  halberd.ActionDeleteProject, Conditional: true,
			Refusals: []halberd.Code{halberd.CodeScopeEscalation, halberd.CodeNotFound},
			Handling: request.Answers(deleteProject),
		},
		{
			Method: http.MethodGet, Path: "/v1/organizations", Name: "listOrganizations", Status: http.StatusOK,
			Summary: "List organizations", Doc: "For operators.",
			Action: halberd.ActionReadOrganizations, Query: page(),
			Handling: request.Answers(listOrganizations),
		},
		{
			Method: http.MethodPost, Path: "/v1/organizations", Name: "createOrganization", Status: http.StatusCreated,
			Summary: "Create an organization and its default project", Doc: "For operators.",
			Action: halberd.ActionCreateOrganization, Idempotent: true,
			Handling: request.Takes(createOrganization),
		},
		{
			Method: http.MethodGet, Path: "/v1/organizations/{organization_id}", Name: "getOrganization", Status: http.StatusOK,
			Summary: "Read an organization", Doc: "For operators.",
			Action: halberd.ActionReadOrganizations, Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Answers(getOrganization),
		},
		{
			Method: http.MethodPatch, Path: "/v1/organizations/{organization_id}", Name: "updateOrganization", Status: http.StatusOK,
			Summary: "Change an organization", Doc: "For operators. `active: false` refuses all its keys at once.",
			Action: halberd.ActionUpdateOrganization, Conditional: true,
			Refusals: []halberd.Code{halberd.CodeNotFound, halberd.CodeLastAdmin},
			Handling: request.Takes(updateOrganization),
		},
		{
			Method: http.MethodGet, Path: "/v1/audit-events", Name: "listAuditEvents", Status: http.StatusOK,
			Summary: "Read the audit log",
			Doc:     "What the caller reaches, newest first. Denied attempts are counted per actor, action and minute.",
			Action:  halberd.ActionReadAudit,
			Query: page(
				request.Param{Name: "action", Doc: "Such as key.create."},
				request.Param{Name: "actor", Doc: "The id of who acted."},
				request.Param{Name: "target", Doc: "The id of what was acted on."},
				request.Param{Name: "outcome", Enum: []string{"done", "denied"}},
				request.Param{Name: "from", Doc: "An instant: at it or later."},
				request.Param{Name: "to", Doc: "An instant: before it."},
				request.Param{Name: "after", Doc: "An audit_id: only events recorded after it."},
				request.Param{Name: "sort", Doc: "Default: `-at`.", Enum: []string{"at", "-at"}},
				organizationParam,
			),
			Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Answers(listAuditEvents),
		},
	}
}

func memberOperations() []request.Operation {
	return []request.Operation{
		{
			Method: http.MethodGet, Path: "/v1/members", Name: "listMembers", Status: http.StatusOK,
			Summary: "List members", Doc: "Oldest first, without removed ones.",
			Action: halberd.ActionReadMembers, Query: page(organizationParam),
			Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Answers(listMembers),
		},
		{
			Method: http.MethodPost, Path: "/v1/members", Name: "inviteMember", Status: http.StatusCreated,
			Summary: "Invite a member",
			Doc: "`invite_url` is only in this answer, good for seven days, and made from the server's public URL. No mail is sent: hand the link on.\n\n" +
				"With an `Idempotency-Key` a repetition invites nobody twice and shows no link: it is `IDEMPOTENT_REPLAY`.",
			Action: halberd.ActionInviteMember, Idempotent: true,
			Refusals: []halberd.Code{
				halberd.CodeScopeEscalation, halberd.CodeNotFound, halberd.CodeConflict, halberd.CodeIdempotencyReplay,
			},
			Handling: request.Takes(inviteMember),
		},
		{
			Method: http.MethodGet, Path: "/v1/members/{member_id}", Name: "getMember", Status: http.StatusOK,
			Summary: "Read a member",
			Action:  halberd.ActionReadMembers, Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Answers(getMember),
		},
		{
			Method: http.MethodPatch, Path: "/v1/members/{member_id}", Name: "updateMember", Status: http.StatusOK,
			Summary: "Change a member",
			Doc:     "A merge patch. A new role and `active: false` end every session of the member at once.",
			Action:  halberd.ActionUpdateMember, Conditional: true,
			Refusals: []halberd.Code{halberd.CodeScopeEscalation, halberd.CodeNotFound, halberd.CodeLastAdmin},
			Handling: request.Takes(updateMember),
		},
		{
			Method: http.MethodPost, Path: "/v1/members/{member_id}/invite", Name: "inviteMemberAgain", Status: http.StatusOK,
			Summary: "Give a member a new link",
			Doc: "For an invitation that ended, or a password that was forgotten. The former link is dead, every session ends at once, " +
				"and the member signs in again only after accepting.",
			Action: halberd.ActionInviteMember, BodyOptional: true,
			Refusals: []halberd.Code{halberd.CodeScopeEscalation, halberd.CodeNotFound, halberd.CodeLastAdmin},
			Handling: request.Takes(inviteAgain),
		},
		{
			Method: http.MethodDelete, Path: "/v1/members/{member_id}", Name: "removeMember", Status: http.StatusOK,
			Summary: "Remove a member",
			Doc: "For good, with every session at once. Keys belong to projects and go on unless `keys` says otherwise, in the same transaction; " +
				"the answer shows those that the member owned.",
			Action: halberd.ActionRemoveMember, Conditional: true,
			Query: []request.Param{
				{Name: "keys", Doc: "What becomes of the keys that the member owned. Default: `keep`.", Enum: []string{"keep", "suspend", "hand_over"}},
				{Name: "to", Doc: "With `hand_over`: the member who owns them from now on."},
			},
			Refusals: []halberd.Code{halberd.CodeScopeEscalation, halberd.CodeNotFound, halberd.CodeLastAdmin},
			Handling: request.Answers(removeMember),
		},
	}
}

var organizationParam = request.Param{Name: "organization_id", Doc: "For operators: another organization than their own."}

// page is the parameters of a list.
func page(params ...request.Param) []request.Param {
	return append([]request.Param{
		{Name: "limit", Doc: "How many at most. Default: 50.", Int: true, Min: 1, Max: 100},
		{Name: "cursor", Doc: "`meta.next_cursor` of the page before.", Blank: true},
	}, params...)
}

func pageOf(c *request.Call) halberd.Page {
	return halberd.Page{Limit: c.Query.Int("limit"), Cursor: c.Query["cursor"]}
}
