package enveloped

import (
	"net/http"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/request"
)

func eventOperations() []request.Operation {
	return []request.Operation{
		{
			Method: http.MethodGet, Path: "/v1/events", Name: "listEvents", Status: http.StatusOK,
			Summary: "Read what happened",
			Doc: "Every change of a key, project, organization, member or webhook, and every alert, in the order in which it was committed, oldest first. " +
				"To follow, ask again with `after` the last `event_id` seen: none is missed, and none comes later in an earlier place.",
			Action: halberd.ActionReadEvents,
			Query: page(
				request.Param{Name: "type", Doc: "One or several, parted by commas: types such as `key.revoked`, or all of a noun such as `key.*`. Default: all."},
				request.Param{Name: "target", Doc: "The id of what it happened to."},
				request.Param{Name: "from", Doc: "An instant: at it or later."},
				request.Param{Name: "to", Doc: "An instant: before it."},
				request.Param{Name: "after", Doc: "An event_id: only events later than it."},
				request.Param{Name: "sort", Doc: "Default: `at`.", Enum: []string{"at", "-at"}},
				organizationParam,
			),
			Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Answers(listEvents),
		},
		{
			Method: http.MethodGet, Path: "/v1/webhooks", Name: "listWebhooks", Status: http.StatusOK,
			Summary: "List webhooks", Doc: "Oldest first.",
			Action: halberd.ActionReadWebhooks, Query: page(organizationParam),
			Refusals: []halberd.Code{halberd.CodeNotFound},
			Handling: request.Answers(listWebhooks),
		},
		{
			Method: http.MethodPost, Path: "/v1/webhooks", Name: "createWebhook", Status: http.StatusCreated,
			Summary: "Create a webhook",
			Doc: "It is sent what happens from now on. `secret` is only in this answer: it signs every message as Standard Webhooks says. " +
				"The address must be on the public internet; one that does not resolve within three seconds is refused.\n\n" +
				"With an `Idempotency-Key` a repetition makes no second one and shows no secret: it is `IDEMPOTENT_REPLAY`.",
			Action: halberd.ActionCreateWebhook, Idempotent: true,
			Refusals: []halberd.Code{halberd.CodeNotFound, halberd.CodeConflict, halberd.CodeIdempotencyReplay},
			Handling: request.Takes(createWebhook),
		},
		{
			Method: http.MethodGet, Path: "/v1/webhooks/{webhook_id}", Name: "getWebhook", Status: http.StatusOK,
			Summary: "Read a webhook",
			Action:  halberd.ActionReadWebhooks, Refusals: []halberd.Code{halberd.CodeEndpointNotFound},
			Handling: request.Answers(getWebhook),
		},
		{
			Method: http.MethodPatch, Path: "/v1/webhooks/{webhook_id}", Name: "updateWebhook", Status: http.StatusOK,
			Summary: "Change a webhook",
			Doc:     "A merge patch. What happens while it is inactive is not sent later.",
			Action:  halberd.ActionUpdateWebhook, Conditional: true,
			Refusals: []halberd.Code{halberd.CodeEndpointNotFound},
			Handling: request.Takes(updateWebhook),
		},
		{
			Method: http.MethodDelete, Path: "/v1/webhooks/{webhook_id}", Name: "deleteWebhook", Status: http.StatusOK,
			Summary: "Delete a webhook",
			Doc:     "Nothing is sent to it any more, what was on its way included.",
			Action:  halberd.ActionDeleteWebhook, Conditional: true,
			Refusals: []halberd.Code{halberd.CodeEndpointNotFound},
			Handling: request.Answers(deleteWebhook),
		},
		{
			Method: http.MethodPost, Path: "/v1/webhooks/{webhook_id}/rotate-secret", Name: "rotateWebhookSecret", Status: http.StatusOK,
			Summary: "Give a webhook a new signing secret",
			Doc:     "For the overlap both secrets sign every message. While one runs, another is `CONFLICT`; without an overlap the former is dead at once, whatever runs.",
			Action:  halberd.ActionRotateWebhook, Idempotent: true, BodyOptional: true,
			Refusals: []halberd.Code{halberd.CodeEndpointNotFound, halberd.CodeConflict, halberd.CodeIdempotencyReplay},
			Handling: request.Takes(rotateWebhook),
		},
		{
			Method: http.MethodPost, Path: "/v1/webhooks/{webhook_id}/test", Name: "testWebhook", Status: http.StatusAccepted,
			Summary: "Send a test event",
			Doc:     "An event of the type `webhook.test`, to this webhook only, whatever it subscribes to. Its delivery tells how it went.",
			Action:  halberd.ActionTestWebhook, BodyOptional: true,
			Refusals: []halberd.Code{halberd.CodeEndpointNotFound, halberd.CodeConflict},
			Handling: request.Takes(testWebhook),
		},
		{
			Method: http.MethodGet, Path: "/v1/webhooks/{webhook_id}/deliveries", Name: "listDeliveries", Status: http.StatusOK,
			Summary: "Read what was sent to a webhook", Doc: "Newest first.",
			Action: halberd.ActionReadWebhooks,
			Query: page(request.Param{Name: "state", Doc: "Default: all.", Enum: []string{
				string(halberd.DeliveryPending), string(halberd.DeliveryDelivered), string(halberd.DeliveryFailed), string(halberd.DeliveryCanceled),
			}}),
			Refusals: []halberd.Code{halberd.CodeEndpointNotFound},
			Handling: request.Answers(listDeliveries),
		},
		{
			Method: http.MethodPost, Path: "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", Name: "redeliver", Status: http.StatusAccepted,
			Summary: "Send an event to a webhook again",
			Doc:     "From the beginning of its tries, under the same event id.",
			Action:  halberd.ActionRedeliver, BodyOptional: true,
			Refusals: []halberd.Code{halberd.CodeNotFound, halberd.CodeEndpointNotFound, halberd.CodeConflict},
			Handling: request.Takes(redeliver),
		},
	}
}
