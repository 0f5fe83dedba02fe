package halberd

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/halberdhq/halberd/internal/tally"
)

// SealForTest completes a record as Create would, for tests that fill a store
// by the hundred thousand.
func (s *Service) SealForTest(r *KeyRecord, secret Secret) {
	r.Digest, r.Hint = s.seal.digest(secret), secret.Hint()
	s.sign(r)
}

// SignForTest gives a changed record the MAC it would have had.
func (s *Service) SignForTest(r *KeyRecord) { s.sign(r) }

// MintForTest makes a secret without storing it.
func MintForTest(prefix string) Secret { return mintSecret(prefix) }

// SharedForTest counts the distinct policies and external ids in memory.
func (s *Service) SharedForTest() (policies, externals int) {
	s.dir.mu.Lock()
	defer s.dir.mu.Unlock()
	return len(s.dir.policyOf), len(s.dir.externalOf)
}

// DirectoryForTest is what a Service holds of its keys, without the rest.
type DirectoryForTest struct{ d *directory }

// NewDirectoryForTest makes an empty one.
func NewDirectoryForTest() DirectoryForTest {
	return DirectoryForTest{newDirectory(new(tally.Tally[identity]))}
}

// Fill adds keys that differ in their digest, id and end until there are n.
func (x DirectoryForTest) Fill(n int) {
	x.d.mu.Lock()
	defer x.d.mu.Unlock()
	for i := int(x.d.ordinals); i < n; i++ {
		r := KeyRecord{
			ID: NewKeyID(), State: StateActive, Scopes: "read write", Policy: "{}", ExternalID: "acme", ExpiresAt: int64(i + 1),
			Digest: sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i))),
		}
		if err := x.d.putKey(&r); err != nil {
			panic(err)
		}
	}
}

// LimitsHeldForTest counts the limits whose state is in memory.
func (s *Service) LimitsHeldForTest() int { return s.limiter.words.Len() }
