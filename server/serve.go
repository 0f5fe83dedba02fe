package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/gateway/extauthz"
	"github.com/halberdhq/halberd/internal/fastlane"
	"github.com/halberdhq/halberd/jobs"
)

// instance is one running server.
type instance struct {
	src     sources
	version string
	now     func() time.Time
	log     *slog.Logger
	level   *slog.LevelVar
	certs   *certificates // nil without TLS
	metrics *metrics
	doors   *gateway.Doors
	traces  *traces // nil: nobody is told
	outward outward
	store   engine

	config   atomic.Pointer[Config]          // replaced by a reload
	service  atomic.Pointer[halberd.Service] // nil until every key is loaded
	jobs     atomic.Pointer[jobs.Runner]     // nil until then, too
	public   atomic.Pointer[routes]
	console  http.Handler // nil until every key is loaded
	stopping atomic.Bool

	bounds   *connections // of the public listeners and the one for checks, together
	servers  []*http.Server
	extAuthz *extauthz.Server // nil: none
	checks   *fastlane.Server // nil: none
	serving  sync.WaitGroup
	failed   chan error // of a server that ended by itself
}

// serve runs an instance until ctx ends. What an operator reads at the start
// goes to stdout, the log to stderr. What is in then runs once every key is
// loaded, and an error of it ends the instance.
func serve(ctx context.Context, src sources, version string, stdout, stderr io.Writer, then ...begin) error {
	c, err := src.load()
	if err != nil {
		return misused(err)
	}
	harden()
	in := &instance{src: src, version: version, now: time.Now, level: new(slog.LevelVar), failed: make(chan error, 4)}
	in.config.Store(&c)
	in.setLevel(c)
	in.log = newLogger(stderr, c.LogFormat, in.level)
	in.doors = gateway.New(in.service.Load, in.log)
	in.metrics = newMetrics(in)
	if err := in.openDoors(c); err != nil {
		return misused(err)
	}
	if err := in.openOutward(c); err != nil {
		return misused(err)
	}
	in.public.Store(in.routes(nil))
	if in.traces, err = newTraces(ctx, c, version, in.log); err != nil {
		return err
	}
	if c.TLSCert != "" {
		in.certs = &certificates{}
		if err := in.certs.load(c.TLSCert, c.TLSKey); err != nil {
			return err
		}
	}
	hup, stop := hangups() // before anything takes long: its default is to end the process
	defer stop()
	in.store, err = c.open(ctx, in.log, false)
	if inUse(err) {
		return fmt.Errorf("%w: stop it first, or name another folder with --data", err)
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EROFS)) {
		return fmt.Errorf("%w: name a folder that this user may write, with --data", err)
	}
	if err != nil {
		return err
	}
	err = in.run(ctx, hup, stdout, then)
	return errors.Join(err, in.close())
}

// begin is what may run beside an instance that is ready. It returns at once.
type begin func(ctx context.Context, in *instance, svc *halberd.Service, address string) error

// run listens, loads, and waits for the end.
func (in *instance) run(ctx context.Context, hup <-chan os.Signal, stdout io.Writer, then []begin) error {
	c := in.current()
	address, err := in.listen(ctx, c)
	if err != nil {
		return err
	}
	begin := in.now()
	o := in.current().options(in.log)
	o.Version = in.version
	o.Endpoints = &in.outward
	if o.SharedLimits, err = c.sharedLimits(in.log); err != nil {
		return misused(err)
	}
	patient := patience{in.log, startPatience}
	var svc *halberd.Service
	if err := patient.with(ctx, func() (err error) {
		svc, err = begun(ctx, in.store, o)
		return err
	}, nil); err != nil {
		return err
	}
	made, kept := false, false
	if err := patient.with(ctx, func() (err error) {
		made, err = svc.FirstStart(ctx, func(s halberd.Secret) error {
			kept = true
			return keepAdminKey(c.Data)(s)
		})
		return err
	}, func() bool { return !kept }); err != nil { // whether a key that is kept was made is not known
		return errors.Join(refused(err), svc.Close())
	}
	if in.console, err = in.pages(svc); err != nil {
		return errors.Join(err, svc.Close())
	}
	if err := patient.with(ctx, func() error { return in.startJobs(ctx, c, svc) }, nil); err != nil {
		return errors.Join(err, svc.Close())
	}
	in.public.Store(in.routes(svc))
	in.service.Store(svc)
	in.log.Info("ready", "version", in.version, "listen", address, "keys", svc.Stats().Keys, "loaded_in", in.now().Sub(begin))
	in.warnUnknown(c)
	in.greet(stdout, c, address, made, svc.HasMembers())
	for _, begin := range then {
		if err := begin(ctx, in, svc, address); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return in.stop()
		case <-hup:
			in.reload()
		case err := <-in.failed:
			return err
		}
	}
}

