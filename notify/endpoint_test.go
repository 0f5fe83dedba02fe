package notify

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/halberdhq/halberd"
)

// answers resolves every name to the next list, and to the last ever after.
type answers struct {
	lists [][]string
	asked atomic.Int64
}

func (a *answers) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	n := int(a.asked.Add(1)) - 1
	var out []netip.Addr
	for _, s := range a.lists[min(n, len(a.lists)-1)] {
		out = append(out, netip.MustParseAddr(s))
	}
	return out, nil
}

const elsewhere = "93.184.215.14" // of example.org once; nothing in these tests calls it

func resolving(lists ...[]string) *answers { return &answers{lists: lists} }

// Every spelling is refused before a resolver is asked about it, whatever that
// would say.
func TestA85_RefusedOnSave(t *testing.T) {
	r := resolving([]string{elsewhere})
	w := NewWebhooks(Options{Resolver: r})
	n := 0
	refused := func(address string) {
		t.Helper()
		n++
		err := w.Judge(t.Context(), address)
		e, ok := errors.AsType[*halberd.Error](err)
		if !ok || e.Code != halberd.CodeInvalid || e.Field != "url" || !strings.HasPrefix(e.Message, "endpoint must be a valid HTTPS URL") {
			t.Errorf("%q may be saved: %v", address, err)
		}
		if got := r.asked.Swap(0); got != 0 {
			t.Errorf("%q was looked up %d times", address, got)
		}
	}
	for _, h := range hosts() {
		refused("https://" + h + "/hook")
	}
	for _, a := range notHTTPS() {
		refused(a)
	}
	if n < 400 {
		t.Errorf("only %d spellings were tried", n)
	}
}

