package memory

import (
	"bytes"
	"slices"

	"github.com/halberdhq/halberd"
)

func (r reader) Quota(id halberd.QuotaID) (halberd.QuotaRecord, error) {
	q, found := r.quotas[id]
	if !found {
		return q, halberd.ErrNotFound
	}
	return q, nil
}

func (r reader) Quotas(after halberd.QuotaID, limit int) ([]halberd.QuotaRecord, error) {
	var out []halberd.QuotaRecord
	for _, q := range r.quotas {
		if bytes.Compare(q.ID[:], after[:]) > 0 {
			out = append(out, q)
		}
	}
	slices.SortFunc(out, func(a, b halberd.QuotaRecord) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return first(out, limit), nil
}

func (r reader) LentQuotas(now int64) (quotas, uses int64, err error) {
	for _, q := range r.quotas {
		if q.Lent > 0 && (q.Ends == 0 || q.Ends > now) {
			quotas++
			uses += q.Lent
		}
	}
	return quotas, uses, nil
}

func (t *tx) PutQuota(q halberd.QuotaRecord) error {
	set(t, t.quotas, q.ID, q)
	return nil
}
