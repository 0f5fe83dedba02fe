package halberd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/halberdhq/halberd/internal/volume"
)

// alertsKept is how long an alert that is over is kept.
const alertsKept = 90 * 24 * time.Hour

// EvaluateAlerts holds what was counted since the last time against the rules: it
// opens alerts, each with its event in one transaction, and resolves those whose
// cause is over. Whoever embeds a Service calls it every minute, on one node;
// hb serve does. What it may read and write in one call is bounded, and it looks
// at nothing that a check waits for.
func (s *Service) EvaluateAlerts(ctx context.Context) error {
	w := &s.watch
	if !w.mu.TryLock() {
		return nil // the last one is not done
	}
	defer w.mu.Unlock()
	if err := s.settleUsage(ctx); err != nil {
		return outward(err)
	}
	if err := s.adopt(ctx); err != nil {
		return outward(err)
	}
	x := evaluation{s: s, w: w, now: s.now(), found: w.unsaved, places: w.unplaced}
	w.unsaved, w.unplaced = nil, nil
	if x.found == nil {
		x.found = map[incident]finding{}
	}
	err := s.store.View(ctx, x.look)
	if err == nil {
		err = s.update(ctx, x.write)
	}
	if err != nil { // what was found is kept for the next time: that looks at later minutes
		w.unsaved, w.unplaced = x.found, x.places
	}
	return outward(err)
}

