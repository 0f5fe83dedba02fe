package halberd

import (
	"errors"
	"fmt"
	"time"
)

var errMAC = errors.New("its MAC is wrong") // of a row

// checkKey reports why a key's row must not be believed, or nil.
func (s *Service) checkKey(r *KeyRecord, buf *packer) error {
	if r.PepperID != s.seal.layers {
		return fmt.Errorf("it is under pepper %d, not %d", r.PepperID, s.seal.layers)
	}
	if !s.seal.genuine(r, r.MAC, buf) {
		return errMAC
	}
	return nil
}

// openKey reads a row that a Reader gave.
func (s *Service) openKey(r *KeyRecord) (Key, error) {
	var buf packer
	if err := s.checkKey(r, &buf); err != nil {
		return Key{}, damagedRow(r.ID, err)
	}
	k, err := r.key()
	if !s.now().Before(k.PreviousExpiresAt) {
		k.PreviousExpiresAt = time.Time{} // an overlap that ended is over
	}
	return k, err
}

func (s *Service) openProject(r *ProjectRecord, buf *packer) (Project, error) {
	if !s.seal.genuine(r, r.MAC, buf) {
		return Project{}, damagedRow(r.ID, errMAC)
	}
	return r.project()
}

func damagedRow(id fmt.Stringer, why error) *Error {
	return &Error{
		Code: CodeUnavailable, Message: fmt.Sprintf("the row of %s was changed behind the server's back or is damaged; it is refused until it is restored (hb doctor)", id),
		Err: why,
	}
}

// openRows opens the rows of a list. A damaged one is left out, and the log says which.
func openRows[R, T any](s *Service, rows []R, id func(*R) fmt.Stringer, open func(*R) (T, error)) []T {
	out := make([]T, 0, len(rows))
	for i := range rows {
		t, err := open(&rows[i])
		if err != nil {
			s.log.Error("a damaged row was left out of a list", "id", id(&rows[i]), "why", err)
			continue
		}
		out = append(out, t)
	}
	return out
}
