package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/request"
)

// Config is everything an operator can set; docs/reference/configuration.md
// says it at length. The zero Config starts a working server on
// 127.0.0.1:8080, with its data in ./halberd-data. There is no secret in it.
type Config struct {
	// Listen is the address of the public listener, or several, parted by spaces
	// or commas; unix:PATH is a socket. Zero: 127.0.0.1:8080.
	Listen string `yaml:"listen"`
	// Data is the data folder. Zero: halberd-data.
	Data string `yaml:"data"`
	// Database is the address of a PostgreSQL that nodes share,
	// postgres://user@host/name, without a password. Zero: SQLite, in the folder.
	Database string `yaml:"database"`
	// Lease is how long a node goes on answering while it cannot reach the database,
	// and how long at most a revocation waits for a node that vanished. Zero: 10 s.
	Lease time.Duration `yaml:"lease"`
	// NodeName is what people call this node. Zero: the host's name.
	NodeName string `yaml:"node_name"`
	// Redis keeps rate limits for all nodes together: redis://host:6379/0, or
	// rediss:// for TLS, without a password. Zero: each node grants its part.
	Redis string `yaml:"redis"`
	// PublicURL is how clients reach the server; links are made from it. Zero:
	// made from Listen.
	PublicURL string `yaml:"public_url"`
	// TLSCert and TLSKey are files in PEM. Zero: no TLS.
	TLSCert string `yaml:"tls_cert"`
	TLSKey  string `yaml:"tls_key"`
	// ExtAuthzListen is where gateways ask by gRPC (Envoy's ext_authz): an
	// address or unix:PATH. Zero: nowhere.
	ExtAuthzListen string `yaml:"ext_authz_listen"`
	// CheckListen is where checks alone are answered, faster: an address or
	// unix:PATH. Zero: nowhere.
	CheckListen string `yaml:"check_listen"`
	// PrivateListen is where metrics and profiles are read: unix:PATH or a
	// loopback address. Zero: unix:DIR/private.sock.
	PrivateListen string `yaml:"private_listen"`
	// MaxConnections bounds the open connections of the public listener and the one for checks, and
	// MaxConnectionsPerAddress those of one address that is neither on the
	// loopback nor a trusted proxy. Zero: 16384 and 1024.
	MaxConnections           int `yaml:"max_connections"`
	MaxConnectionsPerAddress int `yaml:"max_connections_per_address"`
	// ManagementLimit is how many calls a minute one credential may make, checks
	// apart, and ManagementBurst how many of them at once. Zero: no limit; unless
	// they are set, 600 and 200.
	ManagementLimit int `yaml:"management_limit"`
	ManagementBurst int `yaml:"management_burst"`
	// UsageDaysByMinute, UsageDaysByHour and UsageDaysByDay are for how many days
	// counts are kept by each step. Zero: 2, 90 and 730.
	UsageDaysByMinute int `yaml:"usage_days_by_minute"`
	UsageDaysByHour   int `yaml:"usage_days_by_hour"`
	UsageDaysByDay    int `yaml:"usage_days_by_day"`
	// EventsDays is for how many days events, and what was sent to webhooks, are
	// kept. Zero: 30.
	EventsDays int `yaml:"events_days"`
	// TrustedProxies are the addresses and networks, parted by spaces or commas,
	// whose forwarding headers are believed; the word unix is whoever connects to
	// a socket of Listen. Zero: none.
	TrustedProxies string `yaml:"trusted_proxies"`
	// Policy is the file that the doors for gateways go by. Zero: none.
	Policy string `yaml:"policy"`
	// GuessesPerMinute and GuessBurst bound the bad keys that an address may
	// present before it is answered 429. Zero: no bound; unless they are set, 30
	// and 60.
	GuessesPerMinute int `yaml:"guesses_per_minute"`
	GuessBurst       int `yaml:"guess_burst"`
	// OIDCIssuer is the OpenID Connect provider that people may sign in with, and
	// OIDCClientID what it knows this server as. Zero: by password only.
	OIDCIssuer   string `yaml:"oidc_issuer"`
	OIDCClientID string `yaml:"oidc_client_id"`
	// OIDCClientSecretFile holds the secret shared with the provider: a file that
	// only its owner reads. Zero: HALBERD_OIDC_CLIENT_SECRET, or none.
	OIDCClientSecretFile string `yaml:"oidc_client_secret_file"`
	// OIDCName is what people call the provider. Zero: its host.
	OIDCName string `yaml:"oidc_name"`
	// WebhooksAllowPrivate lets webhooks call private addresses, other ports, and
	// plain http: for development and tests.
	WebhooksAllowPrivate bool `yaml:"webhooks_allow_private"`
	// SMTPHost is the server that email is handed in to. Zero: no email.
	SMTPHost string `yaml:"smtp_host"`
	// SMTPPort zero: 587, or as SMTPSecurity has it.
	SMTPPort int `yaml:"smtp_port"`
	// SMTPSecurity is starttls, tls or none. Zero: starttls.
	SMTPSecurity string `yaml:"smtp_security"`
	// SMTPUser signs in there. Zero: nobody does.
	SMTPUser string `yaml:"smtp_user"`
	// SMTPPasswordFile holds that user's password: a file that only its owner reads.
	// Zero: HALBERD_SMTP_PASSWORD, or none.
	SMTPPasswordFile string `yaml:"smtp_password_file"`
	// SMTPFrom is who email is from, an address.
	SMTPFrom string `yaml:"smtp_from"`
	// LogLevel is debug, info, warn or error. Zero: info.
	LogLevel string `yaml:"log_level"`
	// LogFormat is text or json. Zero: text.
	LogFormat string `yaml:"log_format"`
	// OTLPEndpoint is where traces are sent: an OpenTelemetry collector's address
	// for OTLP over HTTP. Zero: nowhere.
	OTLPEndpoint string `yaml:"otlp_endpoint"`
	// OTLPSampleRatio is how much of what no caller has decided about is traced:
	// above 0, up to 1. Zero: 1, everything.
	OTLPSampleRatio float64 `yaml:"otlp_sample_ratio"`
	// ShutdownTimeout is how long a stop waits for requests under way. Zero:
	// 10 s.
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`

	oidcSecret, smtpPassword halberd.Secret // from the environment
	databasePassword         halberd.Secret // from HALBERD_DATABASE; zero: PGPASSWORD or the password file, if any
	redisPassword            halberd.Secret // from HALBERD_REDIS
}

// setting is one field of a Config under its three names: name in the file,
// HALBERD_NAME in the environment, --na-me on the command line.
type setting struct {
	name, help string
	set        func(string) error
}

func (s setting) variable() string { return envPrefix + strings.ToUpper(s.name) }
func (s setting) flag() string     { return strings.ReplaceAll(s.name, "_", "-") }

const (
	envPrefix = "HALBERD_"
	envConfig = envPrefix + "CONFIG"             // the variables that are no settings: the file's path,
	envOIDC   = envPrefix + "OIDC_CLIENT_SECRET" // and secrets, which are never shown
	envSMTP   = envPrefix + "SMTP_PASSWORD"
)

func (c *Config) settings() []setting {
	text := func(p *string) func(string) error {
		return func(v string) error { *p = v; return nil }
	}
	span := func(p *time.Duration) func(string) error {
		return func(v string) (err error) {
			if *p, err = time.ParseDuration(v); err != nil {
				return fmt.Errorf("%q is no duration; write 10s or 1m30s", v)
			}
			return nil
		}
	}
	count := func(p *int) func(string) error {
		return func(v string) (err error) {
			if *p, err = strconv.Atoi(v); err != nil {
				return fmt.Errorf("%q is no number", v)
			}
			return nil
		}
	}
	yes := func(p *bool) func(string) error {
		return func(v string) (err error) {
			if *p, err = strconv.ParseBool(v); err != nil {
				return fmt.Errorf("%q is neither true nor false", v)
			}
			return nil
		}
	}
	ratio := func(p *float64) func(string) error {
		return func(v string) (err error) {
			if *p, err = strconv.ParseFloat(v, 64); err != nil {
				return fmt.Errorf("%q is no number; write 0.1 or 1", v)
			}
			return nil
		}
	}
	return []setting{
		{"listen", "addresses to listen on, or unix:PATH (default 127.0.0.1:8080)", text(&c.Listen)},
		{"data", "data folder (default halberd-data)", text(&c.Data)},
		{"database", "PostgreSQL that several nodes share, postgres://user@host/name; its password comes from PGPASSWORD, PGPASSFILE or the variable (default: SQLite, in the folder)", text(&c.Database)},
		{"lease", "how long a node of several answers at least while it cannot reach the database, 1s to 300s (default 10s)", span(&c.Lease)},
		{"node_name", "what people call this node of several (default: the host's name)", text(&c.NodeName)},
		{"redis", "Redis that keeps rate limits for all nodes exactly, redis://host:6379/0 or rediss://; its password only in the variable (default: each node grants its part)", text(&c.Redis)},
		{"public_url", "how clients reach this server, for links", text(&c.PublicURL)},
		{"tls_cert", "certificate chain, a PEM file; read again on SIGHUP", text(&c.TLSCert)},
		{"tls_key", "the certificate's private key, a PEM file; read again on SIGHUP", text(&c.TLSKey)},
		{"ext_authz_listen", "where Envoy and its like ask by gRPC: an address or unix:PATH (default: nowhere)", text(&c.ExtAuthzListen)},
		{"check_listen", "where the doors and verify alone are answered, faster: an address or unix:PATH (default: nowhere)", text(&c.CheckListen)},
		{"private_listen", "where metrics and profiles are read: unix:PATH or a loopback address (default unix:DIR/private.sock)", text(&c.PrivateListen)},
		{"max_connections", "open connections of both listeners together (default 16384)", count(&c.MaxConnections)},
		{"max_connections_per_address", "open connections of one address (default 1024)", count(&c.MaxConnectionsPerAddress)},
		{"management_limit", "calls a minute of one credential, checks apart; 0: no limit (default 600)", count(&c.ManagementLimit)},
		{"management_burst", "how many of these calls at once (default 200)", count(&c.ManagementBurst)},
		{"usage_days_by_minute", "for how many days usage is kept by minute (default 2); read again on SIGHUP", count(&c.UsageDaysByMinute)},
		{"usage_days_by_hour", "for how many days usage is kept by hour (default 90); read again on SIGHUP", count(&c.UsageDaysByHour)},
		{"usage_days_by_day", "for how many days usage is kept by day (default 730); read again on SIGHUP", count(&c.UsageDaysByDay)},
		{"events_days", "for how many days events and the log of webhooks are kept (default 30); read again on SIGHUP", count(&c.EventsDays)},
		{"trusted_proxies", "addresses and networks whose forwarding headers are believed, and unix for sockets (default none); read again on SIGHUP", text(&c.TrustedProxies)},
		{"policy", "what gateways' requests need, a YAML file; read again on SIGHUP", text(&c.Policy)},
		{"guesses_per_minute", "bad keys a minute that one address may present; 0: no bound (default 30)", count(&c.GuessesPerMinute)},
		{"guess_burst", "how many bad keys at once (default 60)", count(&c.GuessBurst)},
		{"oidc_issuer", "OpenID Connect provider that people may sign in with, such as https://login.example.com", text(&c.OIDCIssuer)},
		{"oidc_client_id", "what the OpenID Connect provider knows this server as", text(&c.OIDCClientID)},
		{"oidc_client_secret_file", "the secret shared with the OpenID Connect provider: a file that only its owner reads", text(&c.OIDCClientSecretFile)},
		{"oidc_name", "what people call the OpenID Connect provider, for the button (default: its host)", text(&c.OIDCName)},
		{"webhooks_allow_private", "true: webhooks may call private addresses and plain http; for development and tests only (default false)", yes(&c.WebhooksAllowPrivate)},
		{"smtp_host", "mail server that email is handed in to (default: no email)", text(&c.SMTPHost)},
		{"smtp_port", "port of the mail server (default 587; with smtp_security tls 465, none 25)", count(&c.SMTPPort)},
		{"smtp_security", "how the mail server is talked to: starttls, tls or none (default starttls)", text(&c.SMTPSecurity)},
		{"smtp_user", "who signs in at the mail server (default: nobody)", text(&c.SMTPUser)},
		{"smtp_password_file", "the password for the mail server: a file that only its owner reads", text(&c.SMTPPasswordFile)},
		{"smtp_from", "who email is from, such as halberd@example.com", text(&c.SMTPFrom)},
		{"log_level", "debug, info, warn or error (default info); read again on SIGHUP", text(&c.LogLevel)},
		{"log_format", "text or json (default text)", text(&c.LogFormat)},
		{"otlp_endpoint", "send traces to this OpenTelemetry collector, such as http://127.0.0.1:4318 (default: none)", text(&c.OTLPEndpoint)},
		{"otlp_sample_ratio", "the part of requests that is traced, where their callers do not say: above 0, up to 1 (default 1)", ratio(&c.OTLPSampleRatio)},
		{"shutdown_timeout", "how long a stop waits for requests under way (default 10s); read again on SIGHUP", span(&c.ShutdownTimeout)},
	}
}

// differsIn are the names of the settings that have another value in o.
func (c *Config) differsIn(o *Config) (names []string) {
	mine, other := reflect.ValueOf(*c), reflect.ValueOf(*o)
	for i := range mine.NumField() {
		if f := mine.Type().Field(i); f.IsExported() && mine.Field(i).Interface() != other.Field(i).Interface() {
			names = append(names, f.Tag.Get("yaml"))
		}
	}
	return names
}

// sources are the places a Config comes from, in rising order of weight.
type sources struct {
	file    string   // a YAML file; empty: the one HALBERD_CONFIG names, or none
	environ []string // as os.Environ gives it
	flags   func(name string) (value string, given bool)
}

// load reads the sources and fills the defaults in. Whatever it does not know
// is an error that names it: a misspelled setting must not silently be a default.
func (s sources) load() (Config, error) {
	c := Config{ManagementLimit: 600, ManagementBurst: 200, GuessesPerMinute: 30, GuessBurst: 60}
	known := c.settings()
	file := s.file
	byVariable := map[string]string{}
	for _, kv := range s.environ {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		switch {
		case name == envConfig:
			if file == "" {
				file = value
			}
		case name == envOIDC:
			c.oidcSecret = halberd.NewSecret(value)
		case name == envSMTP:
			c.smtpPassword = halberd.NewSecret(value)
		case !slices.ContainsFunc(known, func(s setting) bool { return s.variable() == name }):
			return Config{}, fmt.Errorf("the environment variable %s is not a setting; see hb serve --help", name)
		case value != "": // as good as absent: compose files and units set such
			byVariable[name] = value
		}
	}
	if file != "" {
		if err := c.read(file); err != nil {
			return Config{}, err
		}
	}
	for _, k := range known {
		if v, ok := byVariable[k.variable()]; ok {
			if err := k.set(v); err != nil {
				return Config{}, fmt.Errorf("%s: %w", k.variable(), err)
			}
		}
		if s.flags == nil {
			continue
		}
		if v, ok := s.flags(k.flag()); ok {
			if err := k.set(v); err != nil {
				return Config{}, fmt.Errorf("--%s: %w", k.flag(), err)
			}
		}
	}
	if err := c.hidePassword(byVariable["HALBERD_DATABASE"] == c.Database); err != nil {
		return Config{}, err
	}
	if err := c.hideRedisPassword(byVariable["HALBERD_REDIS"] == c.Redis); err != nil {
		return Config{}, err
	}
	return c, c.complete()
}

// read takes the settings of a YAML file.
func (c *Config) read(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("the configuration file: %w", err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("the configuration file %s: %s", file, inOurWords(err))
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the configuration file %s holds more than one document", file)
	}
	return nil
}

// inOurWords is what the YAML reader found, without the names of Go's types.
func inOurWords(err error) string {
	found, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return strings.TrimPrefix(err.Error(), "yaml: ")
	}
	lines := make([]string, len(found.Errors))
	for i, line := range found.Errors {
		line = strings.ReplaceAll(line, " not found in type server.Config", " is not a setting")
		if at, into, ok := strings.Cut(line, ": cannot unmarshal "); ok {
			switch {
			case strings.HasSuffix(into, " into server.Config"):
				line = at + ": there must be settings, such as listen: 127.0.0.1:8080"
			case strings.HasSuffix(into, " into time.Duration"):
				line = at + ": the value must be a length of time, such as 10s or 1m30s"
			default:
				line = at + ": the value must be one word or number, not a list or further settings"
			}
		}
		lines[i] = line
	}
	return strings.Join(lines, "; ")
}

// complete fills the defaults in and refuses what makes no sense.
func (c *Config) complete() error {
	or := func(p *string, value string) {
		if *p == "" {
			*p = value
		}
	}
	or(&c.Listen, "127.0.0.1:8080")
	or(&c.Data, "halberd-data")
	or(&c.PrivateListen, "unix:"+filepath.Join(c.Data, socketFile))
	or(&c.LogLevel, "info")
	or(&c.LogFormat, "text")
	if c.MaxConnections == 0 {
		c.MaxConnections = 16384
	}
	if c.MaxConnectionsPerAddress == 0 {
		c.MaxConnectionsPerAddress = 1024
	}
	if c.Lease == 0 {
		c.Lease = 10 * time.Second
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = 10 * time.Second
	}

	if c.OTLPSampleRatio == 0 {
		c.OTLPSampleRatio = 1
	}
	if !(c.OTLPSampleRatio > 0 && c.OTLPSampleRatio <= 1) {
		return fmt.Errorf("otlp_sample_ratio must be above 0 and at most 1, not %v", c.OTLPSampleRatio)
	}
	if c.OTLPEndpoint != "" {
		if err := collector(c.OTLPEndpoint); err != nil {
			return err
		}
	}
	home, err := c.home()
	if err != nil {
		return err
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("tls_cert and tls_key go together: set both or neither")
	}
	or(&c.PublicURL, home)
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("public_url must be http or https and a host, such as https://keys.example.com, not %q", c.PublicURL)
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	if err := completeListener("ext_authz_listen", &c.ExtAuthzListen); err != nil {
		return err
	}
	if err := completeListener("check_listen", &c.CheckListen); err != nil {
		return err
	}
	if _, path, err := c.private(); err != nil {
		return err
	} else if path != "" && !filepath.IsAbs(path) && filepath.Clean(path) != path {
		c.PrivateListen = "unix:" + filepath.Clean(path)
	}
	if _, err := c.level(); err != nil {
		return err
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		return fmt.Errorf("log_format must be text or json, not %q", c.LogFormat)
	}
	if _, err := c.providerWith(""); err != nil {
		return err
	}
	if err := c.completeMail(); err != nil {
		return err
	}
	if err := c.completeUsage(); err != nil {
		return err
	}
	if n := c.MaxConnections; n < 1 || n > 1_000_000 {
		return fmt.Errorf("max_connections must be 1 to 1000000, and is %d", n)
	}
	if n := c.MaxConnectionsPerAddress; n < 1 || n > 1_000_000 {
		return fmt.Errorf("max_connections_per_address must be 1 to 1000000, and is %d", n)
	}
	if n := c.ManagementLimit; n < 0 || n > 1_000_000 {
		return fmt.Errorf("management_limit must be 0, for none, to 1000000, and is %d", n)
	}
	if n := c.ManagementBurst; (n < 1 && c.ManagementLimit > 0) || n < 0 || n > 1_000_000 {
		return fmt.Errorf("management_burst must be 1 to 1000000, and is %d", n)
	}
	if _, err := request.ParseProxies(c.TrustedProxies); err != nil {
		return fmt.Errorf("trusted_proxies: %w", err)
	}
	if n := c.GuessesPerMinute; n < 0 || n > 1_000_000 {
		return fmt.Errorf("guesses_per_minute must be 0 to 1000000, and is %d", n)
	}
	if n := c.GuessBurst; (n < 1 && c.GuessesPerMinute > 0) || n < 0 || n > 1_000_000 {
		return fmt.Errorf("guess_burst must be 1 to 1000000, and is %d", n)
	}
	if c.Lease < halberd.MinLease || c.Lease > halberd.MaxLease {
		return fmt.Errorf("lease must be from %s to %s, and is %s", halberd.MinLease, halberd.MaxLease, c.Lease)
	}
	if c.ShutdownTimeout < 0 {
		return fmt.Errorf("shutdown_timeout must not be negative, and is %s", c.ShutdownTimeout)
	}
	return nil
}

// hidePassword takes the password out of the database's address. Only in the
// environment may there be one: a flag is seen by every user of the machine, and
// a file of settings is shown and copied.
func (c *Config) hidePassword(fromEnvironment bool) error {
	if c.Database == "" {
		return nil
	}
	const form = "database must be postgres://user@host:5432/name, its special letters as %XX"
	u, err := url.Parse(c.Database)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errors.New(form) // and no word of what was given
	}
	password, given := u.User.Password()
	query := u.Query()
	for _, name := range []string{"password", "sslpassword"} {
		if query.Has(name) {
			return errors.New(form + ": " + name + " is not to be in it")
		}
	}
	if !given {
		return nil
	}
	if !fromEnvironment {
		return errors.New("the database's password is not to be on the command line or in the file of settings: " +
			"put it into PGPASSWORD, a file that PGPASSFILE names, or the variable HALBERD_DATABASE")
	}
	u.User = url.User(u.User.Username())
	c.Database, c.databasePassword = u.String(), halberd.NewSecret(password)
	return nil
}

// options are the settings that the ground keeps to.
func (c Config) options(log *slog.Logger) halberd.Options {
	o := halberd.Options{
		Logger: log, ManagementPerMinute: c.ManagementLimit, ManagementBurst: c.ManagementBurst,
		GuessesPerMinute: c.GuessesPerMinute, GuessBurst: c.GuessBurst,
		Lease: c.Lease, NodeName: c.NodeName,
	}
	if host, err := os.Hostname(); err == nil && o.NodeName == "" {
		o.NodeName = host
	}
	planted(&o)
	return o
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n <= 65535
}

func (c *Config) scheme() string {
	if c.TLSCert != "" {
		return "https"
	}
	return "http"
}

// reachable is a host to call where host is one to listen on.
func reachable(host string) string {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return "127.0.0.1"
	}
	return host
}

// loopback reports whether only this machine reaches the host.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// completeListener cleans the path of a socket, and refuses what is no address.
// Empty is nowhere.
func completeListener(setting string, at *string) error {
	if *at == "" {
		return nil
	}
	if path, ok := strings.CutPrefix(*at, "unix:"); ok && path != "" {
		*at = "unix:" + filepath.Clean(path)
		return nil
	}
	if _, port, err := net.SplitHostPort(*at); err != nil || !validPort(port) {
		return fmt.Errorf("%s must be an address and a port such as 127.0.0.1:8082, or unix:PATH, not %q", setting, *at)
	}
	return nil
}

// private splits PrivateListen into an address or the path of a socket.
func (c *Config) private() (address, path string, err error) {
	if path, ok := strings.CutPrefix(c.PrivateListen, "unix:"); ok && path != "" {
		return "", path, nil
	}
	host, port, err := net.SplitHostPort(c.PrivateListen)
	if err != nil || !validPort(port) || !loopback(host) {
		return "", "", fmt.Errorf("private_listen must be unix:PATH or a loopback address such as 127.0.0.1:9090, not %q: what it serves is for this machine only", c.PrivateListen)
	}
	return c.PrivateListen, "", nil
}

func (c *Config) level() (slog.Level, error) {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	l, ok := levels[c.LogLevel]
	if !ok {
		return 0, fmt.Errorf("log_level must be debug, info, warn or error, not %q", c.LogLevel)
	}
	return l, nil
}

// write prints the Config as a file that load would read the same.
func (c *Config) write(w io.Writer) error {
	e := yaml.NewEncoder(w)
	if err := e.Encode(c); err != nil {
		return err
	}
	return e.Close()
}
