package halberd

import (
	"context"
	"time"
)

const (
	// maxUsagePoints bounds a series.
	maxUsagePoints = 2_000
	// maxUsageKeys and maxUsageReads bound what a series of an external id's
	// keys may cost the store.
	maxUsageKeys  = 1_000
	maxUsageReads = 200_000
	// lastUsageEnd is the end of the last year that RFC 3339 can write.
	lastUsageEnd = 253_402_300_800 - 1
)

// UsageQuery selects a series. The zero query is the last 24 hours, by hour, of
// everything the caller reaches: its project or its organization.
type UsageQuery struct {
	Organization OrganizationID // operators only; zero: the caller's
	Project      ProjectID
	Key          KeyID  // by itself
	ExternalID   string // every key that has it now, revoked ones too
	// From and To are widened to whole steps; To is not in the series. Zero To:
	// now. Zero From: an hour of minutes, 24 hours or 30 days before To.
	From, To time.Time
	// Step zero: minutes up to two hours, hours up to four days, else days.
	Step UsageStep
}

// UsageSeries is how often each verdict fell, step by step.
type UsageSeries struct {
	From, To time.Time
	Step     UsageStep
	// KeptFrom is where the counts of this step begin: earlier ones were
	// dropped. Zero: none were.
	KeptFrom time.Time
	Points   []UsagePoint // every one, also where nothing was counted
	Total    map[VerdictCode]int64
}

// UsagePoint is one step of a series. Verdicts that did not fall are left out.
type UsagePoint struct {
	Start  time.Time
	Counts map[VerdictCode]int64
}

// Usage reads what was counted, up to now: counts still in memory are stored
// first. Refused checks count under their verdict. The key's usage stays when
// it is revoked.
func (s *Service) Usage(ctx context.Context, by Actor, q UsageQuery) (out UsageSeries, err error) {
	if err := s.Permit(by, ActionReadUsage); err != nil {
		return out, err
	}
	f, err := q.span(s.now())
	if err != nil {
		return out, err
	}
	if err := checkText("external_id", q.ExternalID, maxExternalID); err != nil {
		return out, err
	}
	if err := s.settleUsage(ctx); err != nil {
		return out, outward(err)
	}
	err = s.look(ctx, by, ActionReadUsage, func(r Reader) error {
		some, err := s.usageSubject(r, by, q, &f)
		if err != nil {
			return err
		}
		var sums []UsageSum
		kept := int64(0)
		if some {
			if sums, kept, err = r.Usage(f); err != nil {
				return err
			}
		}
		out = seriesOf(f, sums, kept)
		return nil
	})
	return out, err
}

// span settles from, to and step.
func (q UsageQuery) span(now time.Time) (f UsageFilter, err error) {
	f.Step = q.Step
	if !q.From.IsZero() && q.To.IsZero() {
		if q.To = now.Add(time.Second); !q.From.Before(q.To) {
			return f, Invalid("from", "must not be in the future, unless there is a to")
		}
	}
	if f.Step == "" {
		switch d := q.To.Sub(q.From); {
		case q.From.IsZero(), d > 2*time.Hour && d <= 4*24*time.Hour:
			f.Step = StepHour
		case d <= 2*time.Hour:
			f.Step = StepMinute
		default:
			f.Step = StepDay
		}
	}
	step := f.Step.Seconds()
	if step == 0 {
		return f, Invalid("step", "must be minute, hour or day")
	}
	if q.To.IsZero() {
		q.To = now.Add(time.Second) // the second that runs is in it
	}
	f.To = q.To.Unix()
	if rest := f.To % step; rest > 0 {
		f.To += step - rest
	}
	switch {
	case !q.From.IsZero():
		f.From = q.From.Unix() - q.From.Unix()%step
	case f.Step == StepMinute:
		f.From = f.To - 60*step
	case f.Step == StepHour:
		f.From = f.To - 24*step
	default:
		f.From = f.To - 30*step
	}
	f.From = max(f.From, 0)
	f.To = max(f.To, f.From)
	if f.To > lastUsageEnd {
		return f, Invalid("to", "must be in the year 9999 at the latest")
	}
	points := (f.To - f.From) / step
	switch {
	case !q.From.IsZero() && !q.From.Before(q.To):
		return f, Invalid("to", "must be after from")
	case points > maxUsagePoints && f.Step != StepDay:
		return f, Invalid("step", "makes %d points of this span, and %d are answered at most: ask for a longer step, or a shorter span", points, maxUsagePoints)
	case points > maxUsagePoints:
		return f, Invalid("from", "is %d days before to, and %d are answered at most: ask for a shorter span", points, maxUsagePoints)
	}
	return f, nil
}

