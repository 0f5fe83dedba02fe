//go:build linux

package prove

import "testing"

// The judge is tried first on histories whose flaws are known: a zero of a
// judge that finds nothing means nothing.

// past is a history being written by hand.
type past struct {
	*history
	q question
}

func write() past { h := newHistory(); return past{h, h.ask("a key")} }

func (p past) granted(invoked, completed instant, confirmed bool) past {
	p.changed(change{question: p.q, grants: true, invoked: invoked, completed: completed, confirmed: confirmed})
	return p
}

func (p past) refused(invoked, completed instant) past {
	p.changed(change{question: p.q, invoked: invoked, completed: completed, confirmed: completed != never})
	return p
}

func (p past) revoked(invoked, completed instant) past {
	p.changed(change{question: p.q, invoked: invoked, completed: completed, confirmed: true, final: true})
	return p
}

func (p past) asked(node uint8, invoked, completed instant, v verdict) past {
	p.add([]check{{invoked: invoked, completed: completed, question: p.q, node: node, verdict: v}})
	return p
}

// planted is a history and how many flaws of each kind are in it.
type planted struct {
	past
	stale, backward, lost, early int
}

// plantedHistories is the list; the first half has flaws, the second none.
func plantedHistories() map[string]planted {
	born := func() past { return write().granted(0, 10, true) }
	return map[string]planted{
		"accepted after the answer":                    {past: born().refused(20, 30).asked(1, 31, 40, accepted), stale: 1},
		"accepted a nanosecond after, for long":        {past: born().refused(20, 30).asked(1, 31, 9_000, accepted), stale: 1},
		"one of many":                                  {past: born().refused(20, 30).asked(1, 31, 40, revoked).asked(2, 31, 40, accepted).asked(0, 31, 40, silent), stale: 1, early: 0},
		"accepted after the second, though not first":  {past: born().refused(20, never).refused(50, 60).asked(1, 61, 62, accepted), stale: 1},
		"accepted after it was granted and ended anew": {past: born().refused(20, 30).granted(40, 50, true).refused(60, 70).asked(1, 71, 72, accepted), stale: 1},
		"revoked, whatever was asked before":           {past: born().granted(12, never, false).revoked(20, 30).asked(1, 40, 50, accepted), stale: 1},
		"a node forgets":                               {past: born().refused(20, never).asked(1, 30, 40, revoked).asked(1, 41, 50, accepted), backward: 1},
		"a new key is unknown":                         {past: born().asked(2, 11, 12, unknown), lost: 1},
		"granted again and still forbidden":            {past: born().refused(20, 30).granted(40, 50, true).asked(1, 51, 52, forbidden), lost: 1},
		"revoked by nobody":                            {past: born().asked(1, 20, 30, revoked), lost: 1},
		"forgets after the answer":                     {past: born().refused(20, 30).asked(1, 31, 40, revoked).asked(1, 41, 50, accepted), stale: 1, backward: 1},

		"overlapping, accepted":           {past: born().refused(20, 30).asked(1, 30, 40, accepted)},
		"overlapping, refused":            {past: born().refused(20, 30).asked(1, 15, 21, revoked)},
		"no answer to the revocation":     {past: born().refused(20, never).asked(1, 50, 60, accepted)},
		"refused before anybody answered": {past: born().refused(20, never).asked(1, 50, 60, revoked)},
		"granted again meanwhile":         {past: born().refused(20, 30).granted(35, 90, true).asked(1, 40, 50, accepted)},
		"granted again, perhaps":          {past: born().refused(20, 30).granted(35, never, false).asked(1, 400, 500, accepted)},
		"a grant that may come late":      {past: born().granted(12, never, false).refused(20, 30).asked(1, 40, 50, accepted)},
		"unknown to some node":            {past: write().granted(0, 10, false).asked(2, 11, 12, unknown)},
		"asked before it was made":        {past: born().asked(1, 9, 12, unknown)},
		"no verdict":                      {past: born().refused(20, 30).asked(1, 31, 40, silent)},
		"nodes differ before the answer":  {past: born().refused(20, 90).asked(1, 30, 40, revoked).asked(2, 50, 60, accepted), early: 1},
		"a node is late before its first": {past: born().refused(20, 90).asked(1, 30, 60, accepted).asked(1, 35, 50, revoked)},
		"effective from later on":         {past: born().refused(20, 500).asked(1, 400, 450, accepted)},
	}
}

func TestTheJudgeFindsWhatIsPlantedAndNothingElse(t *testing.T) {
	for name, want := range plantedHistories() {
		j := judge(want.history)
		if len(j.stale) != want.stale || len(j.backward) != want.backward || len(j.lost) != want.lost || j.early != want.early {
			t.Errorf("%s: %d stale, %d backward, %d lost, %d early; want %d, %d, %d, %d", name,
				len(j.stale), len(j.backward), len(j.lost), j.early, want.stale, want.backward, want.lost, want.early)
		}
	}
}

func TestTheJudgeCounts(t *testing.T) {
	h := write().granted(0, 10, false).refused(20, never).refused(30, 40).asked(1, 1, 2, silent).asked(1, 11, 12, accepted).asked(2, 50, 60, revoked)
	j := judge(h.history)
	if j.checks != 3 || j.verdicts != 2 || j.refusals != 1 || j.unconfirmed != 1 || j.granted != 0 {
		t.Errorf("%+v", j)
	}
}
