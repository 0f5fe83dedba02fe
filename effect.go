package halberd

import (
	"crypto/hmac"

	"github.com/halberdhq/halberd/internal/planted"
)

// effect is what a change does to those who check keys, and so how long its
// answer waits for other nodes.
type effect uint8

// The effects. What is not surely a widening is a narrowing.
const (
	unseen  effect = iota // no check can tell the difference
	widens                // something more is allowed, and nothing less
	narrows               // what was allowed may not be any more
)

func effectOf(narrower, wider bool) effect {
	if narrower || !wider {
		return narrows
	}
	return widens
}

// effectOnKey: something wider, and nothing else, is a widening.
func effectOnKey(before, after *KeyRecord) effect {
	if planted.Is(planted.NarrowingWidens) {
		return widens
	}
	if after.State != StateActive || !hmac.Equal(before.Digest[:], after.Digest[:]) || !hmac.Equal(before.PreviousDigest[:], after.PreviousDigest[:]) ||
		before.PreviousExpiresAt != after.PreviousExpiresAt || before.ExternalID != after.ExternalID {
		return narrows
	}
	b, err := before.key()
	if err != nil {
		return narrows
	}
	a, err := after.key()
	if err != nil || (a.RateLimits == nil) != (b.RateLimits == nil) {
		return narrows // from the project's limits or to them: who knows which are tighter
	}
	return effectOf(b.Operator && !a.Operator || beyond(&a, &b, nil), beyond(&b, &a, nil))
}

func effectOnProject(before, after *ProjectRecord) effect {
	if planted.Is(planted.SuspensionWidens) {
		return widens
	}
	b, err := before.project()
	if err != nil {
		return narrows
	}
	a, err := after.project()
	if err != nil || !a.Active || !a.DeletedAt.IsZero() || !b.RateLimits.within(a.RateLimits) {
		return narrows
	}
	return effectOf(false, !b.Active || !a.RateLimits.within(b.RateLimits))
}

func effectOnOrganization(before, after *OrganizationRecord) effect {
	return effectOf(!after.Active, !before.Active)
}

// effectOnMember: a member who only signs in or takes another name is seen
// nowhere; one who accepts an invitation is widened.
func effectOnMember(before, after *MemberRecord) effect {
	b, err := before.member()
	if err != nil {
		return narrows
	}
	a, err := after.member()
	if err != nil || a.State != MemberActive || a.Role != b.Role || a.Operator != b.Operator || a.epoch != b.epoch {
		return narrows
	}
	if a.State == b.State {
		return unseen
	}
	return widens
}
