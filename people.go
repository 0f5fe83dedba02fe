package halberd

import "sync"

// people is every member who is not removed, in memory, so that the gate can
// judge one as it stands now. The zero value is empty and ready.
type people struct {
	mu  sync.RWMutex
	all map[MemberID]standingMember
}

// standingMember is a member as the gate needs it.
type standingMember struct {
	organization OrganizationID
	scopes       Scopes
	operator     bool
	good         bool // active
	epoch        int64
}

// put publishes a member; a removed one is forgotten.
func (p *people) put(m *Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.State == MemberRemoved {
		delete(p.all, m.ID)
		return
	}
	if p.all == nil {
		p.all = map[MemberID]standingMember{}
	}
	p.all[m.ID] = standingMember{
		organization: m.Organization, scopes: m.scopes(), operator: m.Operator, good: m.State == MemberActive, epoch: m.epoch,
	}
}

// distrust keeps a member whose row cannot be believed from doing anything. It
// still counts as someone: the admin key does not open the console again.
func (p *people) distrust(id MemberID) { p.put(&Member{ID: id}) }

func (p *people) get(id MemberID) (standingMember, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	m, ok := p.all[id]
	return m, ok
}

func (p *people) any() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.all) > 0
}
