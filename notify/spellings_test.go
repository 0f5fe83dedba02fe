package notify

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// inward are addresses that must not be called, one of each kind.
func inward() []string {
	return []string{
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.1.1",
		"100.64.0.1", "100.100.100.200", "169.254.169.254", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.7",
		"203.0.113.9", "192.88.99.1", "192.31.196.1", "192.52.193.1", "192.175.48.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
		"::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "100::1", "2001:db8::1", "3fff::1", "3ffe::1", "5f00::1",
		"2001::7f00:1", "2001:2::1", "2001:10::1", "2001:20::1", "2620:4f:8000::1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1",
		"2002:7f00:1::", "2002:a9fe:a9fe::1", "::ffff:127.0.0.1", "::ffff:93.184.215.14", "::127.0.0.1", "::ffff:0:127.0.0.1",
		"2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "4000::1", "e000::1",
	}
}

// spellings are ways to write one IPv4 address as a host: what some program or
// other reads as this address, or is fooled by.
func spellings(a netip.Addr) []string {
	b := a.As4()
	n := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	f := fmt.Sprintf
	wide := strings.NewReplacer("0", "０", "1", "１", "2", "２", "3", "３", "4", "４", "5", "５", "6", "６", "7", "７", "8", "８", "9", "９")
	percent := ""
	for _, c := range []byte(a.String()) {
		percent += f("%%%02X", c)
	}
	return []string{
		a.String(), a.String() + ".", a.String() + "..", a.String() + ":443", a.String() + ":80", a.String() + ":",
		f("%d", n), f("0%o", n), f("0x%x", n), f("0X%X", n), f("%d.", n), f("0x%x.", n), f("0x00000000%x", n), f("%d", uint64(n)+1<<32),
		f("0%o.0%o.0%o.0%o", b[0], b[1], b[2], b[3]), f("0x%x.0x%x.0x%x.0x%x", b[0], b[1], b[2], b[3]),
		f("%03d.%03d.%03d.%03d", b[0], b[1], b[2], b[3]), f("0%d.%d.%d.%d", b[0], b[1], b[2], b[3]),
		f("%d.%d", b[0], n&0xffffff), f("%d.%d.%d", b[0], b[1], n&0xffff), f("0x%x.%d", b[0], n&0xffffff), f("0%o.0x%x.%d", b[0], b[1], n&0xffff),
		f("%d.%d.%d.%d.", b[0], b[1], b[2], b[3]), f("%d.%d.%d.0x%x", b[0], b[1], b[2], b[3]), f("%d.%d.%d.%d", int(b[0])+256, b[1], b[2], b[3]),
		f("[::ffff:%s]", a), f("[::ffff:%x:%x]", n>>16, n&0xffff), f("[0:0:0:0:0:ffff:%s]", a), f("[::%s]", a), f("[::ffff:0:%s]", a),
		f("[64:ff9b::%s]", a), f("[64:ff9b:1::%s]", a), f("[2002:%x:%x::]", n>>16, n&0xffff), f("[2001:0:%x:%x::]", n>>16, n&0xffff),
		f("[2606:4700::5efe:%s]", a), f("[::ffff:%s%%25eth0]", a), f("[%s]", a),
		wide.Replace(a.String()), strings.ReplaceAll(a.String(), ".", "。"), strings.ReplaceAll(a.String(), ".", "．"), strings.ReplaceAll(a.String(), ".", "｡"),
		percent, strings.ReplaceAll(a.String(), ".", "%2E"), strings.ReplaceAll(a.String(), ".", "%E3%80%82"), a.String() + "%00", a.String() + "%00.example.org", a.String() + "%0d%0a",
		"93.184.215.14@" + a.String(), "user:pass@" + a.String(), "example.org%40" + a.String(), "@" + a.String(), "example.org:443@" + a.String(),
		a.String() + `\@example.org`, a.String() + `\example.org`, "example.org\t@" + a.String(), " " + a.String(), a.String() + " ", a.String() + "\n", "\u200b" + a.String(), a.String() + "\u00ad",
		a.String() + ":65536", a.String() + ":-1", a.String() + ":0443", a.String() + ":443:80", a.String() + ":４４３",
	}
}

// hosts are all of them, for the addresses that are asked for most.
func hosts() []string {
	var all []string
	for _, a := range []string{"127.0.0.1", "169.254.169.254", "10.0.0.1", "0.0.0.0", "192.168.0.1", "172.16.3.4", "100.64.0.1"} {
		all = append(all, spellings(netip.MustParseAddr(a))...)
	}
	for _, a := range inward() {
		if ip := netip.MustParseAddr(a); ip.Is6() {
			all = append(all, "["+a+"]", "["+strings.ToUpper(a)+"]", "["+ip.StringExpanded()+"]", "["+a+"]:443", a)
		} else {
			all = append(all, a)
		}
	}
	return append(all, "[fe80::1%25lo]", "[::1%25]", "[::1", "::1]", "[]", "[::1].example.org", "[[::1]]", "[v1.fe80]", "[0:0:0:0:0:0:0:1]",
		"localhost", "LOCALHOST", "Localhost.", "localhost:443", "foo.localhost", "localhost.localdomain", "ip6-localhost", "broadcasthost", "intranet", "router.lan", "db.internal",
		"metadata.google.internal", "printer.local", "host.docker.internal", "x.home.arpa", "1.0.0.127.in-addr.arpa", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ｌｏｃａｌｈｏｓｔ", "lоcalhost", // the last with a Cyrillic o
		"", ".", "..", "-", "a..b.org", ".example.org", "example.org.", "-a.org", "a-.org", "*.example.org", "exa mple.org", "bücher.example.org", "1.2.3", "1.2.3.4.5", "0x", "0x.0x", "00", "08.8.8.8", "127.1", "0", "1e3", strings.Repeat("a", 64)+".org", strings.Repeat("a.", 130)+"org")
}

// notHTTPS are whole addresses that are no webhook's, their hosts apart.
func notHTTPS() []string {
	return []string{
		"", " ", "https", "https:", "https:/", "https://", "https:///hook", "//example.org/hook", "/hook", "example.org", "example.org/hook", "https:example.org", "https:/example.org",
		"http://example.org/hook", "HTTP://example.org", "ftp://example.org", "file:///etc/passwd", "gopher://example.org", "javascript:alert(1)", "data:text/plain,x", "unix:///run/x.sock",
		"ws://example.org", "wss://example.org", "httpss://example.org", "https+unix://x", "jar:https://example.org!/", "mailto:a@example.org", "ldap://example.org", "dict://example.org:11211/",
		"https://example.org:80/", "https://example.org:8443/", "https://example.org:22/", "https://example.org:0/", "https://example.org:/", "https://example.org:443443/", "https://example.org:https/",
		"https://user@example.org/", "https://user:pass@example.org/", "https://:@example.org/", "https://example.org/#fragment", "https://example.org/#", "https://example.org/a b", "https://example.org/\r\nX: y", "https://example.org/\x00",
		"https://example.org\\@evil.org/", "https://example.org/ü", " https://example.org/", "https://example.org/ ", "\thttps://example.org/", "https://exam\nple.org/", "https://example.org/%zz", "ｈttps://example.org/", "https：//example.org/",
		"https://example.org/" + strings.Repeat("a", 2048),
	}
}

// bare is the host of a spelling, as a resolver would be asked for it.
func bare(host string) string {
	if u, err := url.Parse("https://" + host + "/"); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return strings.Trim(host, "[]")
}
