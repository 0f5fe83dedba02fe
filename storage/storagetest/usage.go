package storagetest

import (
	"sync"

	"github.com/halberdhq/halberd"
)

var usageCases = []contract{
	{"last-used only moves forward", func(s *subject) {
		s.insert(key(1))
		for _, c := range []struct{ add, want int64 }{{500, 500}, {400, 500}, {0, 500}, {501, 501}} {
			s.use(used(1, c.add))
			equal(s, "last used", s.key(1).LastUsedAt, c.want)
		}
		both := used(1, 900)
		both.Uses = append(both.Uses, used(1, 800).Uses...)
		s.use(both)
		equal(s, "last used, of two at once", s.key(1).LastUsedAt, int64(900))
		both = used(1, 1000)
		both.Uses[0].Sampled, both.Uses[0].From = true, "192.0.2.1"
		both.Uses = append(both.Uses, used(1, 1001).Uses...)
		s.use(both)
		equal(s, "last used, of two at once", s.key(1).LastUsedAt, int64(1001))
		equal(s, "from, of two at once", s.key(1).LastUsedFrom, "192.0.2.1")
	}},
	{"the last use has an address and an agent, where they were told", func(s *subject) {
		s.insert(key(1), key(2))
		use := func(at int64, sampled bool, from, agent string) {
			s.use(halberd.UsageBatch{Uses: []halberd.KeyUse{{
				Key: keyID(1), Organization: organizationID(1), Project: projectID(1),
				At: at, Sampled: sampled, From: from, Agent: agent,
			}}})
		}
		want := func(what string, at int64, from, agent string) {
			k := s.key(1)
			equal(s, what+", at", k.LastUsedAt, at)
			equal(s, what+", from", k.LastUsedFrom, from)
			equal(s, what+", agent", k.LastUsedAgent, agent)
			listed := s.list(halberd.KeyFilter{Sort: halberd.SortLastUsed, Limit: 1})
			equal(s, what+", listed", listed[0].LastUsedAgent, agent)
		}
		use(500, false, "", "")
		want("nothing told", 500, "", "")
		use(510, true, "203.0.113.7", "curl/8.14.1")
		want("told", 510, "203.0.113.7", "curl/8.14.1")
		use(505, true, "203.0.113.8", "older")
		want("an older one", 510, "203.0.113.7", "curl/8.14.1")
		use(520, false, "", "")
		want("not sampled", 520, "203.0.113.7", "curl/8.14.1")
		use(530, true, "", "")
		want("told nothing", 530, "", "")
		equal(s, "another key's", s.key(2).LastUsedAgent, "")
	}},
	{"no usage touches a key's record", func(s *subject) {
		s.insert(key(1))
		b := used(1, 700)
		b.Uses[0].Sampled, b.Uses[0].From, b.Uses[0].Agent = true, "203.0.113.7", "curl"
		s.use(b)
		got := s.key(1)
		got.LastUsedAt, got.LastUsedFrom, got.LastUsedAgent = 0, "", ""
		equal(s, "key", got, key(1))
		changed := next(key(1), func(k *halberd.KeyRecord) { k.LastUsedAt, k.LastUsedAgent = 3, "other" })
		s.update(func(tx halberd.Tx) error { return tx.UpdateKey(changed) })
		equal(s, "last used, after an update", s.key(1).LastUsedAt, int64(700))
		equal(s, "agent, after an update", s.key(1).LastUsedAgent, "curl")
	}},
	{"usage of organization-wide keys and of keys not there is kept", func(s *subject) {
		s.insert(key(1, func(k *halberd.KeyRecord) { k.Project = halberd.ProjectID{} }))
		wide := used(1, 600)
		wide.Counts[0].Project, wide.Uses[0].Project = halberd.ProjectID{}, halberd.ProjectID{}
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
					if err := s.AddUsage(background(), used(1, int64(1000+i))); err != nil {
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
		equal(s, "counted", s.total(halberd.UsageFilter{Step: halberd.StepDay}), 100)
	}},
	{"no usage at all is fine", func(s *subject) {
		s.use(halberd.UsageBatch{})
		s.series(halberd.UsageFilter{Step: halberd.StepMinute, To: 1 << 40})
	}},
}
