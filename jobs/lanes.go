package jobs

import (
	"sync"
	"time"
)

const (
	// perEndpoint is how many deliveries one endpoint is sent at a time.
	perEndpoint = 8
	// slowAtOnce is how many deliveries to endpoints that do not answer may be
	// under way together: less than half of all workers, whoever they are for.
	slowAtOnce = 48
	// workers is how many deliveries are under way at a time.
	workers = 128
	// slowAfter is how many failures in a row make an endpoint a slow one.
	slowAfter = 2
	// pauseLeast and pauseMost bound how long a slow endpoint is left in peace.
	pauseLeast = time.Second
	pauseMost  = time.Minute
	// maxLanes bounds the memory of endpoints; beyond it those at rest are forgotten.
	maxLanes = 10_000
)

// lanes keep one endpoint from holding up the others: none has more than a few
// of the workers, and those that fail have one each, from a bounded part of them.
type lanes struct {
	mu   sync.Mutex
	of   map[string]*lane // by endpoint
	slow int              // deliveries under way to slow endpoints
	now  func() time.Time
}

// lane is what is known of an endpoint since it last answered well.
type lane struct {
	busy   int
	failed int       // in a row
	until  time.Time // in peace until then
}

func newLanes(now func() time.Time) *lanes {
	return &lanes{of: map[string]*lane{}, now: now}
}

// enter lets a delivery begin, or says how long to come back after. After a true,
// leave must be called.
func (l *lanes) enter(endpoint string) (leave func(good bool), wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.of[endpoint]
	if at == nil {
		if len(l.of) >= maxLanes {
			l.forget()
		}
		at = &lane{}
		l.of[endpoint] = at
	}
	slow := at.failed >= slowAfter
	switch {
	case slow && l.now().Before(at.until):
		return nil, at.until.Sub(l.now()), false
	case slow && (at.busy > 0 || l.slow >= slowAtOnce), at.busy >= perEndpoint:
		return nil, pauseLeast, false
	}
	at.busy++
	if slow {
		l.slow++
	}
	return func(good bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		at.busy--
		if slow {
			l.slow--
		}
		if good {
			at.failed = 0
			return
		}
		at.failed++
		if n := at.failed - slowAfter; n >= 0 {
			at.until = l.now().Add(min(pauseLeast<<min(n, 10), pauseMost))
		}
	}, 0, true
}

// forget drops what is known of endpoints that nothing is sent to now.
func (l *lanes) forget() {
	for name, at := range l.of {
		if at.busy == 0 {
			delete(l.of, name)
		}
	}
}
