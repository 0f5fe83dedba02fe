package halberd

import (
	"context"
	"errors"
	"fmt"

	"github.com/halberdhq/halberd/internal/planted"
)

// replayTombstones revokes what the journal says was revoked: a restored
// backup revives nothing. Revocations the journal does not have yet are added.
func (s *Service) replayTombstones(ctx context.Context) error {
	if planted.Is(planted.TombstonesNotReplayed) {
		return nil
	}
	told := map[KeyID]bool{}
	var genuine []Tombstone
	forged := 0
	damaged, err := s.store.Tombstones(ctx, func(t Tombstone) error {
		var buf packer
		if !s.seal.genuine(&t, t.MAC, &buf) {
			forged++
			return nil
		}
		delete(s.unburied, t.Key)
		if !told[t.Key] {
			told[t.Key] = true
			genuine = append(genuine, t)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the journal of revocations: %w", err)
	}
	if damaged+forged > 0 {
		s.log.Error("the journal of revocations has lines that cannot be believed: they were passed over", "unreadable", damaged, "forged", forged)
	}
	for len(genuine) > 0 {
		n := min(len(genuine), 1000)
		if err := s.revokeEntombed(ctx, genuine[:n]); err != nil {
			return fmt.Errorf("replay the journal of revocations: %w", err)
		}
		genuine = genuine[n:]
	}
	missing := make([]Tombstone, 0, len(s.unburied))
	var buf packer
	for _, t := range s.unburied {
		t.MAC = s.seal.mac(&t, &buf)
		missing = append(missing, t)
	}
	s.unburied = nil
	if len(missing) == 0 {
		return nil
	}
	if err := s.store.Entomb(ctx, missing); err != nil {
		return fmt.Errorf("complete the journal of revocations: %w", err)
	}
	return nil
}

// revokeEntombed revokes those of ts whose rows are not revoked.
func (s *Service) revokeEntombed(ctx context.Context, ts []Tombstone) error {
	return s.update(ctx, func(tx Tx) error {
		for _, t := range ts {
			r, err := tx.Key(t.Key)
			if errors.Is(err, ErrNotFound) || (err == nil && r.State == StateRevoked) {
				continue
			}
			if err != nil {
				return err
			}
			k, err := s.openKey(&r)
			if err != nil {
				continue // a damaged row is refused anyway
			}
			by := Root("revoked.log")
			if err := s.revokeIn(tx, by, &r, k, instant(t.At), "revoked before this copy of the database was restored"); err != nil {
				return err
			}
			s.log.Warn("a key that had been revoked was active in the database: revoked again", "key", k.ID)
		}
		return nil
	})
}
