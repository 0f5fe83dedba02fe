package postgres

import "github.com/halberdhq/halberd"

const (
	webhookColumns  = "id, organization, url, format, events, active, stopped, created_at, version, detail, mac"
	deliveryColumns = "id, webhook, event, event_type, state, attempts, created_at, next_at, last_at, status, took_ms, error, version"
)

func (s *scanner) webhook(w *halberd.WebhookRecord) {
	s.into(w.ID[:])
	s.into(w.Organization[:])
	w.URL = s.text()
	w.Format = s.text()
	w.Events = s.text()
	w.Active = s.bool()
	w.Stopped = s.text()
	w.CreatedAt = s.int()
	w.Version = s.int()
	w.Detail = s.text()
	s.into(w.MAC[:])
}

func (s *scanner) delivery(d *halberd.DeliveryRecord) {
	s.into(d.ID[:])
	s.into(d.Webhook[:])
	s.into(d.Event[:])
	d.EventType = s.text()
	d.State = halberd.DeliveryState(s.text())
	d.Attempts = s.int()
	d.CreatedAt = s.int()
	d.NextAt = s.int()
	d.LastAt = s.int()
	d.Status = s.int()
	d.TookMS = s.int()
	d.Error = s.text()
	d.Version = s.int()
}

func (r reader) Webhook(id halberd.WebhookID) (w halberd.WebhookRecord, err error) {
	err = r.get("SELECT "+webhookColumns+" FROM webhooks WHERE id = $1", []any{id[:]}, func(s *scanner) { s.webhook(&w) })
	return w, err
}

func (r reader) Webhooks(org halberd.OrganizationID, after halberd.WebhookID, limit int) (list []halberd.WebhookRecord, err error) {
	q := selection{text: "SELECT " + webhookColumns + " FROM webhooks"}
	q.where(true, "id > ?", after[:])
	q.where(!org.IsZero(), "organization = ?", org[:])
	q.end(" ORDER BY id" + bound(limit))
	err = r.all(q.text, q.args, func(s *scanner) {
		list = append(list, halberd.WebhookRecord{})
		s.webhook(&list[len(list)-1])
	})
	return list, err
}

func (r reader) Delivery(id halberd.DeliveryID) (d halberd.DeliveryRecord, err error) {
	err = r.get("SELECT "+deliveryColumns+" FROM deliveries WHERE id = $1", []any{id[:]}, func(s *scanner) { s.delivery(&d) })
	return d, err
}

func (r reader) Deliveries(f halberd.DeliveryFilter) ([]halberd.DeliveryRecord, error) {
	q := selection{text: "SELECT " + deliveryColumns + " FROM deliveries"}
	q.where(true, "webhook = ?", f.Webhook[:])
	q.where(f.State != "", "state = ?", string(f.State))
	q.where(f.Since != 0, "last_at >= ?", f.Since)
	q.where(!f.After.IsZero(), "id < ?", f.After[:])
	q.end(" ORDER BY id DESC" + bound(f.Limit))
	return r.deliveries(q.text, q.args)
}

func (r reader) DueDeliveries(f halberd.DueFilter) ([]halberd.DeliveryRecord, error) {
	return r.deliveries("SELECT "+deliveryColumns+` FROM deliveries
		WHERE state = 'pending' AND (next_at, id) > ($1, $2) AND next_at <= $3 ORDER BY next_at, id`+bound(f.Limit), []any{f.From, f.After[:], f.To})
}

func (r reader) deliveries(text string, args []any) (list []halberd.DeliveryRecord, err error) {
	err = r.all(text, args, func(s *scanner) {
		list = append(list, halberd.DeliveryRecord{})
		s.delivery(&list[len(list)-1])
	})
	return list, err
}

func (t *tx) PutWebhook(w halberd.WebhookRecord) error {
	args := []any{
		w.ID[:], w.Organization[:], w.URL, w.Format, w.Events, w.Active, w.Stopped, w.CreatedAt, w.Version, w.Detail, w.MAC[:],
	}
	text := "INSERT INTO webhooks (" + webhookColumns + ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING"
	if w.Version != 1 {
		text = `UPDATE webhooks SET organization = $2, url = $3, format = $4, events = $5, active = $6, stopped = $7,
			created_at = $8, version = $9, detail = $10, mac = $11 WHERE id = $1 AND version = $9 - 1`
	}
	return t.placed(text, args...)
}

func (t *tx) DropWebhook(id halberd.WebhookID) error {
	n, err := t.exec("DELETE FROM webhooks WHERE id = $1", id[:])
	if err == nil && n != 1 {
		err = halberd.ErrNotFound
	}
	return err
}

func (t *tx) PutDelivery(d halberd.DeliveryRecord) error {
	args := []any{
		d.ID[:], d.Webhook[:], d.Event[:], d.EventType, string(d.State), d.Attempts, d.CreatedAt,
		d.NextAt, d.LastAt, d.Status, d.TookMS, d.Error, d.Version,
	}
	text := "INSERT INTO deliveries (" + deliveryColumns + ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING"
	if d.Version != 1 {
		text = `UPDATE deliveries SET event_type = $4, state = $5, attempts = $6, created_at = $7,
			next_at = $8, last_at = $9, status = $10, took_ms = $11, error = $12, version = $13 WHERE id = $1 AND webhook = $2 AND event = $3 AND version = $13 - 1`
	}
	return t.placed(text, args...)
}

func (t *tx) DropDeliveries(before int64, limit int) (int, error) {
	n, err := t.exec("DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE created_at < $1 ORDER BY created_at LIMIT $2)", before, int64(limit))
	return int(n), err
}
