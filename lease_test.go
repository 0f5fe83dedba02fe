package halberd

import (
	"testing"
	"time"
)

// A node that slept tells no time by which a change holds everywhere that is too
// soon: its monotonic clock stood still, so it took the database's time for an
// earlier one.
func TestAChangeHoldsNoLaterThanIsToldByANodeThatSlept(t *testing.T) {
	const slept, length = time.Minute, 10 * time.Second
	now := time.Now()
	database := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	n := &node{}
	n.lease.Store(&lease{sent: now, wall: now.Add(-slept).UnixNano(), length: length, now: database})
	told := n.effectiveBy(now, now, map[Incarnation]silent{{1}: {lease: length, since: now}})
	if least := database.Add(slept + outlasting(length)); told.Before(least) {
		t.Errorf("told %v, and another node may answer until %v", told, least)
	}
}