// listen opens every listener, and answers on them that the server is starting.
// It returns the address of the public one.
func (in *instance) listen(ctx context.Context, c Config) (address string, err error) {
	address, err = in.listenPublic(ctx, c)
	if err != nil {
		return "", err
	}
	for _, a := range c.addresses() {
		in.warnExposed(c, "listen", a)
	}
	if err := in.openExtAuthz(ctx, c); err != nil {
		return "", err
	}
	if err := in.openChecks(ctx, c); err != nil {
		return "", err
	}

	own := filepath.Join(c.Data, socketFile)
	at, err := listenSocket(ctx, own, 0o600)
	if err != nil {
		return "", err
	}
	in.start(at, in.privateServer(in.atHand()))
	switch host, path, err := c.private(); {
	case err != nil:
		return "", err
	case host != "":
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", host)
		if err != nil {
			return "", unheard("private_listen", err)
		}
		in.start(l, in.privateServer(in.inside()))
	case filepath.Clean(path) != filepath.Clean(own):
		l, err := listenSocket(ctx, path, 0o600)
		if err != nil {
			return "", fmt.Errorf("private_listen: %w", err)
		}
		in.start(l, in.privateServer(in.inside()))
	}
	return address, nil
}

// listenPublic opens the public listeners and returns the first one's address.
func (in *instance) listenPublic(ctx context.Context, c Config) (first string, err error) {
	addresses, sockets, err := c.public()
	if err != nil {
		return "", err
	}
	in.bounds = in.connections(c)
	open := func(l net.Listener, address string, s *http.Server) {
		s.ConnState = in.bounds.state
		in.start(in.bounds.bound(l), s)
		if first == "" {
			first = address
		}
	}
	for _, a := range addresses {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", a)
		if err != nil {
			return "", unheard("listen", err)
		}
		open(l, l.Addr().String(), in.publicServer())
	}
	for _, path := range sockets {
		l, err := listenSocket(ctx, path, 0o660) // for the group as well: a gateway runs as somebody else
		if err != nil {
			return "", fmt.Errorf("listen: %w", err)
		}
		s := in.publicServer()
		s.TLSConfig = nil // nobody else can listen in
		open(l, "unix:"+path, s)
	}
	return first, nil
}

func (in *instance) warnExposed(c Config, setting, address string) {
	if c.inClear(address) {
		in.log.Warn("NO TLS on an address that other machines reach: keys travel in the clear. "+
			"Set tls_cert and tls_key, or listen on 127.0.0.1 behind a proxy that has them", setting, address)
	}
}

// unheard is why nothing listens on the address of a setting, and what to do.
func unheard(setting string, err error) error {
	flag := "--" + strings.ReplaceAll(setting, "_", "-")
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: stop what listens there, or choose another address with %s", err, flag)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: choose a port from 1024 with %s, or allow lower ones (CAP_NET_BIND_SERVICE)", err, flag)
	}
	return fmt.Errorf("%s: %w", setting, err)
}

