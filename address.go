package halberd

import (
	"net/netip"
	"slices"
)

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
