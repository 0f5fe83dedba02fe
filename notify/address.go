package notify

import "net/netip"

// public reports whether an address is one that anybody on the internet may be
// reached at, and nobody else: what is not global unicast, what routes only
// within some network, what is set aside for documents and tests, and whatever
// carries an IPv4 address inside, which a gateway would take out again.
func public(a netip.Addr) bool {
	if a.Zone() != "" || a.Is4In6() || !a.IsGlobalUnicast() {
		return false
	}
	if a.Is6() {
		if !ipv6.Contains(a) { // NAT64 of RFC 6052, ULA, discard-only, SRv6 are outside
			return false
		}
		b := a.As16()
		if b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe { // ISATAP: an IPv4 address in a tunnel
			return false
		}
	}
	for _, p := range closed() {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// ipv6 is all that is given out for global unicast.
var ipv6 = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20}), 3)

// closed are the networks that are global by their form only (the registries of
// special-purpose addresses, RFC 6890 and its successors).
func closed() []netip.Prefix {
	return []netip.Prefix{
		v4(0, 0, 0, 0, 8),
		v4(10, 0, 0, 0, 8),
		v4(100, 64, 0, 0, 10), // carriers' NAT
		v4(127, 0, 0, 0, 8),
		v4(168, 63, 129, 16, 32), // Azure's own, from every virtual machine
		v4(169, 254, 0, 0, 16),   // link-local; metadata of clouds
		v4(172, 16, 0, 0, 12),
		v4(192, 0, 0, 0, 24),
		v4(192, 0, 2, 0, 24),                       // documentation
		v4(192, 31, 196, 0, 24),                    // AS112
		v4(192, 52, 193, 0, 24),                    // multicast tunnels
		v4(192, 88, 99, 0, 24),                     // 6to4's relays
		v4(192, 168, 0, 0, 16),                     //
		v4(192, 175, 48, 0, 24),                    // AS112
		v4(198, 18, 0, 0, 15),                      // benchmarks
		v4(198, 51, 100, 0, 24),                    // documentation
		v4(203, 0, 113, 0, 24),                     // documentation
		v4(224, 0, 0, 0, 3),                        // multicast, reserved, broadcast
		v6(23, 0x20, 0x01),                         // the IETF's own: Teredo, ORCHID, benchmarks
		v6(32, 0x20, 0x01, 0x0d, 0xb8),             // documentation
		v6(16, 0x20, 0x02),                         // 6to4
		v6(48, 0x26, 0x20, 0x00, 0x4f, 0x80, 0x00), // AS112
		v6(16, 0x3f, 0xfe),                         // a network of old, given back
		v6(20, 0x3f, 0xff, 0x00),                   // documentation
	}
}

func v4(a, b, c, d byte, bits int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{a, b, c, d}), bits)
}

func v6(bits int, high ...byte) netip.Prefix {
	var b [16]byte
	copy(b[:], high)
	return netip.PrefixFrom(netip.AddrFrom16(b), bits)
}
