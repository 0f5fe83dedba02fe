package storagetest

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/halberdhq/halberd"
)

const (
	hour = int64(3600)
	day  = 24 * hour
	// begin is a midnight, so that the times below can be read.
	begin = 20_000 * day
)

var seriesCases = []contract{
	{"counts of one key, minute and verdict add up", func(s *subject) {
		s.insert(key(1))
		s.count(counted(1, begin, "VALID", 3), counted(1, begin, "VALID", 4))
		s.count(counted(1, begin+60, "VALID", 5), counted(1, begin, "EXPIRED", 6), counted(2, begin, "VALID", 8))
		s.count(counted(1, begin, "VALID", 1))
		s.wantSeries(ofKeys(halberd.StepMinute, 1), "0:EXPIRED=6 0:VALID=8 60:VALID=5")
		s.wantSeries(ofKeys(halberd.StepHour, 1), "0:EXPIRED=6 0:VALID=13")
		s.wantSeries(ofKeys(halberd.StepDay, 1), "0:EXPIRED=6 0:VALID=13")
		s.wantSeries(ofKeys(halberd.StepMinute, 1, 2, 1), "0:EXPIRED=6 0:VALID=16 60:VALID=5")
		s.wantSeries(ofKeys(halberd.StepMinute, 3), "")
	}},
	{"a series begins at from, and ends before to", func(s *subject) {
		for _, at := range []int64{-60, 0, 60, 3540, 3600, 86340, 86400} {
			s.count(counted(1, begin+at, "VALID", 1))
		}
		f := ofKeys(halberd.StepMinute, 1)
		f.From, f.To = begin, begin+60
		s.wantSeries(f, "0:VALID=1")
		f.To = begin + 3600
		s.wantSeries(f, "0:VALID=1 60:VALID=1 3540:VALID=1")
		f.Step = halberd.StepHour
		s.wantSeries(f, "0:VALID=3")
		f.To = begin + day
		s.wantSeries(f, "0:VALID=3 3600:VALID=1 82800:VALID=1")
		f.Step = halberd.StepDay
		s.wantSeries(f, "0:VALID=5")
		f.From, f.To = begin-day, begin
		s.wantSeries(f, "-86400:VALID=1")
	}},
	{"a count is its key's, its project's and its organization's", func(s *subject) {
		elsewhere := counted(3, begin, "VALID", 10)
		elsewhere.Project = projectID(2)
		wide := counted(4, begin, "VALID", 100)
		wide.Project = halberd.ProjectID{}
		foreign := counted(5, begin, "VALID", 1000)
		foreign.Organization, foreign.Project = organizationID(2), projectID(3)
		s.count(counted(1, begin, "VALID", 1), counted(2, begin, "VALID", 2), elsewhere, wide, foreign)
		for tidied := range 2 {
			for _, step := range []halberd.UsageStep{halberd.StepMinute, halberd.StepHour, halberd.StepDay} {
				f := halberd.UsageFilter{Step: step, To: begin + 2*day}
				f.Organization = organizationID(1)
				s.wantSeries(f, "0:VALID=113")
				f.Project = projectID(1)
				s.wantSeries(f, "0:VALID=3")
				f.Project = projectID(2)
				s.wantSeries(f, "0:VALID=10")
				f.Project, f.Organization = halberd.ProjectID{}, organizationID(2)
				s.wantSeries(f, "0:VALID=1000")
				f.Organization = halberd.OrganizationID{}
				s.wantSeries(f, "0:VALID=1113")
			}
			if tidied == 0 {
				s.tidy(halberd.UsageTidying{Until: begin + 5*day, Limit: 2})
			}
		}
	}},
	{"counts that were carried on are in every step once, wherever it stopped", func(s *subject) {
		want := map[string]int64{}
		drawn := fnv.New64a() // the same numbers in every run
		draw := func(n int64) int64 {
			_, _ = drawn.Write([]byte{1})
			return int64(drawn.Sum64()>>8) % n
		}
		until := begin
		for range 60 {
			var counts []halberd.UsageCount
			for range 20 {
				c := counted(1+int(draw(3)), begin+60*draw(3*24*60), []string{"VALID", "EXPIRED", "RATE_LIMITED"}[draw(3)], 1+draw(5))
				counts = append(counts, c)
				want[c.Verdict] += c.Count
			}
			s.count(counts...) // some before what was carried on, some after
			until += 60 * draw(120)
			for range draw(4) {
				s.step(halberd.UsageTidying{Until: until, Limit: 1 + int(draw(40))})
			}
			for _, step := range []halberd.UsageStep{halberd.StepMinute, halberd.StepHour, halberd.StepDay} {
				for _, f := range []halberd.UsageFilter{ofKeys(step, 1, 2, 3), {Step: step, Project: projectID(1)}, {Step: step, Organization: organizationID(1)}} {
					f.To = begin + 4*day
					got := map[string]int64{}
					for _, sum := range s.series(f) {
						got[sum.Verdict] += sum.Count
					}
					if fmt.Sprint(got) != fmt.Sprint(want) {
						s.Fatalf("by %s, carried on until %d: %v, want %v", step, until-begin, got, want)
					}
				}
			}
		}
		s.tidy(halberd.UsageTidying{Until: begin + 10*day, Limit: 7})
		before := s.series(halberd.UsageFilter{Step: halberd.StepHour, Organization: organizationID(1), To: begin + 4*day})
		s.tidy(halberd.UsageTidying{Until: begin + 10*day, Limit: 7})
		s.tidy(halberd.UsageTidying{Until: begin, Limit: 7}) // a clock that went back
		equal(s, "tidied twice", fmt.Sprint(s.series(halberd.UsageFilter{Step: halberd.StepHour, Organization: organizationID(1), To: begin + 4*day})), fmt.Sprint(before))
	}},
	{"what is dropped of a step stays in the longer ones", func(s *subject) {
		for at := range 50 * int64(60) { // 50 hours
			s.count(counted(1, begin+60*at, "VALID", 1))
		}
		equal(s, "dropped before", s.droppedBefore(halberd.StepMinute), int64(0))
		// More is not carried on than until: nothing of the rest may go.
		s.tidy(halberd.UsageTidying{Until: begin + 30*hour, KeepMinutes: begin + 40*hour, KeepHours: begin + 40*hour, Limit: 100})
		s.wantSeries(ofKeys(halberd.StepDay, 1), "0:VALID=1440 86400:VALID=1440 172800:VALID=120")
		equal(s, "minutes dropped before", s.droppedBefore(halberd.StepMinute), begin+30*hour)
		equal(s, "minutes left", s.total(ofKeys(halberd.StepMinute, 1)), 20*60)
		equal(s, "hours dropped before", s.droppedBefore(halberd.StepHour), begin+30*hour)
		equal(s, "hours left", s.total(ofKeys(halberd.StepHour, 1)), 20*60)

		s.count(counted(1, begin+60, "VALID", 1)) // late, and before what is kept
		s.wantSeries(ofKeys(halberd.StepDay, 1), "0:VALID=1441 86400:VALID=1440 172800:VALID=120")
		equal(s, "minutes left", s.total(ofKeys(halberd.StepMinute, 1)), 20*60)

		s.tidy(halberd.UsageTidying{Until: begin + 50*hour, KeepDays: begin + day, Limit: 100})
		s.wantSeries(ofKeys(halberd.StepDay, 1), "86400:VALID=1440 172800:VALID=120")
		equal(s, "minutes dropped before, by one who keeps all", s.droppedBefore(halberd.StepMinute), begin+30*hour)
	}},
	{"a part of the tidying is bounded, and there is more until it is done", func(s *subject) {
		for n := range 300 {
			s.count(counted(n, begin, "VALID", 1))
		}
		t := halberd.UsageTidying{Until: begin + 2*day, KeepMinutes: begin + day, Limit: 40}
		for range 100 {
			if !s.step(t) {
				equal(s, "by day", s.total(halberd.UsageFilter{Step: halberd.StepDay, Organization: organizationID(1), To: begin + 2*day}), 300)
				equal(s, "by minute", s.total(halberd.UsageFilter{Step: halberd.StepMinute, Organization: organizationID(1), To: begin + 2*day}), 0)
				return
			}
		}
		s.Error("it is not done after 100 parts")
	}},
	{"a batch that is repeated is counted once", func(s *subject) {
		batch := func(writer byte, number int64) halberd.UsageBatch {
			return halberd.UsageBatch{Writer: [16]byte{writer}, Number: number, Counts: []halberd.UsageCount{counted(1, begin, "VALID", 1)}}
		}
		for _, b := range []halberd.UsageBatch{batch(1, 1), batch(1, 1), batch(1, 2), batch(1, 1), batch(1, 2), batch(2, 1), batch(2, 1), batch(0, 0), batch(0, 0)} {
			s.use(b)
		}
		equal(s, "counted", s.total(ofKeys(halberd.StepMinute, 1)), 5)
	}},
	{"a key's usage stays when the key is revoked", func(s *subject) {
		s.insert(key(1))
		s.count(counted(1, begin, "VALID", 3))
		s.update(func(tx halberd.Tx) error { return tx.UpdateKey(next(key(1), revoke(2_000_000))) })
		s.count(counted(1, begin+60, "REVOKED", 2))
		s.wantSeries(ofKeys(halberd.StepMinute, 1), "0:VALID=3 60:REVOKED=2")
	}},
	{"a transaction that reads usage sees one state", func(s *subject) {
		s.count(counted(1, begin, "VALID", 1))
		s.view(func(r halberd.Reader) error {
			sums, _, err := r.Usage(ofKeys(halberd.StepDay, 1))
			if err == nil && len(sums) != 1 {
				err = fmt.Errorf("%v", sums)
			}
			return err
		})
	}},
}

