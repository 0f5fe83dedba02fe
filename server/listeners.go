package server

import (
	"fmt"
	"net"
	"slices"
	"strings"
)

// public splits Listen: addresses of the network, and paths of sockets.
func (c *Config) public() (addresses, sockets []string, err error) {
	for word := range strings.FieldsFuncSeq(c.Listen, func(r rune) bool { return r == ' ' || r == ',' }) {
		if path, ok := strings.CutPrefix(word, "unix:"); ok && path != "" {
			sockets = append(sockets, path)
			continue
		}
		if _, port, err := net.SplitHostPort(word); err != nil || !validPort(port) {
			return nil, nil, fmt.Errorf("listen must be addresses with a port, such as 127.0.0.1:8080 or :8080, or sockets such as unix:/run/halberd.sock, and not %q", c.Listen)
		}
		addresses = append(addresses, word)
	}
	if len(addresses)+len(sockets) == 0 {
		return nil, nil, fmt.Errorf("listen is %q, which is nowhere", c.Listen)
	}
	return addresses, sockets, nil
}

// home is the URL that leads to the first address, as seen from this machine.
func (c *Config) home() (string, error) {
	addresses, _, err := c.public()
	if err != nil {
		return "", err
	}
	if len(addresses) == 0 {
		return "http://localhost", nil // links must begin with something
	}
	host, port, _ := net.SplitHostPort(addresses[0])
	return c.scheme() + "://" + net.JoinHostPort(reachable(host), port), nil
}

// addresses are those of the network.
func (c *Config) addresses() []string {
	addresses, _, _ := c.public()
	return addresses
}

// exposed reports whether keys may come in from other machines in the clear.
func (c *Config) exposed() bool { return slices.ContainsFunc(c.addresses(), c.inClear) }

// inClear reports whether keys that come in at an address would travel in the
// clear between machines.
func (c *Config) inClear(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	return c.TLSCert == "" && address != "" && !strings.HasPrefix(address, "unix:") && !loopback(host)
}
