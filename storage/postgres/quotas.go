package postgres

import "github.com/halberdhq/halberd"

const quotaColumns = "id, period, ends, taken, lent"

func (s *scanner) quota(q *halberd.QuotaRecord) {
	s.into(q.ID[:])
	q.Period, q.Ends, q.Taken, q.Lent = s.int(), s.int(), s.int(), s.int()
}

func (r reader) Quota(id halberd.QuotaID) (q halberd.QuotaRecord, err error) {
	err = r.get("SELECT "+quotaColumns+" FROM quotas WHERE id = $1", []any{id[:]}, func(s *scanner) { s.quota(&q) })
	return q, err
}

func (r reader) Quotas(after halberd.QuotaID, limit int) (qs []halberd.QuotaRecord, err error) {
	err = r.all("SELECT "+quotaColumns+" FROM quotas WHERE id > $1 ORDER BY id"+bound(limit), []any{after[:]}, func(s *scanner) {
		var q halberd.QuotaRecord
		s.quota(&q)
		qs = append(qs, q)
	})
	return qs, err
}

func (r reader) LentQuotas(now int64) (quotas, uses int64, err error) {
	err = r.get("SELECT count(*), coalesce(sum(lent), 0)::bigint FROM quotas WHERE lent > 0 AND (ends = 0 OR ends > $1)",
		[]any{now}, func(s *scanner) { quotas, uses = s.int(), s.int() })
	return quotas, uses, err
}

func (t *tx) PutQuota(q halberd.QuotaRecord) error {
	return t.placed("INSERT INTO quotas ("+quotaColumns+`) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id)
		DO UPDATE SET period = excluded.period, ends = excluded.ends, taken = excluded.taken, lent = excluded.lent`,
		q.ID[:], q.Period, q.Ends, q.Taken, q.Lent)
}
