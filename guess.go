package halberd

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd/internal/gcra"
)

// guesses counts tries by whoever they are of, in memory of one size however many
// there are. Two that share a word make each other wait. The zero value has no
// bound.
type guesses struct {
	rate  gcra.Rate
	born  time.Time    // the base of its clock
	seed  maphash.Seed // of this process, so that nobody can choose whose word to share
	words *[1 << 15]atomic.Int64

	beyond atomic.Int64 // guesses beyond the bound
}

func newGuesses(now time.Time, perMinute, burst int) guesses {
	if perMinute <= 0 {
		return guesses{}
	}
	return guesses{
		born: now, rate: gcra.New(int64(perMinute), time.Minute, int64(max(burst, 1))), seed: maphash.MakeSeed(),
		words: new([1 << 15]atomic.Int64),
	}
}

// guess is one try that was counted, which may be given back.
type guess struct {
	word *atomic.Int64
	at   int64
}

// take counts a try of whoever. Beyond the bound nothing is counted, and retry is
// when it would be.
func (g *guesses) take(clock func() time.Time, who []byte) (one guess, retry time.Duration, beyond bool) {
	if g.words == nil {
		return guess{}, 0, false
	}
	now := func() int64 { return int64(clock().Sub(g.born)) + 1 }
	one = guess{&g.words[maphash.Bytes(g.seed, who)%uint64(len(g.words))], now()}
	_, retry, outcome := g.rate.Take(one.word, one.at, 1, now)
	if beyond = outcome != gcra.Taken; beyond {
		g.beyond.Add(1)
	}
	return one, retry, beyond
}

// give forgets a try that was none.
func (g *guesses) give(clock func() time.Time, one guess) {
	if one.word != nil {
		g.rate.Give(one.word, one.at, int64(clock().Sub(g.born))+1, 1)
	}
}

// household is an address for counting: a network of IPv6 with 64 bits is one.
func household(from netip.Addr) [16]byte {
	a := from.Unmap().WithZone("").As16()
	if from.Is6() && !from.Is4In6() {
		clear(a[8:])
	}
	return a
}

// Guessed counts a credential that was presented from an address and was not
// good: malformed, unknown, revoked, inactive or expired. A good key is never
// asked about here. Beyond the bound the
// answer is RATE_LIMITED instead of UNAUTHORIZED until retry has passed; a good
// key is answered as ever. An IPv6 network of 64 bits is one address, and so is
// everybody whose address is not known.
func (s *Service) Guessed(from netip.Addr) (retry time.Duration, beyond bool) {
	who := household(from)
	if from.IsValid() {
		s.strangers.note(s.now().Unix()/60, who)
	}
	_, retry, beyond = s.guesses.take(s.clock, who[:])
	return retry, beyond
}

// errGuessing is the refusal beyond the bound.
func errGuessing(retry time.Duration) *Error {
	return &Error{
		Code: CodeRateLimited, RetryAfter: retry,
		Message: "too many bad API keys came from this address: wait, then try again",
	}
}

// How often people may fail to sign in. A key has so many random bits that a good
// one may pass whatever else its address does; a password has few, so that even a
// right one waits its turn: at most half a minute for an email, two seconds for an
// address.
const (
	emailTries, emailBurst     = 2, 10 // a minute, and at once
	addressTries, addressBurst = 30, 60
)

// trySignIn counts a try to sign in, before it is known what comes of it: many at
// once must not all slip through. An email that nobody has is counted like any.
// settle says how it went; a success is forgotten.
func (s *Service) trySignIn(email string, from netip.Addr) (settle func(good bool), err error) {
	who := household(from)
	here, retry, beyond := s.byAddress.take(s.clock, who[:])
	if beyond {
		return nil, errTries(retry)
	}
	one, retry, beyond := s.byEmail.take(s.clock, []byte(email))
	if beyond {
		return nil, errTries(retry)
	}
	return func(good bool) {
		if good {
			s.byAddress.give(s.clock, here)
			s.byEmail.give(s.clock, one)
		}
	}, nil
}

func errTries(retry time.Duration) *Error {
	seconds := max(1, int64((retry+time.Second-1)/time.Second))
	return &Error{
		Code: CodeRateLimited, RetryAfter: retry,
		Message: fmt.Sprintf("too many tries to sign in failed: wait %d s, then try again", seconds),
	}
}
