package halberd

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The granting rule: no one grants more than they hold. Scopes, resources,
// addresses, limits and life of what is granted are within the grantor's.

// grants refuses what k, of a project with these limits, would hold beyond the
// grantor.
func (a Actor) grants(k *Key, project RateLimits) error {
	switch {
	case !k.Scopes.Within(a.scopes):
		return escalation("scopes", a.scopes.String())
	case !k.Resources.Within(a.resources):
		return escalation("resources", strings.Join(a.resources.list, " "))
	case k.Operator && !a.operator:
		return refuse(CodeScopeEscalation, "only an operator makes operators")
	case !ipWithin(k.IPAllow, a.ipAllow):
		return refuse(CodeScopeEscalation, "ip_allow goes beyond the addresses your own key may be used from")
	case !a.expiresAt.IsZero() && (k.ExpiresAt.IsZero() || k.ExpiresAt.After(a.expiresAt)):
		return refuse(CodeScopeEscalation, "expires_at is later than the end of your own key, %s", a.expiresAt.Format(time.RFC3339))
	case !k.limits(project).within(a.rateLimits):
		return refuse(CodeScopeEscalation, "rate_limits go beyond those of your own key")
	case !k.Quota.within(a.quota):
		return refuse(CodeScopeEscalation, "quota goes beyond that of your own key")
	}
	return nil
}

// limits are those that hold for k: its own, or its project's.
func (k *Key) limits(project RateLimits) RateLimits {
	if k.RateLimits == nil {
		return project
	}
	return k.RateLimits
}

func escalation(field, held string) error {
	return refuse(CodeScopeEscalation, "%s go beyond what your own key holds: %s", field, held)
}

// setsLimits refuses limits of a key that go beyond its project's.
func (a Actor) setsLimits(asked, project RateLimits) error {
	if asked != nil && !a.operator && !asked.within(project) {
		return refuse(CodeForbidden, "rate_limits above the project's are set by an operator: ask whoever runs this service")
	}
	return nil
}

// mayActOn: acting on a key needs at least that key's scopes, and acting on an
// operator needs an operator.
func (a Actor) mayActOn(k *Key) error {
	if !k.Scopes.Within(a.scopes) || (k.Operator && !a.operator) {
		return refuse(CodeScopeEscalation, "this key holds more than yours: acting on it needs at least its scopes")
	}
	return nil
}

const (
	maxName       = 255
	maxExternalID = 255
	maxReason     = 255
	maxMetadata   = 2 << 10 // bytes, names and values together
	maxMetaName   = 64
)

// checkText refuses what is not 1 to most code points of printable UTF-8. The
// empty text is the caller's business.
func checkText(field, text string, most int) error {
	if !utf8.ValidString(text) {
		return Invalid(field, "must be valid UTF-8")
	}
	if n := utf8.RuneCountInString(text); n > most {
		return Invalid(field, "must be at most %d characters; it has %d", most, n)
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return Invalid(field, "must not contain control characters")
	}
	return nil
}

func checkMetadata(m map[string]string) error {
	size := 0
	for name, value := range m {
		size += len(name) + len(value)
		if name == "" {
			return Invalid("metadata", "must not have an empty name")
		}
		if err := checkText("metadata", name, maxMetaName); err != nil {
			return err
		}
		if err := checkText("metadata", value, maxMetadata); err != nil {
			return err
		}
	}
	if size > maxMetadata {
		return Invalid("metadata", "must be at most %d bytes in all; it has %d", maxMetadata, size)
	}
	return nil
}

// resolveExpiry turns what was asked into an instant (zero: never), on the
// clock of the change, and judges it by the project's policy. asked is false
// when nothing was.
func resolveExpiry(at Maybe[Expiry], days Maybe[ExpiresIn], now time.Time, p *Project) (end time.Time, asked bool, err error) {
	most := maxExpiryDays
	if p != nil && p.MaxExpiresInDays > 0 {
		most = p.MaxExpiresInDays
	}
	switch {
	case at.Set && days.Set:
		return end, false, Invalid("expires_at", "and expires_in_days exclude each other")
	case days.Set:
		if n := int(days.Value); n < 1 || n > most {
			return end, false, Invalid("expires_in_days", "must be a whole number from 1 to %d", most)
		}
		return now.Add(time.Duration(days.Value) * 24 * time.Hour), true, nil
	case !at.Set:
		return end, false, nil
	}
	end = at.Value.At.UTC().Truncate(time.Second)
	switch {
	case at.Value.At.IsZero():
		if p != nil && p.MaxExpiresInDays > 0 {
			return end, false, Invalid("expires_at", "must be set: keys of this project live at most %d days", most)
		}
		return time.Time{}, true, nil
	case !end.After(now):
		return end, false, Invalid("expires_at", "must be in the future")
	case end.After(now.Add(time.Duration(most) * 24 * time.Hour)):
		return end, false, Invalid("expires_at", "must be at most %d days ahead", most)
	}
	return end, true, nil
}

// resolveNotBefore cuts an instant as it is stored and keeps it where every
// surface can write it: a year has four digits. The zero time is none.
func resolveNotBefore(at, now time.Time) (time.Time, error) {
	if at.IsZero() {
		return time.Time{}, nil
	}
	at = at.UTC().Truncate(time.Second)
	if at.Unix() <= 0 || at.After(now.Add(maxExpiryDays*24*time.Hour)) {
		return time.Time{}, Invalid("not_before", "must be after 1970 and at most %d days ahead", maxExpiryDays)
	}
	return at, nil
}
