package halberd

import "time"

// managementName is what the limit of a credential's calls is called. Its state
// lies beside that of the key's own limits, under a name that none of them can have.
const managementName = "management"

func managementLimit(perMinute, burst int) []readyLimit {
	if perMinute <= 0 {
		return nil
	}
	limits := ready(RateLimits{{Name: managementName, Limit: int64(perMinute), WindowSeconds: 60, Burst: int64(max(burst, 1))}})
	limits[0].tag, limits[0].whole = nameTag("\x00"+managementName), true
	return limits
}

// Standing is where the limits of the actor's own key stand, its project's if it
// has none of its own. Nothing is taken.
func (s *Service) Standing(by Actor) LimitStates {
	var v Verdict
	var e entry
	own, p, external, ok := s.dir.find(&by.digest, &e)
	if by.kind != ActorKey || !ok {
		return v.RateLimits
	}
	limits := own.limits
	if p.rateLimits != nil {
		limits = p.limits
	}
	s.limiter.look(&v, &subject{e.id, own, external}, limits, s.limiter.at(s.clock()), 1)
	return v.RateLimits
}

// Charge takes one call from what a credential may make a minute to manage keys
// (Options.ManagementPerMinute), and says where that stands. Surfaces ask it once
// for each call that is no check. Beyond the limit it is RATE_LIMITED; nothing of
// it counts against the key's own limits.
func (s *Service) Charge(by Actor) (LimitStates, error) {
	var id KeyID
	switch by.kind {
	case ActorKey:
		id = by.key
	case ActorMember:
		id = KeyID(by.member)
	default: // the program itself
		return LimitStates{}, nil
	}
	var v Verdict
	if len(s.management) == 0 || s.limiter.take(&v, &subject{key: id}, s.management, s.clock(), 1) {
		return v.RateLimits, nil
	}
	return v.RateLimits, &Error{
		Code: CodeRateLimited, RetryAfter: max(v.RetryAfter, time.Millisecond),
		Message: "too many calls with this credential: wait, then retry with exponential backoff",
	}
}
