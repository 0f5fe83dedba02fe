package halberd_test

import (
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
)

func resources(t *testing.T, patterns ...string) halberd.Resources {
	t.Helper()
	r, err := halberd.ParseResources(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// S1-07, S1-08: all, exactly this one, everything below that one; case counts
// and there is no other wildcard.
func TestResourcesAllow(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "engagement/42", true},
		{"engagement/42", "engagement/42", true},
		{"engagement/42", "engagement/421", false},
		{"engagement/42", "engagement/4", false},
		{"engagement/42", "Engagement/42", false},
		{"engagement/42", "engagement/42/report", false},
		{"engagement/*", "engagement/42", true},
		{"engagement/*", "engagement/42/report", true},
		{"engagement/*", "engagements/42", false},
		{"engagement/42/*", "engagement/42/report", true},
		{"engagement/42/*", "engagement/42", false},
	} {
		if got := resources(t, c.pattern).Allows(c.name); got != c.want {
			t.Errorf("%s allows %s: %v", c.pattern, c.name, got)
		}
	}
	if (halberd.Resources{}).Allows("a/b") {
		t.Error("the zero Resources allows something")
	}
}

func TestResourcesWithin(t *testing.T) {
	for _, c := range []struct {
		inner, outer []string
		want         bool
	}{
		{[]string{"*"}, []string{"*"}, true},
		{[]string{"*"}, []string{"a/*"}, false},
		{[]string{"a/1"}, []string{"*"}, true},
		{[]string{"a/1", "a/2"}, []string{"a/*"}, true},
		{[]string{"a/*"}, []string{"a/*"}, true},
		{[]string{"a/b/*"}, []string{"a/*"}, true},
		{[]string{"a/*"}, []string{"a/b/*"}, false},
		{[]string{"a/*"}, []string{"a/1"}, false},
		{[]string{"a/1", "b/1"}, []string{"a/*"}, false},
	} {
		if got := resources(t, c.inner...).Within(resources(t, c.outer...)); got != c.want {
			t.Errorf("%v within %v: %v", c.inner, c.outer, got)
		}
	}
}

func TestMalformedResourcesAreRefused(t *testing.T) {
	for _, p := range []string{
		"", "engagement", "/", "a/", "/a", "a//b", "a/../b", "a/./b", "a/*/b", "*/a", "a*", "a/b*", "**", "a b/c",
		"é/1", "a/\x00", "a/" + strings.Repeat("x", 254),
	} {
		if _, err := halberd.ParseResources([]string{p}); halberd.CodeOf(err) != halberd.CodeInvalid {
			t.Errorf("%q: %v", p, err)
		}
		if p != "a/../b" && halberd.ValidResource(p) {
			t.Errorf("ValidResource(%q)", p)
		}
	}
	if r := "a/" + strings.Repeat("x", 253); !halberd.ValidResource(r) || !resources(t, r).Allows(r) {
		t.Error("255 characters are refused")
	}
	if halberd.ValidResource("a/*") || halberd.ValidResource("*") {
		t.Error("a pattern is a resource")
	}
	if _, err := halberd.ParseResources(nil); err == nil {
		t.Error("an empty list was accepted")
	}
}
