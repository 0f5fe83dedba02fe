package storagetest

import (
	"github.com/halberdhq/halberd"
)

var keyCases = []contract{
	{"a key comes back as it was put, every field", func(s *subject) {
		want := key(1, func(k *halberd.KeyRecord) {
			k.PreviousDigest = digest(100)
			k.PepperID = 3
			k.State = halberd.StateInactive
			k.ExternalID = "customer 9"
			k.Detail = `{"metadata":{"a":"b"}}`
			k.ExpiresAt, k.NotBefore, k.PreviousExpiresAt = 4_000_000_000, 7, 9
		})
		bare := key(2, func(k *halberd.KeyRecord) { k.Project, k.Name, k.Scopes = halberd.ProjectID{}, "", "" })
		gone := key(3, revoke(77))
		s.insert(want, bare, gone)
		equal(s, "full key", s.key(1), want)
		equal(s, "bare key", s.key(2), bare)
		equal(s, "revoked key", s.key(3), gone)
	}},
	{"a key that is not there is ErrNotFound", func(s *subject) {
		s.refused(halberd.ErrNotFound, func(tx halberd.Tx) error {
			_, err := tx.Key(keyID(1))
			return err
		})
	}},
	{"an id is taken once", func(s *subject) {
		s.insert(key(1))
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error {
			return tx.InsertKey(key(1, func(k *halberd.KeyRecord) { k.Digest = digest(2) }))
		})
	}},
	{"a digest is taken once", func(s *subject) {
		s.insert(key(1), key(3))
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error {
			return tx.InsertKey(key(2, func(k *halberd.KeyRecord) { k.Digest = digest(1) }))
		})
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error {
			return tx.UpdateKey(next(key(3), func(k *halberd.KeyRecord) { k.Digest = digest(1) }))
		})
	}},
	{"a previous digest is taken once", func(s *subject) {
		previous := func(k *halberd.KeyRecord) { k.PreviousDigest = digest(100) }
		s.insert(key(1, previous), key(3))
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.InsertKey(key(2, previous)) })
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.UpdateKey(next(key(3), previous)) })
	}},
	{"a digest is not another key's previous digest, nor the reverse", func(s *subject) {
		s.insert(key(1, func(k *halberd.KeyRecord) { k.PreviousDigest = digest(100) }), key(3))
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error {
			return tx.InsertKey(key(2, func(k *halberd.KeyRecord) { k.Digest = digest(100) }))
		})
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error {
			return tx.InsertKey(key(2, func(k *halberd.KeyRecord) { k.PreviousDigest = digest(1) }))
		})
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error {
			return tx.UpdateKey(next(key(3), func(k *halberd.KeyRecord) { k.Digest = digest(100) }))
		})
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error {
			return tx.UpdateKey(next(key(3), func(k *halberd.KeyRecord) { k.PreviousDigest = digest(1) }))
		})
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error {
			return tx.InsertKey(key(2, func(k *halberd.KeyRecord) { k.PreviousDigest = k.Digest }))
		})
	}},
	{"a digest may become its own key's previous one, and is free when that ends", func(s *subject) {
		s.insert(key(1))
		rotated := next(key(1), func(k *halberd.KeyRecord) { k.PreviousDigest, k.Digest = k.Digest, digest(50) })
		s.update(func(tx halberd.Tx) error { return tx.UpdateKey(rotated) })
		equal(s, "rotated", s.key(1), rotated)
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error {
			return tx.InsertKey(key(2, func(k *halberd.KeyRecord) { k.Digest = digest(1) }))
		})
		ended := next(rotated, func(k *halberd.KeyRecord) { k.PreviousDigest = halberd.Digest{} })
		s.update(func(tx halberd.Tx) error { return tx.UpdateKey(ended) })
		s.insert(key(2, func(k *halberd.KeyRecord) { k.Digest = digest(1) }))
	}},
	{"many keys without a previous digest do not collide", func(s *subject) {
		s.insert(key(1), key(2), key(3))
	}},
	{"a refused write leaves the transaction as it was, and it goes on", func(s *subject) {
		s.insert(key(1))
		s.update(func(tx halberd.Tx) error {
			clash := key(2, func(k *halberd.KeyRecord) { k.PreviousDigest = digest(1) })
			if err := tx.InsertKey(clash); err != halberd.ErrConflict {
				s.Errorf("clash: %v", err)
			}
			if err := tx.UpdateKey(next(next(key(1)))); err != halberd.ErrConflict {
				s.Errorf("stale: %v", err)
			}
			return tx.InsertKey(key(2))
		})
		equal(s, "second key", s.key(2), key(2))
		equal(s, "first key", s.key(1), key(1))
	}},
	{"an update replaces the whole record", func(s *subject) {
		s.insert(key(1))
		want := next(key(1), func(k *halberd.KeyRecord) {
			k.Digest, k.PreviousDigest, k.PepperID = digest(7), digest(8), 2
			k.State, k.Hint, k.Name, k.ExternalID = halberd.StateInactive, "whr_live_abc", "other", "x"
			k.Scopes, k.Policy, k.Detail = "read", "{}", `{"a":1}`
			k.CreatedAt, k.ExpiresAt, k.NotBefore, k.PreviousExpiresAt = 1, 2, 3, 4
		})
		s.update(func(tx halberd.Tx) error { return tx.UpdateKey(want) })
		equal(s, "key", s.key(1), want)
	}},
	{"an update must be of the version before it", func(s *subject) {
		s.insert(key(1))
		for _, version := range []int64{0, 1, 3} {
			s.refused(halberd.ErrConflict, func(tx halberd.Tx) error {
				return tx.UpdateKey(key(1, func(k *halberd.KeyRecord) { k.Version = version }))
			})
		}
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.UpdateKey(next(key(2))) }) // never inserted
		equal(s, "key", s.key(1), key(1))
	}},
	{"revoked is terminal", func(s *subject) {
		gone := key(1, revoke(5))
		s.insert(gone)
		for _, state := range []halberd.State{halberd.StateActive, halberd.StateInactive} {
			s.refused(halberd.ErrConflict, func(tx halberd.Tx) error {
				return tx.UpdateKey(next(gone, func(k *halberd.KeyRecord) { k.State = state }))
			})
		}
		renamed := next(gone, func(k *halberd.KeyRecord) { k.Name = "still revoked" })
		s.update(func(tx halberd.Tx) error { return tx.UpdateKey(renamed) })
		equal(s, "key", s.key(1), renamed)
	}},
	{"names and external ids are kept byte for byte", func(s *subject) {
		odd := []string{"Gr\u00f6\u00dfe", "Gro\u0308\u00dfe", "ΚΕΥ", "ключ", "🔑 key", " space ", `"';--%_\`, "İı", "\u200b", "\ufeffmark"}
		for i, text := range odd {
			s.insert(key(i+1, func(k *halberd.KeyRecord) { k.Name, k.ExternalID = text, text }))
		}
		for i, text := range odd {
			got := s.key(i + 1)
			equal(s, "name", got.Name, text)
			equal(s, "external id", got.ExternalID, text)
			s.wantList(halberd.KeyFilter{ExternalID: text}, i+1)
		}
	}},
	{"a transaction sees its own writes", func(s *subject) {
		s.update(func(tx halberd.Tx) error {
			if err := tx.InsertKey(key(1)); err != nil {
				return err
			}
			changed := next(key(1), func(k *halberd.KeyRecord) { k.Name = "changed" })
			if err := tx.UpdateKey(changed); err != nil {
				return err
			}
			got, err := tx.Key(keyID(1))
			equal(s, "own write", got, changed)
			list, err2 := tx.Keys(halberd.KeyFilter{Organization: organizationID(1), Limit: 10})
			if err2 != nil || len(list) != 1 || list[0] != changed {
				s.Errorf("own list: %v, %v", list, err2)
			}
			return err
		})
	}},
}
