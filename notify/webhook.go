package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"github.com/halberdhq/halberd"
)

const (
	// sendWithin bounds one delivery, from the resolver to the end of the answer.
	sendWithin = 10 * time.Second
	// maxAnswer is how much of an answer is read; nothing of it is kept.
	maxAnswer       = 64 << 10
	maxAnswerHeader = 16 << 10
	// maxRetryAfter bounds what a receiver may ask for.
	maxRetryAfter = 24 * time.Hour
)

// Options tune Webhooks. The zero Options are right for production.
type Options struct {
	// AllowPrivate lets webhooks go to private addresses, to any port, and by
	// plain http: for development and tests. It is logged loudly.
	AllowPrivate bool
	// Resolver finds addresses of names. nil: the system's.
	Resolver Resolver
	// Roots are whose certificates receivers may show. nil: the system's.
	Roots *x509.CertPool
	// Logger is told that AllowPrivate is set. nil discards.
	Logger *slog.Logger
	// Version is what receivers see behind the product's name. Zero: nothing.
	Version string
}

// Webhooks judges and calls addresses. Safe for concurrent use; Close it.
type Webhooks struct {
	allowPrivate bool
	resolver     Resolver
	client       *http.Client
	transport    *http.Transport
	agent        string
	// The documented bounds; shorter in tests.
	resolveWithin, sendWithin time.Duration
}

// NewWebhooks makes a sender. Nothing of the environment changes where it calls:
// no proxy, no netrc.
func NewWebhooks(o Options) *Webhooks {
	w := &Webhooks{allowPrivate: o.AllowPrivate, resolver: o.Resolver, agent: "Halberd-Webhooks", resolveWithin: resolveWithin, sendWithin: sendWithin}
	if o.Version != "" {
		w.agent += "/" + o.Version
	}
	if w.resolver == nil {
		w.resolver = usual{}
	}
	if o.AllowPrivate && o.Logger != nil {
		o.Logger.Warn("WEBHOOKS MAY GO ANYWHERE: HALBERD_WEBHOOKS_ALLOW_PRIVATE lets whoever may make a webhook have this machine call private addresses and plain http. For development and tests only")
	}
	w.transport = &http.Transport{
		Proxy:                  nil,
		DialContext:            w.dial,
		TLSClientConfig:        &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  sendWithin,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    2,
		MaxConnsPerHost:        16,
		DisableCompression:     true, // a small answer must not become a large one
		MaxResponseHeaderBytes: maxAnswerHeader,
	}
	w.client = &http.Client{
		Transport:     w.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Jar:           nil,
		Timeout:       sendWithin,
	}
	return w
}

// Close lets go of connections that are kept for the next delivery.
func (w *Webhooks) Close() { w.transport.CloseIdleConnections() }

// dial opens a connection to one of a host's addresses, after it has judged all
// of them; control then judges the one that the system is about to connect to.
func (w *Webhooks) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, refusal("it names no host")
	}
	found, err := w.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: 5 * time.Second, Control: w.control, KeepAlive: -1}
	var last error
	for _, a := range found {
		c, err := d.DialContext(ctx, network, net.JoinHostPort(a.String(), port))
		if err == nil {
			return c, nil
		}
		last = err
	}
	return nil, last
}

// control is asked by the system's side of a dial, with the address itself.
func (w *Webhooks) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return notPublic
	}
	return w.admit(at.Addr())
}

// Message is one thing to carry to one address.
type Message struct {
	ID      string           // of the event; the same however often it is sent
	URL     string           //
	Secrets []halberd.Secret // newest first; each signs. Empty only with Unsigned
	Body    []byte           // JSON, to the byte as it is signed
	// Unsigned is for receivers that know no signature, such as Slack's. Then
	// there are no headers of Standard Webhooks.
	Unsigned bool
}

// Result is what became of a delivery.
type Result struct {
	Status     int           // 0: there was no answer
	Took       time.Duration //
	RetryAfter time.Duration // what the receiver asked for; zero: nothing
	// Why is empty when the receiver has taken the message, else a sentence for
	// whoever owns the webhook: nothing of the answer is in it, nor an address.
	Why string
}

// Delivered reports whether the receiver has taken the message.
func (r Result) Delivered() bool { return r.Why == "" }

// Gone reports whether the receiver wants no more of them.
func (r Result) Gone() bool { return r.Status == http.StatusGone }

// Send carries a message to its address once, now being the time it is signed
// with. It returns within ten seconds, whatever the other side does.
func (w *Webhooks) Send(ctx context.Context, m Message, now time.Time) Result {
	begin := time.Now()
	ctx, stop := context.WithTimeout(ctx, w.sendWithin)
	defer stop()
	r := w.send(ctx, m, now)
	r.Took = time.Since(begin)
	return r
}

func (w *Webhooks) send(ctx context.Context, m Message, now time.Time) Result {
	t, err := w.parse(m.URL)
	if err != nil {
		return Result{Why: "not sent: " + err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url.String(), bytes.NewReader(m.Body))
	if err != nil {
		return Result{Why: "not sent: it cannot be read"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", w.agent)
	if !m.Unsigned {
		signed, err := Sign(m.Secrets, m.ID, now, m.Body)
		if err != nil {
			return Result{Why: "not sent: " + err.Error()}
		}
		maps.Copy(req.Header, signed)
	}
	res, err := w.client.Do(req)
	if err != nil {
		return Result{Why: why(err)}
	}
	defer res.Body.Close()
	r := Result{Status: res.StatusCode, RetryAfter: retryAfter(res.Header.Get("Retry-After"), now)}
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	if err == nil {
		err = ctx.Err() // the connection's end may look like the answer's
	}
	if err != nil {
		r.Why = "the answer did not end: " + why(err)
		return r
	}
	switch {
	case res.StatusCode >= 200 && res.StatusCode <= 299:
	case res.StatusCode >= 300 && res.StatusCode <= 399:
		r.Why = "answered " + strconv.Itoa(res.StatusCode) + ", and redirects are not followed: change the address of the webhook"
	default:
		r.Why = "answered " + strconv.Itoa(res.StatusCode)
	}
	return r
}

// why puts a failure in words that tell nothing about the network it happened in.
func why(err error) string {
	if r, ok := errors.AsType[refusal](err); ok {
		return "not sent: " + string(r)
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return "no answer in time"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate is not good for this host, or nobody known has signed it"
	}
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return "no TLS at this address"
	case errors.Is(err, context.Canceled):
		return "interrupted by the server's stop"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	}
	return "the connection failed"
}

// retryAfter reads what a receiver asks for, in seconds or as a date.
func retryAfter(v string, now time.Time) time.Duration {
	if v == "" {
		return 0
	}
	var d time.Duration
	if n, err := strconv.ParseUint(v, 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}
