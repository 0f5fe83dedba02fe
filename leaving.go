package halberd

import "context"

// KeysOfLeaver says what becomes of the keys that a removed member owns. Keys
// belong to projects, not to people (S4-01): by default they go on.
type KeysOfLeaver string

// What may become of them.
const (
	KeepKeys    KeysOfLeaver = "keep"
	SuspendKeys KeysOfLeaver = "suspend"
	HandKeysOn  KeysOfLeaver = "hand_over"
)

// Leaving is how a member is removed.
type Leaving struct {
	Keys KeysOfLeaver // "" is KeepKeys
	To   MemberID     // who owns the keys from now on, with HandKeysOn
}

// Left is what a removal did.
type Left struct {
	Member      Member
	Keys        []Key // those that the member owned and that are not revoked, as they are now
	Propagation Propagation
}

// RemoveMember ends a member for good, with every session, and says which keys
// they owned; what is asked of those keys happens in the same transaction.
func (s *Service) RemoveMember(ctx context.Context, by Actor, id MemberID, l Leaving, version int64) (Left, error) {
	var out Left
	p, err := s.change(ctx, by, ActionRemoveMember, func(tx Tx, by Actor) error {
		m, err := s.memberOf(tx, by, id)
		if err != nil {
			return err
		}
		if err := by.employs(&m); err != nil {
			return err
		}
		if err := sameVersion(version, m.Version); err != nil {
			return err
		}
		if err := s.mayInherit(tx, by, &m, &l); err != nil {
			return err
		}
		before := m
		m.State, m.RemovedAt = MemberRemoved, s.stamp()
		m.HasPassword, m.password, m.identity, m.Provider, m.invite = false, "", "", "", Digest{}
		m.InvitedUntil = before.RemovedAt
		m.epoch++
		if err := s.keepAdminMember(tx, &before, &m); err != nil {
			return err
		}
		if err := s.putMember(tx, by, ActionRemoveMember, &before, &m); err != nil {
			return err
		}
		out = Left{Member: m}
		out.Keys, err = s.leaveKeys(tx, by, &m, l)
		return err
	})
	if err != nil {
		return Left{}, err
	}
	out.Propagation = p
	return out, nil
}

// mayInherit judges what is asked of the leaver's keys.
func (s *Service) mayInherit(r Reader, by Actor, m *Member, l *Leaving) error {
	switch l.Keys {
	case "":
		l.Keys = KeepKeys
	case KeepKeys, SuspendKeys:
	case HandKeysOn:
		if l.To == m.ID {
			return Invalid("to", "must be another member")
		}
		heir, err := s.memberOf(r, by, l.To)
		if isAbsent(err) || err == nil && heir.Organization != m.Organization {
			return Invalid("to", "must be a member of the same organization")
		}
		return err
	default:
		return Invalid("keys", "must be keep, suspend or hand_over")
	}
	if !l.To.IsZero() {
		return Invalid("to", "goes with keys=hand_over only")
	}
	return nil
}

// leaveKeys does with the keys that m owns what was asked, and reads them.
func (s *Service) leaveKeys(tx Tx, by Actor, m *Member, l Leaving) ([]Key, error) {
	var out []Key
	f := KeyFilter{
		Organization: m.Organization, OwnedBy: m.ID, Sort: SortCreated, Limit: 500, Now: s.stamp().Unix(),
		States: []State{StateActive, StateInactive, StateExpired},
	}
	rows := make([]KeyRecord, 0)
	for { // all are read before one is changed: a change of owner leaves the list
		page, err := tx.Keys(f)
		if err != nil {
			return nil, err
		}
		rows = append(rows, page...)
		if len(page) < f.Limit {
			break
		}
		last := keyPosition(&page[len(page)-1], f.Sort)
		f.After = &last
	}
	for i := range rows {
		k, err := s.openKey(&rows[i])
		if err != nil {
			continue // a damaged row is refused anyway
		}
		before := k
		switch {
		case l.Keys == HandKeysOn:
			k.OwnedBy = l.To
		case l.Keys == SuspendKeys && k.Active:
			k.Active = false
			if err := by.mayActOn(&k); err != nil {
				return nil, err
			}
			if err := s.keepAdmin(tx, &before, &k); err != nil {
				return nil, err
			}
		default:
			out = append(out, k)
			continue
		}
		if err := s.put(tx, &rows[i], &k); err != nil {
			return nil, err
		}
		if err := s.audit(tx, by, ActionUpdateKey, k.Organization, k.Project, "key", k.ID.String(), changesOf(&before, &k)); err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}