// listenSocket makes a socket that those may use whom mode lets. One that a killed
// process left behind is replaced; one that answers is not.
func listenSocket(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	const longest = 107 // bytes, what Linux takes
	if len(path) > longest {
		return nil, fmt.Errorf("the socket %s has a path of %d bytes, and the system takes %d: start in another folder, or name the data folder by a shorter path", path, len(path), longest)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("%s is in the way of a listener, and is no socket: move it away", path)
		}
		if c, err := new(net.Dialer).DialContext(ctx, "unix", path); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("another process listens on %s", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil { // harden's umask let nobody else in meanwhile
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (in *instance) publicServer() *http.Server {
	s := &http.Server{
		Handler:           http.HandlerFunc(in.answer),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    2 * maxHeader,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 250,
			SendPingTimeout:      5 * time.Second, // of silence; whoever does not answer within PingTimeout is gone
			PingTimeout:          5 * time.Second,
		},
		Protocols: new(http.Protocols),
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true) // by ALPN, so with TLS only
	if in.certs != nil {
		s.TLSConfig = in.certs.config()
	}
	return s
}

// connections are the bounds of the listeners that strangers may reach: what the settings say, or
// less where the system would run out of files first, the database's own
// included.
func (in *instance) connections(c Config) *connections {
	const others = 128 // files that are no public connection: databases, sockets, the log
	most := c.MaxConnections
	if files := filesMax(); files > 0 && most > files-others {
		most = max(files-others, 16)
		in.log.Warn("max_connections is more than the system lets this process open, and is lowered: raise the limit of open files (LimitNOFILE, ulimit -n)",
			"max_connections", most, "open_files", files)
	}
	return newConnections(most, c.MaxConnectionsPerAddress, func(a netip.Addr) bool {
		return a.IsLoopback() || in.doors.Proxies().Trusts(a)
	}, in.metrics.registry)
}

func (in *instance) privateServer(h http.Handler) *http.Server {
	return &http.Server{ // no WriteTimeout: profiles and backups take long
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    maxHeader,
	}
}

// start serves on a listener until stop.
func (in *instance) start(l net.Listener, s *http.Server) {
	s.ErrorLog = slog.NewLogLogger(in.log.Handler(), slog.LevelDebug) // handshakes that failed and the like: any stranger can fill it
	in.servers = append(in.servers, s)
	in.serving.Go(func() {
		var err error
		if s.TLSConfig != nil {
			err = s.ServeTLS(l, "", "") // certificates come from TLSConfig
		} else {
			err = s.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			in.failed <- fmt.Errorf("listening on %s: %w", l.Addr(), err)
		}
	})
}

// stop takes no new requests, and lets those under way finish, for a time.
func (in *instance) stop() error {
	in.stopping.Store(true)
	in.log.Info("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), in.current().ShutdownTimeout)
	defer cancel()
	var late atomic.Int64
	var all sync.WaitGroup
	for _, s := range in.servers {
		all.Go(func() {
			if s.Shutdown(ctx) != nil {
				late.Add(1)
			}
		})
	}
	if in.extAuthz != nil {
		all.Go(func() {
			if in.extAuthz.Shutdown(ctx) != nil {
				late.Add(1)
			}
		})
	}
	if in.checks != nil {
		all.Go(func() {
			if in.checks.Shutdown(ctx) != nil {
				late.Add(1)
			}
		})
	}
	all.Wait()
	if late.Load() > 0 {
		in.log.Warn("requests were still under way and are cut off", "shutdown_timeout", in.current().ShutdownTimeout)
	}
	return nil
}

// close lets go of everything, in every state of the start.
func (in *instance) close() error {
	for _, s := range in.servers {
		_ = s.Close()
	}
	if in.extAuthz != nil {
		in.extAuthz.Close()
	}
	if in.checks != nil {
		at, end := context.WithCancel(context.Background())
		end()
		_ = in.checks.Shutdown(at) // again, and without waiting
	}
	in.serving.Wait()
	if r := in.jobs.Load(); r != nil { // before what it works on
		if err := r.Stop(); err != nil {
			in.log.Error("jobs did not end cleanly; what was under way is done again", "why", err)
		}
	}
	if in.outward.webhooks != nil {
		in.outward.webhooks.Close()
	}
	in.traces.stop()
	if svc := in.service.Load(); svc != nil {
		return svc.Close() // counts are flushed; it closes the store
	}
	if err := in.store.Close(); !errors.Is(err, halberd.ErrClosed) {
		return err
	}
	return nil
}

func (in *instance) current() Config { return *in.config.Load() }

// reload reads the configuration and the certificate again. What is wrong with
// the new ones is logged, and the former stay.
func (in *instance) reload() {
	former := in.current()
	c, err := in.src.load()
	if err != nil {
		in.log.Error("the configuration was read again and is refused: the former one stays", "why", err)
		return
	}
	whole := true
	if in.certs != nil && c.TLSCert != "" {
		if err := in.certs.load(c.TLSCert, c.TLSKey); err != nil {
			whole = false
			in.log.Error("the certificate was read again and is refused: the former one stays", "why", err)
			c.TLSCert, c.TLSKey = former.TLSCert, former.TLSKey
		}
	}
	if err := in.openDoors(c); err != nil {
		whole = false
		in.log.Error("what gateways go by was read again and is refused: the former stays", "why", err)
		c.TrustedProxies, c.Policy = former.TrustedProxies, former.Policy
	}
	// What takes effect now; all the rest waits for the next start.
	next := former
	next.LogLevel = c.LogLevel
	next.ShutdownTimeout = c.ShutdownTimeout
	next.UsageDaysByMinute, next.UsageDaysByHour, next.UsageDaysByDay = c.UsageDaysByMinute, c.UsageDaysByHour, c.UsageDaysByDay
	next.EventsDays = c.EventsDays
	next.TrustedProxies, next.Policy = c.TrustedProxies, c.Policy
	in.warnUnknown(c)
	if (former.TLSCert == "") == (c.TLSCert == "") {
		next.TLSCert, next.TLSKey = c.TLSCert, c.TLSKey
	}
	in.config.Store(&next)
	in.setLevel(next)
	if c != next {
		in.log.Warn("settings were changed that only a restart puts into effect", "settings", strings.Join(next.differsIn(&c), " "))
	}
	if whole {
		in.log.Info("the configuration was read again")
	}
}

func (in *instance) setLevel(c Config) {
	if l, err := c.level(); err == nil {
		in.level.Set(l)
	}
}

func newLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// greet says where the server listens, how to use the admin key while it is in the
// folder, never the key, and where the console is.
func (in *instance) greet(w io.Writer, c Config, address string, first, people bool) {
	url := c.PublicURL
	if _, port, err := net.SplitHostPort(address); err == nil {
		if base, ok := strings.CutSuffix(url, ":0"); ok { // the system chose
			url = base + ":" + port
		}
	}
	if strings.HasPrefix(address, "unix:") {
		url = address // a command of ours does not get there
	}
	fmt.Fprintf(w, "Halberd listens on %s\n", url)
	sayKey(w, c, url, first)
	switch {
	case strings.HasPrefix(url, "unix:") || c.noSignIn() != "": // nobody signs in there
	case people:
		fmt.Fprintln(w, "The console is that address in a browser: people sign in there and manage keys")
	default:
		fmt.Fprintln(w, "The console is that address in a browser: it takes the admin key once and makes you its first member")
	}
}

// sayKey says where the admin key is, if it is in the folder.
func sayKey(w io.Writer, c Config, url string, first bool) {
	key, err := filepath.Abs(filepath.Join(c.Data, adminKeyFile))
	if err != nil || !there(key) {
		return
	}
	if first {
		fmt.Fprintf(w, "The first admin key is in %s: keep it somewhere safe, then delete the file\n", key)
	} else {
		fmt.Fprintf(w, "An admin key is still in %s: keep it somewhere safe, then delete the file\n", key)
	}
	if !strings.HasPrefix(url, "unix:") {
		fmt.Fprintf(w, "  %s\n", useKey(key, url))
	}
}

// useKey is a shell command that lists the keys with the one in a file.
func useKey(file, url string) string {
	at := ""
	if url != "http://127.0.0.1:8080" { // hb's own default
		at = "HB_URL=" + quote(url) + " "
	}
	return fmt.Sprintf("%sHB_API_KEY=$(cat %s) %s api-keys list", at, quote(file), self())
}
