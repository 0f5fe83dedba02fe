package halberd

import (
	"math/bits"
	"slices"
	"strings"
)

// Scope is one word of what a key may do: `read`, `write`, `admin`, `verify`,
// or a word of the API's own, which contains a colon: `deliveries:replay`.
type Scope string

// The built-in scopes (S0-17 to S0-19, S3-27, S3-28). ScopeVerify lets a
// service ask for checks and nothing else.
const (
	ScopeRead   Scope = "read"
	ScopeWrite  Scope = "write"
	ScopeAdmin  Scope = "admin"
	ScopeVerify Scope = "verify"
)

const (
	maxScopes   = 32
	maxScopeLen = 64
)

// Scopes is a closed set of scopes: admin ⊇ write ⊇ read, so `write` alone is
// kept and shown as `read, write`. The zero value holds nothing. A Scopes is
// immutable.
type Scopes struct {
	ladder uint8    // bits below
	words  []string // sorted, distinct words of the API's own
}

const (
	bitRead = 1 << iota
	bitWrite
	bitAdmin
	bitVerify
)

// ParseScopes reads a list of words, closes it downward and drops repeats. An
// unknown word is INVALID_REQUEST on `scopes`, and so is an empty list.
func ParseScopes(words []string) (Scopes, error) {
	if len(words) == 0 {
		return Scopes{}, Invalid("scopes", "must name at least one of read, write, admin, verify")
	}
	if len(words) > maxScopes {
		return Scopes{}, Invalid("scopes", "must hold at most %d words", maxScopes)
	}
	var s Scopes
	for _, w := range words {
		switch Scope(w) {
		case ScopeAdmin:
			s.ladder |= bitAdmin | bitWrite | bitRead
		case ScopeWrite:
			s.ladder |= bitWrite | bitRead
		case ScopeRead:
			s.ladder |= bitRead
		case ScopeVerify:
			s.ladder |= bitVerify
		default:
			if !validWord(w) {
				return Scopes{}, Invalid("scopes", "must be read, write, admin, verify, or words of your own with a colon, such as deliveries:replay")
			}
			s.words = append(s.words, w)
		}
	}
	slices.Sort(s.words)
	s.words = slices.Compact(s.words)
	// Counted as it is kept, so that what was kept can be read again.
	if n := bits.OnesCount8(s.ladder) + len(s.words); n > maxScopes {
		return Scopes{}, Invalid("scopes", "must hold at most %d words; with those that they include there are %d", maxScopes, n)
	}
	return s, nil
}

// MustScopes is ParseScopes for words known to be right; it panics otherwise.
func MustScopes(words ...string) Scopes {
	s, err := ParseScopes(words)
	if err != nil {
		panic(err)
	}
	return s
}

// valid reports whether ParseScopes takes the word.
func (s Scope) valid() bool {
	switch s {
	case ScopeRead, ScopeWrite, ScopeAdmin, ScopeVerify:
		return true
	}
	return validWord(string(s))
}

// validWord: visible characters of a small set, a colon inside.
func validWord(w string) bool {
	if len(w) < 3 || len(w) > maxScopeLen || w[0] == ':' || w[len(w)-1] == ':' || !strings.Contains(w, ":") {
		return false
	}
	for i := range len(w) {
		c := w[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(":._-", rune(c)) {
			return false
		}
	}
	return true
}

// Holds reports whether the set contains one scope. `admin` holds every word;
// `write` holds no word with a colon.
func (s Scopes) Holds(want Scope) bool {
	switch want {
	case ScopeRead:
		return s.ladder&bitRead != 0
	case ScopeWrite:
		return s.ladder&bitWrite != 0
	case ScopeAdmin:
		return s.ladder&bitAdmin != 0
	case ScopeVerify:
		return s.ladder&(bitVerify|bitAdmin) != 0
	}
	if s.ladder&bitAdmin != 0 {
		return true
	}
	_, found := slices.BinarySearch(s.words, string(want))
	return found
}

// Within reports whether every scope of s is held by outer: the granting rule.
func (s Scopes) Within(outer Scopes) bool {
	for w := range s.each {
		if !outer.Holds(w) {
			return false
		}
	}
	return true
}

// intersect keeps what both hold: how a default is shortened to the grantor's.
func (s Scopes) intersect(outer Scopes) Scopes {
	var kept []string
	for w := range s.each {
		if outer.Holds(w) {
			kept = append(kept, string(w))
		}
	}
	if len(kept) == 0 {
		return Scopes{}
	}
	return MustScopes(kept...)
}

// IsZero reports whether nothing is held.
func (s Scopes) IsZero() bool { return s.ladder == 0 && len(s.words) == 0 }

// Equal reports whether both sets hold the same words.
func (s Scopes) Equal(t Scopes) bool { return s.ladder == t.ladder && slices.Equal(s.words, t.words) }

// Append writes the set to dst in the order of Strings, each word between before
// and after.
func (s Scopes) Append(dst []byte, before, after string) []byte {
	for bit, w := range [...]Scope{ScopeRead, ScopeWrite, ScopeAdmin, ScopeVerify} {
		if s.ladder&(1<<bit) != 0 {
			dst = append(append(append(dst, before...), w...), after...)
		}
	}
	for _, w := range s.words {
		dst = append(append(append(dst, before...), w...), after...)
	}
	return dst
}

// Strings lists the set in a fixed order: read, write, admin, verify, then the
// API's own words sorted.
func (s Scopes) Strings() []string {
	out := make([]string, 0, 4+len(s.words))
	for w := range s.each {
		out = append(out, string(w))
	}
	return out
}

// String joins Strings with spaces, the form kept in a store.
func (s Scopes) String() string { return strings.Join(s.Strings(), " ") }

func (s Scopes) each(yield func(Scope) bool) {
	for bit, w := range [...]Scope{ScopeRead, ScopeWrite, ScopeAdmin, ScopeVerify} {
		if s.ladder&(1<<bit) != 0 && !yield(w) {
			return
		}
	}
	for _, w := range s.words {
		if !yield(Scope(w)) {
			return
		}
	}
}
