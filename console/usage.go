package console

import (
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/halberdhq/halberd"
)

// period is how far back a usage page looks.
type period struct {
	ID, Word string
	back     time.Duration
	step     halberd.UsageStep
}

var periods = [...]period{
	{"24h", "24 hours", 24 * time.Hour, halberd.StepHour},
	{"7d", "7 days", 7 * 24 * time.Hour, halberd.StepDay},
	{"30d", "30 days", 30 * 24 * time.Hour, halberd.StepDay},
	{"90d", "90 days", 90 * 24 * time.Hour, halberd.StepDay},
}

func (x *exchange) period(standard string) period {
	want := x.r.URL.Query().Get("p")
	for _, p := range periods {
		if p.ID == want {
			return p
		}
	}
	for _, p := range periods {
		if p.ID == standard {
			return p
		}
	}
	return periods[0]
}

// usage reads the series of the chosen key, or of the project.
func (x *exchange) usage(p period, key halberd.KeyID) (halberd.UsageSeries, error) {
	q := halberd.UsageQuery{From: x.now.Add(-p.back), To: x.now, Step: p.step, Key: key}
	if key.IsZero() {
		q.Project = x.project.ID
	}
	return x.c.svc.Usage(x.r.Context(), x.by, q)
}

type usageView struct {
	Area     area
	Periods  []period
	Period   period
	Project  halberd.Project
	Key      *halberd.Key // nil: the whole project
	Called   string
	Total    int64
	Valid    int64
	Refused  int64
	Share    string // of the refused
	All      plot
	Bad      plot
	Reasons  []reason
	Rows     []usageRow
	Earlier  []usageRow
	Kinds    []string
	KeptFrom string
	CSV      string
	Used     []usedKey
	Measure  *measure // a column of its own; nil: none
}

// reason is one kind of refusal and what to do about it.
type reason struct {
	Word, Class, Help string
	Count             int64
	Width, Share      string
}

type usageRow struct {
	ID, When string
	Counts   [len(kinds)]int64
	Share    string
	Measured string // what an alert's rule looked at
	Reached  bool   // and it was enough
}

// usedKey is one of the keys that were used last.
type usedKey struct {
	halberd.Key
	Used string
}

func usagePage(x *exchange) error {
	p := x.period("30d")
	v := usageView{Area: x.area, Periods: periods[:], Period: p, Project: x.project}
	if text := x.r.URL.Query().Get("key"); text != "" {
		id, err := halberd.ParseKeyID(text)
		if err != nil {
			return halberd.Invalid("key", "is not one")
		}
		k, err := x.c.svc.Get(x.r.Context(), x.by, id)
		if err != nil {
			return err
		}
		v.Key, v.Called = &k, called(&k)
	}
	s, err := x.usage(p, keyOrNone(v.Key))
	if err != nil {
		return err
	}
	v.read(&s)
	v.CSV = x.area.At("/usage.csv") + "?p=" + p.ID
	if v.Key != nil {
		v.CSV += "&key=" + v.Key.ID.String()
	}
	last, err := x.c.svc.List(x.r.Context(), x.by, halberd.KeyQuery{
		Project: x.project.ID, Sort: halberd.KeySort{By: halberd.SortLastUsed, Descending: true}, Page: halberd.Page{Limit: 8},
	})
	if err != nil {
		return err
	}
	for i := range last.List {
		if k := &last.List[i]; !k.LastUsedAt.IsZero() {
			v.Used = append(v.Used, usedKey{*k, ago(k.LastUsedAt, x.now)})
		}
	}
	return x.render(http.StatusOK, "usage.html", "Usage", "keys", v)
}

func keyOrNone(k *halberd.Key) halberd.KeyID {
	if k == nil {
		return halberd.KeyID{}
	}
	return k.ID
}

// read fills in what the page says of a series.
func (v *usageView) read(s *halberd.UsageSeries) {
	total := sums(s.Total)
	for k, n := range total {
		v.Kinds = append(v.Kinds, kinds[k].Word)
		v.Total += n
		if k > 0 && n > 0 {
			v.Reasons = append(v.Reasons, reason{Word: kinds[k].Word, Class: kinds[k].Class, Help: kinds[k].Help, Count: n})
		}
	}
	v.Valid = total[0]
	v.Refused = v.Total - v.Valid
	v.Share = share(v.Refused, v.Total)
	slices.SortFunc(v.Reasons, func(a, b reason) int { return int(b.Count - a.Count) })
	for i := range v.Reasons {
		r := &v.Reasons[i]
		r.Width, r.Share = pct(100*float64(r.Count)/float64(v.Reasons[0].Count)), share(r.Count, v.Refused)
	}
	title := "Valid checks a day"
	if s.Step != halberd.StepDay {
		title = "Valid checks an hour"
	}
	v.All = newPlot("a", title, s, 0, 0, 192)
	v.Bad = newPlot("b", "Refused, by reason", s, 1, len(kinds)-1, 232)
	if !s.KeptFrom.IsZero() {
		v.KeptFrom = day(s.KeptFrom)
	}
	for i, pt := range slices.Backward(s.Points) {
		n := sums(pt.Counts)
		var all int64
		for _, c := range n {
			all += c
		}
		row := usageRow{ID: rowID(pt.Start), When: spanWord(pt.Start, s.Step), Counts: n, Share: share(all-n[0], all)}
		if v.Measure != nil {
			row.Measured, row.Reached = v.Measure.at(i)
		}
		if len(v.Rows) < 7 || len(s.Points) <= 9 { // one or two rows are not worth a fold
			v.Rows = append(v.Rows, row)
		} else {
			v.Earlier = append(v.Earlier, row)
		}
	}
}

// LabelY is where the times stand below a plot.
func (p plot) LabelY() int { return p.Height - 6 }

// usageCSV is the series as a table (RFC 4180).
func usageCSV(x *exchange) error {
	p := x.period("30d")
	var id halberd.KeyID
	if text := x.r.URL.Query().Get("key"); text != "" {
		var err error
		if id, err = halberd.ParseKeyID(text); err != nil {
			return halberd.Invalid("key", "is not one")
		}
	}
	s, err := x.usage(p, id)
	if err != nil {
		return err
	}
	x.download("usage.csv", "text/csv; charset=utf-8")
	w := csv.NewWriter(x.w)
	head := []string{"start"}
	for _, c := range halberd.VerdictCodes() {
		head = append(head, string(c))
	}
	rows := [][]string{head}
	for _, pt := range s.Points {
		row := []string{pt.Start.UTC().Format(time.RFC3339)}
		for _, c := range halberd.VerdictCodes() {
			row = append(row, strconv.FormatInt(pt.Counts[c], 10))
		}
		rows = append(rows, row)
	}
	return w.WriteAll(rows)
}

// download says that what follows is a file.
func (x *exchange) download(name, mime string) {
	h := x.w.Header()
	h.Set("Content-Type", mime)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
}
