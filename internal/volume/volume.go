// Package volume says when a key's requests are far above its own past. It is
// told how many there were each minute, and knows nothing else.
//
// Three minutes are compared with what they should have been: the same time of
// the week in the last three weeks, or the last hour, whichever is more. The
// ratio is the score, and it must reach three bars: the factor asked for; well
// more than what this time of the day brought on four of the last 19 days, or this
// time of the week twice; and, for a key that broke such bars on five of 20 days,
// twice as much as that. So a key that is regular is judged sharply, one that has
// a batch each night only then mildly, and one that leaps about by itself is left
// in peace.
//
// Medians and fourth places make it hold: a few odd days, attacks or holidays,
// move nothing. Only rises are strange; a key that falls silent is not.
package volume

import (
	"math"
	"slices"
)

const (
	hour    = 60            // minutes
	day     = 24 * hour     // minutes
	week    = 7 * 24        // hours
	kept    = 22 * 24       // hours: three weeks, and the hours beside them
	records = 21            // days
	window  = 3             // minutes
	level   = 60            // minutes that the last hour is the median of
	habit   = 4             // days that make something usual at an hour
	nature  = 5             // days that make a key one that leaps
	above   = 1.6           // times what is usual at that hour: what stands out of it
	beyond  = 2             // times what such a key does to its bars
	doubt   = 0.75          // of what the weeks say, where the last hour says less
	alone   = 1.15          // times the median of the window: more is one minute's leap
	around  = 2.0           // requests a minute that nobody wonders at
	freeze  = day           // minutes for which an alarm holds its measure
	calm    = 0.6           // of the bar: below it an alarm is over
	quiet   = 10            // minutes below it
	maxGap  = 60 * 24 * 100 // minutes; longer ones are a new life
)

const (
	// MinHistory is for how many minutes a key must be known before anything
	// about it is strange: two weeks, so that each time of the week was seen twice.
	MinHistory = 14 * day
	// Reach is for how many hours back Model uses what it was told.
	Reach = kept
	// LeastRequests a minute can be strange; fewer never are.
	LeastRequests = 20
	// Factor is how many times the expected is strange by default.
	Factor = 3.0
)

// Model is one key's past, in less than 2 kB whatever the traffic. The zero Model
// has none. Not safe for concurrent use.
type Model struct {
	minute int64 // the last one told of; minutes since 1970
	born   int64 // the first one
	begun  bool

	hours   [kept]level16  // requests of each hour, by its number modulo kept
	minutes [level]level16 // of each minute of the last hour, likewise
	sum     float64        // of the hour that runs
	last    [window]uint32 // by minute modulo window

	// The strangest of each hour of the last days, by day modulo records.
	scores [records][24]score8 // as it was
	odds   [records]score8     // of the whole day, measured by what was usual at its hour

	// What the same time of the week gave at the middle of this hour, the one
	// before and the one after, a minute. Reckoned anew with each hour.
	season [3]float64

	alarmed int64   // since when it is strange; 0: it is not
	held    float64 // the last hour's level, as it was then
	below   int     // for how many minutes it is calm again
}

// level16 is a count in 16 bits, exact to 0.3 %: 256 steps to each doubling.
type level16 uint16

func pack(n float64) level16 {
	if n <= 0 {
		return 0
	}
	return level16(min(math.Round(256*math.Log2(1+n)), math.MaxUint16))
}

func (l level16) count() float64 { return math.Exp2(float64(l)/256) - 1 }

// score8 is a score in 8 bits, exact to 3 %.
type score8 uint8

func packScore(s float64) score8 { return score8(min(math.Ceil(24*math.Log2(1+s)), math.MaxUint8)) }

func (s score8) value() float64 { return math.Exp2(float64(s)/24) - 1 }

// Reading is what Observe thinks of a minute.
type Reading struct {
	Strange  bool
	Began    bool    // it was not strange the minute before
	Ended    bool    // it was
	Got      float64 // requests a minute, over the last three
	Expected float64 // requests a minute
	Score    float64 // Got over Expected, about
	Bar      float64 // what Score had to reach
}

