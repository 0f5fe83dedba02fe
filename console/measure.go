package console

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/halberdhq/halberd"
)

// measure is what an alert's rule looked at, by the point of a series, and what it
// was held against: a threshold, or what is usual.
type measure struct {
	Title  string // of a plot of its own; "": the line stands among the checks themselves
	Column string // its heading in the table
	Found  string // when the alert was raised
	Label  string // of what that was held against
	Bound  string
	Word   string // beside the line
	Line   float64
	Values []float64
	Counts []bool // whether the rule judged the point at all; nil: each
	unit   string // " %" or nothing
}

// reached reports whether the rule was broken at a point.
func (m *measure) reached(i int) bool {
	return m.Values[i] >= m.Line && (m.Counts == nil || m.Counts[i])
}

// at is a point's value in the table, and whether it broke the rule.
func (m *measure) at(i int) (says string, reached bool) {
	switch {
	case i >= len(m.Values):
		return "", false
	case m.Title == "": // how far above the line
		above := m.Values[i] - m.Line
		if above <= 0 {
			return "0", false
		}
		return m.say(above), false
	}
	return m.say(m.Values[i]), m.reached(i)
}

// say is a value as people read it.
func (m *measure) say(v float64) string {
	if m.unit == "" {
		return countWords(v)
	}
	return share(int64(math.Round(v*100)), 10_000) + m.unit
}

func countWords(v float64) string { return count(int64(math.Round(v))) }

// measured follows what the rule of an alert looks at through a series. Nil: that
// is no number of checks. rule is nil once it was deleted: then each step stands
// for itself.
func (x *exchange) measured(a *halberd.Alert, rule *halberd.AlertRule, s *halberd.UsageSeries) (*measure, error) {
	step := time.Duration(s.Step.Seconds()) * time.Second
	window := step
	if rule != nil && s.Step == halberd.StepMinute {
		window = max(rule.Window, step)
	}
	switch within := spanWords(window); a.Kind {
	case halberd.AlertVolume:
		usual := a.Threshold * step.Minutes()
		m := &measure{Column: "Above usual", Label: "Usual", Word: "Usual: " + countWords(usual), Line: usual, Found: countWords(a.Value) + " a minute", Bound: countWords(a.Threshold) + " a minute"}
		for _, pt := range s.Points {
			m.Values = append(m.Values, float64(total(pt.Counts)))
		}
		return m, nil
	case halberd.AlertErrors:
		m := &measure{Title: "Refused within " + within + ", in %", Column: "Within " + within, unit: " %"}
		return m, x.slide(m, a, s, window, func(c map[halberd.VerdictCode]int64) (float64, bool) {
			all, bad := total(c), int64(0)
			for code, n := range c {
				if rule != nil && len(rule.Reasons) > 0 && slices.Contains(rule.Reasons, code) ||
					(rule == nil || len(rule.Reasons) == 0) && code != halberd.Valid && code != halberd.Revoked && code != halberd.Expired {
					bad += n
				}
			}
			return 100 * float64(bad) / float64(max(all, 1)), all >= halberd.AlertLeastChecks
		})
	case halberd.AlertEnded:
		m := &measure{Title: "Uses after its end within " + within, Column: "Within " + within}
		return m, x.slide(m, a, s, window, func(c map[halberd.VerdictCode]int64) (float64, bool) {
			return float64(c[halberd.Revoked] + c[halberd.Expired]), true
		})
	case halberd.AlertLimit:
		return x.measuredLimit(a, s)
	}
	return nil, nil //nolint:nilnil // there is nothing to measure, which is no error
}

// measuredLimit is how much of its rate limit a key had spent, by the limit that it
// has now and that allows least.
func (x *exchange) measuredLimit(a *halberd.Alert, s *halberd.UsageSeries) (*measure, error) {
	if a.OfQuota() || s.Step != halberd.StepMinute {
		return nil, nil //nolint:nilnil // a quota is spent over weeks, and a rate not by the hour
	}
	k, err := x.c.svc.Get(x.r.Context(), x.by, a.Key)
	if halberd.CodeOf(err) == halberd.CodeNotFound {
		return nil, nil //nolint:nilnil // the key is gone
	}
	if err != nil {
		return nil, err
	}
	limits := k.RateLimits
	for i := range x.projects {
		if limits == nil && x.projects[i].ID == k.Project {
			limits = x.projects[i].RateLimits
		}
	}
	var least *halberd.RateLimit
	for i := range limits {
		l := &limits[i]
		if l.Per == halberd.PerKey && l.WindowSeconds <= 3600 && (least == nil || l.Limit*least.WindowSeconds < least.Limit*l.WindowSeconds) {
			least = l
		}
	}
	if least == nil {
		return nil, nil //nolint:nilnil // it has none any more
	}
	window := max(time.Minute, time.Duration(least.WindowSeconds)*time.Second)
	allowed := float64(least.Limit) * window.Seconds() / float64(least.WindowSeconds)
	m := &measure{Title: "Spent of its rate limit within " + spanWords(window) + ", in %", Column: "Spent", unit: " %"}
	return m, x.slide(m, a, s, window, func(c map[halberd.VerdictCode]int64) (float64, bool) {
		if c[halberd.RateLimited] > 0 {
			return 100, true
		}
		return min(100, 100*float64(c[halberd.Valid])/allowed), true
	})
}

