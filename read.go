package halberd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	defaultPage = 50
	maxPage     = 1000
)

// WhoAmI is the presented key looking at itself.
func (s *Service) WhoAmI(ctx context.Context, by Actor) (k Key, err error) {
	err = s.look(ctx, by, ActionWhoAmI, func(r Reader) error {
		if by.kind != ActorKey {
			return errNotFound()
		}
		if k, _, err = s.keyOf(r, by, by.key); err == nil {
			err = s.tellQuota(r, &k)
		}
		return err
	})
	return k, err
}

// Get reads one key. What the actor does not reach is not there.
func (s *Service) Get(ctx context.Context, by Actor, id KeyID) (k Key, err error) {
	err = s.look(ctx, by, ActionReadKeys, func(r Reader) error {
		if k, _, err = s.keyOf(r, by, id); err == nil {
			err = s.tellQuota(r, &k)
		}
		return err
	})
	return k, err
}

func (s *Service) tellQuota(r Reader, k *Key) error {
	if k.Quota == nil {
		return nil
	}
	who := subject{k.ID, &owner{organization: k.Organization, project: k.Project}, k.ExternalID}
	st, err := s.quotas.left(r, &who, k.Quota, s.clock())
	k.QuotaState = Some(st)
	return err
}

// Describe reads the name and the metadata of a key that VerifyFor has told by
// about: a service that may ask for checks need not be able to read keys.
func (s *Service) Describe(ctx context.Context, by Actor, id KeyID) (name string, metadata map[string]string, err error) {
	err = s.look(ctx, by, ActionVerify, func(r Reader) error {
		row, err := r.Key(id)
		if err != nil {
			return err
		}
		if !by.operator && (row.Organization != by.organization ||
			!by.wide() && !row.Project.IsZero() && row.Project != by.project) {
			return errNotFound()
		}
		k, err := s.openKey(&row)
		name, metadata = k.Name, k.Metadata
		return err
	})
	return name, metadata, err
}

// keyOf reads a key that the actor reaches, and its record.
func (s *Service) keyOf(r Reader, by Actor, id KeyID) (Key, KeyRecord, error) {
	row, err := r.Key(id)
	if errors.Is(err, ErrNotFound) {
		return Key{}, row, errNotFound()
	}
	if err != nil {
		return Key{}, row, err
	}
	if !by.reaches(row.Organization, row.Project) {
		return Key{}, row, errNotFound()
	}
	k, err := s.openKey(&row)
	k.LastUsedAt = s.lastUsed(&row)
	return k, row, err
}

// List reads the keys that the actor reaches and q selects. Damaged rows are
// left out; Stats counts them.
func (s *Service) List(ctx context.Context, by Actor, q KeyQuery) (page Keys, err error) {
	if err := s.Permit(by, ActionReadKeys); err != nil {
		return page, err
	}
	if !q.UnusedSince.IsZero() || q.Sort.By == SortLastUsed {
		// The store selects and orders by what it knows: tell it first.
		if err := s.settleUsage(ctx); err != nil {
			return page, outward(err)
		}
	}
	err = s.look(ctx, by, ActionReadKeys, func(r Reader) error {
		f, bound, err := s.keyFilter(r, by, q)
		if err != nil {
			return err
		}
		rows, err := r.Keys(f)
		if err != nil {
			return err
		}
		if len(rows) == f.Limit {
			last := &rows[f.Limit-2]
			page.Next = s.cursor(bound, keyPosition(last, f.Sort))
			rows = rows[:f.Limit-1]
		}
		page.List = openRows(s, rows, func(r *KeyRecord) fmt.Stringer { return r.ID }, func(r *KeyRecord) (Key, error) {
			k, err := s.openKey(r)
			k.LastUsedAt = s.lastUsed(r)
			return k, err
		})
		return nil
	})
	return page, err
}

// keyFilter turns a query into what an engine is asked: one record more than
// the page, to know whether there is a next one. bound is what a cursor of this
// list is good for.
func (s *Service) keyFilter(r Reader, by Actor, q KeyQuery) (f KeyFilter, bound string, err error) {
	f = KeyFilter{
		Organization: by.organization, Project: by.project, States: q.States,
		Scope: string(q.Scope), ExternalID: q.ExternalID, Text: LowerASCII(q.Text), OwnedBy: q.OwnedBy,
		ExpiresBefore: seconds(q.ExpiresBefore), UnusedSince: seconds(q.UnusedSince),
		Sort: q.Sort.By, Descending: q.Sort.Descending, Now: s.now().Unix(),
	}
	if len(f.States) == 0 {
		f.States = []State{StateActive, StateInactive, StateExpired}
	}
	for _, st := range f.States {
		if !slices.Contains([]State{StateActive, StateInactive, StateExpired, StateRevoked}, st) {
			return f, "", Invalid("state", "must be active, inactive, expired or revoked")
		}
	}
	switch f.Sort {
	case "":
		f.Sort, f.Descending = SortCreated, true
	case SortCreated, SortName, SortExpires, SortLastUsed:
	default:
		return f, "", Invalid("sort", "must be created_at, label, expires_at or last_used_at, with - before it to reverse")
	}
	if q.Scope != "" {
		if _, err := ParseScopes([]string{string(q.Scope)}); err != nil {
			return f, "", Invalid("scope", "must be one scope, such as read")
		}
	}
	if err := checkText("q", q.Text, maxName); err != nil {
		return f, "", err
	}
	if err := checkText("external_id", q.ExternalID, maxExternalID); err != nil {
		return f, "", err
	}
	if !q.Organization.IsZero() {
		if err := s.reached(r, by, q.Organization, by.project); err != nil {
			return f, "", err
		}
		f.Organization = q.Organization
	}
	if !q.Project.IsZero() {
		p, err := s.project(r, q.Project)
		if err != nil {
			return f, "", err
		}
		if !by.reaches(p.Organization, p.ID) || !p.DeletedAt.IsZero() {
			return f, "", errNotFound()
		}
		f.Organization, f.Project = p.Organization, p.ID
	}
	if f.Limit, err = pageLimit(q.Page); err != nil {
		return f, "", err
	}
	f.Limit++
	bound = strings.Join([]string{
		"keys", f.Organization.String(), f.Project.String(), fmt.Sprint(f.States), f.Scope, f.ExternalID, f.OwnedBy.String(), f.Text,
		fmt.Sprint(f.ExpiresBefore, f.UnusedSince, f.Descending), string(f.Sort),
	}, "\n")
	f.After, err = s.position(bound, q.Page.Cursor)
	return f, bound, err
}

func pageLimit(p Page) (int, error) {
	if p.Limit == 0 {
		return defaultPage, nil
	}
	if p.Limit < 1 || p.Limit > maxPage {
		return 0, Invalid("limit", "must be from 1 to %d", maxPage)
	}
	return p.Limit, nil
}

func keyPosition(r *KeyRecord, by SortField) KeyPosition {
	pos := KeyPosition{ID: r.ID}
	switch by {
	case SortName:
		pos.Text = r.Name
	case SortExpires:
		pos.Int = r.ExpiresAt
	case SortLastUsed:
		pos.Int = r.LastUsedAt
	default:
		pos.Int = r.CreatedAt
	}
	return pos
}