// usageSubject settles whose usage it is. False: there is no such key.
func (s *Service) usageSubject(r Reader, by Actor, q UsageQuery, f *UsageFilter) (some bool, err error) {
	f.Organization, f.Project = by.organization, by.project
	if !q.Organization.IsZero() {
		if err := s.reached(r, by, q.Organization, by.project); err != nil {
			return false, err
		}
		f.Organization = q.Organization
	}
	if !q.Project.IsZero() {
		p, err := s.projectOf(r, by, q.Project)
		if err != nil {
			return false, err
		}
		f.Organization, f.Project = p.Organization, p.ID
	}
	switch {
	case !q.Key.IsZero():
		if q.ExternalID != "" || !q.Project.IsZero() || !q.Organization.IsZero() {
			return false, Invalid("key_id", "goes by itself: leave the other filters out")
		}
		_, _, err := s.keyOf(r, by, q.Key)
		f.Keys = []KeyID{q.Key}
		return true, err
	case q.ExternalID == "":
		return true, nil
	}
	rows, err := r.Keys(KeyFilter{
		Organization: f.Organization, Project: f.Project, ExternalID: q.ExternalID,
		Sort: SortCreated, Now: s.now().Unix(), Limit: maxUsageKeys + 1,
	})
	if err != nil {
		return false, err
	}
	if len(rows) > maxUsageKeys {
		return false, Invalid("external_id", "has more than %d keys: ask for its project, or for single keys", maxUsageKeys)
	}
	for i := range rows {
		f.Keys = append(f.Keys, rows[i].ID)
	}
	if points := (f.To - f.From) / f.Step.Seconds(); points*int64(len(rows)) > maxUsageReads {
		return false, Invalid("step", "makes %d points of this span, and of the %d keys of this external_id %d can be answered: ask for a longer step, or a shorter span",
			points, len(rows), maxUsageReads/len(rows))
	}
	return len(rows) > 0, nil
}

// seriesOf lays sums out, point by point.
func seriesOf(f UsageFilter, sums []UsageSum, kept int64) UsageSeries {
	step := f.Step.Seconds()
	out := UsageSeries{
		From: time.Unix(f.From, 0).UTC(), To: time.Unix(f.To, 0).UTC(), Step: f.Step, KeptFrom: instant(kept),
		Points: make([]UsagePoint, 0, (f.To-f.From)/step), Total: map[VerdictCode]int64{},
	}
	for start := f.From; start < f.To; start += step {
		p := UsagePoint{Start: time.Unix(start, 0).UTC(), Counts: map[VerdictCode]int64{}}
		for len(sums) > 0 && sums[0].Start == start {
			p.Counts[VerdictCode(sums[0].Verdict)] = sums[0].Count
			out.Total[VerdictCode(sums[0].Verdict)] += sums[0].Count
			sums = sums[1:]
		}
		out.Points = append(out.Points, p)
	}
	return out
}

// UsageRetention is for how many days counts are kept: each minute's, each
// hour's, each day's. 0: for good.
type UsageRetention struct{ Minutes, Hours, Days int }

// tidyRows is how many counts one TidyUsage touches: few enough that a flush,
// which may wait for it, does not notice.
const tidyRows = 2_000

// TidyUsage carries counts of past minutes on to their hours and days, and drops
// those that keep does not keep: a part of it. It reports whether there is more
// to do. Whoever embeds a Service calls it every minute or so, until there is
// no more; hb serve does.
func (s *Service) TidyUsage(ctx context.Context, keep UsageRetention) (more bool, err error) {
	now := s.now()
	before := func(days int, step UsageStep) int64 {
		if days <= 0 {
			return 0
		}
		at := now.AddDate(0, 0, -days).Unix()
		return max(0, at-at%step.Seconds())
	}
	more, err = s.store.TidyUsage(ctx, UsageTidying{
		// A flush files under the minute in which it runs: the one before has
		// no more to come. What comes all the same is counted right, and dearer.
		Until:       now.Truncate(time.Minute).Unix(),
		KeepMinutes: before(keep.Minutes, StepMinute),
		KeepHours:   before(keep.Hours, StepHour),
		KeepDays:    before(keep.Days, StepDay),
		Limit:       tidyRows,
	})
	return more, outward(err)
}
