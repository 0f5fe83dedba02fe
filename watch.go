package halberd

import (
	"maps"
	"math"
	"net/netip"
	"strings"
	"sync"

	"github.com/halberdhq/halberd/internal/volume"
)

// watch is what EvaluateAlerts remembers from one minute to the next. All of it
// can be lost: what matters is in the store, and the rest is read from there
// again. One evaluation runs at a time and holds mu.
type watch struct {
	mu      sync.Mutex
	minute  int64 // the last one evaluated; minutes since 1970
	hour    int64 // of the last look at keys that expire or lie idle
	adopted bool
	mark    string // of the rules, see metaAlertRules
	rules   map[OrganizationID][]AlertRule
	keys    map[KeyID]*watched
	last    map[incident]int64 // when each open one was last found, Unix seconds
	begin   KeyID              // with which the next minute begins; zero: the first

	unsaved  map[incident]finding // what could not be written the last time
	unplaced []OriginRecord
}

// What one evaluation may cost, and what is kept in memory.
const (
	maxWatched     = 20_000  // keys
	maxMinutes     = 5       // that are caught up with
	maxLooks       = 20_000  // keys that are read anew, in one evaluation
	maxWindows     = 500     // series that are read
	maxRebuilt     = 50      // models made anew from what was stored
	maxSwept       = 500     // keys of an organization that expire, and that lie idle
	maxLasting     = 10_000  // alerts that are not over
	maxOpened      = 500     // in one evaluation
	maxOfRule      = 200     // alerts of one rule at a time
	maxOrigins     = 16      // of each kind that are known of a key; one with more is at home anywhere
	watchedIdle    = 24 * 60 // minutes without use after which a key is forgotten
	watchedCrowded = 60      // the same while there is no room for others
	watchedFresh   = 10      // minutes for which a project's limits are believed of a key that did not change
	originLearning = 24 * 60 // minutes after a key's first use in which nothing is new
)

// watched is what is known of a key that is used.
type watched struct {
	key     Key // zero: it is not there, or damaged
	limits  RateLimits
	version int64 // of the record that was read
	read    int64 // minute in which the above were read; 0: never
	active  int64 // last minute with a count
	model   *volume.Model
	origins map[string]bool
	since   int64 // minute of the first origin; 0: none

	from, agent string // that were compared last with the origins
}

// rulesFor are the rules of a kind that hold for a key: those of the narrowest
// scope that fits it, unless they are switched off.
func (w *watch) rulesFor(org OrganizationID, project ProjectID, key KeyID, kind AlertKind) (out []*AlertRule) {
	narrowest := -1
	list := w.rules[org]
	for i := range list {
		if a := &list[i]; a.Kind == kind && a.fits(project, key) {
			narrowest = max(narrowest, a.scope())
		}
	}
	for i := range list {
		if a := &list[i]; a.Kind == kind && a.Active && a.fits(project, key) && a.scope() == narrowest {
			out = append(out, a)
		}
	}
	return out
}

// network is the part of an address that stays when a machine gets another one.
func network(from netip.Addr) string {
	bits := 24
	if from.Is6() {
		bits = 48
	}
	p, err := from.Prefix(bits)
	if err != nil || !p.IsValid() { // of no address the standard library makes no prefix, and no error
		return ""
	}
	return p.String()
}

// program is what an agent calls itself, without its version.
func program(agent string) string {
	name, _, _ := strings.Cut(agent, "/")
	name, _, _ = strings.Cut(name, " ")
	return name[:min(len(name), 64)]
}

// strangers counts bad keys by the address they came from, minute by minute. It
// has room for so many addresses, and under a flood it misses some: then others
// say enough.
type strangers struct {
	mu      sync.Mutex
	minute  int64
	now     map[[16]byte]int64 // in the minute that runs
	settled map[[16]byte]badKeys
}

// badKeys is how many came from an address in the worst minute that nobody has
// looked at yet.
type badKeys struct{ minute, n int64 }

const maxStrangers = 1024

func (t *strangers) note(minute int64, who [16]byte) {
	if !t.mu.TryLock() {
		return
	}
	defer t.mu.Unlock()
	t.turn(minute)
	if _, known := t.now[who]; known || len(t.now) < maxStrangers {
		t.now[who]++
	}
}

// turn begins another minute, and forgets what none has looked at for long: on
// most nodes nobody does. Called with mu held.
func (t *strangers) turn(minute int64) {
	if minute == t.minute && t.now != nil {
		return
	}
	if t.settled == nil {
		t.settled = map[[16]byte]badKeys{}
	}
	maps.DeleteFunc(t.settled, func(_ [16]byte, old badKeys) bool { return minute-old.minute > maxMinutes })
	for who, n := range t.now {
		most, known := t.settled[who]
		if minute-t.minute <= maxMinutes && n > most.n && (known || len(t.settled) < maxStrangers) {
			t.settled[who] = badKeys{t.minute, n}
		}
	}
	t.minute, t.now = minute, map[[16]byte]int64{}
}

// take is what settled before this minute since it was last called.
func (t *strangers) take(minute int64) map[[16]byte]badKeys {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(minute)
	out := t.settled
	t.settled = nil
	return out
}

// remember makes a model anew from the counts of whole hours, and of the minutes
// of the hour that runs.
func remember(minute int64, hours, minutes []UsageSum) *volume.Model {
	m := new(volume.Model)
	byHour := map[int64]float64{}
	first := minute / 60
	for _, u := range hours {
		h := u.Start / 3600
		byHour[h] += float64(u.Count)
		first = min(first, h)
	}
	for h := first; h < minute/60; h++ {
		m.Remember(h, byHour[h])
	}
	byMinute := map[int64]int64{}
	for _, u := range minutes {
		byMinute[u.Start/60] += u.Count
	}
	for at := minute - minute%60; at < minute; at++ {
		m.Observe(at, uint32(byMinute[at]), math.Inf(1))
	}
	return m
}
