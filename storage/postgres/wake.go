package postgres

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// listener waits for notifications on a connection of its own.
type listener struct {
	once  sync.Once
	woken chan struct{}                      // holds one value
	drop  atomic.Pointer[context.CancelFunc] // ends the connection that listens; nil: there is none
}

// anew has it listen on another connection.
func (l *listener) anew() {
	if drop := l.drop.Load(); drop != nil {
		(*drop)()
	}
}

// Woken implements halberd.Cluster. The first call begins to listen.
func (s *Store) Woken() <-chan struct{} {
	s.ears.once.Do(func() {
		s.gate.RLock()
		defer s.gate.RUnlock()
		if !s.gate.closed {
			s.late.Go(s.listen)
		}
	})
	return s.ears.woken
}

// The bounds of the wait before a lost connection is made anew.
const (
	listenAgain  = 100 * time.Millisecond
	listenAtMost = 5 * time.Second
)

// listen listens until life ends. What it misses costs time, nothing else.
func (s *Store) listen() {
	wait := listenAgain
	for s.life.Err() == nil {
		if s.hear() {
			wait = listenAgain
		}
		again := time.NewTimer(wait)
		select {
		case <-s.life.Done():
		case <-again.C:
		}
		again.Stop()
		wait = min(2*wait, listenAtMost)
	}
}

// hear listens on one connection until it is lost, and reports whether it ever
// had one.
func (s *Store) hear() (heard bool) {
	ctx, cancel := context.WithTimeout(s.life, exchangeTime)
	defer cancel()
	c, err := pgx.ConnectConfig(ctx, s.control.Config().ConnConfig)
	if err != nil {
		return false
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), beginTime)
		defer cancel()
		_ = c.Close(closing)
	}()
	if _, err := c.Exec(ctx, "LISTEN halberd"); err != nil {
		return false
	}
	listening, drop := context.WithCancel(s.life)
	defer drop()
	s.ears.drop.Store(&drop)
	for {
		select { // also after connecting: something may have been missed
		case s.ears.woken <- struct{}{}:
		default: // nobody has taken the last one yet
		}
		if _, err := c.WaitForNotification(listening); err != nil {
			return true
		}
	}
}
