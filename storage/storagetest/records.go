package storagetest

import (
	"crypto/sha256"
	"fmt"

	"github.com/halberdhq/halberd"
)

var recordCases = []contract{
	{"meta is kept under its name, and replaced", func(s *subject) {
		s.refused(halberd.ErrNotFound, func(tx halberd.Tx) error {
			_, err := tx.Meta("fingerprint")
			return err
		})
		s.update(func(tx halberd.Tx) error { return tx.SetMeta("fingerprint", "one") })
		s.update(func(tx halberd.Tx) error { return tx.SetMeta("Fingerprint", "other name") })
		s.update(func(tx halberd.Tx) error { return tx.SetMeta("fingerprint", "two") })
		s.view(func(r halberd.Reader) error {
			got, err := r.Meta("fingerprint")
			equal(s, "meta", got, "two")
			return err
		})
	}},
	{"an idempotency record is found under its actor, route and key", func(s *subject) {
		want := idempotency("key_1", "POST /v1/api-keys", "a", 1000)
		s.update(func(tx halberd.Tx) error { return tx.RecordIdempotency(want, 10) })
		s.wantIdempotent(want, 10, want)
		for _, other := range []halberd.IdempotencyRecord{
			idempotency("key_2", want.Route, "a", 0), idempotency(want.Actor, "POST /other", "a", 0), idempotency(want.Actor, want.Route, "b", 0),
		} {
			s.wantIdempotent(other, 10, halberd.IdempotencyRecord{})
			s.update(func(tx halberd.Tx) error { return tx.RecordIdempotency(other, 10) })
		}
	}},
	{"an idempotency record ends, and then its place is free", func(s *subject) {
		first := idempotency("key_1", "r", "a", 1000)
		s.update(func(tx halberd.Tx) error { return tx.RecordIdempotency(first, 10) })
		s.wantIdempotent(first, 999, first)
		s.wantIdempotent(first, 1000, halberd.IdempotencyRecord{})
		second := first
		second.Result, second.EndsAt = "key_other", 5000
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.RecordIdempotency(second, 999) })
		s.update(func(tx halberd.Tx) error { return tx.RecordIdempotency(second, 1000) })
		s.wantIdempotent(first, 1000, second)
	}},
	{"records that have not ended outlive the dropping of those that have", func(s *subject) {
		for n := range 50 {
			s.update(func(tx halberd.Tx) error {
				return tx.RecordIdempotency(idempotency("key_1", "r", fmt.Sprint(n), int64(100+n)), int64(50+n))
			})
		}
		now := int64(50 + 49)
		for n := range 50 {
			r := idempotency("key_1", "r", fmt.Sprint(n), int64(100+n))
			s.wantIdempotent(r, now, r)
		}
	}},
}

func idempotency(actor, route, key string, ends int64) halberd.IdempotencyRecord {
	return halberd.IdempotencyRecord{
		Actor: actor, Route: route, Key: sha256.Sum256([]byte(key)),
		Fingerprint: sha256.Sum256([]byte("body " + key)), Result: "key_made", EndsAt: ends,
	}
}

// wantIdempotent looks under at's actor, route and key; a zero want is none.
func (s *subject) wantIdempotent(at halberd.IdempotencyRecord, now int64, want halberd.IdempotencyRecord) {
	s.Helper()
	s.view(func(r halberd.Reader) error {
		got, err := r.Idempotent(at.Actor, at.Route, at.Key, now)
		if want == (halberd.IdempotencyRecord{}) {
			equal(s, "error", err, halberd.ErrNotFound)
			return nil
		}
		equal(s, "record", got, want)
		return err
	})
}
