package storagetest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/halberdhq/halberd"
)

func webhookID(n int) (id halberd.WebhookID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func deliveryID(n int) (id halberd.DeliveryID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func webhook(n int, edits ...func(*halberd.WebhookRecord)) halberd.WebhookRecord {
	w := halberd.WebhookRecord{
		ID: webhookID(n), Organization: organizationID(1), URL: fmt.Sprint("https://example.com/ö", n), Format: "standard",
		Events: "key.* alert.opened", Active: true, CreatedAt: 1_000_000, Version: 1, Detail: `{"a":1}`,
		MAC: sha256.Sum256(fmt.Append(nil, "webhook mac ", n)),
	}
	for _, edit := range edits {
		edit(&w)
	}
	return w
}

// delivery is the nth, of event n to webhook 1.
func delivery(n int, edits ...func(*halberd.DeliveryRecord)) halberd.DeliveryRecord {
	d := halberd.DeliveryRecord{
		ID: deliveryID(n), Webhook: webhookID(1), Event: eventID(n), EventType: "key.revoked", State: halberd.DeliveryPending,
		Attempts: 2, CreatedAt: int64(100 + n), NextAt: int64(200 + n), LastAt: int64(150 + n), Status: 503, TookMS: 12,
		Error: "it answered 503", Version: 1,
	}
	for _, edit := range edits {
		edit(&d)
	}
	return d
}

var webhookCases = []contract{
	{"a webhook is kept, replaced by its next version, and dropped", func(s *subject) {
		first := webhook(1)
		s.update(func(tx halberd.Tx) error { return tx.PutWebhook(first) })
		s.view(func(r halberd.Reader) error {
			got, err := r.Webhook(first.ID)
			equal(s, "webhook", got, first)
			return err
		})
		second := webhook(1, func(w *halberd.WebhookRecord) {
			w.Version, w.URL, w.Format, w.Events, w.Active, w.Stopped, w.Detail, w.MAC = 2, "u", "slack", "", false, "gone", "{}", [32]byte{1}
		})
		s.update(func(tx halberd.Tx) error { return tx.PutWebhook(second) })
		for _, stale := range []halberd.WebhookRecord{first, second, webhook(1, func(w *halberd.WebhookRecord) { w.Version = 4 }), webhook(2, func(w *halberd.WebhookRecord) { w.Version = 2 })} {
			s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.PutWebhook(stale) })
		}
		s.refused(halberd.ErrNotFound, func(tx halberd.Tx) error { return tx.DropWebhook(webhookID(2)) })
		s.refused(errWanted, func(tx halberd.Tx) error {
			if err := tx.DropWebhook(first.ID); err != nil {
				return err
			}
			return errWanted
		})
		s.view(func(r halberd.Reader) error {
			got, err := r.Webhook(first.ID)
			equal(s, "webhook", got, second)
			return err
		})
		s.update(func(tx halberd.Tx) error { return tx.DropWebhook(first.ID) })
		s.view(func(r halberd.Reader) error {
			_, err := r.Webhook(first.ID)
			equal(s, "dropped", err, halberd.ErrNotFound)
			return nil
		})
		s.wantRevision(0)
	}},
	{"webhooks are listed by id, of an organization or of all", func(s *subject) {
		s.update(func(tx halberd.Tx) error {
			for _, n := range []int{4, 2, 3, 1} {
				if err := tx.PutWebhook(webhook(n, func(w *halberd.WebhookRecord) { w.Organization = organizationID(1 + n%2) })); err != nil {
					return err
				}
			}
			return nil
		})
		s.view(func(r halberd.Reader) error {
			for _, c := range []struct {
				org   halberd.OrganizationID
				after int
				limit int
				want  []int
			}{
				{halberd.OrganizationID{}, 0, 10, []int{1, 2, 3, 4}},
				{halberd.OrganizationID{}, 2, 1, []int{3}},
				{organizationID(1), 0, 10, []int{2, 4}},
				{organizationID(2), 1, 10, []int{3}},
				{organizationID(3), 0, 10, nil},
			} {
				list, err := r.Webhooks(c.org, webhookID(c.after), c.limit)
				if err != nil {
					return err
				}
				var got []int
				for _, w := range list {
					got = append(got, int(binary.BigEndian.Uint64(w.ID[8:])))
				}
				if !slices.Equal(got, c.want) {
					s.Errorf("webhooks after %d: %v, want %v", c.after, got, c.want)
				}
			}
			return nil
		})
	}},
	{"an event is delivered to a webhook by one delivery, replaced by its next version", func(s *subject) {
		s.deliver(delivery(1))
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.PutDelivery(delivery(1)) })
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error {
			return tx.PutDelivery(delivery(2, func(d *halberd.DeliveryRecord) { d.Event = eventID(1) }))
		})
		s.deliver(delivery(2, func(d *halberd.DeliveryRecord) { d.Event, d.Webhook = eventID(1), webhookID(2) }))
		bare := halberd.DeliveryRecord{
			ID: deliveryID(1), Webhook: webhookID(1), Event: eventID(1), State: halberd.DeliveryDelivered, Version: 2,
		}
		s.deliver(bare)
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.PutDelivery(bare) })
		s.view(func(r halberd.Reader) error {
			got, err := r.Delivery(bare.ID)
			equal(s, "delivery", got, bare)
			_, absent := r.Delivery(deliveryID(9))
			equal(s, "absent", absent, halberd.ErrNotFound)
			return err
		})
	}},
	{"deliveries of one webhook are listed, the latest first", func(s *subject) {
		s.deliver(
			delivery(1), delivery(4), delivery(3),
			delivery(2, func(d *halberd.DeliveryRecord) { d.Webhook = webhookID(2) }),
			delivery(5, func(d *halberd.DeliveryRecord) { d.State = halberd.DeliveryDelivered }),
			delivery(6, func(d *halberd.DeliveryRecord) { d.State = halberd.DeliveryFailed }),
			delivery(7, func(d *halberd.DeliveryRecord) { d.State = halberd.DeliveryDelivered }),
		)
		one := webhookID(1)
		s.wantDeliveries(halberd.DeliveryFilter{Webhook: one}, 7, 6, 5, 4, 3, 1)
		s.wantDeliveries(halberd.DeliveryFilter{Webhook: one, Limit: 2, After: deliveryID(6)}, 5, 4)
		s.wantDeliveries(halberd.DeliveryFilter{Webhook: one, State: halberd.DeliveryPending}, 4, 3, 1)
		s.wantDeliveries(halberd.DeliveryFilter{Webhook: one, State: halberd.DeliveryDelivered}, 7, 5)
		s.wantDeliveries(halberd.DeliveryFilter{Webhook: one, State: halberd.DeliveryDelivered, Since: 157}, 7)
		s.wantDeliveries(halberd.DeliveryFilter{Webhook: one, State: halberd.DeliveryDelivered, Since: 158})
		s.wantDeliveries(halberd.DeliveryFilter{Webhook: one, Since: 155}, 7, 6, 5)
		s.wantDeliveries(halberd.DeliveryFilter{Webhook: webhookID(3)})
		s.view(func(r halberd.Reader) error {
			list, err := r.Deliveries(halberd.DeliveryFilter{Webhook: one, After: deliveryID(2)})
			if err == nil {
				equal(s, "delivery", list[0], delivery(1))
			}
			return err
		})
	}},
	{"what is due is listed, what waits longest first", func(s *subject) {
		at := func(next int64) func(*halberd.DeliveryRecord) {
			return func(d *halberd.DeliveryRecord) { d.NextAt = next }
		}
		s.deliver(delivery(1, at(30)), delivery(3, at(10)), delivery(2, at(10)), delivery(4, at(50)),
			delivery(5, at(1), func(d *halberd.DeliveryRecord) { d.State = halberd.DeliveryFailed }))
		due := func(now int64, limit int, want ...int) {
			s.Helper()
			s.view(func(r halberd.Reader) error {
				list, err := r.DueDeliveries(halberd.DueFilter{To: now, Limit: limit})
				if got := deliveryNumbers(list); !slices.Equal(got, want) {
					s.Errorf("due at %d: %v, want %v", now, got, want)
				}
				return err
			})
		}
		due(9, 10)
		due(30, 10, 2, 3, 1)
		due(49, 2, 2, 3)
		due(50, 10, 2, 3, 1, 4)
		from := func(f halberd.DueFilter, want ...int) {
			s.Helper()
			s.view(func(r halberd.Reader) error {
				list, err := r.DueDeliveries(f)
				if got := deliveryNumbers(list); !slices.Equal(got, want) {
					s.Errorf("due %+v: %v, want %v", f, got, want)
				}
				return err
			})
		}
		from(halberd.DueFilter{From: 10, To: 50, Limit: 10}, 2, 3, 1, 4)
		from(halberd.DueFilter{From: 10, After: delivery(2).ID, To: 50, Limit: 10}, 3, 1, 4)
		from(halberd.DueFilter{From: 10, After: delivery(3).ID, To: 50, Limit: 1}, 1)
		from(halberd.DueFilter{From: 30, After: delivery(1).ID, To: 49, Limit: 10})
		s.deliver(delivery(2, at(0), func(d *halberd.DeliveryRecord) { d.State, d.Version = halberd.DeliveryDelivered, 2 }))
		due(30, 10, 3, 1)
	}},
	{"deliveries are dropped by age, within a bound", func(s *subject) {
		s.deliver(delivery(1), delivery(2), delivery(3), delivery(4))
		drop := func(want int, before int64, limit int) {
			s.Helper()
			s.update(func(tx halberd.Tx) error {
				n, err := tx.DropDeliveries(before, limit)
				equal(s, "dropped", n, want)
				return err
			})
		}
		drop(0, 101, 10)
		drop(2, 103, 10)
		s.wantDeliveries(halberd.DeliveryFilter{Webhook: webhookID(1)}, 4, 3)
		drop(1, 1000, 1)
		s.refused(errWanted, func(tx halberd.Tx) error {
			if _, err := tx.DropDeliveries(1000, 10); err != nil {
				return err
			}
			return errWanted
		})
		drop(1, 1000, 10)
		s.deliver(delivery(1)) // its place is free
	}},
}

func (s *subject) deliver(ds ...halberd.DeliveryRecord) {
	s.Helper()
	s.update(func(tx halberd.Tx) error {
		for _, d := range ds {
			if err := tx.PutDelivery(d); err != nil {
				return err
			}
		}
		return nil
	})
}

func deliveryNumbers(list []halberd.DeliveryRecord) []int {
	var out []int
	for _, d := range list {
		out = append(out, int(binary.BigEndian.Uint64(d.ID[8:])))
	}
	return out
}

func (s *subject) wantDeliveries(f halberd.DeliveryFilter, want ...int) {
	s.Helper()
	s.view(func(r halberd.Reader) error {
		list, err := r.Deliveries(f)
		if got := deliveryNumbers(list); !slices.Equal(got, want) {
			s.Errorf("Deliveries(%+v): %v, want %v", f, got, want)
		}
		return err
	})
}
