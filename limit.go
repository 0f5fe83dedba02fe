package halberd

import (
	"slices"
)

// RateLimit is a named limit: at most Burst + Limit × t / Window checks in any
// span t (GCRA). A key may have several; all must hold.
type RateLimit struct {
	Name          string `json:"name"`
	Limit         int64  `json:"limit"`          // checks per window
	WindowSeconds int64  `json:"window_seconds"` // seconds
	Burst         int64  `json:"burst"`          // defaults to Limit
	Per           Per    `json:"per,omitempty"`
}

// Per says whose uses are counted together. The zero Per is PerKey.
type Per string

const (
	// PerKey counts each key for itself.
	PerKey Per = ""
	// PerExternalID counts all keys of one external id in one project together;
	// organization-wide keys are together within their organization. A key
	// without an external id is counted for itself.
	PerExternalID Per = "external_id"

	perKeyWord = "key" // how PerKey is written and may be asked for
)

func (p Per) String() string {
	if p == PerKey {
		return perKeyWord
	}
	return string(p)
}

// plainPer is p as it is kept.
func plainPer(field string, p Per) (Per, error) {
	switch p {
	case PerKey, perKeyWord:
		return PerKey, nil
	case PerExternalID:
		return p, nil
	}
	return p, Invalid(field, "needs a per of key or external_id")
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
		var err error
		if l.Per, err = plainPer(field, l.Per); err != nil {
			return nil, err
		}
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

// within: what is shared lets no more through than what is not.
func (p Per) within(outer Per) bool { return p == outer || outer == PerKey }

// within reports whether ls is at least as tight as outer: for each limit of
// outer some limit of ls lets no more through, in the long run and at once.
func (ls RateLimits) within(outer RateLimits) bool {
	for _, o := range outer {
		if !slices.ContainsFunc(ls, func(l RateLimit) bool {
			return l.Limit*o.WindowSeconds <= o.Limit*l.WindowSeconds && l.Burst <= o.Burst && l.Per.within(o.Per)
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
