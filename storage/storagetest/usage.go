package storagetest

import (
	"sync"

	"github.com/halberdhq/halberd"
)

var usageCases = []contract{
	{"counts of one key, minute and verdict add up", func(s *subject) {
		counted, ok := s.Store.(Counted)
		if !ok {
			s.Skip("the engine has no way to ask")
		}
		s.insert(key(1))
		add := func(minute int64, verdict string, n int64) {
			s.use(halberd.UsageCount{Key: keyID(1), Organization: organizationID(1), Project: projectID(1), Minute: minute, Verdict: verdict, Count: n})
		}
		add(60, "VALID", 3)
		add(60, "VALID", 4)
		add(120, "VALID", 5)
		add(60, "EXPIRED", 6)
		for _, want := range []struct {
			minute  int64
			verdict string
			n       int64
		}{{60, "VALID", 7}, {120, "VALID", 5}, {60, "EXPIRED", 6}, {180, "VALID", 0}} {
			n, err := counted.Used(s.Context(), keyID(1), want.minute, want.verdict)
			if err != nil || n != want.n {
				s.Errorf("%s in minute %d: %d, %v; want %d", want.verdict, want.minute, n, err, want.n)
			}
		}
		equal(s, "last used, by counts without a use", s.key(1).LastUsedAt, int64(0))
	}},
	{"last-used only moves forward", func(s *subject) {
		s.insert(key(1))
		for _, c := range []struct{ add, want int64 }{{500, 500}, {400, 500}, {0, 500}, {501, 501}} {
			s.use(used(1, c.add))
			equal(s, "last used", s.key(1).LastUsedAt, c.want)
		}
		s.use(used(1, 900), used(1, 800))
		equal(s, "last used, of two at once", s.key(1).LastUsedAt, int64(900))
	}},
	{"no usage touches a key's record", func(s *subject) {
		s.insert(key(1))
		s.use(used(1, 700))
		got := s.key(1)
		got.LastUsedAt = 0
		equal(s, "key", got, key(1))
		changed := next(key(1), func(k *halberd.KeyRecord) { k.LastUsedAt = 3 })
		s.update(func(tx halberd.Tx) error { return tx.UpdateKey(changed) })
		equal(s, "last used, after an update", s.key(1).LastUsedAt, int64(700))
	}},
	{"usage of organization-wide keys and of keys not there is kept", func(s *subject) {
		s.insert(key(1, func(k *halberd.KeyRecord) { k.Project = halberd.ProjectID{} }))
		wide := used(1, 600)
		wide.Project = halberd.ProjectID{}
		s.use(wide, used(77, 600))
		s.wantList(halberd.KeyFilter{Organization: organizationID(1), Sort: halberd.SortLastUsed}, 1)
		equal(s, "last used", s.key(1).LastUsedAt, int64(600))
	}},
	{"usage and Updates at once do not disturb each other", func(s *subject) {
		s.insert(key(1))
		var all sync.WaitGroup
		for g := range 4 {
			all.Go(func() {
				for i := range 25 {
					if err := s.AddUsage(background(), []halberd.UsageCount{used(1, int64(1000+i))}); err != nil {
						s.Errorf("AddUsage: %v", err)
					}
					n := 100 + g*25 + i
					if err := s.Update(background(), func(tx halberd.Tx) error { return tx.InsertKey(key(n)) }); err != nil {
						s.Errorf("Update: %v", err)
					}
				}
			})
		}
		all.Wait()
		equal(s, "last used", s.key(1).LastUsedAt, int64(1024))
		equal(s, "keys", len(s.list(halberd.KeyFilter{})), 101)
	}},
	{"no usage at all is fine", func(s *subject) {
		s.use()
	}},
}
