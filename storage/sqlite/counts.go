package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"database/sql/driver"
	"slices"

	"github.com/halberdhq/halberd"
)

// The steps of usage.db: a table each, and each but the last carried on to the
// next one up to its mark.
var usageSteps = [...]struct {
	table string
	step  halberd.UsageStep
}{{"minutes", halberd.StepMinute}, {"hours", halberd.StepHour}, {"days", halberd.StepDay}}

// The kinds of subject.
const (
	ofKey int64 = iota
	ofProject
	ofOrganization
)

// place is a row's place in its table. The zero place is before every row.
type place struct {
	start   int64
	kind    int64
	subject string // bytes
	verdict string
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.start, q.start), cmp.Compare(p.kind, q.kind),
		cmp.Compare(p.subject, q.subject), cmp.Compare(p.verdict, q.verdict))
}

func (p place) values() []driver.Value {
	return []driver.Value{p.start, p.kind, []byte(p.subject), p.verdict}
}

// in is the place in the table of a longer step.
func (p place) in(step halberd.UsageStep) place {
	p.start -= p.start % step.Seconds()
	return p
}

// mark says of a step that the rows below carried are in the next one as well,
// and that those which began before dropped are gone.
type mark struct {
	carried place
	dropped int64
}

type marks [len(usageSteps)]mark

func readMarks(ctx context.Context, c *conn) (m marks, err error) {
	at := 0
	err = c.query(ctx, "SELECT start, kind, subject, verdict, dropped FROM marks ORDER BY step", nil, scan(func(s *scanner) {
		if at < len(m) {
			m[at] = mark{s.place(), s.int()}
		}
		at++
	}))
	return m, err
}

func (s *scanner) place() place {
	p := place{start: s.int(), kind: s.int()}
	switch v := s.next().(type) {
	case []byte:
		p.subject = string(v)
	case nil: // what the driver makes of an empty blob
	default:
		s.wrong(v, "a blob")
	}
	p.verdict = s.text()
	return p
}

type count struct {
	place
	n int64
}

// tallied is the rows of a batch: each count falls on a key, its project and
// its organization. They come in the order of the table, each once.
func tallied(counts []halberd.UsageCount) []count {
	sums := make(map[place]int64, len(counts)+8)
	for i := range counts {
		c := &counts[i]
		sums[place{c.Minute, ofKey, string(c.Key[:]), c.Verdict}] += c.Count
		sums[place{c.Minute, ofOrganization, string(c.Organization[:]), c.Verdict}] += c.Count
		if !c.Project.IsZero() {
			sums[place{c.Minute, ofProject, string(c.Project[:]), c.Verdict}] += c.Count
		}
	}
	return inOrder(sums)
}

func inOrder(sums map[place]int64) []count {
	rows := make([]count, 0, len(sums))
	for p, n := range sums {
		rows = append(rows, count{p, n})
	}
	slices.SortFunc(rows, func(a, b count) int { return a.compare(b.place) })
	return rows
}

// count adds rows to a step's table, and to the next one's where that place has
// been carried on already: a clock may go back.
func (l *usageLog) count(step int, rows []count) error {
	err := inGroups(rows, func(group []count) error {
		args := make([]driver.Value, 0, 5*len(group))
		for _, c := range group {
			args = append(append(args, c.values()...), c.n)
		}
		_, err := l.conn.exec("INSERT INTO "+usageSteps[step].table+" VALUES "+places(len(group), 5)+
			" ON CONFLICT (start, kind, subject, verdict) DO UPDATE SET count = count + excluded.count", args...)
		return err
	})
	if err != nil || step+1 == len(usageSteps) {
		return err
	}
	late := map[place]int64{}
	for _, c := range rows {
		if c.compare(l.marks[step].carried) < 0 {
			late[c.in(usageSteps[step+1].step)] += c.n
		}
	}
	if len(late) == 0 {
		return nil
	}
	return l.count(step+1, inOrder(late))
}

// TidyUsage implements halberd.Usage.
func (s *Store) TidyUsage(ctx context.Context, t halberd.UsageTidying) (more bool, err error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	l := s.usage
	l.mu.Lock()
	defer l.mu.Unlock()
	err = l.change(func() (err error) {
		if err = l.settle(); err == nil {
			more, err = l.tidy(ctx, t)
		}
		return err
	})
	return more, unavailable(err)
}

// tidy does the first thing that there is to do.
func (l *usageLog) tidy(ctx context.Context, t halberd.UsageTidying) (more bool, err error) {
	if more, err = l.carry(ctx, 0, t.Until, t.Limit); more || err != nil {
		return more, err
	}
	hour := halberd.StepHour.Seconds()
	complete := l.marks[0].carried.start
	if more, err = l.carry(ctx, 1, complete-complete%hour, t.Limit); more || err != nil {
		return more, err
	}
	for step, before := range []int64{
		min(t.KeepMinutes, l.marks[0].carried.start), min(t.KeepHours, l.marks[1].carried.start), t.KeepDays,
	} {
		if more, err = l.drop(ctx, step, before, t.Limit); more || err != nil {
			return more, err
		}
	}
	return false, nil
}

