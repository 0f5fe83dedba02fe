// Package client speaks Halberd's /v1 from Go, in the types of
// dialect/enveloped/wire; its Verify also speaks the library's, so that a Client
// stands where a *halberd.Service does.
//
//	c, err := client.New("https://keys.example.com", os.Getenv("HB_API_KEY"))
//	made, err := c.Keys.Create(ctx, wire.CreateKey{Label: wire.Some("CI Key")})
//	verdict, err := c.Verify(ctx, halberd.Check{Secret: presented, Scopes: []halberd.Scope{"read"}})
//	for key, err := range c.Keys.All(ctx, client.KeyQuery{}) { … }
//
// Every refusal is an *Error. Calls are tried up to four times where trying
// again is safe, with at most ten seconds of waiting between the tries
// (retry.go); create and rotate carry an Idempotency-Key of their own, so that
// a lost answer makes no second key (keys.go).
//
// The key goes to the one address it was given with: redirects are not
// followed, there are no cookies, and nothing that this package returns or
// prints holds the key. It does not cache verdicts, and neither may its caller.
package client

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client is safe for concurrent use. Printing it shows no key.
type Client struct {
	Keys          Keys
	Projects      Projects
	Organizations Organizations
	Members       Members
	Audit         Audit
	Events        Events
	Webhooks      Webhooks
	Alerts        Alerts

	conn *conn
}

// Option changes how New builds a Client.
type Option func(*conn)

// PlainHTTP allows a plain http address on another machine, where whoever sits
// on the way reads the key. Without it New refuses one; loopback is always
// allowed.
func PlainHTTP() Option { return func(c *conn) { c.plain = true } }

// Transport replaces the connection pool, for instance for own certificates.
func Transport(rt http.RoundTripper) Option { return func(c *conn) { c.http.Transport = rt } }

// Timeout bounds one try, connection and answer together. The default is 30
// seconds: a revocation may wait for the slowest node.
func Timeout(d time.Duration) Option { return func(c *conn) { c.http.Timeout = d } }

// UserAgent replaces "halberd-go".
func UserAgent(name string) Option { return func(c *conn) { c.agent = name } }

// OnWait is told before each wait between two tries of a call: for how long, and
// why. It is called by whoever made the call.
func OnWait(tell func(wait time.Duration, why *Error)) Option {
	return func(c *conn) { c.waiting = tell }
}

// ErrPlainHTTP is why New refuses an http address that is not loopback.
var ErrPlainHTTP = errors.New("plain http would show the key to everyone on the way: use https")

// New is a client of the server at baseURL (scheme, host, perhaps a path) that
// presents key. It opens no connection.
func New(baseURL, key string, opts ...Option) (*Client, error) {
	base, err := ParseURL(baseURL)
	if err != nil {
		return nil, err
	}
	if !presentable(key) {
		return nil, errors.New("the API key is empty or has characters that no key has")
	}
	c := &conn{
		base:  base,
		agent: "halberd-go",
		key:   func() string { return key },
		http: &http.Client{
			Timeout:   30 * time.Second,
			Transport: http.DefaultTransport,
			// The key must not travel to wherever an answer points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	for _, o := range opts {
		o(c)
	}
	if !c.plain && Exposed(base) {
		return nil, ErrPlainHTTP
	}
	return &Client{Keys: Keys{c}, Projects: Projects{c}, Organizations: Organizations{c}, Members: Members{c}, Audit: Audit{c}, Events: Events{c}, Webhooks: Webhooks{c}, Alerts: Alerts{c}, conn: c}, nil
}

// ParseURL reads the address of a server and brings it into one spelling, so
// that two can be compared. The error does not repeat the text, which may hold
// a password.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the address must be like https://keys.example.com")
	case u.User != nil:
		return nil, errors.New("the address must hold no user and no password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("the address must end before ? and #")
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "80" && u.Scheme == "http" || port == "443" && u.Scheme == "https" {
		port = ""
	}
	switch {
	case port != "":
		host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return (&url.URL{Scheme: u.Scheme, Host: host, Path: strings.TrimRight(u.Path, "/")}), nil
}

// Exposed reports whether a key sent to u could be read on the way: plain http
// to another machine.
func Exposed(u *url.URL) bool {
	if u.Scheme == "https" {
		return false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	return host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// presentable keeps net/http from refusing the key with an error of its own.
func presentable(key string) bool {
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return false
		}
	}
	return key != "" && len(key) <= 1024
}

// conn is what the groups of calls share. key is a function because no
// printing verb looks into one.
type conn struct {
	base  *url.URL
	key   func() string
	http  *http.Client
	agent string
	plain bool

	waiting func(time.Duration, *Error) // nil: nobody is told
}
