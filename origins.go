package halberd

import (
	"context"
	"slices"
	"time"
)

// Origin is a network that a key was used from, or a program that used it.
type Origin struct {
	Kind    string // "network" or "program"
	Value   string
	FirstAt time.Time // to the minute
}

// Origins lists where a key was used from, the first place first, as far as the
// rules of alerts keep it: at most 16 networks and as many programs, noticed by the
// minute. What came later is not in it.
func (s *Service) Origins(ctx context.Context, by Actor, id KeyID) (list []Origin, err error) {
	err = s.look(ctx, by, ActionReadKeys, func(r Reader) error {
		if _, _, err := s.keyOf(r, by, id); err != nil {
			return err
		}
		rows, err := r.Origins(OriginFilter{Key: id, Limit: 2 * maxOrigins})
		for _, o := range rows {
			list = append(list, Origin{o.Kind, o.Value, instant(o.FirstAt)})
		}
		return err
	})
	slices.SortStableFunc(list, func(a, b Origin) int { return a.FirstAt.Compare(b.FirstAt) })
	return list, err
}