// carry brings rows that begin before until into the next step, at most limit.
func (l *usageLog) carry(ctx context.Context, step int, until int64, limit int) (more bool, err error) {
	from, table := l.marks[step].carried, usageSteps[step].table
	end := place{start: until}
	if from.compare(end) >= 0 {
		return false, nil
	}
	more, err = l.conn.one(ctx, "SELECT start, kind, subject, verdict FROM "+table+
		" WHERE (start, kind, subject, verdict) >= (?, ?, ?, ?) AND start < ? ORDER BY start, kind, subject, verdict LIMIT 1 OFFSET ?",
		append(from.values(), until, int64(limit)), scan(func(s *scanner) { end = s.place() }))
	if err != nil {
		return false, err
	}
	sums := map[place]int64{}
	next := usageSteps[step+1].step
	err = l.conn.query(ctx, "SELECT start, kind, subject, verdict, count FROM "+table+
		" WHERE (start, kind, subject, verdict) >= (?, ?, ?, ?) AND (start, kind, subject, verdict) < (?, ?, ?, ?)",
		append(from.values(), end.values()...), scan(func(s *scanner) {
			p := s.place().in(next)
			sums[p] += s.int()
		}))
	if err != nil {
		return false, err
	}
	if err := l.count(step+1, inOrder(sums)); err != nil {
		return false, err
	}
	l.marks[step].carried = end
	_, err = l.conn.exec("UPDATE marks SET start = ?, kind = ?, subject = ?, verdict = ? WHERE step = ?", append(end.values(), int64(step))...)
	return more, err
}

// drop deletes rows that begin before a time, at most limit.
func (l *usageLog) drop(ctx context.Context, step int, before int64, limit int) (more bool, err error) {
	table := usageSteps[step].table
	if before > l.marks[step].dropped {
		l.marks[step].dropped = before
		if _, err := l.conn.exec("UPDATE marks SET dropped = ? WHERE step = ?", before, int64(step)); err != nil {
			return false, err
		}
	}
	end := place{start: l.marks[step].dropped}
	more, err = l.conn.one(ctx, "SELECT start, kind, subject, verdict FROM "+table+
		" WHERE start < ? ORDER BY start, kind, subject, verdict LIMIT 1 OFFSET ?",
		[]driver.Value{end.start, int64(limit)}, scan(func(s *scanner) { end = s.place() }))
	if err != nil {
		return false, err
	}
	_, err = l.conn.exec("DELETE FROM "+table+" WHERE (start, kind, subject, verdict) < (?, ?, ?, ?)", end.values()...)
	return more, err
}

// Usage implements halberd.Reader. It reads the step's own table, and of the
// shorter steps what is not carried on yet.
func (r reader) Usage(f halberd.UsageFilter) (list []halberd.UsageSum, droppedBefore int64, err error) {
	marks, err := readMarks(r.ctx, r.c)
	if err != nil {
		return nil, 0, r.outcome(true, err)
	}
	kind, subjects := subjectsOf(f)
	type of struct {
		start   int64
		verdict string
	}
	found := map[of]int64{}
	for i := range usageSteps {
		if usageSteps[i].step == f.Step {
			droppedBefore = marks[i].dropped
		}
	}
	from := max(f.From, droppedBefore)
	for i, u := range usageSteps {
		own := u.step == f.Step
		after := place{start: from}
		if !own && marks[i].carried.compare(after) > 0 {
			after = marks[i].carried
		}
		// A series has a point for each of its starts, and a seek finds it; but
		// not where the table has not begun, or has ended.
		first, end := after.start, f.To
		err := r.get("SELECT coalesce((SELECT min(start) FROM usage."+u.table+"), 0), coalesce((SELECT max(start) FROM usage."+u.table+"), -1)", nil, func(s *scanner) {
			first = max(first, s.int())
			end = min(end, s.int()+1)
		})
		if err != nil {
			return nil, 0, err
		}
		for _, subject := range subjects {
			if first >= end {
				break
			}
			text := `WITH RECURSIVE t (start) AS (VALUES (?1) UNION ALL SELECT start + ?2 FROM t WHERE start + ?2 < ?3)
				SELECT c.start, c.verdict, c.count FROM t CROSS JOIN usage.` + u.table + ` c
				WHERE c.start = t.start AND (c.start, c.kind, c.subject, c.verdict) >= (?4, ?5, ?6, ?7) AND c.kind = ?8`
			args := append([]driver.Value{first, u.step.Seconds(), end}, after.values()...)
			args = append(args, kind)
			if subject != nil {
				text, args = text+" AND c.subject = ?9", append(args, subject)
			}
			if err := r.all(text, args, func(s *scanner) {
				start := s.int()
				found[of{start - start%f.Step.Seconds(), s.text()}] += s.int()
			}); err != nil {
				return nil, 0, err
			}
		}
		if own {
			break
		}
	}
	for k, n := range found {
		list = append(list, halberd.UsageSum{Start: k.start, Verdict: k.verdict, Count: n})
	}
	slices.SortFunc(list, func(a, b halberd.UsageSum) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Verdict, b.Verdict))
	})
	return list, droppedBefore, nil
}

// subjectsOf says whose rows a filter selects; one that is nil stands for every
// subject of the kind.
func subjectsOf(f halberd.UsageFilter) (kind int64, subjects []driver.Value) {
	switch {
	case len(f.Keys) > 0:
		keys := slices.SortedFunc(slices.Values(f.Keys), func(a, b halberd.KeyID) int { return bytes.Compare(a[:], b[:]) })
		for _, id := range slices.Compact(keys) {
			subjects = append(subjects, driver.Value(id[:]))
		}
		return ofKey, subjects
	case !f.Project.IsZero():
		return ofProject, []driver.Value{f.Project[:]}
	case !f.Organization.IsZero():
		return ofOrganization, []driver.Value{f.Organization[:]}
	}
	return ofOrganization, []driver.Value{nil}
}
