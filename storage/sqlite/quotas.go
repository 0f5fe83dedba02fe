package sqlite

import (
	"database/sql/driver"

	"github.com/halberdhq/halberd"
)

const quotaColumns = "id, period, ends, taken, lent"

func (s *scanner) quota(q *halberd.QuotaRecord) {
	s.into(q.ID[:])
	q.Period, q.Ends, q.Taken, q.Lent = s.int(), s.int(), s.int(), s.int()
}

func (r reader) Quota(id halberd.QuotaID) (q halberd.QuotaRecord, err error) {
	err = r.get("SELECT "+quotaColumns+" FROM quotas WHERE id = ?", []driver.Value{id[:]}, func(s *scanner) { s.quota(&q) })
	return q, err
}

func (r reader) Quotas(after halberd.QuotaID, limit int) (qs []halberd.QuotaRecord, err error) {
	err = r.all("SELECT "+quotaColumns+" FROM quotas WHERE id > ? ORDER BY id LIMIT ?", []driver.Value{after[:], bound(limit)}, func(s *scanner) {
		var q halberd.QuotaRecord
		s.quota(&q)
		qs = append(qs, q)
	})
	return qs, err
}

func (r reader) LentQuotas(now int64) (quotas, uses int64, err error) {
	err = r.get("SELECT count(*), coalesce(sum(lent), 0) FROM quotas WHERE lent > 0 AND (ends IS NULL OR ends > ?)",
		[]driver.Value{now}, func(s *scanner) { quotas, uses = s.int(), s.int() })
	return quotas, uses, err
}

func (t *tx) PutQuota(q halberd.QuotaRecord) error {
	return t.placed("INSERT INTO quotas ("+quotaColumns+`) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT (id) DO UPDATE SET period = ?2, ends = ?3, taken = ?4, lent = ?5`,
		q.ID[:], q.Period, number(q.Ends), q.Taken, q.Lent)
}
