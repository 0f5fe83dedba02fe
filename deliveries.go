package halberd

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// How deliveries are made. A relay calls Relay whenever OutboxFilled says so, and
// every few seconds: it turns events into pending deliveries, each exactly once,
// in the transaction that moves its position on. Senders ask DueDeliveries what
// is to be tried now, open one with OpenDelivery, send it, and say with
// FinishDelivery what became of it. Whoever dies between the two leaves it due:
// it is sent again, under the same event id. Any number of nodes may do this at
// once; that one delivery is not tried by two at a time is for their queue to
// see to, and costs a repeat if it does not.

const (
	// relayBatch bounds the events of one transaction of the relay. With
	// maxWebhooks it bounds the rows, too.
	relayBatch = 50
	// maxDeliveryError bounds what is kept of why a try failed.
	maxDeliveryError = 500
)

// Relay makes a pending delivery of every event that was not looked at yet, for
// every active webhook of its organization that wants it; a suspended
// organization's have none. It takes some of them, and reports how many
// deliveries it made and whether there are more events.
func (s *Service) Relay(ctx context.Context) (made int, more bool, err error) {
	var through int64
	err = s.store.View(ctx, func(r Reader) error {
		from, err := relayedThrough(r)
		if err != nil {
			return err
		}
		next, err := r.Events(EventFilter{After: from, Limit: 1})
		more = len(next) > 0
		return err
	})
	if err != nil || !more {
		return 0, false, outward(err) // the usual case writes nothing
	}
	err = s.update(ctx, func(tx Tx) error {
		from, err := relayedThrough(tx)
		if err != nil {
			return err
		}
		events, err := tx.Events(EventFilter{After: from, Limit: relayBatch})
		if err != nil {
			return err
		}
		more = len(events) == relayBatch
		made, through = 0, from
		now := s.stamp().Unix()
		listeners := map[OrganizationID][]Webhook{}
		for i := range events {
			e := &events[i]
			through = e.Seq
			hooks, known := listeners[e.Organization]
			if !known {
				if hooks, err = s.listeners(tx, e.Organization); err != nil {
					return err
				}
				listeners[e.Organization] = hooks
			}
			for j := range hooks {
				if !hooks[j].wants(e) {
					continue
				}
				if err := tx.PutDelivery(DeliveryRecord{
					ID: NewDeliveryID(), Webhook: hooks[j].ID, Event: e.ID, EventType: e.Type,
					State: DeliveryPending, CreatedAt: now, NextAt: now, Version: 1,
				}); err != nil {
					return err
				}
				made++
			}
		}
		if through == from {
			return nil
		}
		return tx.SetMeta(metaRelayed, fmt.Sprint(through))
	})
	if err != nil {
		return 0, false, outward(err)
	}
	return made, more, nil
}