// adopt sees to it that every organization has had its first rules.
func (s *Service) adopt(ctx context.Context) error {
	if s.watch.adopted {
		return nil
	}
	err := s.store.View(ctx, func(r Reader) error {
		_, err := r.Meta(metaAlertsAdopted)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		err = s.update(ctx, s.adoptAlertRules)
	}
	s.watch.adopted = err == nil
	return err
}

// evaluation is one run.
type evaluation struct {
	s       *Service
	w       *watch
	now     time.Time
	found   map[incident]finding
	swept   bool // what expires and lies idle was looked at
	lasting []Alert
	places  []OriginRecord // to be kept

	looks, windows, rebuilt int
	unserved                KeyID // the first that a bound has kept from being looked at
}

// pass says that a bound was reached before a key: where the next minute begins.
func (x *evaluation) pass(id KeyID) {
	if x.unserved.IsZero() {
		x.unserved = id
	}
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

func (x *evaluation) look(r Reader) error {
	if err := x.readRules(r); err != nil {
		return err
	}
	rows, err := r.Alerts(AlertFilter{States: lastingAlerts(), Limit: maxLasting})
	if err != nil {
		return err
	}
	for i := range rows {
		a, err := rows[i].alert()
		if err != nil {
			return err
		}
		x.lasting = append(x.lasting, a)
	}
	w, minute := x.w, x.now.Unix()/60-1 // the last one that is complete
	if w.keys == nil {
		if w.minute, err = evaluatedThrough(r, minute-1); err != nil {
			return err
		}
		w.keys, w.last = map[KeyID]*watched{}, map[incident]int64{}
	}
	if w.minute > minute { // the clock was set back
		w.minute = minute - 1
	}
	if minute-w.minute > maxMinutes { // another node evaluated meanwhile, or none: what is stored is better
		clear(w.keys)
	}
	for at := max(w.minute+1, minute-maxMinutes+1); at <= minute; at++ {
		if err := x.minute(r, at); err != nil {
			return err
		}
		w.minute = at
	}
	x.badKeys(minute + 1)
	if hour := x.now.Unix() / 3600; hour != w.hour {
		if err := x.sweep(r); err != nil {
			return err
		}
		w.hour, x.swept = hour, true
	}
	idle := int64(watchedIdle)
	if len(w.keys) >= maxWatched {
		idle = watchedCrowded
	}
	for id, k := range w.keys {
		if minute-k.active > idle {
			delete(w.keys, id)
		}
	}
	return nil
}

// evaluatedThrough is the last minute that any process evaluated: one that takes
// over begins behind it. Where there was none it is usual.
func evaluatedThrough(r Reader, usual int64) (int64, error) {
	text, err := r.Meta(metaAlertsThrough)
	if err != nil && !isAbsent(err) {
		return 0, err
	}
	if minute, bad := strconv.ParseInt(text, 10, 64); bad == nil {
		return minute, nil
	}
	return usual, nil
}

// metaAlertsThrough is the last minute that was evaluated and written.
const metaAlertsThrough = "alerts_evaluated"

// readRules reads the rules anew when one has changed.
func (x *evaluation) readRules(r Reader) error {
	mark, err := r.Meta(metaAlertRules)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if x.w.rules != nil && mark == x.w.mark {
		return nil
	}
	const page = 1000
	rules := map[OrganizationID][]AlertRule{}
	for after := (AlertRuleID{}); ; {
		rows, err := r.AlertRules(OrganizationID{}, after, page, false)
		if err != nil {
			return err
		}
		for i := range rows {
			after = rows[i].ID
			a, err := x.s.openAlertRule(&rows[i])
			if err != nil {
				x.s.log.Error("a damaged alert rule was left out", "id", rows[i].ID, "why", err)
				continue
			}
			rules[a.Organization] = append(rules[a.Organization], a)
		}
		if len(rows) < page {
			x.w.rules, x.w.mark = rules, mark
			return nil
		}
	}
}

// minute looks at every key that was counted in one minute, page by page. Where a
// bound was reached the minute before it begins, so that each has its turn.
func (x *evaluation) minute(r Reader, minute int64) error {
	begin := x.w.begin
	x.unserved = KeyID{}
	if err := x.span(r, minute, begin, KeyID{}); err != nil {
		return err
	}
	if !begin.IsZero() {
		if err := x.span(r, minute, KeyID{}, begin); err != nil {
			return err
		}
	}
	x.w.begin = x.unserved
	for _, k := range x.w.keys { // those that are strange and fell silent
		if k.model != nil && k.model.Strange() && k.active < minute {
			x.volume(k, minute, 0)
		}
	}
	return nil
}

// span looks at the keys of a minute from one on, and before another; zero: to the
// end.
func (x *evaluation) span(r Reader, minute int64, from, before KeyID) error {
	const page = 2000
	counts := map[VerdictCode]int64{}
	var one MinuteCount // of the key whose counts are gathered
	flush := func() error {
		if one.Key.IsZero() {
			return nil
		}
		err := x.used(r, minute, &one, counts)
		clear(counts)
		return err
	}
	for after := (MinutePlace{Key: from}); ; {
		list, err := r.UsageOfMinute(minute*60, after, page)
		if err != nil {
			return err
		}
		for _, c := range list {
			if !before.IsZero() && bytes.Compare(c.Key[:], before[:]) >= 0 {
				return flush()
			}
			if c.Key != one.Key {
				if err := flush(); err != nil {
					return err
				}
				one = c
			}
			counts[VerdictCode(c.Verdict)] += c.Count
			after = c.MinutePlace
		}
		if len(list) < page {
			return flush()
		}
	}
}

// used looks at one key that was counted in a minute.
func (x *evaluation) used(r Reader, minute int64, c *MinuteCount, counts map[VerdictCode]int64) error {
	k, kept := x.w.keys[c.Key], true
	if k == nil {
		k, kept = &watched{}, len(x.w.keys) < maxWatched
		if kept {
			x.w.keys[c.Key] = k
		} // else it is looked at for once, with no memory of its volume
	}
	k.active = minute
	switch changed := k.version != c.Version; {
	case !changed && minute-k.read < watchedFresh:
	case x.looks >= maxLooks:
		x.pass(c.Key)
		if changed { // what is known of it holds no more
			return nil
		}
	default:
		if err := x.read(r, k, c, minute); err != nil {
			return err
		}
	}
	if k.key.ID.IsZero() {
		return nil
	}
	if err := x.origin(r, k, c, minute); err != nil {
		return err
	}
	var total, refused int64
	for code, n := range counts {
		total += n
		if code != Valid {
			refused += n
		}
	}
	if err := x.ended(r, k, minute, counts); err != nil {
		return err
	}
	if refused > 0 {
		if err := x.errors(r, k, minute); err != nil {
			return err
		}
	}
	if err := x.limits(r, k, minute, counts); err != nil {
		return err
	}
	if rules := x.rules(&k.key, AlertVolume); kept && len(rules) > 0 {
		if k.model == nil && total >= volume.LeastRequests/2 && x.rebuilt < maxRebuilt {
			x.rebuilt++
			if err := x.rebuild(r, k, minute); err != nil {
				return err
			}
		}
		x.volume(k, minute, total)
	}
	return nil
}

func (x *evaluation) rules(k *Key, kind AlertKind) []*AlertRule {
	return x.w.rulesFor(k.Organization, k.Project, k.ID, kind)
}

// read learns what a key is.
func (x *evaluation) read(r Reader, k *watched, c *MinuteCount, minute int64) error {
	x.looks++
	k.key, k.read, k.version = Key{}, minute, c.Version
	row, err := r.Key(c.Key)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	key, err := x.s.openKey(&row)
	if err != nil {
		return nil //nolint:nilerr // one damaged row must not end the evaluation: it is refused, and reported elsewhere
	}
	limits := key.RateLimits
	if limits == nil && !key.Project.IsZero() {
		row, err := r.Project(key.Project)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if p, err := x.s.openProject(&row, new(packer)); err == nil { // else it is damaged: its keys are refused
			limits = p.RateLimits
		}
	}
	k.key, k.limits = key, limits
	return nil
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

// sweep looks for keys that expire soon and that lie idle.
func (x *evaluation) sweep(r Reader) error {
	now := x.now.Unix()
	for org, list := range x.w.rules {
		var soon, idle float64
		for i := range list {
			switch a := &list[i]; {
			case !a.Active:
			case a.Kind == AlertExpiring:
				soon = max(soon, a.Threshold)
			case a.Kind == AlertUnused && (idle == 0 || a.Threshold < idle):
				idle = a.Threshold
			}
		}
		f := KeyFilter{Organization: org, States: []State{StateActive}, Limit: maxSwept, Now: now}
		if soon > 0 {
			f.ExpiresBefore, f.Sort = now+int64(soon*day), SortExpires
			if err := x.each(r, f, x.expiring); err != nil {
				return err
			}
		}
		if idle > 0 {
			f.ExpiresBefore, f.UnusedSince, f.Sort = 0, now-int64(idle*day), SortLastUsed
			if err := x.each(r, f, x.unused); err != nil {
				return err
			}
		}
	}
	return nil
}

const day = 24 * 3600.0 // seconds

func (x *evaluation) each(r Reader, f KeyFilter, fn func(*Key)) error {
	rows, err := r.Keys(f)
	if err != nil {
		return err
	}
	for i := range rows {
		if k, err := x.s.openKey(&rows[i]); err == nil { // a damaged one is refused, and reported elsewhere
			fn(&k)
		}
	}
	return nil
}

func (x *evaluation) expiring(k *Key) {
	left := k.ExpiresAt.Sub(x.now).Seconds() / day
	life := k.ExpiresAt.Sub(k.CreatedAt).Seconds() / day
	for _, a := range x.rules(k, AlertExpiring) {
		stage := 0.0
		for _, s := range []float64{a.Threshold, 7, 1} {
			if s <= a.Threshold && left <= s && s < life && (stage == 0 || s < stage) {
				stage = s
			}
		}
		if stage > 0 {
			x.once(a, k, fmt.Sprintf("%s %d %v", k.ID, k.ExpiresAt.Unix(), stage), left, stage,
				"It expires on %s, within %v days: extend or rotate it.", k.ExpiresAt.Format("2 January 2006, 15:04 MST"), stage)
		}
	}
}

func (x *evaluation) unused(k *Key) {
	last, what := k.LastUsedAt, "was last used on"
	if last.IsZero() || last.Before(k.CreatedAt) {
		last, what = k.CreatedAt, "was never used since it was made on"
	}
	idle := x.now.Sub(last).Seconds() / day
	for _, a := range x.rules(k, AlertUnused) {
		if idle >= a.Threshold {
			x.find(a, k, k.ID.String(), idle, a.Threshold, "It %s %s, %.0f days ago: revoke it if nobody needs it.", what, last.Format("2 January 2006"), idle)
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

// calm is for how long nothing may be found until an alert of the kind is over.
func (k AlertKind) calm() time.Duration {
	switch k {
	case AlertVolume:
		return time.Minute
	case AlertErrors:
		return 15 * time.Minute
	case AlertOrigin:
		return 24 * time.Hour
	}
	return time.Hour
}

// write brings what was found into the store.
func (x *evaluation) write(tx Tx) error {
	for _, o := range x.places {
		if err := tx.PutOrigin(o); err != nil {
			return err
		}
	}
	ofRule := map[AlertRuleID]int{}
	for i := range x.lasting {
		a := &x.lasting[i]
		if over := x.over(a); !over {
			ofRule[a.Rule]++
			continue
		}
		fresh, err := tx.Alert(a.ID) // it may have been acknowledged meanwhile
		if err != nil {
			return err
		}
		if *a, err = fresh.alert(); err != nil {
			return err
		}
		if !a.Lasts() {
			continue
		}
		a.State, a.ResolvedAt = AlertResolved, x.s.stamp()
		if err := x.s.tellAlert(tx, EventAlertResolved, a); err != nil {
			return err
		}
	}
	opened := 0
	for _, at := range slices.SortedFunc(maps.Keys(x.found), func(a, b incident) int {
		return slices.Compare([]byte(a.rule.String()+a.subject), []byte(b.rule.String()+b.subject))
	}) {
		if opened >= maxOpened || ofRule[at.rule] >= maxOfRule {
			continue
		}
		made, err := x.open(tx, x.found[at])
		if err != nil {
			return err
		}
		if made {
			opened++
			ofRule[at.rule]++
		}
	}
	if _, err := tx.DropAlerts(x.now.Add(-alertsKept).Unix(), maxOpened); err != nil {
		return err
	}
	return tx.SetMeta(metaAlertsThrough, strconv.FormatInt(x.w.minute, 10))
}

// over reports whether an alert's cause is over, and remembers when it was not.
func (x *evaluation) over(a *Alert) bool {
	at := incident{a.Rule, a.subject}
	now := x.now.Unix()
	if _, found := x.found[at]; found {
		x.w.last[at] = now
		return false
	}
	list := x.w.rules[a.Organization]
	held := slices.ContainsFunc(list, func(r AlertRule) bool { return r.ID == a.Rule && r.Active })
	last, known := x.w.last[at]
	switch {
	case !held:
	case !known: // of another process, or just opened
		x.w.last[at] = now
		return false
	case (a.Kind == AlertExpiring || a.Kind == AlertUnused) && !x.swept:
		return false // nobody has looked
	case now-last < int64(a.Kind.calm()/time.Second):
		return false
	}
	delete(x.w.last, at)
	return true
}

// open makes an alert of a finding, unless there is one.
func (x *evaluation) open(tx Tx, f finding) (bool, error) {
	rows, err := tx.Alerts(AlertFilter{Rule: f.incident.rule, Subject: f.subject, Limit: 1})
	if err != nil {
		return false, err
	}
	a := Alert{
		ID: NewAlertID(), Organization: f.rule.Organization, Rule: f.rule.ID, Kind: f.rule.Kind, State: AlertOpen,
		Cause: f.cause, Value: f.value, Threshold: f.bar, OpenedAt: x.s.stamp(), Channels: f.rule.Channels, subject: f.subject,
	}
	if len(rows) > 0 {
		before, err := rows[0].alert()
		if err != nil || before.Lasts() || f.forever {
			return false, err
		}
		if before.SilencedUntil.After(x.now) {
			a.SilencedUntil = before.SilencedUntil
		}
	}
	if k := f.key; k != nil {
		a.Project, a.Key, a.KeyName, a.KeyHint = k.Project, k.ID, k.Name, k.Hint
	}
	x.w.last[f.incident] = x.now.Unix()
	return true, x.s.tellAlert(tx, EventAlertOpened, &a)
}

// tellAlert keeps an alert and tells of it, unless it is silenced.
func (s *Service) tellAlert(tx Tx, t EventType, a *Alert) error {
	if err := putAlert(tx, a); err != nil {
		return err
	}
	if a.SilencedUntil.After(s.now()) {
		return nil
	}
	data := map[string]any{
		"alert_id": a.ID, "organization_id": a.Organization, "alert_rule_id": a.Rule, "kind": a.Kind, "state": a.State,
		"cause": a.Cause, "opened_at": a.OpenedAt.Format(time.RFC3339), "version": a.Version,
	}
	if !a.Project.IsZero() {
		data["project_id"] = a.Project
	}
	if !a.Key.IsZero() {
		data["key_id"], data["label"], data["prefix"] = a.Key, a.KeyName, a.KeyHint
	}
	return tx.AppendEvent(EventRecord{
		ID: NewEventID(), At: s.stamp().Unix(), Type: string(t), Organization: a.Organization, Project: a.Project,
		TargetKind: "alert", Target: a.ID.String(), Version: a.Version, Data: encodeJSON(data), To: strings.Join(a.Channels, " "),
	})
}
