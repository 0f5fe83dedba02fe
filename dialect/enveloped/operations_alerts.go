package enveloped

import (
	"net/http"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/request"
)

func alertOperations() []request.Operation {
	kinds := make([]string, 0, len(halberd.AlertKinds()))
	for _, k := range halberd.AlertKinds() {
		kinds = append(kinds, string(k))
	}
	missing := []halberd.Code{halberd.CodeNotFound}
	return []request.Operation{
		{
			Method: http.MethodGet, Path: "/v1/alerts", Name: "listAlerts", Status: http.StatusOK,
			Summary: "List alerts", Doc: "Latest first. One that is over is kept for 90 days.",
			Action: halberd.ActionReadAlerts,
			Query: page(
				request.Param{Name: "state", Doc: "One or several, parted by commas. Default: all.", List: true, Enum: []string{"open", "acknowledged", "resolved"}},
				request.Param{Name: "kind", Doc: "Alerts of one kind.", Enum: kinds},
				request.Param{Name: "key_id", Doc: "Alerts of one key."},
				request.Param{Name: "project_id", Doc: "Alerts of one project."},
				organizationParam,
			),
			Refusals: missing, Handling: request.Answers(listAlerts),
		},
		{
			Method: http.MethodGet, Path: "/v1/alerts/{alert_id}", Name: "getAlert", Status: http.StatusOK,
			Summary: "Read an alert",
			Action:  halberd.ActionReadAlerts, Refusals: missing, Handling: request.Answers(getAlert),
		},
		{
			Method: http.MethodPost, Path: "/v1/alerts/{alert_id}/acknowledge", Name: "acknowledgeAlert", Status: http.StatusOK,
			Summary: "Say that an alert was seen",
			Doc:     "It goes on until its cause is over. Twice is the same success.",
			Action:  halberd.ActionAcknowledgeAlert, BodyOptional: true,
			Refusals: missing, Handling: request.Takes(acknowledgeAlert),
		},
		{
			Method: http.MethodPost, Path: "/v1/alerts/{alert_id}/silence", Name: "silenceAlert", Status: http.StatusOK,
			Summary:  "Silence an alert",
			Doc:      "Nobody is told of its end, nor of its return under the same rule, until then.",
			Action:   halberd.ActionSilenceAlert,
			Refusals: missing, Handling: request.Takes(silenceAlert),
		},
		{
			Method: http.MethodGet, Path: "/v1/alert-rules", Name: "listAlertRules", Status: http.StatusOK,
			Summary: "List alert rules", Doc: "Oldest first.",
			Action: halberd.ActionReadAlerts, Query: page(organizationParam),
			Refusals: missing, Handling: request.Answers(listAlertRules),
		},
		{
			Method: http.MethodPost, Path: "/v1/alert-rules", Name: "createAlertRule", Status: http.StatusCreated,
			Summary: "Create an alert rule",
			Doc: "What is left out takes the kind's default. Of the rules of one kind those of the narrowest scope that fits a key hold for it, and no others: " +
				"an inactive rule of a key switches its project's and its organization's off for that key.",
			Action: halberd.ActionCreateAlertRule, Idempotent: true,
			Refusals: []halberd.Code{halberd.CodeNotFound, halberd.CodeConflict}, Handling: request.Takes(createAlertRule),
		},
		{
			Method: http.MethodGet, Path: "/v1/alert-rules/{alert_rule_id}", Name: "getAlertRule", Status: http.StatusOK,
			Summary: "Read an alert rule",
			Action:  halberd.ActionReadAlerts, Refusals: missing, Handling: request.Answers(getAlertRule),
		},
		{
			Method: http.MethodPatch, Path: "/v1/alert-rules/{alert_rule_id}", Name: "updateAlertRule", Status: http.StatusOK,
			Summary: "Change an alert rule", Doc: "A merge patch. Alerts of a rule that is inactive are over.",
			Action: halberd.ActionUpdateAlertRule, Conditional: true,
			Refusals: missing, Handling: request.Takes(updateAlertRule),
		},
		{
			Method: http.MethodDelete, Path: "/v1/alert-rules/{alert_rule_id}", Name: "deleteAlertRule", Status: http.StatusOK,
			Summary: "Delete an alert rule", Doc: "What it told stays told; what is open is over.",
			Action: halberd.ActionDeleteAlertRule, Conditional: true,
			Refusals: missing, Handling: request.Answers(deleteAlertRule),
		},
	}
}

// keyPage is where the console shows a key.
const keyPage = "/settings/api-keys/"