func TestA85_GoodAddressesAreSaved(t *testing.T) {
	w := NewWebhooks(Options{Resolver: resolving([]string{elsewhere, "::ffff:" + elsewhere, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"})})
	for _, a := range []string{
		"https://example.org", "https://example.org/", "https://EXAMPLE.org:443/hooks/1?x=y&z=%20", "HTTPS://hooks.example.co.uk/a", "https://xn--bcher-kva.example.org/",
		"https://a_b.example.org/", "https://93.184.215.14/hook", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/", "https://1.example.org/", "https://0x7f.example.org/",
	} {
		if err := w.Judge(t.Context(), a); err != nil {
			t.Errorf("%q is refused: %v", a, err)
		}
	}
}

// Where the spelling was not looked at, the dial refuses what it comes to: no
// connection is opened. The resolver here reads every spelling the way a C library
// does, as the address it hides.
func TestA85_RefusedAtDial(t *testing.T) {
	port, accepted := anywhere(t)
	n := 0
	for _, h := range hosts() {
		host := bare(h)
		for _, to := range []string{"127.0.0.1", "::1", "0.0.0.0", "::ffff:127.0.0.1"} {
			n++
			w := NewWebhooks(Options{Resolver: resolving([]string{to})})
			c, err := w.dial(t.Context(), "tcp", net.JoinHostPort(host, port))
			if err == nil {
				_ = c.Close()
				t.Fatalf("%q was called", host)
			}
			if _, ok := errors.AsType[refusal](err); !ok {
				t.Errorf("%q: %v", host, err)
			}
		}
	}
	for _, a := range inward() {
		w := NewWebhooks(Options{})
		if err := w.control("tcp", net.JoinHostPort(a, port), nil); err == nil {
			t.Errorf("the system may connect to %s", a)
		}
		if public(netip.MustParseAddr(a)) {
			t.Errorf("%s counts as public", a)
		}
	}
	if n < 1000 || accepted() != 0 {
		t.Errorf("%d dials, %d connections", n, accepted())
	}
}

// A name that was fine when it was saved, and is not when it is called.
func TestA87_RebindingIsRefused(t *testing.T) {
	port, accepted := anywhere(t)
	for name, then := range map[string][]string{
		"private":                {"127.0.0.1"},
		"public and private":     {elsewhere, "127.0.0.1"},
		"private and public":     {"10.0.0.1", elsewhere},
		"mapped":                 {"::ffff:127.0.0.1"},
		"public and metadata":    {elsewhere, "169.254.169.254"},
		"translated to loopback": {"64:ff9b::7f00:1"},
	} {
		r := resolving([]string{elsewhere}, then)
		w := NewWebhooks(Options{Resolver: r})
		if err := w.Judge(t.Context(), "https://rebound.example.org/"); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := w.Judge(t.Context(), "https://rebound.example.org/"); err == nil {
			t.Errorf("%s: saved", name)
		}
		if _, err := w.dial(t.Context(), "tcp", net.JoinHostPort("rebound.example.org", port)); err == nil {
			t.Errorf("%s: called", name)
		}
		got := w.Send(t.Context(), message("https://rebound.example.org/"), now())
		if got.Delivered() || got.Status != 0 || !strings.Contains(got.Why, "not sent") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if accepted() != 0 {
		t.Errorf("%d connections", accepted())
	}
}

// silent resolves nothing, and only ends with its context.
type silent struct{ bounded atomic.Bool }

func (s *silent) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	_, ok := ctx.Deadline()
	s.bounded.Store(ok)
	if !ok {
		return nil, errors.New("no end")
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// failing is a resolver that knows no name.
type failing struct{}

func (failing) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: "10.1.2.3", Server: "10.1.2.3:53"}
}

func TestA88_NameThatDoesNotResolve(t *testing.T) {
	s := &silent{}
	for _, r := range []Resolver{failing{}, s} {
		w := NewWebhooks(Options{Resolver: r})
		ctx, stop := context.WithCancel(t.Context())
		if r == Resolver(s) {
			w.resolveWithin = 1
		}
		err := w.Judge(ctx, "https://nowhere.example.org/")
		stop()
		if halberd.CodeOf(err) != halberd.CodeInvalid || !strings.Contains(err.Error(), "does not resolve") || strings.Contains(err.Error(), "10.1.2.3") {
			t.Error(err)
		}
	}
	if !s.bounded.Load() {
		t.Error("saving waits for a resolver without a bound")
	}
	if w := NewWebhooks(Options{}); w.resolveWithin != resolveWithin || w.sendWithin != sendWithin {
		t.Error("the bounds are not the documented ones")
	}
	w := NewWebhooks(Options{Resolver: failing{}})
	if got := w.Send(t.Context(), message("https://nowhere.example.org/"), now()); got.Delivered() || got.Why != "not sent: its host does not resolve" {
		t.Errorf("%+v", got)
	}
}

// The setting for development opens private addresses and plain http, and nothing
// that two programs may read differently.
func TestA85_AllowPrivate(t *testing.T) {
	w := NewWebhooks(Options{AllowPrivate: true, Resolver: resolving([]string{"10.0.0.7"})})
	for _, a := range []string{"http://127.0.0.1:9000/", "https://localhost:9000/", "http://[::1]/", "http://receiver:80/", "https://10.0.0.1/"} {
		if err := w.Judge(t.Context(), a); err != nil {
			t.Errorf("%q is refused: %v", a, err)
		}
	}
	for _, a := range []string{"http://0x7f.1/", "http://127.1/", "http://user@127.0.0.1/", "ftp://127.0.0.1/", "http://0.0.0.0/", "http://224.0.0.1/", "http://127.0.0.1./"} {
		if err := w.Judge(t.Context(), a); err == nil {
			t.Errorf("%q may be saved", a)
		}
	}
}

// anywhere listens on every address of this machine and counts who connects.
func anywhere(t *testing.T) (port string, accepted func() int64) {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	var n atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			_ = c.Close()
		}
	}()
	return port, n.Load
}

func FuzzParse(f *testing.F) {
	for _, h := range hosts() {
		f.Add("https://" + h + "/")
	}
	for _, a := range notHTTPS() {
		f.Add(a)
	}
	w := NewWebhooks(Options{Resolver: failing{}})
	f.Fuzz(func(t *testing.T, address string) {
		p, err := w.parse(address)
		if err != nil {
			return
		}
		if a, err := netip.ParseAddr(p.host); err == nil && !public(a) {
			t.Fatalf("%q is %s", address, a)
		}
		if p.url.Scheme != "https" || p.url.User != nil || (p.url.Port() != "" && p.url.Port() != "443") {
			t.Fatalf("%q is %s", address, p.url)
		}
	})
}
