package console

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
)

// plot is a series as stacked bars, drawn here: x and widths in per cent, y and
// heights in pixels, so that text keeps its size while the bars stretch. Every bar
// is a link to its row in the table.
type plot struct {
	ID, Title string
	Aria      string
	Rest      string // the readout when nothing is pointed at
	Legend    []legend
	Height    int
	Base      float64
	Ticks     []tick
	Bars      []bar
	Labels    []label
	Raised    *label // when an alert was raised; nil: this is about none
	Bound     *bound // what the bars are held against; nil: nothing
}

// raise marks a moment in the plot of a series.
func (p *plot) raise(s *halberd.UsageSeries, at time.Time) {
	whole := s.To.Sub(s.From)
	if at.Before(s.From) || at.After(s.To) || whole <= 0 {
		return
	}
	x := 100 * float64(at.Sub(s.From)) / float64(whole)
	l := label{X: pct(x), Word: "Raised " + at.UTC().Format("15:04"), Anchor: "end"}
	if s.Step == halberd.StepDay {
		l.Word = "Raised " + at.UTC().Format("2 Jan")
	}
	if x < 50 {
		l.Anchor = "start"
	}
	p.Raised = &l
}

type legend struct {
	Word, Class, Fill string
	Count             int64
}

type tick struct {
	Y, TextY string
	Word     string
}

type bar struct {
	Row, Says, Readout string
	X, Width           string // of the whole place
	Parts              []part
	HitY, HitHeight    string
}

type part struct {
	Class, Fill         string
	X, Y, Width, Height string
}

type label struct{ X, Word, Class, Anchor string }

// kind is some verdicts that are one to people.
type kind struct {
	ID, Word, Class string
	Codes           []halberd.VerdictCode
	Help            string
}

// kinds are the verdicts as the page groups them, in the order of the stack.
// Color is never alone: each but the first has a pattern.
var kinds = [...]kind{
	{"valid", "Valid", "v-valid", []halberd.VerdictCode{halberd.Valid}, ""},
	{"rate", "Rate limited", "v-rate", []halberd.VerdictCode{halberd.RateLimited, halberd.QuotaExceeded},
		"The key asked for more than its limit or quota. Raise it, or let the client back off."},
	{"scope", "Scope or resource", "v-scope", []halberd.VerdictCode{halberd.InsufficientScope, halberd.ResourceNotAllowed},
		"The key may not do that, or not to that resource. Grant it, or mend the client."},
	{"dead", "Ended or off", "v-dead", []halberd.VerdictCode{halberd.Expired, halberd.Revoked, halberd.Inactive, halberd.NotYetValid},
		"Expired, revoked or inactive: someone still holds a key that ended, or is switched off."},
	{"place", "IP not allowed", "v-place", []halberd.VerdictCode{halberd.IPNotAllowed},
		"The address is not on the key’s list. Add it, or find out who asks."},
}

// sums are the counts of one point by kind.
func sums(counts map[halberd.VerdictCode]int64) (n [len(kinds)]int64) {
	for i, k := range kinds {
		for _, c := range k.Codes {
			n[i] += counts[c]
		}
	}
	return n
}

// span says a point's time: a day, or an hour of one.
func spanWord(t time.Time, step halberd.UsageStep) string {
	if step == halberd.StepDay {
		return t.UTC().Format("2 Jan")
	}
	return t.UTC().Format("2 Jan 15:04")
}

func rowID(t time.Time) string { return "t-" + t.UTC().Format("20060102T1504") }

// newPlot draws the kinds from first to last of a series.
func newPlot(id, title string, s *halberd.UsageSeries, first, last, height int) plot {
	return newPlotHeld(id, title, s, first, last, height, nil)
}

// newPlotHeld is newPlot with the line of a measure, if there is one.
func newPlotHeld(id, title string, s *halberd.UsageSeries, first, last, height int, m *measure) plot {
	p := plot{ID: id, Title: title, Height: height, Base: float64(height - 24)}
	var most, all int64
	for _, pt := range s.Points {
		n, total := sums(pt.Counts), int64(0)
		for k := first; k <= last; k++ {
			total += n[k]
		}
		most, all = max(most, total), all+total
	}
	total := sums(s.Total)
	for k := first; k <= last; k++ {
		if total[k] > 0 || first == last {
			p.Legend = append(p.Legend, legend{kinds[k].Word, kinds[k].Class, p.fill(k), total[k]})
		}
	}
	span := ""
	if len(s.Points) > 0 {
		span = spanWord(s.Points[0].Start, s.Step) + " to " + spanWord(s.Points[len(s.Points)-1].Start, s.Step)
	}
	p.Rest = count(all) + " from " + span + ", UTC"
	p.Aria = title + ", " + span + ". Each bar leads to its row in the table."
	reach := float64(most)
	if m != nil {
		reach = max(reach, m.Line)
	}
	top := p.scale(reach)
	if m != nil {
		p.hold(m, top)
	}
	width := 100 / float64(max(len(s.Points), 1))
	for i, pt := range s.Points {
		b := p.bar(pt, s.Step, float64(i)*width, width, top, first, last)
		if m != nil {
			b.Says, b.Readout = b.Says+". "+m.Word, b.Readout+" · "+m.Word
		}
		p.Bars = append(p.Bars, b)
	}
	p.label(s, width)
	return p
}

