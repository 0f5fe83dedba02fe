package halberd

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"time"
)

const (
	webhookSecretPrefix = "whsec_" // as Standard Webhooks writes a signing secret
	webhookSecretLen    = 32
	// What Standard Webhooks lets a secret be, in bytes before base64. A shorter
	// one could be guessed, and an empty one signs for everybody.
	minWebhookSecret, maxWebhookSecret = 24, 64
)

// WebhookOverlap is how long the secret before signs beside a new one, unless the
// rotation says otherwise.
const WebhookOverlap = 24 * time.Hour

// ListWebhooks reads the webhooks of an organization, oldest first. org is for
// operators; zero is the actor's own.
func (s *Service) ListWebhooks(ctx context.Context, by Actor, org OrganizationID, page Page) (out Webhooks, err error) {
	err = s.look(ctx, by, ActionReadWebhooks, func(r Reader) error {
		if org.IsZero() {
			org = by.organization
		} else if err := s.reached(r, by, org, by.project); err != nil {
			return err
		}
		limit, err := pageLimit(page)
		if err != nil {
			return err
		}
		bound := "webhooks\n" + org.String()
		after, err := s.position(bound, page.Cursor)
		if err != nil {
			return err
		}
		var from WebhookID
		if after != nil {
			from = WebhookID(after.ID)
		}
		rows, err := r.Webhooks(org, from, limit+1)
		if err != nil {
			return err
		}
		if len(rows) > limit {
			rows = rows[:limit]
			out.Next = s.cursor(bound, KeyPosition{ID: KeyID(rows[limit-1].ID)})
		}
		out.List = openRows(s, rows, func(r *WebhookRecord) fmt.Stringer { return r.ID }, s.openWebhook)
		return nil
	})
	return out, err
}

// GetWebhook reads one webhook. What is not there is ENDPOINT_NOT_FOUND.
func (s *Service) GetWebhook(ctx context.Context, by Actor, id WebhookID) (h Webhook, err error) {
	err = s.look(ctx, by, ActionReadWebhooks, func(r Reader) error {
		h, err = s.webhookOf(r, by, id)
		return err
	})
	return h, err
}

// webhookOf reads a webhook that the actor reaches.
func (s *Service) webhookOf(r Reader, by Actor, id WebhookID) (Webhook, error) {
	row, err := r.Webhook(id)
	if isAbsent(err) || err == nil && !by.reaches(row.Organization, ProjectID{}) {
		return Webhook{}, errEndpointNotFound()
	}
	if err != nil {
		return Webhook{}, err
	}
	return s.openWebhook(&row)
}

// judge asks whether an address may be called. It may take three seconds, so it
// is asked outside of any transaction.
func (s *Service) judge(ctx context.Context, format WebhookFormat, address string) error {
	if s.endpoints == nil {
		return refuse(CodeForbidden, "this server sends no webhooks")
	}
	if err := checkAddress(format, address); err != nil {
		return err
	}
	return outward(s.endpoints.Judge(ctx, address))
}

// CreateWebhook makes a webhook, which is sent what happens from now on. Its address is judged before anything is kept.
func (s *Service) CreateWebhook(ctx context.Context, by Actor, n NewWebhook) (ChangedWebhook, error) {
	var out ChangedWebhook
	if err := s.Permit(by, ActionCreateWebhook); err != nil {
		return out, err
	}
	if n.Format == "" {
		n.Format = FormatStandard
	}
	if err := checkSubscriptions(n.Events); err != nil {
		return out, err
	}
	if err := checkSigning(n); err != nil {
		return out, err
	}
	if err := s.judge(ctx, n.Format, n.URL); err != nil {
		return out, err
	}
	_, err := s.change(ctx, by, ActionCreateWebhook, func(tx Tx, by Actor) error {
		if done, err := s.replayed(tx, by); err != nil {
			return err
		} else if done != "" {
			return refuse(CodeIdempotencyReplay, "this was done before under the same Idempotency-Key, and its secret was shown then: rotate the secret of %s for a new one", done)
		}
		org := by.organization
		if !n.Organization.IsZero() {
			if !by.reaches(n.Organization, ProjectID{}) {
				return errNotFound()
			}
			org = n.Organization
		}
		org, err := onlyOrganization(tx, org)
		if err != nil {
			return err
		}
		if _, err := s.organization(tx, org); err != nil {
			return err
		}
		if others, err := tx.Webhooks(org, WebhookID{}, maxWebhooks); err != nil {
			return err
		} else if len(others) >= maxWebhooks {
			return refuse(CodeConflict, "an organization has at most %d webhooks: delete one first", maxWebhooks)
		}
		h := Webhook{
			ID: NewWebhookID(), Organization: org, Format: n.Format, Events: n.Events,
			Active: true, CreatedAt: s.stamp(), CreatedBy: by.Ref(),
		}
		if h.since, err = lastEvent(tx); err != nil {
			return err
		}
		s.address(&h, n.URL)
		if h.Format == FormatStandard {
			if out.Secret = n.Secret; out.Secret.IsZero() {
				out.Secret = mintWebhookSecret()
			}
			h.secrets = []hiddenSecret{{Hidden: s.seal.hide(h.hiding(), out.Secret.Reveal())}}
		}
		if err := s.putWebhook(tx, by, ActionCreateWebhook, &Webhook{}, &h, nil); err != nil {
			return err
		}
		out.Webhook = h
		return s.remember(tx, by, h.ID.String())
	})
	if err != nil {
		return ChangedWebhook{}, err
	}
	return out, nil
}