// listeners are the webhooks of an organization that may be sent something. A row
// that cannot be believed is sent nothing.
func (s *Service) listeners(r Reader, org OrganizationID) ([]Webhook, error) {
	if org.IsZero() {
		return nil, nil
	}
	o, err := s.organization(r, org)
	if isAbsent(err) || CodeOf(err) == CodeUnavailable || err == nil && !o.Active {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rows, err := r.Webhooks(org, WebhookID{}, maxWebhooks)
	if err != nil {
		return nil, err
	}
	var out []Webhook
	for i := range rows {
		h, err := s.openWebhook(&rows[i])
		if err != nil {
			s.log.Error("nothing is sent to a webhook: its row is damaged", "id", rows[i].ID, "why", err)
			continue
		}
		if h.Active {
			out = append(out, h)
		}
	}
	return out, nil
}

// DueDeliveries lists pending deliveries that are due until a time, by when that
// is, after the one that a page before ended with; the zero Delivery: from the
// beginning. What is listed stays due until it is finished: whoever reads on
// behind it once a second sees every delivery once, and those that were missed
// when it begins anew.
func (s *Service) DueDeliveries(ctx context.Context, after Delivery, until time.Time, limit int) ([]Delivery, error) {
	var out []Delivery
	err := s.store.View(ctx, func(r Reader) error {
		rows, err := r.DueDeliveries(DueFilter{From: seconds(after.NextAt), After: after.ID, To: until.Unix(), Limit: limit})
		out = make([]Delivery, len(rows))
		for i := range rows {
			out[i] = rows[i].delivery()
		}
		return err
	})
	return out, outward(err)
}

// OpenDelivery reads what is to be sent, as it stands now: the address, the
// secrets, and whether it may still be sent at all. It reports false when there
// is nothing to do: the delivery is not pending any more or not due yet, or its
// webhook was deleted or deactivated, its organization suspended, a row of theirs
// damaged, or the event is not kept any more, for which it is canceled.
func (s *Service) OpenDelivery(ctx context.Context, id DeliveryID) (out Outgoing, ok bool, err error) {
	stopped := ""
	err = s.store.View(ctx, func(r Reader) error {
		out, stopped, err = s.outgoing(r, id)
		return err
	})
	if isAbsent(err) {
		return Outgoing{}, false, nil
	}
	if CodeOf(err) == CodeUnavailable { // a row that cannot be believed; it does not heal by being asked for again
		s.log.Error("a delivery was canceled: a row it needs is damaged", "delivery", id, "why", err)
		stopped, err = "what is kept of the webhook or its organization is damaged: the operator's log names it", nil
	}
	if err != nil {
		return Outgoing{}, false, outward(err)
	}
	if stopped != "" {
		return Outgoing{}, false, s.settle(ctx, id, func(d *DeliveryRecord) { d.State, d.Error = DeliveryCanceled, stopped })
	}
	return out, !out.ID.IsZero(), nil
}

// outgoing is OpenDelivery's reading: what to send, or why nothing, or nothing.
func (s *Service) outgoing(r Reader, id DeliveryID) (out Outgoing, stopped string, err error) {
	d, err := r.Delivery(id)
	if err != nil {
		return out, "", err
	}
	if d.State != DeliveryPending || d.NextAt > s.now().Unix() {
		return out, "", nil
	}
	row, err := r.Webhook(d.Webhook)
	if isAbsent(err) {
		return out, "the webhook was deleted", nil
	}
	if err != nil {
		return out, "", err
	}
	h, err := s.openWebhook(&row)
	if err != nil {
		return out, "", err
	}
	org, err := s.organization(r, h.Organization)
	if err != nil {
		return out, "", err
	}
	e, err := r.Event(d.Event)
	switch {
	case isAbsent(err):
		return out, "the event is not kept any more", nil
	case err != nil:
		return out, "", err
	case e.Organization != h.Organization:
		return out, "the event is not the webhook's organization's", nil
	case !h.Active:
		return out, "the webhook is inactive", nil
	case !org.Active:
		return out, "the organization is suspended", nil
	}
	out = Outgoing{
		ID: id, Webhook: h.ID, Format: h.Format, Address: NewSecret(h.URL), Event: e.event(),
		Attempts: d.Attempts, CreatedAt: instant(d.CreatedAt),
	}
	if h.address != "" {
		if out.Address, err = s.seal.reveal(h.hiding(), h.address); err != nil {
			return Outgoing{}, "", damagedRow(h.ID, err)
		}
	}
	for _, hidden := range h.secrets {
		secret, err := s.seal.reveal(h.hiding(), hidden.Hidden)
		if err != nil {
			return Outgoing{}, "", damagedRow(h.ID, err)
		}
		if !signingSecret(secret) {
			return Outgoing{}, "its signing secret is empty or too short: rotate it", nil
		}
		out.Secrets = append(out.Secrets, secret)
	}
	if h.Format == FormatStandard && len(out.Secrets) == 0 {
		return Outgoing{}, "its signing secret is empty or too short: rotate it", nil
	}
	return out, "", nil
}

// FinishDelivery notes what became of a try. Whoever says that the endpoint is
// gone, or gives up one to which nothing was delivered since the delivery was
// made, disables the webhook: that is an event, and the webhook says why. A
// delivery that was finished meanwhile stays as it is.
func (s *Service) FinishDelivery(ctx context.Context, id DeliveryID, a Attempt) error {
	err := s.update(ctx, func(tx Tx) error {
		d, err := tx.Delivery(id)
		if err != nil || d.State != DeliveryPending {
			return err
		}
		d.Attempts++
		d.LastAt, d.TookMS, d.Status = seconds(a.At), a.Took.Milliseconds(), int64(a.Status)
		d.Error = clip(a.Error, maxDeliveryError)
		d.NextAt = 0
		switch {
		case a.Error == "":
			d.State = DeliveryDelivered
		case a.Gone || a.NextAt.IsZero():
			d.State = DeliveryFailed
		default:
			d.NextAt = max(seconds(a.NextAt), 1)
		}
		d.Version++
		if err := tx.PutDelivery(d); err != nil || d.State != DeliveryFailed {
			return err
		}
		if a.Gone {
			return s.disable(tx, d.Webhook, "the endpoint answered 410 Gone: it wants no more events")
		}
		good, err := tx.Deliveries(DeliveryFilter{Webhook: d.Webhook, State: DeliveryDelivered, Since: d.CreatedAt, Limit: 1})
		if err != nil || len(good) > 0 {
			return err
		}
		return s.disable(tx, d.Webhook, "nothing could be delivered since "+instant(d.CreatedAt).Format("2006-01-02 15:04 MST")+": "+d.Error)
	})
	if isAbsent(err) {
		return nil // it was dropped meanwhile
	}
	return outward(err)
}

// disable makes a webhook inactive and says why.
func (s *Service) disable(tx Tx, id WebhookID, reason string) error {
	row, err := tx.Webhook(id)
	if isAbsent(err) {
		return nil
	}
	if err != nil {
		return err
	}
	h, err := s.openWebhook(&row)
	if err != nil || !h.Active {
		return err
	}
	before := h
	h.Active, h.Disabled = false, clip(reason, maxDeliveryError)
	s.log.Warn("a webhook was disabled", "webhook", id, "why", h.Disabled)
	return s.putWebhook(tx, Root("deliveries"), ActionDisableWebhook, &before, &h, nil)
}

// settle ends a pending delivery without a try.
func (s *Service) settle(ctx context.Context, id DeliveryID, as func(*DeliveryRecord)) error {
	return outward(s.update(ctx, func(tx Tx) error {
		d, err := tx.Delivery(id)
		if err != nil || d.State != DeliveryPending {
			return err
		}
		d.NextAt = 0
		d.Version++
		as(&d)
		return tx.PutDelivery(d)
	}))
}

// clip makes a text one line of at most n bytes of whole characters.
func clip(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(text) <= n {
		return text
	}
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