// slide fills in a measure's values: each of a window that ends with its point.
func (x *exchange) slide(m *measure, a *halberd.Alert, s *halberd.UsageSeries, window time.Duration, value func(map[halberd.VerdictCode]int64) (float64, bool)) error {
	step := time.Duration(s.Step.Seconds()) * time.Second
	before := int(window/step) - 1
	m.Line, m.Found, m.Label, m.Bound = a.Threshold, m.say(a.Value), "Threshold", numberWord(a.Threshold)+m.unit
	m.Word = "Rule: " + m.Bound
	points := s.Points
	if before > 0 {
		wide, err := x.c.svc.Usage(x.r.Context(), x.by, halberd.UsageQuery{From: s.From.Add(-time.Duration(before) * step), To: s.To, Step: s.Step, Key: a.Key})
		if err != nil {
			return err
		}
		points = wide.Points
	}
	sums := map[halberd.VerdictCode]int64{}
	for i := range points {
		for code, n := range points[i].Counts {
			sums[code] += n
		}
		if i < before {
			continue
		}
		v, judged := value(sums)
		m.Values, m.Counts = append(m.Values, v), append(m.Counts, judged)
		for code, n := range points[i-before].Counts {
			sums[code] -= n
		}
	}
	return nil
}

func total(counts map[halberd.VerdictCode]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// spanWords is a window as people say it: a minute, 15 minutes, an hour.
func spanWords(d time.Duration) string {
	switch {
	case d == time.Minute:
		return "a minute"
	case d == time.Hour:
		return "an hour"
	case d == 24*time.Hour:
		return "a day"
	case d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + " hours"
	}
	return strconv.Itoa(int(d/time.Minute)) + " minutes"
}

// bound is the line that a plot's bars are held against.
type bound struct{ Y, TextY, HitY, Word, Says string }

// hold draws the line of a measure.
func (p *plot) hold(m *measure, pixels float64) {
	y := p.Base - m.Line*pixels
	b := bound{Y: px(y), TextY: px(y - 4), HitY: px(y - 5), Word: m.Word, Says: m.Word + ", the dashed line"}
	p.Bound = &b
}

// newMeasured draws a measure as bars: calm below the line, striped from it on.
func newMeasured(m *measure, s *halberd.UsageSeries) plot {
	p := plot{ID: "m", Title: m.Title, Height: 176, Base: 176 - 24}
	dead := slices.IndexFunc(kinds[:], func(k kind) bool { return k.ID == "dead" })
	p.Legend = []legend{{"Below the rule", kinds[0].Class, "", -1}, {"Reached it", kinds[dead].Class, p.fill(dead), -1}}
	p.Rest = m.Word + ", the dashed line"
	p.Aria = m.Title + ". " + m.Word + ". Each bar leads to its row in the table."
	pixels := p.scale(max(m.Line, slices.Max(append([]float64{0}, m.Values...))))
	width := 100 / float64(max(len(s.Points), 1))
	for i, pt := range s.Points {
		if i >= len(m.Values) {
			break
		}
		x, says := float64(i)*width, spanWord(pt.Start, s.Step)+" · "+m.say(m.Values[i])
		b := bar{
			Row: rowID(pt.Start), X: pct(x), Width: pct(width), Says: says + ". " + m.Word, Readout: says + " · " + m.Word,
			HitY: px(readoutRoom - 8), HitHeight: px(p.Base - readoutRoom + 8),
		}
		if v := m.Values[i]; v > 0 {
			height := max(v*pixels, 1.5)
			one := part{Class: kinds[0].Class, X: pct(x + width*0.14), Width: pct(width * 0.72), Y: px(p.Base - height), Height: px(height)}
			if m.reached(i) {
				one.Class = kinds[dead].Class
				if height >= 5 {
					one.Fill = p.fill(dead)
				}
			}
			b.Parts = append(b.Parts, one)
		}
		p.Bars = append(p.Bars, b)
	}
	p.label(s, width)
	p.hold(m, pixels)
	return p
}
