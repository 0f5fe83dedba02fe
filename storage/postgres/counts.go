package postgres

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/halberdhq/halberd"
)

// The steps of usage: a table each, and each but the last carried on to the
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
	subject [16]byte
	verdict string
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.start, q.start), cmp.Compare(p.kind, q.kind),
		bytes.Compare(p.subject[:], q.subject[:]), cmp.Compare(p.verdict, q.verdict))
}

func (p place) values() []any { return []any{p.start, p.kind, p.subject[:], p.verdict} }

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

// readMarks reads them with a lock: while counts are added nothing is carried
// on, and the other way round.
func readMarks(ctx context.Context, c *pgx.Conn, lock string) (m marks, err error) {
	at := 0
	err = query(ctx, c, "SELECT start, kind, subject, verdict, dropped FROM marks ORDER BY step"+lock, nil, func(s *scanner) {
		if at < len(m) {
			m[at] = mark{s.place(), s.int()}
		}
		at++
	})
	return m, err
}

func (s *scanner) place() (p place) {
	p.start, p.kind = s.int(), s.int()
	s.into(p.subject[:])
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
		sums[place{c.Minute, ofKey, c.Key, c.Verdict}] += c.Count
		sums[place{c.Minute, ofOrganization, c.Organization, c.Verdict}] += c.Count
		if !c.Project.IsZero() {
			sums[place{c.Minute, ofProject, c.Project, c.Verdict}] += c.Count
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
// been carried on already: a clock may go back, and a node may be late.
func (t *usageTx) count(step int, rows []count) error {
	for group := range slices.Chunk(rows, rowsAtOnce) {
		var starts, kinds, numbers []int64
		var subjects [][16]byte
		var verdicts []string
		for _, c := range group {
			starts, kinds, subjects = append(starts, c.start), append(kinds, c.kind), append(subjects, c.subject)
			verdicts, numbers = append(verdicts, c.verdict), append(numbers, c.n)
		}
		table := usageSteps[step].table
		if _, err := t.exec("INSERT INTO "+table+` AS c (start, kind, subject, verdict, count)
			SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::text[], $5::bigint[]) AS u (start, kind, subject, verdict, count)
			ORDER BY start, kind, subject, verdict COLLATE "C"
			ON CONFLICT (start, kind, subject, verdict) DO UPDATE SET count = c.count + excluded.count`,
			starts, kinds, subjects, verdicts, numbers); err != nil {
			return err
		}
	}
	if step+1 == len(usageSteps) {
		return nil
	}
	late := map[place]int64{}
	for _, c := range rows {
		if c.compare(t.marks[step].carried) < 0 {
			late[c.in(usageSteps[step+1].step)] += c.n
		}
	}
	if len(late) == 0 {
		return nil
	}
	return t.count(step+1, inOrder(late))
}

// TidyUsage implements halberd.Usage.
func (s *Store) TidyUsage(ctx context.Context, u halberd.UsageTidying) (more bool, err error) {
	err = s.counting(ctx, func(t *usageTx) (bool, error) {
		var err error
		if t.marks, err = readMarks(t.ctx, t.conn.Conn(), " FOR UPDATE"); err != nil {
			return false, err
		}
		more, err = t.tidy(u)
		return true, err
	})
	return more, err
}

// tidy does the first thing that there is to do.
func (t *usageTx) tidy(u halberd.UsageTidying) (more bool, err error) {
	// Processes that have not counted for a month will not repeat a batch.
	if _, err := t.exec("DELETE FROM writers WHERE seen_at < clock_timestamp() - interval '30 days'"); err != nil {
		return false, err
	}
	if more, err = t.carry(0, u.Until, u.Limit); more || err != nil {
		return more, err
	}
	hour := halberd.StepHour.Seconds()
	complete := t.marks[0].carried.start
	if more, err = t.carry(1, complete-complete%hour, u.Limit); more || err != nil {
		return more, err
	}
	for step, before := range []int64{
		min(u.KeepMinutes, t.marks[0].carried.start), min(u.KeepHours, t.marks[1].carried.start), u.KeepDays,
	} {
		if more, err = t.drop(step, before, u.Limit); more || err != nil {
			return more, err
		}
	}
	return false, nil
}

// carry brings rows that begin before until into the next step, at most limit.
func (t *usageTx) carry(step int, until int64, limit int) (more bool, err error) {
	from, table := t.marks[step].carried, usageSteps[step].table
	end := place{start: until}
	if from.compare(end) >= 0 {
		return false, nil
	}
	err = t.query("SELECT start, kind, subject, verdict FROM "+table+
		" WHERE (start, kind, subject, verdict) >= ($1, $2, $3, $4) AND start < $5 ORDER BY start, kind, subject, verdict LIMIT 1 OFFSET $6",
		append(from.values(), until, int64(limit)), func(s *scanner) { end, more = s.place(), true })
	if err != nil {
		return false, err
	}
	next := usageSteps[step+1]
	sums := map[place]int64{}
	err = t.query("SELECT start, kind, subject, verdict, count FROM "+table+
		" WHERE (start, kind, subject, verdict) >= ($1, $2, $3, $4) AND (start, kind, subject, verdict) < ($5, $6, $7, $8)",
		append(from.values(), end.values()...), func(s *scanner) {
			p := s.place().in(next.step)
			sums[p] += s.int()
		})
	if err != nil {
		return false, err
	}
	if err := t.count(step+1, inOrder(sums)); err != nil {
		return false, err
	}
	_, err = t.exec("UPDATE marks SET start = $1, kind = $2, subject = $3, verdict = $4 WHERE step = $5", append(end.values(), int64(step))...)
	t.marks[step].carried = end
	return more, err
}

// drop deletes rows that begin before a time, at most limit.
func (t *usageTx) drop(step int, before int64, limit int) (more bool, err error) {
	table := usageSteps[step].table
	if before > t.marks[step].dropped {
		t.marks[step].dropped = before
		if _, err := t.exec("UPDATE marks SET dropped = $1 WHERE step = $2", before, int64(step)); err != nil {
			return false, err
		}
	}
	end := place{start: t.marks[step].dropped}
	err = t.query("SELECT start, kind, subject, verdict FROM "+table+
		" WHERE start < $1 ORDER BY start, kind, subject, verdict LIMIT 1 OFFSET $2",
		[]any{end.start, int64(limit)}, func(s *scanner) { end, more = s.place(), true })
	if err != nil {
		return false, err
	}
	_, err = t.exec("DELETE FROM "+table+" WHERE (start, kind, subject, verdict) < ($1, $2, $3, $4)", end.values()...)
	return more, err
}

// Usage implements halberd.Reader. It reads the step's own table, and of the
// shorter steps what is not carried on yet.
func (r reader) Usage(f halberd.UsageFilter) (list []halberd.UsageSum, droppedBefore int64, err error) {
	marks, err := readMarks(r.ctx, r.c, "")
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
		err := r.get("SELECT coalesce((SELECT min(start) FROM "+u.table+"), 0), coalesce((SELECT max(start) FROM "+u.table+"), -1)", nil, func(s *scanner) {
			first = max(first, s.int())
			end = min(end, s.int()+1)
		})
		if err != nil {
			return nil, 0, err
		}
		if first < end {
			q := selection{}
			q.end("SELECT c.start - c.start % ?::bigint, c.verdict, sum(c.count)::bigint FROM generate_series(?::bigint, ?::bigint, ?::bigint) AS t (start) JOIN "+
				u.table+" c ON c.start = t.start", f.Step.Seconds(), first, end-1, u.step.Seconds())
			q.where(true, "(c.start, c.kind, c.subject, c.verdict) >= (?, ?, ?, ?)", after.values()...)
			q.where(true, "c.kind = ?", kind)
			q.where(subjects != nil, "c.subject = ANY (?)", subjects)
			q.end(" GROUP BY 1, 2")
			if err := r.all(q.text, q.args, func(s *scanner) {
				found[of{s.int(), s.text()}] += s.int()
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

// subjectsOf says whose rows a filter selects; nil stands for every subject of
// the kind.
func subjectsOf(f halberd.UsageFilter) (kind int64, subjects [][16]byte) {
	switch {
	case len(f.Keys) > 0:
		for _, id := range f.Keys {
			subjects = append(subjects, id)
		}
		return ofKey, subjects
	case !f.Project.IsZero():
		return ofProject, [][16]byte{f.Project}
	case !f.Organization.IsZero():
		return ofOrganization, [][16]byte{f.Organization}
	}
	return ofOrganization, nil
}
