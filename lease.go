package halberd

import (
	"context"
	"fmt"
	"time"

	"github.com/halberdhq/halberd/internal/planted"
)

// A node answers from memory, so it answers only while it holds a lease: leave
// until an instant by which a revocation that it has not heard of is not
// answered yet. A store of one process needs none.

// MinLease and MaxLease bound Options.Lease, for which a node answers at least
// when it cannot reach the store any more. A lease that was just renewed lasts a
// little longer, by a fifth or by LeaseSpare if that is less, and is renewed before
// the little is over.
const (
	MinLease     = time.Second
	MaxLease     = 300 * time.Second
	LeaseSpare   = 300 * time.Millisecond
	defaultLease = 10 * time.Second
	longestLease = MaxLease + LeaseSpare
)

// lease is leave to answer. It begins when the renewal was sent, not when it was
// granted: what was revoked in between may be unknown here.
type lease struct {
	sent   time.Time     // own clock, read before the renewal was sent
	wall   int64         // the wall part of sent, in Unix nanoseconds
	length time.Duration // 0: it is over
	now    time.Time     // by the database's clock, at sent or a round trip later
}

func newLease(sent time.Time, length time.Duration, now time.Time) *lease {
	return &lease{sent: sent, wall: sent.UnixNano(), length: length, now: now.UTC()}
}

// holds reports whether a reading of the own clock lies in the lease, by both
// its parts: the monotonic one stands still while a machine sleeps, and the other
// can be set.
func (l *lease) holds(at time.Time) bool {
	wall := time.Duration(at.UnixNano() - l.wall)
	return (at.Sub(l.sent) < l.length || planted.Is(planted.LeaseByWallOnly)) &&
		(wall >= 0 && wall < l.length || planted.Is(planted.LeaseByMonotonicOnly))
}

// left is how much of the lease is left.
func (l *lease) left(at time.Time) time.Duration {
	if !l.holds(at) {
		return 0
	}
	return l.length - max(at.Sub(l.sent), time.Duration(at.UnixNano()-l.wall))
}

// over is the lease given up, with what it knows of the time.
func (l *lease) over() *lease {
	return &lease{sent: l.sent, wall: l.wall, now: l.now}
}

// at is the database's time at a reading of the own clock.
func (l *lease) at(own time.Time) time.Time {
	if l.now.IsZero() || planted.Is(planted.ExpiryByOwnClock) {
		return own
	}
	return l.now.Add(own.Sub(l.sent))
}

// latest is the latest that the database's clock can show at a reading of the own:
// the machine may have slept since, which only the wall part shows, and its clock
// may be slow.
func (l *lease) latest(own time.Time) time.Time {
	if l.now.IsZero() {
		return own
	}
	passed := max(own.Sub(l.sent), time.Duration(own.UnixNano()-l.wall))
	return l.now.Add(outlasting(passed))
}

// moment is one reading of the clock as a check is judged by it: limits run on
// the own clock, which never goes back, and what begins and ends does so by the
// database's, which is the same for all nodes.
type moment struct{ own, now time.Time }

// moment reads the clock under the lease. It comes before whatever it is to
// judge is looked up: a lease that is read later may vouch for a newer state
// than was found.
func (s *Service) moment() (moment, error) {
	n := s.node
	if n == nil {
		at := s.clock()
		return moment{at, at}, nil
	}
	l := n.lease.Load()
	at := s.clock()
	if !l.holds(at) && !planted.Is(planted.LeaseUnchecked) && !planted.Is(planted.LeaseJudgedLate) {
		return moment{}, n.noLease()
	}
	return moment{at, l.at(at)}, nil
}

// again is a later reading, of a check that has waited.
func (s *Service) again() moment {
	at := s.clock()
	return moment{at, s.dated(at)}
}

// dated is what the database's clock shows at a reading of the own, as far as it
// is known.
func (s *Service) dated(own time.Time) time.Time {
	if s.node == nil {
		return own
	}
	return s.node.lease.Load().at(own)
}

// reachWait is how long a check waits for a revision.
const reachWait = 100 * time.Millisecond

// reach returns once the directory has a revision.
func (s *Service) reach(ctx context.Context, revision int64) error {
	late := time.NewTimer(reachWait)
	defer late.Stop()
	look := time.NewTicker(shortestPoll)
	defer look.Stop()
	for s.node != nil && s.dir.revision.Load() < revision {
		s.node.nudge()
		select {
		case <-look.C:
			continue
		case <-late.C:
		case <-ctx.Done():
		}
		break
	}
	if now := s.dir.revision.Load(); now < revision {
		return &Error{
			Code: CodeUnavailable, RetryAfter: time.Second,
			Message: fmt.Sprintf("this node has reached revision %d, and the check asks for %d; try again, or ask another node", now, revision),
		}
	}
	return nil
}

// Ready reports whether the Service may answer now; if not, the UNAVAILABLE that
// everything is answered with.
func (s *Service) Ready() error {
	if s.closed.Load() {
		return outward(ErrClosed)
	}
	return s.mayAnswer()
}

func (s *Service) mayAnswer() error {
	if s.node == nil {
		return nil
	}
	_, err := s.moment()
	return err
}