// Remember tells of a whole hour of the past, hours since 1970, oldest first and
// before the first Observe: how a model is made anew from what was stored.
func (m *Model) Remember(h int64, requests float64) {
	if !m.begun {
		m.begun, m.born, m.minute = true, h*hour, h*hour-1
	}
	m.skipTo(h * hour)
	m.turnHour(h)
	m.hours[h%kept] = pack(requests)
	m.minute = h*hour + hour - 1
	// The hour as a whole is a modest witness of how far its minutes leapt.
	if requests < LeastRequests*window {
		return
	}
	score := requests / hour / (doubt*m.season[1] + around)
	m.record(h*hour, score, score/max(Factor, above*m.usualAt(h*hour)))
}

// Observe tells of one minute, minutes since 1970, later than the one before;
// minutes that were left out had no requests. factor is how many times the
// expected is strange.
func (m *Model) Observe(minute int64, requests uint32, factor float64) Reading {
	if !m.begun || minute-m.minute > maxGap {
		*m = Model{begun: true, born: minute, minute: minute - 1}
		m.turnHour(minute / hour)
	}
	if minute <= m.minute {
		return Reading{Strange: m.alarmed != 0}
	}
	m.skipTo(minute)
	return m.step(minute, requests, factor)
}

// Strange reports whether it was strange when last told of a minute.
func (m *Model) Strange() bool { return m.alarmed != 0 }

// skipTo lives through minutes without requests.
func (m *Model) skipTo(minute int64) {
	if minute-m.minute > 2*hour { // the end of the hour that ran, then whole hours
		for m.minute%hour != hour-1 {
			m.step(m.minute+1, 0, math.Inf(1))
		}
		for h := m.minute/hour + 1; h < minute/hour; h++ {
			m.turnHour(h)
			m.hours[h%kept] = 0
			m.minute = h*hour + hour - 1
		}
		m.minutes, m.last = [level]level16{}, [window]uint32{}
		m.alarmed, m.below = 0, 0
		if minute%hour != 0 {
			m.turnHour(minute / hour)
		}
	}
	for m.minute+1 < minute {
		m.step(m.minute+1, 0, math.Inf(1))
	}
}

// step lives through one minute, the one after the last.
func (m *Model) step(minute int64, requests uint32, factor float64) Reading {
	if minute%hour == 0 {
		m.turnHour(minute / hour)
	}
	m.minute = minute
	m.sum += float64(requests)
	m.hours[minute/hour%kept] = pack(m.sum)
	m.last[minute%window] = requests
	r := m.judge(minute, factor)
	// The minutes of the window come to the hour's level once they have left it,
	// or a burst would excuse itself.
	m.minutes[minute%level] = pack(float64(requests))
	return r
}

func (m *Model) judge(minute int64, factor float64) Reading {
	got := m.sustained()
	if got < LeastRequests && m.alarmed == 0 {
		return Reading{} // nor is it held for usual: few requests leap most
	}
	season := m.seasonal(minute)
	if s := got / (doubt*season + around); m.alarmed == 0 && s < factor && packScore(s) <= *m.hourly(minute) {
		return Reading{} // the last hour only makes it less: nothing comes of it
	}
	recent := m.held
	if m.alarmed == 0 {
		recent = m.recent(minute)
	}
	expected := max(doubt*season, recent)
	r := Reading{Got: got, Expected: expected, Score: got / (expected + around), Strange: m.alarmed != 0}
	r.Bar = max(factor, above*m.usualAt(minute))
	odd := r.Score / max(Factor, above*m.usualAt(minute))
	if leaps := m.usualOdds(minute); leaps > 1 {
		r.Bar *= beyond * leaps
	}
	m.record(minute, r.Score, odd)
	switch {
	case m.alarmed == 0:
		if r.Score < r.Bar || minute-m.born < MinHistory {
			return r
		}
		m.alarmed, m.held, m.below = minute, recent, 0
		r.Strange, r.Began = true, true
	case r.Score < calm*r.Bar || minute-m.alarmed > freeze:
		if m.below++; m.below >= quiet || minute-m.alarmed > freeze {
			m.alarmed = 0
			r.Strange, r.Ended = false, true
		}
	default:
		m.below = 0
	}
	return r
}

