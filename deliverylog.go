package halberd

import (
	"context"
	"errors"
)

// WebhookDeliveries reads the log of a webhook, newest first.
func (s *Service) WebhookDeliveries(ctx context.Context, by Actor, id WebhookID, state DeliveryState, page Page) (out Deliveries, err error) {
	err = s.look(ctx, by, ActionReadWebhooks, func(r Reader) error {
		if _, err := s.webhookOf(r, by, id); err != nil {
			return err
		}
		switch state {
		case "", DeliveryPending, DeliveryDelivered, DeliveryFailed, DeliveryCanceled:
		default:
			return Invalid("state", "must be pending, delivered, failed or canceled")
		}
		limit, err := pageLimit(page)
		if err != nil {
			return err
		}
		bound := "deliveries\n" + id.String() + "\n" + string(state)
		after, err := s.position(bound, page.Cursor)
		if err != nil {
			return err
		}
		f := DeliveryFilter{Webhook: id, State: state, Limit: limit + 1}
		if after != nil {
			f.After = DeliveryID(after.ID)
		}
		rows, err := r.Deliveries(f)
		if err != nil {
			return err
		}
		if len(rows) > limit {
			rows = rows[:limit]
			out.Next = s.cursor(bound, KeyPosition{ID: KeyID(rows[limit-1].ID)})
		}
		out.List = make([]Delivery, len(rows))
		for i := range rows {
			out.List[i] = rows[i].delivery()
		}
		return nil
	})
	return out, err
}

// Redeliver sends an event to a webhook once more, from the beginning of its
// tries: under the same event id.
func (s *Service) Redeliver(ctx context.Context, by Actor, id WebhookID, delivery DeliveryID) (Delivery, error) {
	var out Delivery
	_, err := s.change(ctx, by, ActionRedeliver, func(tx Tx, by Actor) error {
		h, err := s.webhookOf(tx, by, id)
		if err != nil {
			return err
		}
		d, err := tx.Delivery(delivery)
		if err == nil && d.Webhook != id {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		if !h.Active {
			return refuse(CodeConflict, "the webhook is inactive: activate it first")
		}
		if _, err := tx.Event(d.Event); errors.Is(err, ErrNotFound) {
			return refuse(CodeConflict, "the event is not kept any more")
		} else if err != nil {
			return err
		}
		now := s.stamp().Unix()
		d.State, d.Attempts, d.CreatedAt, d.NextAt, d.Error = DeliveryPending, 0, now, now, ""
		d.Version++
		if err := tx.PutDelivery(d); err != nil {
			return err
		}
		out = d.delivery()
		return s.audit(tx, by, ActionRedeliver, h.Organization, ProjectID{}, "webhook", id.String(),
			map[string]Change{"delivery_id": {After: delivery.String()}})
	})
	if err == nil {
		s.wakeRelay()
	}
	return out, err
}
