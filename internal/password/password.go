// Package password keeps people's passwords as argon2id hashes in PHC text. It
// knows nothing of who they are. API keys never come here: 154 random bits need
// no slow hash.
package password

import (
	"errors"
	"time"

	"github.com/alexedwards/argon2id"
)

// ErrBusy says that too many passwords are being hashed at once.
var ErrBusy = errors.New("too many people sign in at once: try again in a moment")

// Hasher hashes and compares. Each takes 64 MiB while it runs, so few run at
// once, and the others wait for a bounded time.
type Hasher struct {
	params *argon2id.Params
	slots  chan struct{}
	wait   time.Duration
}

// New is a Hasher with the second recommended parameters of RFC 9106, but for
// one lane: 3 passes over 64 MiB.
func New() *Hasher {
	return newHasher(argon2id.Params{Memory: 64 << 10, Iterations: 3, Parallelism: 1, SaltLength: 16, KeyLength: 32}, 4, 3*time.Second)
}

// Quick is a Hasher for tests, which hash many passwords that protect nothing.
func Quick() *Hasher {
	return newHasher(argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}, 4, 3*time.Second)
}

func newHasher(p argon2id.Params, atOnce int, wait time.Duration) *Hasher {
	return &Hasher{params: &p, slots: make(chan struct{}, atOnce), wait: wait}
}

func (h *Hasher) enter() error {
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	late := time.NewTimer(h.wait)
	defer late.Stop()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-late.C:
		return ErrBusy
	}
}

// Hash is a new hash, with a salt of its own.
func (h *Hasher) Hash(password string) (string, error) {
	if err := h.enter(); err != nil {
		return "", err
	}
	defer func() { <-h.slots }()
	return argon2id.CreateHash(password, h.params)
}

// Matches compares in constant time. A text that is no hash is an error.
func (h *Hasher) Matches(password, hash string) (bool, error) {
	if err := h.enter(); err != nil {
		return false, err
	}
	defer func() { <-h.slots }()
	return argon2id.ComparePasswordAndHash(password, hash)
}
