package jobs

import (
	"testing"
	"time"
)

// clock is a time that tests set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func mustEnter(t *testing.T, l *lanes, endpoint string) func(bool) {
	t.Helper()
	leave, _, ok := l.enter(endpoint)
	if !ok {
		t.Fatalf("%s: the lane is closed", endpoint)
	}
	return leave
}

func TestNoEndpointTakesMoreThanItsShare(t *testing.T) {
	l := newLanes(time.Now)
	for range perEndpoint {
		mustEnter(t, l, "a")
	}
	if _, wait, ok := l.enter("a"); ok || wait <= 0 {
		t.Errorf("one endpoint is sent more than %d at a time", perEndpoint)
	}
	mustEnter(t, l, "b")
}

func TestFailingEndpointIsSentOneAtATimeAndLeftInPeace(t *testing.T) {
	c := &clock{at: time.Unix(1_000_000, 0)}
	l := newLanes(c.now)
	for range slowAfter {
		mustEnter(t, l, "a")(false)
	}
	if _, wait, ok := l.enter("a"); ok || wait != pauseLeast {
		t.Errorf("it is not left in peace: %v, %s", ok, wait)
	}
	last := time.Duration(0)
	for range 20 {
		_, wait, _ := l.enter("a")
		if wait < last || wait > pauseMost {
			t.Fatalf("a pause of %s after one of %s", wait, last)
		}
		last = wait
		c.at = c.at.Add(wait)
		leave := mustEnter(t, l, "a")
		if _, _, ok := l.enter("a"); ok {
			t.Error("a failing endpoint is sent two at a time")
		}
		leave(false)
	}
	if last != pauseMost {
		t.Errorf("the longest pause is %s", last)
	}
	c.at = c.at.Add(pauseMost)
	mustEnter(t, l, "a")(true)
	for range perEndpoint {
		mustEnter(t, l, "a")
	}
}

func TestFailingEndpointsLeaveWorkersToTheOthers(t *testing.T) {
	c := &clock{at: time.Unix(1_000_000, 0)}
	l := newLanes(c.now)
	name := func(i int) string { return string(rune('A' + i)) }
	for i := range workers {
		for range slowAfter {
			mustEnter(t, l, name(i))(false)
		}
	}
	c.at = c.at.Add(pauseMost)
	in := 0
	for i := range workers {
		if _, _, ok := l.enter(name(i)); ok {
			in++
		}
	}
	if in != slowAtOnce {
		t.Errorf("%d of %d workers wait for endpoints that do not answer", in, workers)
	}
}

func TestLanesAreForgotten(t *testing.T) {
	l := newLanes(time.Now)
	busy := mustEnter(t, l, "busy")
	for i := range 2 * maxLanes {
		mustEnter(t, l, time.Duration(i).String())(true)
	}
	if len(l.of) > maxLanes || l.of["busy"] == nil {
		t.Errorf("%d lanes are kept", len(l.of))
	}
	busy(true)
}

func TestRetriesGoOnForThreeDays(t *testing.T) {
	var sum time.Duration
	for i, p := range pauses() {
		if i > 0 && p < pauses()[i-1] {
			t.Errorf("the pauses do not rise: %s", p)
		}
		sum += p
	}
	if sum != 72*time.Hour+5*time.Second {
		t.Errorf("retries go on for %s", sum)
	}
	seen := map[time.Duration]bool{}
	for range 100 {
		d := jitter(time.Hour)
		if d < 54*time.Minute || d >= 66*time.Minute {
			t.Errorf("an hour became %s", d)
		}
		seen[d] = true
	}
	if len(seen) < 50 {
		t.Error("no jitter")
	}
}
