package plain

import (
	"math"
	"net/url"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/request"
)

// listed is how many keys one answer holds (the most the Service gives).
const listed = 1000

// KeyList is the answer of the list.
type KeyList struct {
	APIKeys []Listed `json:"apiKeys" nullable:"false"`
}

// Listed is a key in the list.
type Listed struct {
	ID         string     `json:"id" example:"key_01h455vb4pex5vsknk084sn02q"`
	Name       string     `json:"name" example:"CI/CD Pipeline"`
	Prefix     string     `json:"prefix" example:"hb_live_abc..." doc:"The key value is masked"`
	Scopes     []string   `json:"scopes" nullable:"false"`
	CreatedAt  time.Time  `json:"createdAt"`
	LastUsedAt *time.Time `json:"lastUsedAt"`
	ExpiresAt  *time.Time `json:"expiresAt"`
}

// CreateKey is the body of create. Null is the default, as absent is.
type CreateKey struct {
	Name          string    `json:"name" minLength:"1" maxLength:"255" doc:"Display name for the key"`
	Scopes        *[]string `json:"scopes,omitzero" doc:"Permissions: read, write (default: [\"read\", \"write\"])"`
	ExpiresInDays *int64    `json:"expiresInDays,omitzero" minimum:"1" doc:"Days until expiration (default: never)"`
}

// CreatedKey is the answer of create.
type CreatedKey struct {
	APIKey Created `json:"apiKey"`
	Key    string  `json:"key" doc:"Only returned once. Store it securely!"`
}

// Created is a key that was just made.
type Created struct {
	ID        string     `json:"id" example:"key_01h455vb4pex5vsknk084sn02q"`
	Name      string     `json:"name" example:"GitHub Actions"`
	Prefix    string     `json:"prefix" example:"hb_live_xyz..."`
	Scopes    []string   `json:"scopes" nullable:"false"`
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt"`
}

// Revoked is the answer of revoke.
type Revoked struct {
	Success bool `json:"success"`
}

func list(c *request.Call) (out KeyList, err error) {
	keys, err := c.Service.List(c.Context(), c.Actor, halberd.KeyQuery{
		Page: halberd.Page{Limit: listed, Cursor: c.Query["cursor"]},
	})
	if err != nil {
		return out, err
	}
	out.APIKeys = make([]Listed, len(keys.List))
	for i := range keys.List {
		k := &keys.List[i]
		out.APIKeys[i] = Listed{
			ID: k.ID.String(), Name: k.Name, Prefix: masked(k), Scopes: k.Scopes.Strings(),
			CreatedAt: k.CreatedAt, LastUsedAt: orNull(k.LastUsedAt), ExpiresAt: orNull(k.ExpiresAt),
		}
	}
	if keys.Next != "" {
		c.Header().Set("Link", "</api/api-keys?cursor="+url.QueryEscape(keys.Next)+`>; rel="next"`)
	}
	return out, nil
}

func create(c *request.Call, body *CreateKey) (out CreatedKey, err error) {
	if body.Name == "" {
		return out, halberd.Invalid("name", "must not be empty")
	}
	n := halberd.NewKey{Name: body.Name}
	if body.Scopes != nil {
		scopes, err := halberd.ParseScopes(*body.Scopes)
		if err != nil {
			return out, err
		}
		n.Scopes = halberd.Some(scopes)
	}
	if body.ExpiresInDays != nil {
		days := min(max(*body.ExpiresInDays, math.MinInt32), math.MaxInt32)
		n.ExpiresInDays = halberd.Some(halberd.ExpiresIn(days))
	}
	made, err := c.Service.Create(c.Context(), c.Actor, n)
	if err != nil {
		return out, err
	}
	k := &made.Key
	return CreatedKey{
		APIKey: Created{
			ID: k.ID.String(), Name: k.Name, Prefix: masked(k), Scopes: k.Scopes.Strings(),
			CreatedAt: k.CreatedAt, ExpiresAt: orNull(k.ExpiresAt),
		},
		Key: made.Secret.Reveal(),
	}, nil
}

func revoke(c *request.Call) (out Revoked, err error) {
	id, err := halberd.ParseKeyID(c.Path("keyId"))
	if err != nil {
		return out, request.NotFound()
	}
	if _, err := c.Service.Revoke(c.Context(), c.Actor, id, "", c.Version); err != nil {
		return out, err
	}
	return Revoked{Success: true}, nil
}

// masked is the visible part and the document's three dots (S3-14).
func masked(k *halberd.Key) string { return k.Hint + "..." }

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
