//go:build planted

package server

import (
	"context"
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/postgres"
)

// What is here is in no program that ships: it is for package prove, which has to
// see that its judge finds bugs, and needs a clock that can be set.

// The variables that a program of this build reads besides.
const (
	plantedClock = "PLANTED_CLOCK" // a file: by how many nanoseconds the wall clock is wrong; read whenever the time is
	plantedBug   = "PLANTED_BUG"   // one of the names below
)

// The bugs. They sit at the port, so the rest of the node is as it ships.
const (
	bugNoWait       = "no-wait"       // a revoker takes itself for alone
	bugSilentCounts = "silent-counts" // a revoker takes the silent for informed
	bugEndlessLease = "endless-lease" // a renewal that fails counts as one that does not
	bugDeaf         = "deaf"          // a lease is taken though changes are missing
	bugFencedRenews = "fenced-renews" // a fenced node goes on as if it were not
	bugWallClock    = "wall-clock"    // leases are judged by the wall clock alone
	bugAckFirst     = "ack-first"     // a node acknowledges what it has yet to apply
	bugJoinsUnseen  = "joins-unseen"  // a node answers without being on the list as active
)

// planted gives the program its clock.
func planted(o *halberd.Options) {
	file := os.Getenv(plantedClock)
	if file == "" {
		return
	}
	wallOnly := os.Getenv(plantedBug) == bugWallClock
	o.Now = func() time.Time {
		now := time.Now()
		text, err := os.ReadFile(file) //nolint:gosec // the test says which
		if err != nil {
			text = []byte("0") // it is right until it is set
		}
		by, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			panic("PLANTED_CLOCK: " + err.Error())
		}
		if wallOnly {
			return now.Round(0).Add(time.Duration(by))
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

// buggy is an engine with one bug.
type buggy struct {
	*postgres.Store
	bug string

	mu   sync.Mutex // guards last
	last halberd.Grant
}

func plantedStore(s *postgres.Store) *buggy { return &buggy{Store: s, bug: os.Getenv(plantedBug)} }

func (b *buggy) Nodes(ctx context.Context) ([]halberd.NodeRecord, error) {
	list, err := b.Store.Nodes(ctx)
	switch b.bug {
	case bugNoWait:
		return nil, err
	case bugSilentCounts:
		for i := range list {
			list[i].Applied = math.MaxInt64
		}
	}
	return list, err
}

func (b *buggy) Renew(ctx context.Context, beat halberd.Beat) (halberd.Grant, error) {
	if b.bug == bugEndlessLease { // it fails soon enough to be of use
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
	}
	g, err := b.Store.Renew(ctx, b.boast(beat))
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.bug == bugEndlessLease && err != nil && !errors.Is(err, halberd.ErrFenced) && !b.last.Now.IsZero(),
		b.bug == bugFencedRenews && errors.Is(err, halberd.ErrFenced):
		return halberd.Grant{Revision: beat.Applied, Now: b.last.Now}, nil
	case err == nil && b.bug == bugDeaf:
		g.Revision = beat.Applied
	}
	if err == nil {
		b.last = g
	}
	return g, err
}

// boast is what a node with bugAckFirst says that it has applied.
func (b *buggy) boast(beat halberd.Beat) halberd.Beat {
	if b.bug == bugAckFirst {
		beat.Applied = math.MaxInt64
	}
	return beat
}

func (b *buggy) Acknowledge(ctx context.Context, beat halberd.Beat) error {
	err := b.Store.Acknowledge(ctx, b.boast(beat))
	if b.bug == bugFencedRenews && errors.Is(err, halberd.ErrFenced) {
		return nil
	}
	return err
}

func (b *buggy) CatchUp(ctx context.Context) (int64, error) {
	switch b.bug {
	case bugDeaf:
		return 0, nil
	case bugAckFirst:
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return b.Store.CatchUp(ctx)
}

func (b *buggy) Update(ctx context.Context, fn func(halberd.Tx) error) error {
	return b.Store.Update(ctx, func(t halberd.Tx) error { return fn(buggyTx{t.(halberd.ClusterTx), b.bug}) })
}

type buggyTx struct {
	halberd.ClusterTx
	bug string
}

func (t buggyTx) Activate(i halberd.Incarnation) error {
	if t.bug == bugJoinsUnseen {
		return nil
	}
	return t.ClusterTx.Activate(i)
}
