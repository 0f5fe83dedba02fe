package volume_test

import (
	"testing"
	"unsafe"

	"github.com/halberdhq/halberd/internal/volume"
)

const (
	hour = 60
	day  = 24 * hour
)

// lives leads a model through minutes at a rate, and returns when it found them
// strange.
func lives(m *volume.Model, from, to int64, rate func(minute int64) uint32) (began []int64) {
	for minute := from; minute < to; minute++ {
		if r := m.Observe(minute, rate(minute), volume.Factor); r.Began {
			began = append(began, minute)
		}
	}
	return began
}

func steady(n uint32) func(int64) uint32 { return func(int64) uint32 { return n } }

// office is busy for nine hours on five days of seven.
func office(minute int64) uint32 {
	if at := minute % day; at < 8*hour || at >= 17*hour || minute/day%7 >= 5 {
		return 0
	}
	return 40
}

func TestABurstIsFoundInThreeMinutes(t *testing.T) {
	var m volume.Model
	if began := lives(&m, 0, 20*day, steady(10)); began != nil {
		t.Fatalf("a steady key was strange at %v", began)
	}
	began := lives(&m, 20*day, 20*day+10, steady(50))
	if len(began) != 1 || began[0] >= 20*day+3 {
		t.Fatalf("a burst from %d on was found at %v", 20*day, began)
	}
	if !m.Strange() {
		t.Error("it is over while it goes on")
	}
	lives(&m, 20*day+10, 20*day+40, steady(10))
	if m.Strange() {
		t.Error("it is not over half an hour after it")
	}
}

func TestAnAlarmLastsWhileItsCauseDoes(t *testing.T) {
	var m volume.Model
	lives(&m, 0, 20*day, steady(10))
	lives(&m, 20*day, 20*day+6*hour, steady(50))
	if !m.Strange() {
		t.Error("six hours of it became usual")
	}
	lives(&m, 20*day+6*hour, 22*day, steady(50))
	if m.Strange() {
		t.Error("after a day it is still held against the key")
	}
}

func TestNothingIsStrangeWithoutAHistory(t *testing.T) {
	var m volume.Model
	began := lives(&m, 1000*day, 1000*day+volume.MinHistory, func(minute int64) uint32 {
		return uint32(minute * 7919 % 1000)
	})
	if began != nil {
		t.Errorf("a new key was strange at %v", began)
	}
}

func TestFewRequestsAreNeverStrange(t *testing.T) {
	var m volume.Model
	lives(&m, 0, 20*day, steady(0))
	if began := lives(&m, 20*day, 20*day+hour, steady(volume.LeastRequests-1)); began != nil {
		t.Errorf("strange at %v", began)
	}
	if began := lives(&m, 21*day, 21*day+hour, steady(volume.LeastRequests)); began == nil {
		t.Error("more than ever were not strange")
	}
}

func TestDaysAndWeeksAreNotStrange(t *testing.T) {
	var m volume.Model
	if began := lives(&m, 0, 60*day, office); began != nil {
		t.Errorf("office hours were strange at %v", began)
	}
	saturday := int64(61*day + 10*hour)
	for saturday/day%7 != 5 {
		saturday += day
	}
	lives(&m, 60*day, saturday, office)
	if began := lives(&m, saturday, saturday+5, steady(80)); len(began) != 1 {
		t.Errorf("two office hours in one, on a Saturday, were strange at %v", began)
	}
}

func TestWhatEveryNightBringsIsUsual(t *testing.T) {
	nightly := func(minute int64) uint32 {
		if at := minute%day - 3*hour - minute/day%20; at >= 0 && at < 15 { // later each day, by a minute
			return 500
		}
		return 10
	}
	var m volume.Model
	if began := lives(&m, 0, 40*day, nightly); began != nil {
		t.Errorf("a batch each night was strange at %v", began)
	}
	if began := lives(&m, 40*day, 40*day+5, steady(500)); len(began) != 1 {
		t.Errorf("the same at midnight was strange at %v", began)
	}
}

func TestAModelIsMadeAnewFromHours(t *testing.T) {
	var m volume.Model
	for h := int64(10 * 24); h < 31*24; h++ {
		sum := 0.0
		for minute := h * hour; minute < (h+1)*hour; minute++ {
			sum += float64(office(minute))
		}
		m.Remember(h, sum)
	}
	if began := lives(&m, 31*day, 45*day, office); began != nil {
		t.Errorf("office hours were strange at %v", began)
	}
	monday := int64(45 * day)
	for monday/day%7 != 0 {
		monday += day
	}
	lives(&m, 45*day, monday+10*hour, office)
	if began := lives(&m, monday+10*hour, monday+10*hour+5, steady(200)); len(began) != 1 {
		t.Errorf("five times as much was strange at %v", began)
	}
}

func TestMinutesLeftOutHadNoRequests(t *testing.T) {
	var told, left volume.Model
	for minute := range int64(30 * day) {
		n := office(minute)
		if minute > 29*day+9*hour {
			n *= 6
		}
		a := told.Observe(minute, n, volume.Factor)
		if n == 0 {
			continue
		}
		if b := left.Observe(minute, n, volume.Factor); a.Began != b.Began {
			t.Fatalf("minute %d: %+v, and without the empty ones %+v", minute, a, b)
		}
	}
}

func TestAModelIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(volume.Model{}); size > 2048 {
		t.Errorf("%d bytes", size)
	}
}

func BenchmarkObserve(b *testing.B) {
	var m volume.Model
	lives(&m, 0, 20*day, steady(10))
	minute := int64(20 * day)
	for b.Loop() {
		m.Observe(minute, 10+uint32(minute*7919%5), volume.Factor)
		minute++
	}
}

// A model is made anew from the first hour that was stored, and lives through none
// before it: from hour 0 on, this would not end.
func TestNothingIsLivedThroughBeforeTheFirstHour(t *testing.T) {
	var m volume.Model
	const first = 1 << 45
	for h := range int64(100) {
		m.Remember(first+h, 6000)
	}
	if r := m.Observe((first+100)*60, 100, volume.Factor); r.Strange {
		t.Errorf("%+v", r)
	}
}