// sustained is the requests a minute of the window: their mean, but not much more
// than their median, so that one minute alone is never strange.
func (m *Model) sustained() float64 {
	l := m.last
	slices.Sort(l[:])
	return min(float64(l[0]+l[1]+l[2])/window, alone*float64(l[1]))
}

// recent is the median of the last hour, without the window.
func (m *Model) recent(minute int64) float64 {
	var list [level - window]level16
	for i := range list {
		list[i] = m.minutes[(minute-window-int64(i)+level)%level]
	}
	slices.Sort(list[:])
	return list[len(list)/2].count()
}

// seasonal is what this time of the week gives, a minute: between the middles of
// two hours, as much of each as the minute is near it.
func (m *Model) seasonal(minute int64) float64 {
	at := float64(minute%hour)/hour - 0.5
	if at < 0 {
		return -at*m.season[0] + (1+at)*m.season[1]
	}
	return at*m.season[2] + (1-at)*m.season[1]
}

// turnHour begins hour h.
func (m *Model) turnHour(h int64) {
	m.sum = 0
	for i := range m.season {
		m.season[i] = m.typical(h + int64(i) - 1)
	}
	m.hours[h%kept] = 0
	if h%24 == 0 {
		d := h / 24 % records
		m.scores[d], m.odds[d] = [24]score8{}, 0
	}
}

// typical is an hour's requests a minute in the past: the median of the last
// three weeks at that time, or half of the median of the last seven days where
// that is more. A week that the key did not live is not asked.
func (m *Model) typical(h int64) float64 {
	weeks, days := m.median(h, week, 3), m.median(h, 24, 7)
	if h-week < m.born/hour {
		return days / hour
	}
	return max(weeks, days/2) / hour
}

func (m *Model) median(h, every int64, times int) float64 {
	var room [7]level16
	list := room[:0]
	for i := range int64(times) {
		at := h - (i+1)*every
		if at < m.born/hour {
			break
		}
		list = append(list, m.hours[at%kept])
	}
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	if n := len(list); n%2 == 0 {
		return (list[n/2-1].count() + list[n/2].count()) / 2
	}
	return list[len(list)/2].count()
}

// record keeps the strangest of each hour and each day.
func (m *Model) record(minute int64, score, odd float64) {
	h, d := m.hourly(minute), &m.odds[minute/day%records]
	*h, *d = max(*h, packScore(score)), max(*d, packScore(odd))
}

// hourly is where the record of the minute's hour is.
func (m *Model) hourly(minute int64) *score8 {
	return &m.scores[minute/day%records][minute%day/hour]
}

// usualAt is what this hour of the day, or one beside it, brought on some of the
// last days, or this hour of the week in both of the last weeks.
func (m *Model) usualAt(minute int64) float64 {
	at := func(daysAgo int64) (most score8) {
		for beside := int64(-1); beside <= 1; beside++ {
			if then := minute - daysAgo*day + beside*hour; then >= 0 {
				most = max(most, *m.hourly(then))
			}
		}
		return most
	}
	var list [records - 2]score8 // the oldest day's ring may have begun anew beside midnight
	for i := range list {
		list[i] = at(int64(i) + 1)
	}
	weekly := min(list[6], list[13])
	slices.Sort(list[:])
	return max(weekly, list[len(list)-habit]).value()
}

// usualOdds is the same of the key's days as a whole.
func (m *Model) usualOdds(minute int64) float64 {
	list := m.odds
	list[minute/day%records] = 0
	slices.Sort(list[:])
	return list[len(list)-nature].value()
}
