package storagetest

import "github.com/halberdhq/halberd"

// noted makes of cases those in which NoteUsage takes the batches.
func noted(cases []contract) []contract {
	out := make([]contract, len(cases))
	for i, c := range cases {
		out[i] = contract{c.promise, func(s *subject) { s.notes = true; c.check(s) }}
	}
	return out
}

func (s *subject) note(batches ...halberd.UsageBatch) {
	s.Helper()
	for _, b := range batches {
		if err := s.NoteUsage(s.Context(), b); err != nil {
			s.Fatalf("NoteUsage: %v", err)
		}
	}
}

var noteCases = []contract{
	{"a key tells at once of a use that was noted", func(s *subject) {
		s.insert(key(1), key(2))
		use := func(at int64, sampled bool, from string) halberd.UsageBatch {
			b := used(1, at)
			b.Uses[0].Sampled, b.Uses[0].From, b.Uses[0].Agent = sampled, from, "curl"
			return b
		}
		want := func(at int64, from string) {
			s.Helper()
			equal(s, "last used", s.key(1).LastUsedAt, at)
			equal(s, "from", s.key(1).LastUsedFrom, from)
			listed := s.list(halberd.KeyFilter{Limit: 1})
			equal(s, "listed", listed[0].LastUsedFrom, from)
		}
		s.note(use(500, true, "192.0.2.1"))
		want(500, "192.0.2.1")
		s.note(use(510, false, ""), use(505, true, "192.0.2.2"))
		want(510, "192.0.2.1")
		s.use()
		want(510, "192.0.2.1")
		s.use(halberd.UsageBatch{})
		want(510, "192.0.2.1")
		s.note(use(520, false, ""))
		want(520, "192.0.2.1")
		s.note(use(530, true, ""))
		want(530, "")
		equal(s, "another key", s.key(2).LastUsedAt, int64(0))
	}},
	{"what was noted and what was added are counted once each", func(s *subject) {
		batch := func(number int64) halberd.UsageBatch {
			return halberd.UsageBatch{Writer: [16]byte{1}, Number: number, Counts: []halberd.UsageCount{
				counted(1, begin, "VALID", 1), counted(1, begin+60, "EXPIRED", 1), counted(2, begin, "VALID", 5),
			}}
		}
		s.note(batch(1), batch(2), batch(1))
		s.use(batch(2), batch(3))
		s.note(batch(3), batch(4))
		s.use(halberd.UsageBatch{})
		s.wantSeries(ofKeys(halberd.StepMinute, 1), "0:VALID=4 60:EXPIRED=4")
		s.wantSeries(ofKeys(halberd.StepMinute, 2), "0:VALID=20")
	}},
	{"what was noted of a time that was carried on is in its hour", func(s *subject) {
		s.note(halberd.UsageBatch{Counts: []halberd.UsageCount{counted(1, begin, "VALID", 1)}})
		s.tidy(halberd.UsageTidying{Until: begin + day, Limit: 100})
		s.note(halberd.UsageBatch{Counts: []halberd.UsageCount{counted(1, begin, "VALID", 2)}})
		s.use(halberd.UsageBatch{})
		equal(s, "by hour", s.total(ofKeys(halberd.StepHour, 1)), 3)
		equal(s, "by minute", s.total(ofKeys(halberd.StepMinute, 1)), 3)
	}},
}
