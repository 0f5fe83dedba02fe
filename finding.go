package halberd

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/halberdhq/halberd/internal/volume"
)

// finding is what a rule found.
type finding struct {
	incident
	rule    *AlertRule
	key     *Key // nil: it is of no key
	cause   string
	value   float64
	bar     float64
	forever bool // one that was told is never told again
}

func (x *evaluation) find(a *AlertRule, key *Key, subject string, value, bar float64, cause string, args ...any) {
	f := finding{incident: incident{a.ID, subject}, rule: a, key: key, value: value, bar: bar, cause: fmt.Sprintf(cause, args...)}
	x.found[f.incident] = f
}

// once is find for what is told one time and never again.
func (x *evaluation) once(a *AlertRule, key *Key, subject string, value, bar float64, cause string, args ...any) {
	x.find(a, key, subject, value, bar, cause, args...)
	at := incident{a.ID, subject}
	f := x.found[at]
	f.forever = true
	x.found[at] = f
}

// origin compares where a key was used last with where it was used before.
func (x *evaluation) origin(r Reader, k *watched, c *MinuteCount, minute int64) error {
	if k.origins != nil && c.LastUsedFrom == k.from && c.LastUsedAgent == k.agent {
		return nil
	}
	id := k.key.ID
	if k.origins == nil {
		known, err := r.Origins(OriginFilter{Key: id, Limit: 2 * maxOrigins})
		if err != nil {
			return err
		}
		k.origins = map[string]bool{}
		for _, o := range known {
			k.origins[o.Kind+" "+o.Value] = true
			if k.since == 0 {
				k.since = o.FirstAt / 60
			}
		}
	}
	k.from, k.agent = c.LastUsedFrom, c.LastUsedAgent
	from, _ := netip.ParseAddr(c.LastUsedFrom) // what cannot be read is of no network
	for _, o := range []struct{ kind, value, what string }{
		{"network", network(from), "from the network"},
		{"program", program(c.LastUsedAgent), "by the program"},
	} {
		if o.value == "" || k.origins[o.kind+" "+o.value] {
			continue
		}
		of := 0
		for name := range k.origins {
			if name[:len(o.kind)] == o.kind {
				of++
			}
		}
		if of >= maxOrigins {
			continue
		}
		k.origins[o.kind+" "+o.value] = true
		x.places = append(x.places, OriginRecord{Key: id, Kind: o.kind, Value: o.value, FirstAt: minute * 60})
		if k.since == 0 {
			k.since = minute
		}
		if of == 0 || minute-k.since < originLearning {
			continue
		}
		for _, a := range x.rules(&k.key, AlertOrigin) {
			x.once(a, &k.key, fmt.Sprintf("%s %s %s", id, o.kind, o.value), 1, 1, "It was used %s %s for the first time.", o.what, o.value)
		}
	}
	return nil
}

// window sums what fell on a key up to a minute. False: too much was read in this
// evaluation.
func (x *evaluation) window(r Reader, id KeyID, minute int64, length time.Duration) (map[VerdictCode]int64, bool, error) {
	if x.windows >= maxWindows {
		x.pass(id)
		return nil, false, nil
	}
	x.windows++
	to := (minute + 1) * 60
	sums, _, err := r.Usage(UsageFilter{Keys: []KeyID{id}, Step: StepMinute, From: to - int64(length/time.Second), To: to})
	out := map[VerdictCode]int64{}
	for _, u := range sums {
		out[VerdictCode(u.Verdict)] += u.Count
	}
	return out, true, err
}

func (x *evaluation) ended(r Reader, k *watched, minute int64, counts map[VerdictCode]int64) error {
	if counts[Revoked]+counts[Expired] == 0 {
		return nil
	}
	for _, a := range x.rules(&k.key, AlertEnded) {
		sums := counts
		if a.Window > time.Minute {
			var ok bool
			var err error
			if sums, ok, err = x.window(r, k.key.ID, minute, a.Window); err != nil || !ok {
				return err
			}
		}
		n := sums[Revoked] + sums[Expired]
		if float64(n) < a.Threshold {
			continue
		}
		why := "expired, or replaced by a rotation,"
		if sums[Revoked] > 0 {
			why = "revoked"
		}
		x.find(a, &k.key, k.key.ID.String(), float64(n), a.Threshold,
			"It was %s and is still being used: %s refused within %s. Somebody has it.", why, checksWere(n), lengthWords(a.Window))
	}
	return nil
}

func (x *evaluation) errors(r Reader, k *watched, minute int64) error {
	for _, a := range x.rules(&k.key, AlertErrors) {
		sums, ok, err := x.window(r, k.key.ID, minute, a.Window)
		if err != nil || !ok {
			return err
		}
		var total, bad int64
		most := Valid
		for _, code := range slices.Sorted(maps.Keys(sums)) {
			n := sums[code]
			total += n
			counts := slices.Contains(a.Reasons, code)
			if len(a.Reasons) == 0 { // ended keys have a kind of their own
				counts = code != Valid && code != Revoked && code != Expired
			}
			if counts {
				bad += n
				if most == Valid || n > sums[most] {
					most = code
				}
			}
		}
		share := 100 * float64(bad) / float64(max(total, 1))
		if total >= AlertLeastChecks && share >= a.Threshold {
			x.find(a, &k.key, k.key.ID.String(), share, a.Threshold, "%.0f %% of its %d checks within %s were refused, most of them as %s.",
				share, total, lengthWords(a.Window), most)
		}
	}
	return nil
}

