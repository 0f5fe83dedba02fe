package password

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
)

func TestAPasswordMatchesItsHashOnly(t *testing.T) {
	for name, h := range map[string]*Hasher{"as served": New(), "quick": Quick()} {
		t.Run(name, func(t *testing.T) {
			one, err := h.Hash("correct horse battery")
			if err != nil || !strings.HasPrefix(one, "$argon2id$v=19$") {
				t.Fatalf("%q, %v", one, err)
			}
			if two, _ := h.Hash("correct horse battery"); two == one {
				t.Error("two hashes of one password are the same: no salt")
			}
			if ok, err := h.Matches("correct horse battery", one); !ok || err != nil {
				t.Errorf("right: %v, %v", ok, err)
			}
			if ok, err := h.Matches("correct horse batterx", one); ok || err != nil {
				t.Errorf("wrong: %v, %v", ok, err)
			}
			if ok, err := h.Matches("", "nonsense"); ok || err == nil {
				t.Errorf("no hash: %v, %v", ok, err)
			}
		})
	}
}

func TestTheWaitForASlotHasABound(t *testing.T) {
	h := newHasher(argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}, 1, time.Millisecond)
	h.slots <- struct{}{}
	if _, err := h.Hash("x"); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	if _, err := h.Matches("x", "y"); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	<-h.slots
	if _, err := h.Hash("x"); err != nil {
		t.Error(err)
	}
}
