package memory

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/halberdhq/halberd"
)

func (r reader) Webhook(id halberd.WebhookID) (halberd.WebhookRecord, error) {
	w, found := r.webhooks[id]
	if !found {
		return halberd.WebhookRecord{}, halberd.ErrNotFound
	}
	return w, nil
}

func (r reader) Webhooks(org halberd.OrganizationID, after halberd.WebhookID, limit int) ([]halberd.WebhookRecord, error) {
	var out []halberd.WebhookRecord
	for _, w := range r.webhooks {
		if (org.IsZero() || w.Organization == org) && bytes.Compare(w.ID[:], after[:]) > 0 {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b halberd.WebhookRecord) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return first(out, limit), nil
}

func (r reader) Delivery(id halberd.DeliveryID) (halberd.DeliveryRecord, error) {
	d, found := r.deliveries[id]
	if !found {
		return halberd.DeliveryRecord{}, halberd.ErrNotFound
	}
	return d, nil
}

func (r reader) Deliveries(f halberd.DeliveryFilter) ([]halberd.DeliveryRecord, error) {
	var out []halberd.DeliveryRecord
	for _, d := range r.deliveries {
		if d.Webhook == f.Webhook && (f.State == "" || d.State == f.State) && d.LastAt >= f.Since &&
			(f.After.IsZero() || bytes.Compare(d.ID[:], f.After[:]) < 0) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b halberd.DeliveryRecord) int { return bytes.Compare(b.ID[:], a.ID[:]) })
	return first(out, f.Limit), nil
}

func (r reader) DueDeliveries(f halberd.DueFilter) ([]halberd.DeliveryRecord, error) {
	var out []halberd.DeliveryRecord
	for _, d := range r.deliveries {
		if d.State == halberd.DeliveryPending && d.NextAt <= f.To &&
			(d.NextAt > f.From || d.NextAt == f.From && bytes.Compare(d.ID[:], f.After[:]) > 0) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b halberd.DeliveryRecord) int {
		return cmp.Or(cmp.Compare(a.NextAt, b.NextAt), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return first(out, f.Limit), nil
}

func (t *tx) PutWebhook(w halberd.WebhookRecord) error {
	if old, found := t.webhooks[w.ID]; found && old.Version != w.Version-1 || !found && w.Version != 1 {
		return halberd.ErrConflict
	}
	set(t, t.webhooks, w.ID, w)
	return nil
}

func (t *tx) DropWebhook(id halberd.WebhookID) error {
	if _, found := t.webhooks[id]; !found {
		return halberd.ErrNotFound
	}
	drop(t, t.webhooks, id)
	return nil
}

func (t *tx) PutDelivery(d halberd.DeliveryRecord) error {
	if old, found := t.deliveries[d.ID]; found && old.Version != d.Version-1 || !found && d.Version != 1 {
		return halberd.ErrConflict
	}
	for _, other := range t.deliveries {
		if other.ID != d.ID && other.Webhook == d.Webhook && other.Event == d.Event {
			return halberd.ErrConflict
		}
	}
	set(t, t.deliveries, d.ID, d)
	return nil
}

func (t *tx) DropDeliveries(before int64, limit int) (int, error) {
	n := 0
	for id, d := range t.deliveries {
		if d.CreatedAt < before && n < limit {
			drop(t, t.deliveries, id)
			n++
		}
	}
	return n, nil
}
