package halberd_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
)

// S0-17 to S0-19, S3-27, S3-28: admin ⊇ write ⊇ read, kept and shown closed
// downward; admin holds every word, write none with a colon.
func TestScopesAreALadder(t *testing.T) {
	for _, c := range []struct {
		given  []string
		shown  string
		holds  []halberd.Scope
		lacks  []halberd.Scope
		within string
	}{
		{[]string{"read"}, "read", []halberd.Scope{"read"}, []halberd.Scope{"write", "admin", "verify", "a:b"}, "read"},
		{[]string{"write"}, "read write", []halberd.Scope{"read", "write"}, []halberd.Scope{"admin", "verify", "a:b"}, "write"},
		{[]string{"admin"}, "read write admin", []halberd.Scope{"read", "write", "admin", "verify", "a:b"}, nil, "admin"},
		{[]string{"verify"}, "verify", []halberd.Scope{"verify"}, []halberd.Scope{"read", "a:b"}, "admin"},
		{[]string{"b:y", "read", "a:x", "b:y"}, "read a:x b:y", []halberd.Scope{"read", "a:x", "b:y"}, []halberd.Scope{"write", "a:y"}, "admin"},
	} {
		s, err := halberd.ParseScopes(c.given)
		if err != nil {
			t.Errorf("%v: %v", c.given, err)
			continue
		}
		if s.String() != c.shown {
			t.Errorf("%v is shown as %q", c.given, s)
		}
		for _, w := range c.holds {
			if !s.Holds(w) {
				t.Errorf("%v does not hold %s", c.given, w)
			}
		}
		for _, w := range c.lacks {
			if s.Holds(w) {
				t.Errorf("%v holds %s", c.given, w)
			}
		}
		if !s.Within(halberd.MustScopes(c.within)) {
			t.Errorf("%v is not within %s", c.given, c.within)
		}
	}
}

// S0-22: an unknown word is refused, and names the field.
func TestUnknownScopesAreRefused(t *testing.T) {
	many := make([]string, 33)
	for i := range many {
		many[i] = "a:" + strings.Repeat("b", i+1)
	}
	for _, given := range [][]string{
		nil, {}, {""}, {"*"}, {"superuser"}, {"Read"}, {"READ"}, {"read "}, {"ſcopes:a"}, {":a"}, {"a:"}, {":"},
		{"a b:c"}, {"a:\x00"}, {"a:" + strings.Repeat("b", 63)}, many,
	} {
		_, err := halberd.ParseScopes(given)
		if halberd.CodeOf(err) != halberd.CodeInvalid || !strings.Contains(err.Error(), "scopes") {
			t.Errorf("%q: %v", given, err)
		}
	}
	if _, err := halberd.ParseScopes(slices.Repeat([]string{"read"}, 32)); err != nil {
		t.Error(err)
	}
}

// what is accepted can be kept and read again: the words that admin and
// write include count as well.
func TestAcceptedScopesAreReadAgain(t *testing.T) {
	for _, first := range []string{"admin", "write", "read", "verify", "a:first"} {
		for n := 28; n <= 32; n++ {
			words := []string{first}
			for i := range n - 1 {
				words = append(words, "a:"+strings.Repeat("b", i+1))
			}
			s, err := halberd.ParseScopes(words)
			if err != nil {
				continue
			}
			if again, err := halberd.ParseScopes(s.Strings()); err != nil || !again.Equal(s) {
				t.Errorf("%s and %d more: kept as %d words, and then %v", first, n-1, len(s.Strings()), err)
			}
		}
	}
}
