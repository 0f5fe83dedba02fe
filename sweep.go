package halberd

import "fmt"

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