func ofKeys(step halberd.UsageStep, keys ...int) halberd.UsageFilter {
	f := halberd.UsageFilter{Step: step, To: begin + 4*day}
	for _, n := range keys {
		f.Keys = append(f.Keys, keyID(n))
	}
	return f
}

func (s *subject) count(counts ...halberd.UsageCount) {
	s.Helper()
	s.use(halberd.UsageBatch{Counts: counts})
}

// step does one part of the tidying.
func (s *subject) step(t halberd.UsageTidying) (more bool) {
	s.Helper()
	more, err := s.TidyUsage(s.Context(), t)
	if err != nil {
		s.Fatalf("TidyUsage: %v", err)
	}
	return more
}

func (s *subject) tidy(t halberd.UsageTidying) {
	s.Helper()
	for s.step(t) {
	}
}

func (s *subject) series(f halberd.UsageFilter) (sums []halberd.UsageSum) {
	s.Helper()
	s.view(func(r halberd.Reader) (err error) {
		sums, _, err = r.Usage(f)
		return err
	})
	return sums
}

func (s *subject) droppedBefore(step halberd.UsageStep) (at int64) {
	s.Helper()
	s.view(func(r halberd.Reader) (err error) {
		_, at, err = r.Usage(ofKeys(step, 1))
		return err
	})
	return at
}

func (s *subject) total(f halberd.UsageFilter) (n int) {
	s.Helper()
	if f.To == 0 {
		f.To = begin + 4*day
	}
	for _, sum := range s.series(f) {
		n += int(sum.Count)
	}
	return n
}

// wantSeries compares with sums written as `start:verdict=count`, start counted
// from begin.
func (s *subject) wantSeries(f halberd.UsageFilter, want string) {
	s.Helper()
	var got []string
	for _, sum := range s.series(f) {
		got = append(got, fmt.Sprintf("%d:%s=%d", sum.Start-begin, sum.Verdict, sum.Count))
	}
	equal(s, fmt.Sprintf("Usage(%+v)", f), strings.Join(got, " "), want)
}
