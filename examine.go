package halberd

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Examination is what Examine found: counts and ids, never names.
type Examination struct {
	Fingerprint string // of the pepper
	Rows        int    // read, of every kind
	Damaged     []Damage
	Disabled    []Damage  // webhooks that the server made inactive, and why
	Latest      time.Time // when the newest row was made or revoked
	Journal     JournalState
}

// Damage is a row that must not be believed, or does not work.
type Damage struct{ ID, Why string }

// JournalState is how the journal of revocations stands to the database.
type JournalState struct {
	Entries    int     // distinct keys in it
	Unreadable int     // lines that make no sense
	Forged     int     // lines with a wrong MAC
	Missing    []KeyID // revoked in the database, and not in the journal
	Revived    []KeyID // in the journal, and not revoked in the database
}

// Inspect is Service.Examine for whoever has the store and no Service on it, and
// refuses what New refuses. It only reads: on a store that several nodes share it
// makes nobody wait, and changes no node's part of a limit.
func Inspect(ctx context.Context, store Store) (Examination, error) {
	s := &Service{store: store}
	blank, err := s.findSeal(ctx, nil)
	if err == nil && blank {
		err = refuse(CodeUnavailable, "there is nothing in the store yet: start the server once")
	}
	if err != nil {
		return Examination{}, err
	}
	return s.Examine(ctx)
}

// Examine reads every row and the whole journal of revocations again and
// compares their MACs. It is for the operator at the machine (hb doctor), takes
// seconds for a million keys and stands in nobody's way.
func (s *Service) Examine(ctx context.Context) (Examination, error) {
	x := Examination{Fingerprint: s.seal.fingerprint}
	latest := int64(0)
	note := func(id fmt.Stringer, bad error, times ...int64) {
		x.Rows++
		if bad != nil {
			x.Damaged = append(x.Damaged, Damage{ID: id.String(), Why: bad.Error()})
			return
		}
		latest = max(latest, slices.Max(times))
	}
	if err := s.examineOwners(ctx, &x, note); err != nil {
		return Examination{}, outward(err)
	}
	var mu sync.Mutex // guards x, latest and revoked
	revoked := map[KeyID]bool{}
	err := s.store.Load(ctx, runtime.GOMAXPROCS(0), 0, func(batch []KeyRecord) error {
		bad := make([]error, len(batch))
		var buf packer
		for i := range batch {
			bad[i] = s.checkKey(&batch[i], &buf)
		}
		mu.Lock()
		defer mu.Unlock()
		for i := range batch {
			r := &batch[i]
			note(r.ID, bad[i], r.CreatedAt, r.RevokedAt)
			if bad[i] == nil && r.State == StateRevoked {
				revoked[r.ID] = true
			}
		}
		return nil
	})
	if err != nil {
		return Examination{}, outward(err)
	}
	slices.SortFunc(x.Damaged, func(a, b Damage) int { return strings.Compare(a.ID, b.ID) })
	if latest > 0 {
		x.Latest = instant(latest)
	}
	x.Journal, err = s.examineJournal(ctx, revoked)
	return x, outward(err)
}

// examineOwners hands note every row but those of keys.
func (s *Service) examineOwners(ctx context.Context, x *Examination, note func(id fmt.Stringer, bad error, times ...int64)) error {
	const page = 1000
	var buf packer
	bad := func(r interface{ pack(*packer) }, mac [32]byte) error {
		if s.seal.genuine(r, mac, &buf) {
			return nil
		}
		return errMAC
	}
	return s.store.View(ctx, func(r Reader) error {
		return errors.Join(
			pages(page, r.Organizations, func(o *OrganizationRecord) OrganizationID {
				note(o.ID, bad(o, o.MAC), o.CreatedAt)
				return o.ID
			}),
			pages(page, func(after ProjectID, limit int) ([]ProjectRecord, error) {
				return r.Projects(OrganizationID{}, after, limit, true)
			}, func(p *ProjectRecord) ProjectID {
				note(p.ID, bad(p, p.MAC), p.CreatedAt, p.DeletedAt)
				return p.ID
			}),
			pages(page, func(after MemberID, limit int) ([]MemberRecord, error) {
				return r.Members(OrganizationID{}, after, limit, true)
			}, func(m *MemberRecord) MemberID {
				note(m.ID, bad(m, m.MAC), m.CreatedAt)
				return m.ID
			}),
			pages(page, func(after WebhookID, limit int) ([]WebhookRecord, error) {
				return r.Webhooks(OrganizationID{}, after, limit)
			}, func(h *WebhookRecord) WebhookID {
				wrong := bad(h, h.MAC)
				if note(h.ID, wrong, h.CreatedAt); wrong == nil && h.Stopped != "" {
					x.Disabled = append(x.Disabled, Damage{ID: h.ID.String(), Why: h.Stopped})
				}
				return h.ID
			}),
			pages(page, func(after AlertRuleID, limit int) ([]AlertRuleRecord, error) {
				return r.AlertRules(OrganizationID{}, after, limit, true)
			}, func(a *AlertRuleRecord) AlertRuleID {
				note(a.ID, bad(a, a.MAC), a.CreatedAt, a.DeletedAt)
				return a.ID
			}),
		)
	})
}

// pages reads a list to its end; each says where a row stands in it.
func pages[Row, ID any](page int, read func(after ID, limit int) ([]Row, error), each func(*Row) ID) error {
	var after ID
	for {
		list, err := read(after, page)
		if err != nil {
			return err
		}
		for i := range list {
			after = each(&list[i])
		}
		if len(list) < page {
			return nil
		}
	}
}

// examineJournal compares the journal with the keys that the database said
// are revoked, a moment ago.
func (s *Service) examineJournal(ctx context.Context, revoked map[KeyID]bool) (j JournalState, err error) {
	told := map[KeyID]bool{}
	var buf packer
	j.Unreadable, err = s.store.Tombstones(ctx, func(t Tombstone) error {
		if s.seal.genuine(&t, t.MAC, &buf) {
			told[t.Key] = true
		} else {
			j.Forged++
		}
		return nil
	})
	if err != nil {
		return j, err
	}
	j.Entries = len(told)
	for id := range revoked {
		if !told[id] {
			j.Missing = append(j.Missing, id)
		}
	}
	err = s.store.View(ctx, func(r Reader) error {
		for id := range told {
			if revoked[id] {
				continue
			}
			k, err := r.Key(id) // it may have been revoked since, or be in no backup
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if k.State != StateRevoked {
				j.Revived = append(j.Revived, id)
			}
		}
		return nil
	})
	return j, err
}
