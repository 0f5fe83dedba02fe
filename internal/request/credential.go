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
	return CredentialOf(h["Authorization"], h["X-Api-Key"])
}

// CredentialOf is Credential for the values of the two headers.
func CredentialOf(bearer, keys []string) (halberd.Secret, error) {
	if len(bearer) > 1 || len(keys) > 1 {
		return halberd.Secret{}, halberd.Invalid("credential", "must be sent once: a header is there twice")
	}
	var found, second string
	if len(bearer) == 1 {
		scheme, text, _ := strings.Cut(bearer[0], " ")
		if !strings.EqualFold(scheme, "Bearer") || text == "" {
			return halberd.Secret{}, Unauthorized()
		}
		found = text
	}
	if len(keys) == 1 {
		if second = keys[0]; second == "" {
			return halberd.Secret{}, Unauthorized()
		}
	}
	switch {
	case found == "" && second == "":
		return halberd.Secret{}, Unauthorized()
	case found == "":
		found = second
	case second != "" && subtle.ConstantTimeCompare([]byte(found), []byte(second)) != 1:
		return halberd.Secret{}, halberd.Invalid("credential", "must be one: Authorization and X-API-Key differ")
	}
	return halberd.NewSecret(found), nil
}

// Unauthorized is the refusal of whoever presents no good key, to the letter
// the one of Service.Authenticate (S2-14).
func Unauthorized() *halberd.Error {
	return &halberd.Error{Code: halberd.CodeUnauthorized, Message: "Invalid or missing API key"}
}