// checkSigning refuses a secret that was brought along and is none.
func checkSigning(n NewWebhook) error {
	if n.Secret.IsZero() {
		return nil
	}
	if n.Format != FormatStandard {
		return Invalid("secret", "belongs to the format standard: others are not signed")
	}
	if !signingSecret(n.Secret) {
		return Invalid("secret", "must be whsec_ and %d to %d random bytes in base64; leave it out, and one is made", minWebhookSecret, maxWebhookSecret)
	}
	return nil
}

// signingSecret reports whether a secret can be trusted to sign.
func signingSecret(secret Secret) bool {
	text := secret.Reveal()
	n := min(len(text), len(webhookSecretPrefix))
	if !hmac.Equal([]byte(text[:n]), []byte(webhookSecretPrefix)) {
		return false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text[n:])
	if err != nil || len(b) < minWebhookSecret || len(b) > maxWebhookSecret {
		return false
	}
	seen := map[byte]bool{}
	for _, c := range b {
		seen[c] = true
	}
	return len(seen) >= 8 // 24 random bytes have 18 distinct ones, and never so few
}

func mintWebhookSecret() Secret {
	b := make([]byte, webhookSecretLen)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return NewSecret(webhookSecretPrefix + base64.StdEncoding.EncodeToString(b))
}

// lastEvent is the Seq of the newest event.
func lastEvent(r Reader) (int64, error) {
	list, err := r.Events(EventFilter{Descending: true, Limit: 1})
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return list[0].Seq, nil
}

// hiding is the purpose under which a webhook's secrets are hidden: those of one
// do not open as another's.
func (h *Webhook) hiding() string { return "webhook " + h.ID.String() }

// address gives a webhook its address.
func (s *Service) address(h *Webhook, address string) {
	h.URL, h.address = shownAddress(h.Format, address), ""
	if h.URL != address {
		h.address = s.seal.hide(h.hiding(), address)
	}
}

// UpdateWebhook edits a webhook. What happens while it is inactive is not sent
// later; activating it forgets why the server disabled it.
func (s *Service) UpdateWebhook(ctx context.Context, by Actor, id WebhookID, p WebhookPatch, version int64) (Webhook, error) {
	if p.URL.Set {
		if err := s.Permit(by, ActionUpdateWebhook); err != nil {
			return Webhook{}, err
		}
		h, err := s.GetWebhook(ctx, by, id)
		if err == nil {
			err = s.judge(ctx, h.Format, p.URL.Value)
		}
		if err != nil {
			return Webhook{}, err
		}
	}
	var out Webhook
	_, err := s.change(ctx, by, ActionUpdateWebhook, func(tx Tx, by Actor) error {
		h, err := s.webhookOf(tx, by, id)
		if err != nil {
			return err
		}
		if err := sameVersion(version, h.Version); err != nil {
			return err
		}
		before := h
		if p.URL.Set {
			s.address(&h, p.URL.Value)
		}
		if p.Events.Set {
			if err := checkSubscriptions(p.Events.Value); err != nil {
				return err
			}
			h.Events = p.Events.Value
		}
		if p.Active.Set {
			h.Active = p.Active.Value
			if h.Active {
				h.Disabled = ""
			}
			if h.Active && !before.Active {
				if h.since, err = lastEvent(tx); err != nil {
					return err
				}
			}
		}
		out = h
		if len(differences(webhookFields(&before), webhookFields(&h))) == 0 && h.address == before.address {
			return nil
		}
		err = s.putWebhook(tx, by, ActionUpdateWebhook, &before, &h, nil)
		out = h
		return err
	})
	if err != nil {
		return Webhook{}, err
	}
	return out, nil
}

