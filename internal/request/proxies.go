package request

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the peers whose forwarding headers are believed. The zero value,
// and nil, believe none.
type Proxies struct {
	networks []netip.Prefix
	unix     bool
}

// ParseProxies reads addresses and networks, parted by spaces or commas; the
// word unix stands for whoever connects to a Unix socket.
func ParseProxies(text string) (*Proxies, error) {
	p := &Proxies{}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\t' }) {
		if word == "unix" {
			p.unix = true
			continue
		}
		network, err := netip.ParsePrefix(word)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(word); err != nil || a.Zone() != "" {
				return nil, fmt.Errorf("%q is no address, no network such as 10.0.0.0/8, and not the word unix", word)
			}
			network = netip.PrefixFrom(a, a.BitLen())
		}
		if network.Addr().Is4In6() {
			if network.Bits() < 96 {
				return nil, fmt.Errorf("%s mixes IPv4 and IPv6 in one network", word)
			}
			network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
		}
		switch {
		case network != network.Masked():
			return nil, fmt.Errorf("%s has bits behind the mask; did you mean %s?", word, network.Masked())
		case network.Bits() == 0:
			return nil, fmt.Errorf("%s is everybody: name the proxies' own addresses", word)
		}
		p.networks = append(p.networks, network)
	}
	return p, nil
}

// Trusts reports whether an address is a proxy's.
func (p *Proxies) Trusts(a netip.Addr) bool {
	return p != nil && slices.ContainsFunc(p.networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// Trusted reports whether the peer of a request is a proxy whose headers are
// believed. peer is its address, the zero Addr on a Unix socket.
func (p *Proxies) Trusted(r *http.Request) (peer netip.Addr, trusted bool) {
	peer = ClientAddr(r)
	if !peer.IsValid() {
		at, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		return peer, p.trustsSocket(at)
	}
	return peer, p.Trusts(peer)
}

// TrustedPeer is Trusted for the other end of a connection.
func (p *Proxies) TrustedPeer(at net.Addr) (peer netip.Addr, trusted bool) {
	tcp, ok := at.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, p.trustsSocket(at)
	}
	peer = tcp.AddrPort().Addr().Unmap().WithZone("")
	return peer, p.Trusts(peer)
}

func (p *Proxies) trustsSocket(at net.Addr) bool {
	return p != nil && p.unix && at != nil && at.Network() == "unix"
}

// Forwarded is the address that a chain of proxies states: the values of
// X-Forwarded-For as they came, read from the right, where each proxy has
// written down whom it was asked by. The first that is no proxy of ours is the
// client, whatever stands left of it; where one makes no sense, the last proxy
// that did is as far as anyone knows. peer must be a trusted one.
func (p *Proxies) Forwarded(peer netip.Addr, values []string) netip.Addr {
	for _, value := range slices.Backward(values) {
		for more := true; more; {
			var last string
			if at := strings.LastIndexByte(value, ','); at >= 0 {
				value, last = value[:at], value[at+1:]
			} else {
				last, more = value, false
			}
			a, ok := ParseAddr(strings.Trim(last, " \t"))
			if !ok {
				return peer
			}
			if peer = a; !p.Trusts(a) {
				return a
			}
		}
	}
	return peer
}

// Settle makes the client's address that trusted proxies state the request's
// own, once and for every room behind: ClientAddr is the client's from then on.
func (p *Proxies) Settle(r *http.Request) {
	if p == nil {
		return
	}
	values := r.Header["X-Forwarded-For"]
	if len(values) == 0 {
		return
	}
	peer, trusted := p.Trusted(r)
	if !trusted {
		return
	}
	if client := p.Forwarded(peer, values); client.IsValid() {
		r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
	}
}

// ParseAddr reads an address as proxies write it, some with its port.
func ParseAddr(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		ap, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		a = ap.Addr()
	}
	return a.Unmap().WithZone(""), true
}
