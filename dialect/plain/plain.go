// Package plain is S3's dialect, /api/api-keys: bare camelCase bodies, exactly
// the fields of its document (DIALECT.md). It is a codec: every rule is the
// Service's.
package plain

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/request"
)

// Handler serves /api/…. It must see paths as they were sent: mounted below a
// mux that cleans paths, `//` and `..` would be redirects instead of 404. A nil
// log discards.
func Handler(svc *halberd.Service, log *slog.Logger) http.Handler {
	return request.Surface{Service: svc, Log: log, Operations: Operations(), Refusal: Refusal}.Handler()
}

// Operations is the dialect's table, in the order of its document.
func Operations() []request.Operation {
	return []request.Operation{
		{
			Method: http.MethodGet, Path: "/api/api-keys", Name: "plainListKeys", Status: http.StatusOK,
			Summary:  "List API keys",
			Doc:      "All keys the caller reaches that are not revoked, newest first. Beyond 1,000 the answer's `Link` header leads to the next page.",
			Action:   halberd.ActionReadKeys,
			Query:    []request.Param{{Name: "cursor", Doc: "From the `Link` of the page before.", Blank: true}},
			Handling: request.Answers(list),
		},
		{
			Method: http.MethodPost, Path: "/api/api-keys", Name: "plainCreateKey", Status: http.StatusCreated,
			Summary: "Create an API key",
			Doc:     "The key value is only returned once. Store it securely!",
			Action:  halberd.ActionCreateKey, Idempotent: true,
			Refusals: []halberd.Code{halberd.CodeScopeEscalation, halberd.CodeNotFound, halberd.CodeKeyLimitExceeded, halberd.CodeIdempotencyReplay},
			Handling: request.Takes(create),
		},
		{
			Method: http.MethodDelete, Path: "/api/api-keys/{keyId}", Name: "plainRevokeKey", Status: http.StatusOK,
			Summary: "Revoke an API key",
			Doc:     "Permanently revoke an API key. This action cannot be undone.",
			Action:  halberd.ActionRevokeKey, Conditional: true,
			Refusals: []halberd.Code{halberd.CodeScopeEscalation, halberd.CodeNotFound, halberd.CodeLastAdmin},
			Handling: request.Answers(revoke),
		},
	}
}

// ErrorBody is every refusal.
type ErrorBody struct {
	Error Error `json:"error"`
}

// Error is what went wrong: Code for programs, Message for people.
type Error struct {
	Code      string `json:"code" example:"INVALID_REQUEST"`
	Message   string `json:"message"`
	RequestID string `json:"requestId"`
}

// names are the document's words for fields of the ground.
var names = map[string]string{"label": "name", "expires_in_days": "expiresInDays", "expires_at": "expiresInDays"}

// Refusal is the body of every refusal, in this dialect's words.
func Refusal(requestID string, e *halberd.Error) any {
	message := e.Message
	if ours, ok := names[e.Field]; ok {
		message = ours + strings.TrimPrefix(message, e.Field)
	}
	if !e.KeyID.IsZero() {
		message += " (" + e.KeyID.String() + ")"
	}
	return ErrorBody{Error{Code: string(e.Code), Message: message, RequestID: requestID}}
}
