//go:build planted

package server

import (
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/halberdhq/halberd"
)

// plantedClock is the variable that names the file which says by how many
// nanoseconds the wall clock is wrong; it is read whenever the time is.
const plantedClock = "PLANTED_CLOCK"

// planted gives a program that is made for tests, and only that, a wall clock
// that can be set while the monotonic one goes on (package prove).
func planted(o *halberd.Options) {
	file := os.Getenv(plantedClock)
	if file == "" {
		return
	}
	o.Now = func() time.Time {
		now := time.Now()
		text, err := os.ReadFile(file)
		if err != nil {
			return now // it is right until it is set
		}
		by, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			panic("PLANTED_CLOCK: " + err.Error())
		}
		return stepped(now, time.Duration(by))
	}
}

// stepped is a reading after the wall clock was set: time.Time.Add would move the
// monotonic part with it, which no operator can. A Time begins with a word of
// flags, 33 bits of seconds and 30 of nanoseconds.
func stepped(t time.Time, by time.Duration) time.Time {
	set := t
	*(*uint64)(unsafe.Pointer(&set)) += uint64(by/time.Second) << 30
	if set.Sub(t) != 0 || set.Round(0).Sub(t.Round(0)) != by.Truncate(time.Second) {
		panic("a time.Time is not what it was")
	}
	return set
}
