package console

import (
	"slices"
	"strconv"
	"strings"

	"github.com/halberdhq/halberd"
)

// limitForm is what stands in the part of a form about limits, as it was typed.
// Rows without a number are left out.
type limitForm struct {
	Rows [limitRows]limitRow
	None bool // whatever the project has
	// The quota's; an empty Quota is none.
	Quota, Refill, Every, Unit, Per string
}

type limitRow struct {
	Limit, Every, Unit, Burst, Per, Name string
}

const limitRows = 4 // as many as a key may have

// units are what a window is a multiple of, in seconds; the first is the largest.
var units = [...]struct {
	Word    string
	Seconds int64
}{{"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}}

func emptyLimits() limitForm {
	f := limitForm{Refill: string(halberd.RefillMonth), Every: "1", Unit: "hour"}
	for i := range f.Rows {
		f.Rows[i] = limitRow{Every: "1", Unit: "minute"}
	}
	return f
}

func limitsOf(ls halberd.RateLimits, q *halberd.Quota) limitForm {
	f := emptyLimits()
	f.None = ls != nil && len(ls) == 0
	for i, l := range ls[:min(len(ls), limitRows)] {
		every, unit := spanOf(l.WindowSeconds)
		f.Rows[i] = limitRow{strconv.FormatInt(l.Limit, 10), every, unit, "", string(l.Per), l.Name}
		if l.Burst != l.Limit {
			f.Rows[i].Burst = strconv.FormatInt(l.Burst, 10)
		}
	}
	if q != nil {
		f.Quota, f.Refill, f.Per = strconv.FormatInt(q.Limit, 10), string(q.Refill), string(q.Per)
		if q.EverySeconds > 0 {
			f.Every, f.Unit = spanOf(q.EverySeconds)
		}
	}
	return f
}

// spanOf says seconds in the largest unit that fits.
func spanOf(seconds int64) (every, unit string) {
	for _, u := range units {
		if seconds%u.Seconds == 0 {
			return strconv.FormatInt(seconds/u.Seconds, 10), u.Word
		}
	}
	return strconv.FormatInt(seconds, 10), "second"
}

func readLimits(x *exchange) limitForm {
	at := func(name string, i int) string {
		if v := x.r.PostForm[name]; i < len(v) {
			return strings.TrimSpace(v[i])
		}
		return ""
	}
	f := limitForm{
		None: x.form("limit-none") == "true", Quota: strings.TrimSpace(x.form("quota")), Refill: x.form("refill"),
		Every: strings.TrimSpace(x.form("quota-every")), Unit: x.form("quota-unit"), Per: x.form("quota-per"),
	}
	for i := range f.Rows {
		f.Rows[i] = limitRow{at("limit", i), at("limit-every", i), at("limit-unit", i), at("limit-burst", i), at("limit-per", i), at("limit-name", i)}
	}
	return f
}

// Open reports whether the rows after the first say something.
func (f limitForm) Open() bool {
	return slices.ContainsFunc(f.Rows[1:], func(r limitRow) bool { return r.Limit+r.Burst+r.Name != "" })
}

// Any reports whether there is a limit at all.
func (f limitForm) Any() bool { return f.None || f.Quota != "" || f.Rows[0].Limit != "" || f.Open() }

// rates reads the rows; nil is as the project has it.
func (f limitForm) rates(p problems) halberd.RateLimits {
	var out halberd.RateLimits
	if f.None {
		out = halberd.RateLimits{}
	}
	for i, r := range f.Rows {
		if r.Limit+r.Burst == "" { // a name alone is what was left of one that is taken away
			continue
		}
		l := halberd.RateLimit{
			Name: r.Name, Limit: whole(p, "rate", r.Limit), WindowSeconds: seconds(p, "rate", r.Every, r.Unit), Per: halberd.Per(r.Per),
		}
		if r.Burst != "" {
			l.Burst = whole(p, "rate", r.Burst)
		}
		if l.Name == "" && i > 0 {
			l.Name = "limit-" + strconv.Itoa(i+1)
		}
		out = append(out, l)
	}
	if f.None && len(out) > 0 {
		p["rate"] = "Choose: limits of its own, or none at all."
	}
	return out
}

// quota reads the fields of the quota; nil is none.
func (f limitForm) quota(p problems) *halberd.Quota {
	if f.Quota == "" {
		return nil
	}
	q := &halberd.Quota{Limit: whole(p, "quota", f.Quota), Refill: halberd.Refill(f.Refill), Per: halberd.Per(f.Per)}
	if q.Refill == halberd.RefillInterval {
		q.EverySeconds = seconds(p, "quota", f.Every, f.Unit)
	}
	return q
}

// whole reads a number from 1.
func whole(p problems, field, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if (err != nil || n < 1) && p[field] == "" {
		p[field] = "Enter whole numbers from 1, or leave it empty."
	}
	return n
}

// seconds reads so many of a unit; nothing is one.
func seconds(p problems, field, every, unit string) int64 {
	n := int64(1)
	if every != "" {
		n = whole(p, field, every)
	}
	for _, u := range units {
		if u.Word == unit {
			if n > 1<<31 { // longer than any window, and no product of it overflows
				n = 1 << 31
			}
			return n * u.Seconds
		}
	}
	p.add(field, halberd.Invalid(field, "needs a unit of second, minute, hour or day"))
	return 0
}

// quotaWords says a quota as people do, and where it stands.
func quotaWords(k *halberd.Key) []string {
	q := k.Quota
	if q == nil {
		return nil
	}
	text := count(q.Limit)
	switch q.Refill {
	case halberd.RefillDay:
		text += " a day"
	case halberd.RefillMonth:
		text += " a month"
	case halberd.RefillInterval:
		every, unit := spanOf(q.EverySeconds)
		text += " every " + countedUnit(every, unit)
	default:
		text += " in all"
	}
	if q.Per == halberd.PerExternalID {
		text += ", per external id"
	}
	out := []string{text}
	if k.QuotaState.Set {
		left := count(k.QuotaState.Value.Remaining) + " left"
		if at := k.QuotaState.Value.RefillsAt; !at.IsZero() {
			left += " until " + exact(at)
		}
		out = append(out, left)
	}
	return out
}

// countedUnit is "minute" or "15 minutes".
func countedUnit(every, unit string) string {
	if every == "1" {
		return unit
	}
	return every + " " + unit + "s"
}
