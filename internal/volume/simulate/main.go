// Simulate holds the volume method against traffic with days, weeks and noise:
//
//	go run ./internal/volume/simulate [seed]
//
// It tells how often keys were called strange that were not, and how many bursts
// of five times a key's own rate were caught within five minutes. The figures
// that it must keep are those of docs/guide/alerts.md; it ends with an error
// when it does not.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/halberdhq/halberd/internal/volume"
)

// What must be kept.
const (
	mostFalse   = 1.0  // alarms a key and year
	leastCaught = 0.95 // of bursts
	bursts      = 5.0  // times
	busy        = 10.0 // requests a minute that a key has where a burst begins
	within      = 300  // seconds
	lag         = 60   // seconds from the end of a minute until it is looked at, at most
)

func main() {
	seed := uint64(1)
	if len(os.Args) > 1 {
		if _, err := fmt.Sscan(os.Args[1], &seed); err != nil {
			panic("the seed must be a number")
		}
	}
	all := run(os.Stdout, 1000, 60, seed)
	if err := all.judge(mostFalse, leastCaught); err != nil {
		panic(err)
	}
}

// tally is what came of some keys.
type tally struct {
	falseAlarms int
	days        float64 // lived through without a burst, history apart
	bursts      int
	caught      int
	delays      []int // seconds
}

func (t *tally) add(o tally) {
	t.falseAlarms += o.falseAlarms
	t.days += o.days
	t.bursts += o.bursts
	t.caught += o.caught
	t.delays = append(t.delays, o.delays...)
}

func run(out io.Writer, keys, days int, seed uint64) tally {
	var (
		mu    sync.Mutex
		all   tally
		of    = map[string]*tally{}
		each  sync.WaitGroup
		queue = make(chan int)
	)
	for range runtime.GOMAXPROCS(0) {
		each.Go(func() {
			for n := range queue {
				k := newKey(n, seed)
				t := live(k, days)
				mu.Lock()
				all.add(t)
				if of[k.kind] == nil {
					of[k.kind] = &tally{}
				}
				of[k.kind].add(t)
				mu.Unlock()
			}
		})
	}
	for n := range keys {
		queue <- n * 1000 / keys
	}
	close(queue)
	each.Wait()

	fmt.Fprintf(out, "%d keys, %d days, seed %d; the first %d days of each are its history\n\n", keys, days, seed, volume.MinHistory/1440)
	fmt.Fprintf(out, "%-10s %12s %18s %8s %8s %12s\n", "kind", "false alarms", "a key and year", "bursts", "caught", "p95 delay, s")
	for _, kind := range kinds {
		if t := of[kind.name]; t != nil {
			t.print(out, kind.name)
		}
	}
	all.print(out, "all")
	return all
}

// judge refuses what does not keep the figures.
func (t *tally) judge(mostFalse, leastCaught float64) error {
	switch {
	case t.bursts == 0:
		return errors.New("there were no bursts")
	case t.rate() > mostFalse:
		return fmt.Errorf("%.2f false alarms a key and year, and %.0f are allowed", t.rate(), mostFalse)
	case t.share() < leastCaught:
		return fmt.Errorf("%.1f %% of bursts were caught, and %.0f %% must be", 100*t.share(), 100*leastCaught)
	}
	return nil
}

func (t *tally) rate() float64  { return float64(t.falseAlarms) / t.days * 365 }
func (t *tally) share() float64 { return float64(t.caught) / float64(t.bursts) }

func (t *tally) print(out io.Writer, name string) {
	slices.Sort(t.delays)
	delay := "-"
	if n := len(t.delays); n > 0 {
		delay = fmt.Sprint(t.delays[n*95/100])
	}
	caught := "-"
	if t.bursts > 0 {
		caught = fmt.Sprintf("%.1f %%", 100*t.share())
	}
	fmt.Fprintf(out, "%-10s %12d %18.2f %8d %8s %12s\n", name, t.falseAlarms, t.rate(), t.bursts, caught, delay)
}

// live leads a key through its days. Now and then, once it has its history, its
// rate is five times what it would be for ten minutes: not within two hours of
// the burst before, and only where it is busy.
func live(k *key, days int) (t tally) {
	const length = 10 // minutes
	var (
		m     volume.Model
		fate  = dice(k.next()) // so that the traffic is the same with and without bursts
		start = -1             // of the burst that goes on, in seconds
		since = 1 << 20        // minutes since one began
		told  = false
	)
	for minute := range days * 1440 {
		rate := k.rate(minute)
		since++
		if minute > volume.MinHistory && since > 120 && rate >= busy && fate.chance(1.0/(30*1440)) {
			start, since, told = minute*60+fate.below(60), 0, false
			t.bursts++
		}
		switch {
		case since == 0: // it begins within the minute
			rate *= 1 + (bursts-1)*float64(60-start%60)/60
		case since < length:
			rate *= bursts
		}
		r := m.Observe(int64(minute), k.count(rate), volume.Factor)
		if minute > volume.MinHistory && since > 120 {
			t.days += 1.0 / 1440
		}
		if !r.Began {
			continue
		}
		switch delay := (minute+1)*60 + lag - start; {
		case since > 120:
			t.falseAlarms++
		case !told && delay <= within:
			told = true
			t.caught++
			t.delays = append(t.delays, delay)
		}
	}
	return t
}