// RotateWebhook gives a webhook a new signing secret. For the overlap (whole
// seconds, up to MaxOverlap) both sign every message; with none the former is
// dead at once. While an overlap runs, another is CONFLICT.
func (s *Service) RotateWebhook(ctx context.Context, by Actor, id WebhookID, overlap time.Duration) (ChangedWebhook, error) {
	var out ChangedWebhook
	_, err := s.change(ctx, by, ActionRotateWebhook, func(tx Tx, by Actor) error {
		if done, err := s.replayed(tx, by); err != nil {
			return err
		} else if done != "" {
			return refuse(CodeIdempotencyReplay, "this was done before under the same Idempotency-Key, and the secret was shown then: rotate it again for a new one")
		}
		h, err := s.webhookOf(tx, by, id)
		if err != nil {
			return err
		}
		if overlap < 0 || overlap > MaxOverlap || overlap%time.Second != 0 {
			return Invalid("overlap_seconds", "must be a whole number from 0 to %d", int64(MaxOverlap/time.Second))
		}
		if h.Format != FormatStandard {
			return refuse(CodeConflict, "what is sent in the format %s is not signed: there is no secret", h.Format)
		}
		if overlap > 0 && len(h.secrets) > 1 {
			return refuse(CodeConflict, "the overlap of the last rotation runs until %s: wait, or rotate without an overlap", h.PreviousSecretUntil.Format(time.RFC3339))
		}
		before := h
		out.Secret = mintWebhookSecret()
		secrets := []hiddenSecret{{Hidden: s.seal.hide(h.hiding(), out.Secret.Reveal())}}
		h.PreviousSecretUntil = time.Time{}
		if overlap > 0 && len(h.secrets) > 0 {
			former := h.secrets[0]
			former.Until = s.stamp().Add(overlap)
			secrets, h.PreviousSecretUntil = append(secrets, former), former.Until
		}
		h.secrets = secrets
		told := map[string]Change{"secret": {Before: "the former", After: "a new one"}}
		if err := s.putWebhook(tx, by, ActionRotateWebhook, &before, &h, told); err != nil {
			return err
		}
		out.Webhook = h
		return s.remember(tx, by, h.ID.String())
	})
	if err != nil {
		return ChangedWebhook{}, err
	}
	return out, nil
}

// DeleteWebhook takes a webhook out for good: nothing is sent to it any more.
func (s *Service) DeleteWebhook(ctx context.Context, by Actor, id WebhookID, version int64) error {
	_, err := s.change(ctx, by, ActionDeleteWebhook, func(tx Tx, by Actor) error {
		h, err := s.webhookOf(tx, by, id)
		if err != nil {
			return err
		}
		if err := sameVersion(version, h.Version); err != nil {
			return err
		}
		if err := tx.DropWebhook(id); err != nil {
			return err
		}
		return s.audit(tx, by, ActionDeleteWebhook, h.Organization, ProjectID{}, "webhook", id.String(),
			map[string]Change{"url": {Before: h.URL}})
	})
	return err
}

// TestWebhook makes an event of no other meaning, which is sent to this webhook
// only, whatever it subscribes to.
func (s *Service) TestWebhook(ctx context.Context, by Actor, id WebhookID) (Event, error) {
	var out Event
	_, err := s.change(ctx, by, ActionTestWebhook, func(tx Tx, by Actor) error {
		h, err := s.webhookOf(tx, by, id)
		if err != nil {
			return err
		}
		if !h.Active {
			return refuse(CodeConflict, "the webhook is inactive: activate it first")
		}
		e := EventRecord{
			ID: NewEventID(), At: s.stamp().Unix(), Type: string(EventWebhookTest), Organization: h.Organization,
			TargetKind: "webhook", Target: id.String(), Version: h.Version, To: id.String(),
			Data: encodeJSON(map[string]any{
				"webhook_id": id.String(), "organization_id": h.Organization.String(), "version": h.Version,
				"actor": map[string]string{"type": string(by.kind), "id": strings.TrimPrefix(by.Ref(), "system:")},
			}),
		}
		out = e.event()
		if err := tx.AppendEvent(e); err != nil {
			return err
		}
		return s.audit(tx, by, ActionTestWebhook, h.Organization, ProjectID{}, "webhook", id.String(), nil)
	})
	return out, err
}

// putWebhook keeps a webhook; told is what of the change its fields do not show.
func (s *Service) putWebhook(tx Tx, by Actor, act Action, before, h *Webhook, told map[string]Change) error {
	h.Version++
	r := h.record()
	var buf packer
	r.MAC = s.seal.mac(&r, &buf)
	if err := tx.PutWebhook(r); err != nil {
		return err
	}
	changes := differences(webhookFields(before), webhookFields(h))
	maps.Copy(changes, told)
	return s.audit(tx, by, act, h.Organization, ProjectID{}, "webhook", h.ID.String(), changes)
}
