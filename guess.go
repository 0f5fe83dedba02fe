package halberd

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd/internal/gcra"
)

// guesses counts bad credentials by address, in memory of one size however many
// addresses there are. Two that share a word only make each other's bad keys
// wait: a good key is never asked about here. The zero value has no bound.
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

// Guessed counts a credential that was presented from an address and was not
// good: malformed, unknown, revoked, inactive or expired. Beyond the bound the
// answer is RATE_LIMITED instead of UNAUTHORIZED until retry has passed; a good
// key is answered as ever. An IPv6 network of 64 bits is one address, and so is
// everybody whose address is not known.
func (s *Service) Guessed(from netip.Addr) (retry time.Duration, beyond bool) {
	g := &s.guesses
	if g.words == nil {
		return 0, false
	}
	a := from.Unmap().WithZone("").As16()
	if from.Is6() && !from.Is4In6() {
		clear(a[8:])
	}
	word := &g.words[maphash.Bytes(g.seed, a[:])%uint64(len(g.words))]
	now := func() int64 { return int64(s.clock().Sub(g.born)) + 1 }
	_, retry, outcome := g.rate.Take(word, now(), 1, now)
	if beyond = outcome != gcra.Taken; beyond {
		g.beyond.Add(1)
	}
	return retry, beyond
}

// errGuessing is the refusal beyond the bound.
func errGuessing(retry time.Duration) *Error {
	return &Error{
		Code: CodeRateLimited, RetryAfter: retry,
		Message: "too many bad API keys came from this address: wait, then try again",
	}
}
