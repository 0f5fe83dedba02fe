// Package fastlane serves an http.Handler over HTTP/1.1 for requests that come in
// their tens of thousands a second, by fasthttp's loop in place of net/http's, at
// about half the cost. What it takes is narrower: a request that two programs
// might read differently is refused, and its connection ends. It knows nothing of
// what is served.
package fastlane

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Options are the bounds of a Server. How many connections there may be is the
// listener's to bound.
type Options struct {
	MaxHeader    int           // bytes of the request line and the headers
	MaxBody      int           // bytes
	ReadTimeout  time.Duration // of a whole request
	WriteTimeout time.Duration
	IdleTimeout  time.Duration // between two requests
	// Answered is called after every answer with what the listener accepted. Nil is
	// for nobody.
	Answered func(net.Conn)
	// Refuse answers a request that was not understood: 400, 413 or 431.
	Refuse func(w http.ResponseWriter, r *http.Request, status int)
}

// Server serves one listener. Make one with New.
type Server struct {
	handler http.Handler
	base    *http.Request // knows the listener's address; every request begins as its copy
	pool    sync.Pool
	quiet   quiet
	loop    fasthttp.Server
	options Options
}

// New makes a server of a handler. The handler must keep nothing of a request or
// its headers after it has answered, but texts, which are its own to keep. at is the listener's
// address, found by the handler under http.LocalAddrContextKey. A request's
// context does not end when its caller goes away.
func New(h http.Handler, at net.Addr, o Options) *Server {
	ctx := context.WithValue(context.Background(), http.LocalAddrContextKey, at)
	s := &Server{handler: h, options: o, base: (&http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)}
	s.pool.New = func() any { return &exchange{header: http.Header{}, answer: http.Header{}} }
	s.loop = fasthttp.Server{
		Handler:      s.serve,
		ErrorHandler: s.unread,
		ReadTimeout:  o.ReadTimeout, WriteTimeout: o.WriteTimeout, IdleTimeout: o.IdleTimeout,
		ReadBufferSize: o.MaxHeader, MaxRequestBodySize: o.MaxBody,
		Concurrency:           math.MaxInt32, // beyond it the newcomer's TLS would be agreed on where all are accepted
		NoDefaultServerHeader: true, NoDefaultContentType: true, DisableHeaderNamesNormalizing: true,
		DisablePreParseMultipartForm: true, CloseOnShutdown: true,
		Logger: silence{}, // what strangers send is not worth a line
	}
	if o.Answered != nil {
		s.loop.ConnState = s.state
	}
	return s
}

// state is the loop's ConnState. A connection is idle when it has been answered.
func (s *Server) state(c net.Conn, now fasthttp.ConnState) {
	if now != fasthttp.StateIdle {
		return
	}
	switch own := c.(type) {
	case *conn:
		c = own.Conn
	case *secure:
		c = own.Conn
	}
	s.options.Answered(c)
}

// Serve answers on l until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	o := &s.options
	return s.loop.Serve(&listener{l, &s.quiet, min(o.ReadTimeout, o.IdleTimeout) / 16, o.WriteTimeout / 16})
}

// aMoment is for what was sent just before a stop to be read.
const aMoment = 250 * time.Millisecond

// Shutdown takes no new requests and waits for those under way, until ctx ends.
// Who has asked nothing is not waited for.
func (s *Server) Shutdown(ctx context.Context) error {
	hush := time.AfterFunc(aMoment, s.quiet.end) // to the loop, who is new is busy
	defer hush.Stop()
	return s.loop.ShutdownWithContext(ctx)
}

type silence struct{}

// Printf implements fasthttp.Logger.
func (silence) Printf(string, ...any) {}

// exchange is one request and its answer. It is used again: its maps and its
// reader are emptied, never made anew.
type exchange struct {
	request http.Request
	url     url.URL
	header  http.Header
	values  []string // backs the lists in header
	body    body
	answer  http.Header
	ctx     *fasthttp.RequestCtx
	told    bool // the status is decided
}

// body is what was sent, in memory already.
type body struct{ bytes.Reader }

// Close implements io.Closer.
func (*body) Close() error { return nil }

func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	x := s.pool.Get().(*exchange) //nolint:forcetypeassert // the pool holds nothing else
	x.ctx = ctx
	defer func() {
		p := recover()
		if p != nil { // the handler contains its own; this one abandons the connection
			ctx.Response.Reset()
			ctx.SetStatusCode(http.StatusInternalServerError)
			ctx.SetConnectionClose()
			return // and x with it
		}
		x.clear()
		s.pool.Put(x)
	}()
	if x.read(s.base, ctx) {
		s.handler.ServeHTTP(x, &x.request)
	} else {
		s.decline(x, http.StatusBadRequest)
	}
	x.finish()
}

// unread answers what fasthttp could not read at all; it closes the connection. Who
// was waited for in vain is told nothing: it could be taken for the answer to a
// request that is on its way. So is who was ended by a stop.
func (s *Server) unread(ctx *fasthttp.RequestCtx, err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		_ = ctx.Conn().Close()
		return
	}
	_ = ctx.Conn().SetWriteDeadline(time.Now().Add(s.options.WriteTimeout)) // the loop left that of the answer before
	x := &exchange{header: http.Header{}, answer: http.Header{}, ctx: ctx}
	var small *fasthttp.ErrSmallBuffer
	switch {
	case errors.As(err, &small):
		s.decline(x, http.StatusRequestHeaderFieldsTooLarge)
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		s.decline(x, http.StatusRequestEntityTooLarge)
	default:
		s.decline(x, http.StatusBadRequest)
	}
	x.finish()
}