// fill is the paint of a kind: a pattern, but for what is calm.
func (p *plot) fill(kind int) string {
	if kind == 0 {
		return ""
	}
	return "url(#" + p.ID + "-" + kinds[kind].ID + ")"
}

const readoutRoom = 32 // pixels above the plot

// scale makes four steps of 1, 2, 2.5 or 5 × 10ⁿ and returns the height of one.
func (p *plot) scale(most float64) (pixels float64) {
	step := niceStep(max(most, 1) / 4)
	steps := math.Ceil(max(most, 1) / step)
	pixels = (p.Base - readoutRoom) / (step * steps)
	for i := 0.0; i <= steps; i++ {
		y := p.Base - i*step*pixels
		p.Ticks = append(p.Ticks, tick{px(y), px(y + 4), short(i * step)})
	}
	return pixels
}

func niceStep(raw float64) float64 {
	if raw <= 1 {
		return 1
	}
	magnitude := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if step := m * magnitude; step >= raw && step == math.Trunc(step) {
			return step
		}
	}
	return 10 * magnitude
}

func (p *plot) bar(pt halberd.UsagePoint, step halberd.UsageStep, x, width, pixels float64, first, last int) bar {
	n := sums(pt.Counts)
	b := bar{
		Row: rowID(pt.Start), X: pct(x), Width: pct(width),
		HitY: px(readoutRoom - 8), HitHeight: px(p.Base - readoutRoom + 8),
	}
	var words []string
	var total int64
	y := p.Base
	for k := first; k <= last; k++ {
		if n[k] == 0 {
			continue
		}
		total += n[k]
		words = append(words, count(n[k])+" "+strings.ToLower(kinds[k].Word))
		height := max(float64(n[k])*pixels, 1.5) // one refusal is seen
		y -= height
		one := part{Class: kinds[k].Class, X: pct(x + width*0.14), Width: pct(width * 0.72), Y: px(y), Height: px(height)}
		if height >= 5 && k > 0 {
			one.Fill = p.fill(k)
		}
		b.Parts = append(b.Parts, one)
	}
	when := spanWord(pt.Start, step)
	b.Says = when + ": " + plural(int(total), "check", "checks")
	if len(words) > 0 {
		b.Says += " (" + strings.Join(words, ", ") + ")"
	}
	b.Readout = when + " · " + strings.Join(append(words[:min(len(words), 3):min(len(words), 3)], []string{}...), " · ")
	if len(words) == 0 {
		b.Readout = when + " · nothing"
	}
	return b
}

// label writes about five times below the bars, every other one where there is
// little room.
func (p *plot) label(s *halberd.UsageSeries, width float64) {
	every := max(len(s.Points)/5, 1)
	for i, n := 0, 0; i < len(s.Points); i, n = i+every, n+1 {
		t := s.Points[i].Start.UTC()
		word := t.Format("2 Jan")
		if s.Step != halberd.StepDay {
			word = t.Format("15:04")
		}
		l := label{X: pct((float64(i) + 0.5) * width), Word: word, Anchor: "middle"}
		if n%2 == 1 {
			l.Class = "xm"
		}
		p.Labels = append(p.Labels, l)
	}
}

// spark is a small line of a series' totals.
type spark struct{ Line, Area, Aria string }

func newSpark(s *halberd.UsageSeries) spark {
	if len(s.Points) < 2 {
		return spark{}
	}
	var most int64 = 1
	totals := make([]int64, len(s.Points))
	for i, pt := range s.Points {
		for _, n := range pt.Counts {
			totals[i] += n
		}
		most = max(most, totals[i])
	}
	var line strings.Builder
	for i, n := range totals {
		verb := "L"
		if i == 0 {
			verb = "M"
		}
		fmt.Fprintf(&line, "%s%.2f %.2f", verb, float64(i)*100/float64(len(totals)-1), 19-18*float64(n)/float64(most))
	}
	return spark{
		Line: line.String(), Area: line.String() + "L100 20L0 20Z",
		Aria: fmt.Sprintf("Checks over the period, at most %s at once", count(most)),
	}
}

func px(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}
func pct(v float64) string { return px(v) + "%" }

// short is a number beside an axis: 500k, 1.5 M.
func short(v float64) string {
	switch {
	case v >= 1e9:
		return px(v/1e9) + " G"
	case v >= 1e6:
		return px(v/1e6) + " M"
	case v >= 1e4:
		return px(v/1e3) + "k"
	}
	return px(v)
}

// share is a part of a whole in per cent.
func share(part, whole int64) string {
	switch p := 100 * float64(part) / float64(max(whole, 1)); {
	case part == 0:
		return "0"
	case p < 0.01:
		return "< 0.01"
	case p < 10:
		return fmt.Sprintf("%.2f", p)
	default:
		return fmt.Sprintf("%.1f", p)
	}
}
