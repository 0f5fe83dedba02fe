package request_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/halberdhq/halberd/internal/request"
)

// the first address from the right that is no proxy of ours is the
// client's.
func TestTheClientIsTheRightmostAddressThatIsNoProxy(t *testing.T) {
	p, err := request.ParseProxies("10.0.0.0/8, 192.0.2.1 2001:db8::/32 ::ffff:172.16.0.0/108")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		peer   string
		values []string
		want   string
	}{
		{"10.0.0.1:80", nil, "10.0.0.1"},
		{"10.0.0.1:80", []string{"203.0.113.7"}, "203.0.113.7"},
		{"[::ffff:10.0.0.1]:80", []string{"203.0.113.7"}, "203.0.113.7"},
		{"203.0.113.9:80", []string{"203.0.113.7"}, "203.0.113.9"}, // nobody's proxy
		{"10.0.0.1:80", []string{"1.2.3.4, 203.0.113.7, 10.9.9.9,192.0.2.1"}, "203.0.113.7"},
		{"10.0.0.1:80", []string{"1.2.3.4", "203.0.113.7", "172.16.3.4"}, "203.0.113.7"},
		{"10.0.0.1:80", []string{"203.0.113.7", "5.6.7.8"}, "5.6.7.8"},
		{"10.0.0.1:80", []string{"10.1.1.1, 10.2.2.2"}, "10.1.1.1"}, // all ours: the farthest
		{"10.0.0.1:80", []string{"203.0.113.7, unknown, 10.2.2.2"}, "10.2.2.2"},
		{"10.0.0.1:80", []string{""}, "10.0.0.1"}, {"10.0.0.1:80", []string{","}, "10.0.0.1"}, {"10.0.0.1:80", []string{"203.0.113.7,"}, "10.0.0.1"},
		{"10.0.0.1:80", []string{"203.0.113.7:9"}, "203.0.113.7"}, {"10.0.0.1:80", []string{"[2001:db9::1]:9"}, "2001:db9::1"}, {"10.0.0.1:80", []string{"[2001:db9::1]"}, "2001:db9::1"},
		{"10.0.0.1:80", []string{"::ffff:203.0.113.7"}, "203.0.113.7"}, {"10.0.0.1:80", []string{"fe80::1%eth0"}, "fe80::1"},
		{"[2001:db8::5]:80", []string{"\t203.0.113.7 "}, "203.0.113.7"}, {"10.0.0.1:80", []string{"203.0.113.007"}, "10.0.0.1"},
		{"10.0.0.1:80", []string{strings.Repeat("1.2.3.4,", 1000) + "10.0.0.2"}, "1.2.3.4"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.values, "X-Real-Ip": {"9.9.9.9"}, "Forwarded": {"for=9.9.9.9"}}}
		p.Settle(r)
		if got := request.ClientAddr(r); got != netip.MustParseAddr(c.want) {
			t.Errorf("%s %.60q: %s, want %s", c.peer, c.values, got, c.want)
		}
	}
	var none *request.Proxies
	r := &http.Request{RemoteAddr: "10.0.0.1:80", Header: http.Header{"X-Forwarded-For": {"203.0.113.7"}}}
	if none.Settle(r); request.ClientAddr(r) != netip.MustParseAddr("10.0.0.1") {
		t.Error("nobody is trusted, and was believed")
	}
}