// limits looks at what is left of a key's limits and quota.
func (x *evaluation) limits(r Reader, k *watched, minute int64, counts map[VerdictCode]int64) error {
	rules := x.rules(&k.key, AlertLimit)
	if len(rules) == 0 {
		return nil
	}
	spent, name := 0.0, ""
	for _, l := range k.limits {
		if l.Per != PerKey || l.WindowSeconds > 3600 {
			continue // of these only the end is seen
		}
		used, allowed := float64(counts[Valid]), float64(l.Limit)*60/float64(l.WindowSeconds)
		if l.WindowSeconds > 60 {
			sums, ok, err := x.window(r, k.key.ID, minute, time.Duration(l.WindowSeconds)*time.Second)
			if err != nil || !ok {
				return err
			}
			used, allowed = float64(sums[Valid]), float64(l.Limit)
		}
		if share := 100 * used / allowed; share > spent {
			spent, name = share, l.Name
		}
	}
	quota, period, err := x.quota(r, k, minute)
	if err != nil {
		return err
	}
	if counts[QuotaExceeded] > 0 {
		quota = 100
	}
	for _, a := range rules {
		switch {
		case counts[RateLimited] > 0:
			x.find(a, &k.key, k.key.ID.String()+" limit 100", 100, 100, "Its rate limit is spent: %s refused within a minute.", checksWere(counts[RateLimited]))
		case spent >= a.Threshold:
			x.find(a, &k.key, k.key.ID.String()+" limit", min(spent, 100), a.Threshold, "%.0f %% of its rate limit %q are spent.", min(spent, 100), name)
		}
		switch {
		case quota >= 100:
			x.once(a, &k.key, fmt.Sprintf("%s quota %d 100", k.key.ID, period), 100, 100, "Its quota is spent.")
		case quota >= a.Threshold:
			x.once(a, &k.key, fmt.Sprintf("%s quota %d", k.key.ID, period), quota, a.Threshold, "%.0f %% of its quota are spent.", quota)
		}
	}
	return nil
}

// quota is how much of a key's quota is spent, in percent, in the period that a
// minute was in. What processes hold of it is not.
func (x *evaluation) quota(r Reader, k *watched, minute int64) (percent float64, period int64, err error) {
	q := k.key.Quota
	if q == nil {
		return 0, 0, nil
	}
	period, _ = q.period(time.Unix(minute*60, 0))
	who := subject{k.key.ID, &owner{organization: k.key.Organization, project: k.key.Project}, k.key.ExternalID}
	rec, err := r.Quota(quotaID(&who, q))
	if errors.Is(err, ErrNotFound) || err == nil && rec.Period != period {
		return 0, period, nil
	}
	return 100 * float64(rec.Taken-rec.Lent) / float64(q.Limit), period, err
}

func (x *evaluation) rebuild(r Reader, k *watched, minute int64) error {
	hour := minute / 60 * 3600
	hours, _, err := r.Usage(UsageFilter{Keys: []KeyID{k.key.ID}, Step: StepHour, From: max(0, hour-volume.Reach*3600), To: hour})
	if err != nil {
		return err
	}
	minutes, _, err := r.Usage(UsageFilter{Keys: []KeyID{k.key.ID}, Step: StepMinute, From: hour, To: minute * 60})
	if err != nil {
		return err
	}
	k.model = remember(minute, hours, minutes)
	return nil
}

func (x *evaluation) volume(k *watched, minute, total int64) {
	if k.model == nil {
		return
	}
	rules := x.rules(&k.key, AlertVolume)
	factor := volume.Factor
	for i, a := range rules {
		if i == 0 || a.Threshold < factor {
			factor = a.Threshold
		}
	}
	v := k.model.Observe(minute, uint32(min(total, 1<<32-1)), factor)
	if !v.Strange {
		return
	}
	for _, a := range rules {
		x.find(a, &k.key, k.key.ID.String(), v.Got, v.Expected, "It is asked %.0f times a minute, and %.0f is usual at this time.", v.Got, v.Expected)
	}
}

func (x *evaluation) badKeys(minute int64) {
	settled := x.s.strangers.take(minute)
	if len(settled) == 0 {
		return
	}
	for _, list := range x.w.rules {
		for i := range list {
			a := &list[i]
			if a.Kind != AlertBadKeys || !a.Active {
				continue
			}
			for who, most := range settled {
				if float64(most.n) < a.Threshold {
					continue
				}
				from := netip.AddrFrom16(who).Unmap()
				x.find(a, nil, "address "+from.String(), float64(most.n), a.Threshold, "%d bad API keys came from %s within a minute.", most.n, from)
			}
		}
	}
}

func checksWere(n int64) string {
	if n == 1 {
		return "1 check was"
	}
	return fmt.Sprint(n, " checks were")
}

// lengthWords says how long a window is.
func lengthWords(d time.Duration) string {
	if d <= time.Minute {
		return "a minute"
	}
	return fmt.Sprintf("%d minutes", int(d/time.Minute))
}