// decline answers what must not be understood, and ends the connection.
func (s *Server) decline(x *exchange, status int) {
	x.request = *s.base
	x.request.Method, x.request.URL, x.request.Header, x.request.Body = http.MethodGet, &x.url, x.header, http.NoBody
	x.url.Path = "/"
	clear(x.header)
	s.options.Refuse(x, &x.request, status)
	x.ctx.SetConnectionClose()
}

func (x *exchange) clear() {
	clear(x.header)
	clear(x.answer)
	clear(x.values)
	x.values = x.values[:0]
	x.body.Reset(nil)
	x.request, x.url, x.ctx, x.told = http.Request{}, url.URL{}, nil, false
}

// read makes a request of what came, or reports that not everyone would read it
// alike. fasthttp has read it already, more kindly: the headers are read again
// here, as they came.
func (x *exchange) read(base *http.Request, ctx *fasthttp.RequestCtx) bool {
	h := &ctx.Request.Header
	if string(h.Protocol()) != "HTTP/1.1" {
		return false
	}
	lengths, hosts := 0, 0
	for raw := string(h.RawHeaders()); raw != ""; { // one copy: handlers may keep texts
		line, rest, ok := strings.Cut(raw, "\r\n")
		raw = rest
		if line == "" && ok {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !token(name) || strange(value) {
			return false
		}
		name, value = textproto.CanonicalMIMEHeaderKey(name), strings.Trim(value, " \t")
		switch name {
		case "Transfer-Encoding", "Trailer", "Upgrade", "Expect": // none is needed to ask for a check
			return false
		case "Content-Length":
			lengths++
		case "Connection": // fasthttp knows one spelling of it
			if closes(value) {
				ctx.SetConnectionClose()
			}
		case "Host":
			x.request.Host = value
			hosts++
			if !host(value) {
				return false
			}
			continue
		}
		if old := x.header[name]; old != nil {
			x.header[name] = append(old, value)
			continue
		}
		x.values = append(x.values, value)
		n := len(x.values)
		x.header[name] = x.values[n-1 : n : n]
	}
	uri := string(h.RequestURI())
	path, query, _ := strings.Cut(uri, "?")
	if lengths > 1 || hosts != 1 || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "%#\\") {
		return false
	}
	authority := x.request.Host
	x.url.Path, x.url.RawQuery = path, query
	sent := ctx.Request.Body()
	x.body.Reset(sent)
	x.request = *base
	x.request.Method, x.request.URL, x.request.RequestURI, x.request.Host = method(h.Method()), &x.url, uri, authority
	x.request.Header = x.header
	if c, ok := ctx.Conn().(*conn); ok {
		x.request.RemoteAddr = c.from
	} else {
		x.request.RemoteAddr = remote(ctx.RemoteAddr())
	}
	x.request.Body, x.request.ContentLength = http.NoBody, int64(len(sent))
	if len(sent) > 0 {
		x.request.Body = &x.body
	}
	return true
}

// remote writes an address as net/http does.
func remote(at net.Addr) string {
	tcp, ok := at.(*net.TCPAddr)
	if !ok {
		return at.String()
	}
	var room [64]byte
	a := tcp.AddrPort()
	return string(netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).AppendTo(room[:0])) // a third of what String costs
}

// method is a text for the usual ones without making it.
func method(b []byte) string {
	switch string(b) {
	case http.MethodGet:
		return http.MethodGet
	case http.MethodPost:
		return http.MethodPost
	}
	return string(b)
}

// closes reports whether a Connection header asks for the connection's end.
func closes(value string) bool {
	for word := range strings.SplitSeq(value, ",") {
		if strings.EqualFold(strings.Trim(word, " \t"), "close") {
			return true
		}
	}
	return false
}

// host reports whether s may be a host with its port (RFC 3986, 3.2.2), or none.
func host(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-.:[]_~!$%&'()*+,;=", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// strange reports whether one program might see an end where another does not.
func strange(value string) bool {
	return strings.IndexByte(value, '\r') >= 0 || strings.IndexByte(value, '\n') >= 0 || strings.IndexByte(value, 0) >= 0
}

// token reports whether s may be the name of a header (RFC 9110, 5.6.2).
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// Header implements http.ResponseWriter.
func (x *exchange) Header() http.Header { return x.answer }

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	if status >= http.StatusOK {
		x.status(status)
	}
}

// status decides the answer's status and headers, once.
func (x *exchange) status(status int) {
	if x.told {
		return
	}
	x.told = true
	x.ctx.SetStatusCode(status)
	h := &x.ctx.Response.Header
	for name, values := range x.answer {
		switch name {
		case "Content-Length": // fasthttp counts for itself, but not what HEAD does not get
			if n, err := strconv.Atoi(values[0]); err == nil && x.request.Method == http.MethodHead {
				h.SetContentLength(n)
			}
		case "Connection":
			x.ctx.SetConnectionClose()
		default:
			for _, v := range values {
				h.Add(name, v)
			}
		}
	}
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(b []byte) (int, error) {
	x.status(http.StatusOK)
	x.ctx.Response.AppendBody(b)
	return len(b), nil
}

// finish is called when the handler has returned: an empty answer is 200.
func (x *exchange) finish() { x.status(http.StatusOK) }
