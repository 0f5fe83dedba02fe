package request

import (
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/halberdhq/halberd"
)

// Credential finds the key a caller presents: `Authorization: Bearer K` or
// `X-API-Key: K`, or both with the same K. Nothing else is looked at, and
// nothing is trimmed or folded but the scheme's case. The zero Secret comes
// with UNAUTHORIZED where there is none; a header that is there and holds no
// key is not made good by the other.
func Credential(h http.Header) (halberd.Secret, error) {
	bearer, keys := h.Values("Authorization"), h.Values("X-Api-Key")
	if len(bearer) > 1 || len(keys) > 1 {
		return halberd.Secret{}, halberd.Invalid("credential", "must be sent once: a header is there twice")
	}
	var found []string
	if len(bearer) == 1 {
		scheme, text, _ := strings.Cut(bearer[0], " ")
		if !strings.EqualFold(scheme, "Bearer") || text == "" {
			return halberd.Secret{}, Unauthorized()
		}
		found = append(found, text)
	}
	if len(keys) == 1 {
		if keys[0] == "" {
			return halberd.Secret{}, Unauthorized()
		}
		found = append(found, keys[0])
	}
	switch {
	case len(found) == 0:
		return halberd.Secret{}, Unauthorized()
	case len(found) == 2 && subtle.ConstantTimeCompare([]byte(found[0]), []byte(found[1])) != 1:
		return halberd.Secret{}, halberd.Invalid("credential", "must be one: Authorization and X-API-Key differ")
	}
	return halberd.NewSecret(found[0]), nil
}

// Unauthorized is the refusal of whoever presents no good key, to the letter
// the one of Service.Authenticate (S2-14).
func Unauthorized() *halberd.Error {
	return &halberd.Error{Code: halberd.CodeUnauthorized, Message: "Invalid or missing API key"}
}
