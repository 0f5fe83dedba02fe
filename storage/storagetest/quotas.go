package storagetest

import (
	"sync"

	"github.com/halberdhq/halberd"
)

func quota(n byte, taken, lent int64) halberd.QuotaRecord {
	return halberd.QuotaRecord{ID: halberd.QuotaID{31: n}, Period: 86400, Ends: 172800, Taken: taken, Lent: lent}
}

var quotaCases = []contract{
	{"a quota is kept under its id, and replaced", func(s *subject) {
		first := quota(1, 10, 10)
		s.view(func(r halberd.Reader) error {
			_, err := r.Quota(first.ID)
			equal(s, "error", err, halberd.ErrNotFound)
			return nil
		})
		s.update(func(tx halberd.Tx) error { return tx.PutQuota(first) })
		s.update(func(tx halberd.Tx) error { return tx.PutQuota(quota(2, 1, 0)) })
		second := halberd.QuotaRecord{ID: first.ID, Taken: 1 << 40}
		s.update(func(tx halberd.Tx) error {
			got, err := tx.Quota(first.ID)
			equal(s, "quota", got, first)
			if err != nil {
				return err
			}
			return tx.PutQuota(second)
		})
		s.view(func(r halberd.Reader) error {
			got, err := r.Quota(first.ID)
			equal(s, "quota", got, second)
			return err
		})
	}},
	{"a failed transaction leaves quotas as they were", func(s *subject) {
		s.update(func(tx halberd.Tx) error { return tx.PutQuota(quota(1, 10, 0)) })
		s.refused(errWanted, func(tx halberd.Tx) error {
			if err := tx.PutQuota(quota(1, 99, 0)); err != nil {
				return err
			}
			if err := tx.PutQuota(quota(2, 1, 0)); err != nil {
				return err
			}
			return errWanted
		})
		s.view(func(r halberd.Reader) error {
			list, err := r.Quotas(halberd.QuotaID{}, 10)
			equal(s, "quotas", len(list), 1)
			equal(s, "quota", list[0], quota(1, 10, 0))
			return err
		})
	}},
	{"a quota is no change that is told of, nor a revision", func(s *subject) {
		told := 0
		s.Follow(func(halberd.Committed) { told++ })
		s.insert(key(1))
		s.update(func(tx halberd.Tx) error { return tx.PutQuota(quota(1, 1, 0)) })
		equal(s, "changes told of", told, 1)
		s.view(func(r halberd.Reader) error {
			n, err := r.Revision()
			equal(s, "revision", n, int64(1))
			return err
		})
	}},
	{"quotas are listed by id, page by page", func(s *subject) {
		s.update(func(tx halberd.Tx) error {
			for _, n := range []byte{5, 1, 4, 2, 3} {
				if err := tx.PutQuota(quota(n, int64(n), 0)); err != nil {
					return err
				}
			}
			return nil
		})
		s.view(func(r halberd.Reader) error {
			seen, after := int64(0), halberd.QuotaID{}
			for {
				list, err := r.Quotas(after, 2)
				if err != nil || len(list) == 0 {
					equal(s, "quotas", seen, int64(5))
					return err
				}
				for _, q := range list {
					seen++
					equal(s, "quota", q, quota(byte(seen), seen, 0))
					after = q.ID
				}
			}
		})
	}},
	{"what is lent is summed while its period runs", func(s *subject) {
		forever := quota(3, 9, 4)
		forever.Ends = 0
		s.update(func(tx halberd.Tx) error {
			for _, q := range []halberd.QuotaRecord{quota(1, 10, 7), quota(2, 10, 0), forever} {
				if err := tx.PutQuota(q); err != nil {
					return err
				}
			}
			return nil
		})
		s.view(func(r halberd.Reader) error {
			for now, want := range map[int64][2]int64{172799: {2, 11}, 172800: {1, 4}} {
				n, uses, err := r.LentQuotas(now)
				equal(s, "lent", [2]int64{n, uses}, want)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}},
	{"quotas that many take from at once add up", func(s *subject) {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 25 {
					if err := s.Update(background(), func(tx halberd.Tx) error {
						q, err := tx.Quota(halberd.QuotaID{31: 1})
						if err != nil {
							q = quota(1, 0, 0)
						}
						q.Taken++
						return tx.PutQuota(q)
					}); err != nil {
						s.Errorf("Update: %v", err)
					}
				}
			})
		}
		all.Wait()
		s.view(func(r halberd.Reader) error {
			q, err := r.Quota(halberd.QuotaID{31: 1})
			equal(s, "taken", q.Taken, int64(200))
			return err
		})
	}},
}
