package halberd

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
