package halberd

import (
	"crypto/sha256"
	"errors"
	"time"
)

const idempotencyKept = 24 * time.Hour

// replayed finds what an earlier request under the same Idempotency-Key made.
// Another request under it is refused. The empty answer means: do it.
func (s *Service) replayed(tx Tx, by Actor) (result string, err error) {
	i := by.request.Idempotency
	if i.Key == "" {
		return "", nil
	}
	r, err := tx.Idempotent(by.Ref(), i.Route, sha256.Sum256([]byte(i.Key)), s.stamp().Unix())
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if r.Fingerprint != i.Fingerprint {
		return "", refuse(CodeIdempotencyMismatch, "this Idempotency-Key was used for another request; choose a new one")
	}
	return r.Result, nil
}

// remember records what was made, in the transaction that makes it.
func (s *Service) remember(tx Tx, by Actor, result string) error {
	i := by.request.Idempotency
	if i.Key == "" {
		return nil
	}
	now := s.stamp()
	return tx.RecordIdempotency(IdempotencyRecord{
		Actor: by.Ref(), Route: i.Route, Key: sha256.Sum256([]byte(i.Key)), Fingerprint: i.Fingerprint,
		Result: result, EndsAt: now.Add(idempotencyKept).Unix(),
	}, now.Unix())
}

// replay is the answer to a repeated create or rotate: the secret was shown
// once and is not shown again.
func replay(result string) error {
	id, err := ParseKeyID(result)
	if err != nil {
		return err
	}
	return &Error{
		Code: CodeIdempotencyReplay, KeyID: id,
		Message: "this was done before under the same Idempotency-Key, and its secret was shown then: rotate the key for a new one",
	}
}
