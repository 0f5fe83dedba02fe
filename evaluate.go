package halberd

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/halberdhq/halberd/internal/volume"
)

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
