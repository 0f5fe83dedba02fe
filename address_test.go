package halberd_test

import (
	"net/netip"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
)

// Addresses are compared by what they are, not by how they are written: v4, v6,
// v4 mapped into v6, with and without a zone.
func TestAddressesAreComparedByWhatTheyAre(t *testing.T) {
	w := fixture.New(t)
	for _, c := range []struct {
		list    string
		allowed []string
		refused []string
	}{
		{"203.0.113.0/24", []string{"203.0.113.0", "203.0.113.255", "::ffff:203.0.113.7", "::ffff:cb00:7107"}, []string{"203.0.114.0", "::203.0.113.7", "2001:db8::cb00:7107", "::ffff:203.0.114.0"}},
		{"203.0.113.7", []string{"203.0.113.7", "::ffff:203.0.113.7"}, []string{"203.0.113.6", "203.0.113.8"}},
		{"::ffff:203.0.113.0/120", []string{"203.0.113.9", "::ffff:203.0.113.9"}, []string{"203.0.114.9"}},
		{"2001:db8::/32", []string{"2001:db8::1", "2001:DB8:ffff::", "2001:db8::1%eth0"}, []string{"2001:db9::", "203.0.113.7", "::ffff:203.0.113.7"}},
		{"::1", []string{"::1", "0:0:0:0:0:0:0:1"}, []string{"127.0.0.1", "::2"}},
		{"0.0.0.0/0", []string{"203.0.113.7", "::ffff:203.0.113.7"}, []string{"2001:db8::1"}},
		{"::/0", []string{"2001:db8::1"}, []string{"203.0.113.7", "::ffff:203.0.113.7"}},
	} {
		list, err := halberd.ParseIPAllow([]string{c.list})
		if err != nil {
			t.Fatal(c.list, err)
		}
		k := w.Make(halberd.NewKey{Wide: true, IPAllow: halberd.Some(list)})
		check := func(from netip.Addr, want halberd.VerdictCode) {
			t.Helper()
			v, err := w.Verify(w.Ctx(), halberd.Check{Secret: k.Secret, ClientIP: from})
			if err != nil || v.Code != want {
				t.Errorf("%s from %s: %s, %v", c.list, from, v.Code, err)
			}
		}
		for _, from := range c.allowed {
			check(netip.MustParseAddr(from), halberd.Valid)
		}
		for _, from := range c.refused {
			check(netip.MustParseAddr(from), halberd.IPNotAllowed)
		}
		check(netip.Addr{}, halberd.IPNotAllowed)
	}
	for _, bad := range []string{"", "203.0.113", "203.0.113.7/33", "203.0.113.7/24", "fe80::1%eth0", "::ffff:0:0/90", "example.com", "203.0.113.007", " 203.0.113.7", "2001:db8::1/32"} {
		if got, err := halberd.ParseIPAllow([]string{bad}); halberd.CodeOf(err) != halberd.CodeInvalid {
			t.Errorf("%q was taken for %v", bad, got)
		}
	}
}
