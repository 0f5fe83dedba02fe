package notify

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
)

const (
	maxURL = 2048
	// resolveWithin bounds what saving an address waits for its name.
	resolveWithin = 3 * time.Second
	maxHost       = 253
	maxLabel      = 63
)

// refusal is why an address is not called, in words for whoever wrote it: what
// it resolves to is not in it.
type refusal string

func (r refusal) Error() string { return string(r) }

// invalid is the answer to who would save such an address: S2's sentence, then
// what is wrong.
func (r refusal) invalid() *halberd.Error {
	e := &halberd.Error{Code: halberd.CodeInvalid, Field: "url", Message: "endpoint must be a valid HTTPS URL"}
	if r != "" {
		e.Message += ": " + string(r)
	}
	return e
}

// Judge says whether an address may be saved as one to call: nil, or an error of
// halberd.CodeInvalid. A host that is written as a number is judged as it stands;
// the resolver is asked about a name only, and for three seconds at most.
func (w *Webhooks) Judge(ctx context.Context, address string) error {
	t, err := w.parse(address)
	if err != nil {
		return refusal(err.Error()).invalid()
	}
	ctx, stop := context.WithTimeout(ctx, w.resolveWithin)
	defer stop()
	if _, err := w.resolve(ctx, t.host); err != nil {
		return refusal(err.Error()).invalid()
	}
	return nil
}

// target is an address whose spelling is fine.
type target struct {
	url  *url.URL
	host string // a name in lower case, or an address as netip writes it
}

// parse judges the spelling, with no resolver. What two programs might read in
// two ways is refused, whatever it would be.
func (w *Webhooks) parse(address string) (t target, err error) {
	switch {
	case len(address) > maxURL:
		return t, refusal("it is longer than 2048 bytes")
	case strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }):
		return t, refusal("it holds a character that no URL has; write other letters of a host as xn--…, of a path as %XX")
	}
	u, err := url.Parse(address)
	if err != nil {
		return t, refusal("it cannot be read")
	}
	switch {
	case u.Scheme == "http" && !w.allowPrivate, u.Scheme != "http" && u.Scheme != "https":
		return t, refusal("it must begin with https://")
	case u.Opaque != "" || u.Host == "":
		return t, refusal("it names no host")
	case u.User != nil:
		return t, refusal("a name or password before the host is not sent; take it out")
	case u.Fragment != "" || strings.Contains(address, "#"):
		return t, refusal("what follows # is not sent; take it out")
	}
	if port := u.Port(); !w.allowPrivate && port != "" && port != "443" {
		return t, refusal("the port must be 443")
	} else if port == "" && strings.HasSuffix(u.Host, ":") {
		return t, refusal("there is no port after the colon")
	}
	t.url = u
	t.host, err = w.host(u)
	return t, err
}

// letters are those of a host's name. Between them there are no others: Trim of a
// label that has one leaves it.
const letters = "abcdefghijklmnopqrstuvwxyz0123456789-_"

// host settles what the host of an address is.
func (w *Webhooks) host(u *url.URL) (string, error) {
	host := strings.ToLower(u.Hostname())
	if strings.HasPrefix(u.Host, "[") {
		a, err := netip.ParseAddr(host)
		if err != nil || !a.Is6() || a.Zone() != "" {
			return "", refusal("the address in brackets is not IPv6")
		}
		return a.String(), w.admit(a)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.String(), w.admit(a)
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" {
			return "", refusal("its host has a dot too many")
		}
		if len(l) > maxLabel || len(host) > maxHost || l[0] == '-' || l[len(l)-1] == '-' ||
			strings.Trim(l, letters) != "" {
			return "", refusal("its host is no name")
		}
	}
	// By the last label browsers and C libraries know a number from a name: what
	// netip does not read is octal, hexadecimal, or short of a part.
	last := labels[len(labels)-1]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "" {
		return "", refusal("write an address as four decimal numbers without zeros before them, such as 93.184.215.14")
	}
	if w.allowPrivate {
		return host, nil
	}
	if len(labels) == 1 {
		return "", refusal("its host is a name of a network of your own, such as localhost")
	}
	for _, own := range []string{"localhost", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa", "in-addr.arpa", "ip6.arpa", "localdomain", "onion", "invalid", "test", "example", "alt"} {
		if strings.HasSuffix(host, "."+own) {
			return "", refusal("its host is a name of a network of your own, such as localhost")
		}
	}
	return host, nil
}

const notPublic = refusal("its host is not an address on the public internet")

// admit judges an address by itself.
func (w *Webhooks) admit(a netip.Addr) error {
	if w.allowPrivate && !a.IsMulticast() && !a.IsUnspecified() || public(a) {
		return nil
	}
	return notPublic
}

// resolve finds the addresses of a host. One that may not be called spoils them
// all: a name that points both ways is an attack or a mistake.
func (w *Webhooks) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, w.admit(a)
	}
	found, err := w.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(found) == 0 {
		return nil, refusal("its host does not resolve")
	}
	for i, a := range found {
		if a.Is4In6() { // how the resolver may write IPv4
			a = a.Unmap()
			found[i] = a
		}
		if err := w.admit(a); err != nil {
			return nil, err
		}
	}
	if len(found) > maxAddresses {
		found = found[:maxAddresses]
	}
	return found, nil
}

// maxAddresses bounds how many of a name's addresses are tried.
const maxAddresses = 4

// Resolver finds the addresses of names. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// usual is a system's resolver, without its search list: a name is what it says.
type usual struct{}

func (usual) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if strings.Contains(host, ".") {
		host += "."
	}
	return net.DefaultResolver.LookupNetIP(ctx, network, host)
}
