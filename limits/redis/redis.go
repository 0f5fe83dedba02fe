// Package redis keeps where rate limits stand in a Redis that all nodes ask, so
// that limits hold exactly for all of them together. It is one script, judged by
// the server's own clock.
//
// What a Redis does not know it takes as spent: one that was just started, also
// from what it had saved, or emptied grants what comes back from then on, and no
// second burst. It must not drop keys by itself (maxmemory-policy noeviction). Where it cannot be reached
// each node falls back to its own part of the limit; a node that comes back
// begins with every burst spent.
package redis

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/halberdhq/halberd"
)

// Limits is a halberd.SharedLimits. Make one with New.
type Limits struct {
	address rueidis.ClientOption
	log     *slog.Logger
	client  atomic.Pointer[rueidis.Client] // nil while away
	run     atomic.Pointer[string]         // the name of the server's life; set before client
	from    atomic.Int64                   // on the server's clock: what was taken before counts as all of it; 0: nothing does
	ending  chan struct{}
	once    sync.Once
	probing sync.WaitGroup
	met     bool // the server was reached before; of the prober's
}

var _ halberd.SharedLimits = (*Limits)(nil)

const (
	takeLimit  = 50 * time.Millisecond // the most a check waits
	probeEvery = time.Second
	probeLimit = 2 * time.Second
)

var (
	errAway  = errors.New("the Redis for limits is away")
	errReply = errors.New("the Redis for limits answered what it was not asked")
)

// New makes Limits of the Redis at an address such as
// rediss://user:password@host:6379/0. It does not wait for it: until it answers,
// it is away. A cluster of several shards is not supported.
func New(address string, log *slog.Logger) (*Limits, error) {
	o, err := rueidis.ParseURL(address)
	if err != nil {
		return nil, errors.New("the address of a Redis must look like redis://host:6379/0 or rediss://user:password@host:6379/0") // and not repeat it
	}
	o.DisableCache = true // nothing is read but by the script
	o.DisableRetry = true // a take that was lost may have been done
	o.ForceSingleClient = true
	o.Dialer.Timeout = probeLimit
	o.ConnWriteTimeout = probeLimit
	l := &Limits{address: o, log: log, ending: make(chan struct{})}
	l.probing.Go(l.probe)
	return l, nil
}

// Close implements halberd.SharedLimits.
func (l *Limits) Close() {
	l.once.Do(func() { close(l.ending) })
	l.probing.Wait()
}

// Away implements halberd.SharedLimits.
func (l *Limits) Away() bool { return l.client.Load() == nil }

// probe connects whenever there is no connection that works.
func (l *Limits) probe() {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	said := false
	for {
		if l.Away() {
			err := l.connect()
			switch {
			case err == nil && (said || !l.met):
				l.log.Info("limits are shared by Redis")
				said = false
			case err != nil && !said:
				l.log.Warn("the Redis for limits cannot be reached: this node grants its own part of each limit", "why", err)
				said = true
			}
			l.met = l.met || err == nil
		}
		select {
		case <-tick.C:
		case <-l.ending:
			if c := l.client.Swap(nil); c != nil {
				(*c).Close()
			}
			return
		}
	}
}

func (l *Limits) connect() error {
	ctx, cancel := context.WithTimeout(context.Background(), probeLimit)
	defer cancel()
	c, err := rueidis.NewClient(l.address)
	if err != nil {
		return err
	}
	info, err := c.Do(ctx, c.B().Info().Section("server").Build()).ToString()
	if err != nil {
		c.Close()
		return err
	}
	run := lifeOf(info)
	// The script's own sight of the time, and proof that it may be run.
	now, err := script.Exec(ctx, c, []string{bornKey}, []string{"0", "0", "0", run}).AsIntSlice()
	if err != nil || len(now) < 3 {
		c.Close()
		return errors.Join(errReply, err)
	}
	if l.met { // what this node granted on its own meanwhile is not known there
		l.from.Store(now[2])
	}
	l.run.Store(&run)
	l.client.Store(&c)
	return nil
}

// lifeOf is a name of the server's life, which ends with its process, as INFO tells
// it; "-" where it does not.
func lifeOf(info string) string {
	for line := range strings.Lines(info) {
		if run, found := strings.CutPrefix(line, "run_id:"); found {
			if run = strings.TrimSpace(run); run != "" {
				return run[:min(len(run), 12)]
			}
		}
	}
	return "-"
}

// lost gives up a connection: the prober makes the next.
func (l *Limits) lost(c *rueidis.Client, why error) {
	if l.client.CompareAndSwap(c, nil) {
		l.log.Warn("the Redis for limits is away: this node grants its own part of each limit until it is back", "why", why)
		go (*c).Close() // it waits for calls under way, each of which ends by itself
	}
}

// Take implements halberd.SharedLimits.
func (l *Limits) Take(ctx context.Context, limits []halberd.SharedLimit, cost int64) (t halberd.SharedTake, err error) {
	reply, err := l.ask(ctx, limits, cost, 0)
	if err != nil {
		return t, err
	}
	if len(reply) != 3+len(limits) {
		return t, errReply
	}
	t.Taken, t.Retry, t.At = reply[0] == 1, micros(reply[1]), reply[2]
	for _, ahead := range reply[3:] {
		t.States = append(t.States, micros(ahead))
	}
	return t, nil
}

// Give implements halberd.SharedLimits.
func (l *Limits) Give(ctx context.Context, limits []halberd.SharedLimit, cost int64, at int64) error {
	_, err := l.ask(ctx, limits, -cost, at)
	return err
}

func (l *Limits) ask(ctx context.Context, limits []halberd.SharedLimit, cost, at int64) ([]int64, error) {
	c := l.client.Load()
	if c == nil {
		return nil, errAway
	}
	keys, args := make([]string, 1, 1+len(limits)), make([]string, 4, 4+2*len(limits))
	keys[0], args[0], args[1], args[2] = bornKey, strconv.FormatInt(cost, 10), strconv.FormatInt(l.from.Load(), 10), strconv.FormatInt(at, 10)
	args[3] = *l.run.Load()
	for i := range limits {
		m := &limits[i]
		keys = append(keys, prefix+base64.RawURLEncoding.EncodeToString(m.Word[:]))
		// Microseconds that one unit costs, and as many as the burst has. Rounded up
		// at the ninth digit: never over.
		unit := math.Nextafter(float64(m.Window.Microseconds())/float64(m.Limit), math.Inf(1))
		args = append(args, strconv.FormatFloat(unit, 'g', 17, 64), strconv.FormatInt(m.Burst, 10))
	}
	ctx, cancel := context.WithTimeout(ctx, takeLimit)
	defer cancel()
	reply, err := script.Exec(ctx, *c, keys, args).AsIntSlice()
	if err != nil {
		if context.Cause(ctx) == nil || errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			l.lost(c, err)
		}
		return nil, fmt.Errorf("%w: %w", errAway, err)
	}
	return reply, nil
}

func micros(n int64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/int64(time.Microsecond))) * time.Microsecond
}
