package halberd

import (
	"net/netip"
	"slices"
	"time"

	"github.com/halberdhq/halberd/internal/gcra"
)

// RateLimit is a named limit: at most Burst + Limit × t / Window checks in any
// span t (GCRA). A key may have several; all must hold.
type RateLimit struct {
	Name          string `json:"name"`
	Limit         int64  `json:"limit"`          // checks per window
	WindowSeconds int64  `json:"window_seconds"` // seconds
	Burst         int64  `json:"burst"`          // defaults to Limit
}

const (
	maxRateLimits  = 4
	maxRate        = 1_000_000_000
	maxWindow      = 31 * 24 * 3600 // seconds
	maxLimitName   = 64
	defaultLimitID = "default"
)

// RateLimits is a set of limits with distinct names. nil means "as the
// project says" for a key, and "none" for a project. An empty, non-nil set
// means none.
type RateLimits []RateLimit

// validate fills the defaults in and refuses what makes no sense.
func (ls RateLimits) validate(field string) (RateLimits, error) {
	if ls == nil {
		return nil, nil
	}
	if len(ls) > maxRateLimits {
		return nil, Invalid(field, "must hold at most %d limits", maxRateLimits)
	}
	out := slices.Clone(ls)
	for i := range out {
		l := &out[i]
		if l.Name == "" {
			l.Name = defaultLimitID
		}
		if l.Burst == 0 {
			l.Burst = l.Limit
		}
		switch {
		case len(l.Name) > maxLimitName || !plainWord(l.Name):
			return nil, Invalid(field, "needs names of lower-case letters, digits, - and _, at most %d characters", maxLimitName)
		case l.Limit < 1 || l.Limit > maxRate:
			return nil, Invalid(field, "needs a limit from 1 to %d", maxRate)
		case l.WindowSeconds < 1 || l.WindowSeconds > maxWindow:
			return nil, Invalid(field, "needs a window_seconds from 1 to %d", maxWindow)
		case l.Burst < 1 || l.Burst > maxRate:
			return nil, Invalid(field, "needs a burst from 1 to %d", maxRate)
		}
		if slices.ContainsFunc(out[:i], func(o RateLimit) bool { return o.Name == l.Name }) {
			return nil, Invalid(field, "must not name %q twice", l.Name)
		}
	}
	return out, nil
}

func plainWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// within reports whether ls is at least as tight as outer: for each limit of
// outer some limit of ls lets no more through, in the long run and at once.
func (ls RateLimits) within(outer RateLimits) bool {
	for _, o := range outer {
		if !slices.ContainsFunc(ls, func(l RateLimit) bool {
			return l.Limit*o.WindowSeconds <= o.Limit*l.WindowSeconds && l.Burst <= o.Burst
		}) {
			return false
		}
	}
	return true
}

// and is limits that let no more through than ls and more both do: those of
// more that ls does not imply are added, under a name of their own where theirs
// is taken. What does not fit into maxRateLimits is left out, and judged as
// anything else that is granted.
func (ls RateLimits) and(more RateLimits) RateLimits {
	out := slices.Clone(ls)
	taken := func(name string) bool {
		return slices.ContainsFunc(out, func(o RateLimit) bool { return o.Name == name })
	}
	for _, m := range more {
		if taken(m.Name) {
			m.Name = "project-" + m.Name[:min(len(m.Name), maxLimitName-len("project-"))]
		}
		if !out.within(RateLimits{m}) && len(out) < maxRateLimits && !taken(m.Name) {
			out = append(out, m)
		}
	}
	return out
}

// LimitState is where one limit of a key stands after a check.
type LimitState struct {
	Name      string
	Limit     int64         // checks per window
	Window    time.Duration // zero where it is not told
	Remaining int64
	Reset     time.Duration // until the limit is whole again
}

// LimitStates holds the states of one check, without allocating.
type LimitStates struct {
	limits []readyLimit // shared, never changed
	states [maxRateLimits]gcra.State
	told   []LimitState // instead of both, where another process made the check
}

// ToldLimits is what a client hands on of a check that a server made.
func ToldLimits(list []LimitState) LimitStates { return LimitStates{told: list} }

// All lists the states, in the order of the key's limits.
func (s *LimitStates) All() []LimitState {
	if s.told != nil {
		return s.told
	}
	out := make([]LimitState, len(s.limits))
	for i := range out {
		out[i] = s.At(i)
	}
	return out
}

// Len is how many there are.
func (s *LimitStates) Len() int {
	if s.told != nil {
		return len(s.told)
	}
	return len(s.limits)
}

// At is one of them, from 0 to Len-1, without allocating.
func (s *LimitStates) At(i int) LimitState {
	if s.told != nil {
		return s.told[i]
	}
	l, st := &s.limits[i], &s.states[i]
	return LimitState{
		Name: l.Name, Limit: l.Limit, Window: time.Duration(l.WindowSeconds) * time.Second,
		Remaining: st.Remaining, Reset: st.Reset,
	}
}

const maxIPAllow = 100

// ParseIPAllow reads addresses and CIDR networks. A bare address is a network
// of one; IPv4 in IPv6 is read as IPv4; bits behind the mask are refused, since
// they are mostly a mistake.
func ParseIPAllow(texts []string) ([]netip.Prefix, error) {
	if len(texts) > maxIPAllow {
		return nil, Invalid("ip_allow", "must hold at most %d entries", maxIPAllow)
	}
	out := make([]netip.Prefix, 0, len(texts))
	for _, t := range texts {
		p, err := netip.ParsePrefix(t)
		if err != nil {
			a, aerr := netip.ParseAddr(t)
			if aerr != nil || a.Zone() != "" {
				return nil, Invalid("ip_allow", "must hold addresses or networks such as 203.0.113.7 or 2001:db8::/32")
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if p.Addr().Is4In6() {
			if p.Bits() < 96 {
				return nil, Invalid("ip_allow", "must not mix IPv4 and IPv6 in one network")
			}
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p != p.Masked() {
			return nil, Invalid("ip_allow", "has bits behind the mask of %s; did you mean %s?", p, p.Masked())
		}
		out = append(out, p)
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out), nil
}

// ipAllowed: an empty list allows every address, a list never allows an
// unknown one.
func ipAllowed(list []netip.Prefix, from netip.Addr) bool {
	if len(list) == 0 {
		return true
	}
	from = from.Unmap().WithZone("")
	return from.IsValid() && slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(from) })
}

// ipWithin is the granting rule for address lists.
func ipWithin(inner, outer []netip.Prefix) bool {
	if len(outer) == 0 {
		return true
	}
	if len(inner) == 0 {
		return false
	}
	for _, p := range inner {
		if !slices.ContainsFunc(outer, func(o netip.Prefix) bool { return o.Bits() <= p.Bits() && o.Contains(p.Addr()) }) {
			return false
		}
	}
	return true
}
