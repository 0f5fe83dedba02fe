package notify

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/halberdhq/halberd"
)

const (
	// SecretPrefix is what signing secrets begin with.
	SecretPrefix = "whsec_"
	// What Standard Webhooks lets a secret be, in bytes before base64.
	minSecret, maxSecret = 24, 64
	// maxSecrets bounds how many sign one message.
	maxSecrets = 4
)

// errSecret says nothing of the secret.
var errSecret = errors.New("its signing secret must be whsec_ and 24 to 64 bytes in base64; rotate it")

// Sign makes the three headers of Standard Webhooks: every secret signs the id,
// the time and the body, so that a receiver may know any of them. A secret that
// is empty or short signs nothing: anybody could sign with it as well.
func Sign(secrets []halberd.Secret, id string, now time.Time, body []byte) (http.Header, error) {
	switch {
	case len(secrets) == 0 || len(secrets) > maxSecrets:
		return nil, errSecret
	case id == "" || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '.' }):
		return nil, errors.New("the event has no id that can be signed")
	}
	signatures := make([]string, len(secrets))
	for i, s := range secrets {
		// Base64 that lacks the prefix is no base64 any more without its first six letters.
		raw := s.Reveal()
		key, err := base64.StdEncoding.DecodeString(raw[min(len(SecretPrefix), len(raw)):])
		if err != nil || len(key) < minSecret || len(key) > maxSecret {
			return nil, errSecret
		}
		signer, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, errSecret
		}
		if signatures[i], err = signer.Sign(id, now, body); err != nil {
			return nil, errSecret
		}
	}
	h := http.Header{} // net/http sends these names in its own case
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return h, nil
}
