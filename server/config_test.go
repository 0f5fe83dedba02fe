package server

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func given(flags map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := flags[name]
		return v, ok
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheZeroConfigIsComplete(t *testing.T) {
	got, err := sources{}.load()
	want := Config{
		Listen: "127.0.0.1:8080", Data: "halberd-data", PublicURL: "http://127.0.0.1:8080",
		PrivateListen: "unix:halberd-data/private.sock", LogLevel: "info", LogFormat: "text",
		MaxConnections: 16384, MaxConnectionsPerAddress: 1024, ManagementLimit: 600, ManagementBurst: 200, GuessesPerMinute: 30, GuessBurst: 60, OTLPSampleRatio: 1,
		UsageDaysByMinute: 2, UsageDaysByHour: 90, UsageDaysByDay: 730, EventsDays: 30,
		Lease: 10 * time.Second, ShutdownTimeout: 10 * time.Second,
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestFlagsOutweighVariablesAndVariablesTheFile(t *testing.T) {
	s := sources{
		file: writeFile(t, "halberd.yaml", "listen: 127.0.0.1:1\ndata: a\nlog_level: warn\nshutdown_timeout: 3s\n"),
		environ: []string{"PATH=/bin", "HB_URL=https://elsewhere.example", "HALBERD_LISTEN=127.0.0.1:2", "HALBERD_DATA=b",
			"HALBERD_LOG_FORMAT="},
		flags: given(map[string]string{"listen": ":3"}),
	}
	got, err := s.load()
	if err != nil {
		t.Fatal(err)
	}
	if got.Listen != ":3" || got.Data != "b" || got.LogLevel != "warn" || got.ShutdownTimeout != 3*time.Second || got.LogFormat != "text" {
		t.Errorf("got %+v", got)
	}
	if got.PrivateListen != "unix:b/private.sock" || got.PublicURL != "http://127.0.0.1:3" {
		t.Errorf("what follows from other settings: %+v", got)
	}
}

func TestWhatIsPrintedReadsBackTheSame(t *testing.T) {
	first, err := sources{flags: given(map[string]string{"data": "/srv/keys: all", "shutdown-timeout": "90s"})}.load()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := first.write(&text); err != nil {
		t.Fatal(err)
	}
	second, err := sources{file: writeFile(t, "printed.yaml", text.String())}.load()
	if err != nil || first != second {
		t.Errorf("%s\ngot %+v, %v", text.String(), second, err)
	}
}

func TestAConfigurationThatMakesNoSenseIsRefusedByName(t *testing.T) {
	for name, c := range map[string]struct {
		s    sources
		file string
		want []string
	}{
		"an unknown key": {file: "listen: :1\nlistn: :2\n", want: []string{"line 2", "listn", "is not a setting"}},
		"a key twice":    {file: "listen: :1\nlisten: :2\n", want: []string{"line 2", "listen", "already defined"}},
		"two documents":  {file: "listen: :1\n---\ndata: b\n", want: []string{"more than one document"}},
		"a wrong type":   {file: "listen: [a]\n", want: []string{"line 1", "not a list"}},
		"a wrong length": {file: "shutdown_timeout: soon\n", want: []string{"line 1", "10s"}},
		"no settings":    {file: "listen\n", want: []string{"line 1", "such as listen: "}},
		"two mistakes":   {file: "listn: :1\ndata: {a: b}\n", want: []string{"line 1", "listn", "; line 2"}},
		"no YAML":        {file: "listen: [a\n", want: []string{"line 1"}},
		"no such file":   {s: sources{file: "/nowhere/halberd.yaml"}, want: []string{"/nowhere/halberd.yaml"}},
		"unknown variable": {
			s:    sources{environ: []string{"HALBERD_LISTN=:1"}},
			want: []string{"HALBERD_LISTN", "is not a setting"},
		},
		"variable's value": {
			s:    sources{environ: []string{"HALBERD_SHUTDOWN_TIMEOUT=5"}},
			want: []string{"HALBERD_SHUTDOWN_TIMEOUT", "no duration"},
		},
		"flag's value":    {s: sources{flags: given(map[string]string{"shutdown-timeout": "x"})}, want: []string{"--shutdown-timeout"}},
		"listen":          {file: "listen: 8080\n", want: []string{"listen must"}},
		"port":            {file: "listen: 127.0.0.1:http\n", want: []string{"listen must"}},
		"half of TLS":     {file: "tls_cert: a.pem\n", want: []string{"tls_cert and tls_key"}},
		"public url":      {file: "public_url: keys.example.com\n", want: []string{"public_url must"}},
		"public url path": {file: "public_url: https://keys.example.com/a\n", want: []string{"public_url must"}},
		"private abroad":  {file: "private_listen: 0.0.0.0:9090\n", want: []string{"private_listen must", "this machine"}},
		"gRPC nowhere":    {file: "ext_authz_listen: '8082'\n", want: []string{"ext_authz_listen must", "unix:PATH"}},
		"gRPC no socket":  {file: "ext_authz_listen: 'unix:'\n", want: []string{"ext_authz_listen must"}},
		"private nothing": {file: "private_listen: 'unix:'\n", want: []string{"private_listen must"}},
		"level":           {file: "log_level: loud\n", want: []string{"log_level must"}},
		"format":          {file: "log_format: xml\n", want: []string{"log_format must"}},
		"burst of none":   {file: "management_burst: 0\n", want: []string{"management_burst must"}},
		"a limit below 0": {file: "management_limit: -1\n", want: []string{"management_limit must", "0, for none"}},
		"no lease":        {file: "lease: 900ms\n", want: []string{"lease must be from 1s"}},
		"negative":        {file: "shutdown_timeout: -1s\n", want: []string{"shutdown_timeout must"}},
		"a collector":     {file: "otlp_endpoint: localhost:4318\n", want: []string{"otlp_endpoint must"}},
		"its password":    {file: "otlp_endpoint: http://u:hunter2@localhost\n", want: []string{"otlp_endpoint must"}},
		"a ratio above 1": {file: "otlp_sample_ratio: 1.5\n", want: []string{"otlp_sample_ratio must"}},
		"below 0":         {file: "otlp_sample_ratio: -1\n", want: []string{"otlp_sample_ratio must"}},
		"no ratio":        {file: "otlp_sample_ratio: .nan\n", want: []string{"otlp_sample_ratio must"}},
		"ratio's value": {
			s:    sources{environ: []string{"HALBERD_OTLP_SAMPLE_RATIO=all"}},
			want: []string{"HALBERD_OTLP_SAMPLE_RATIO", "no number"},
		},
		"minutes for ever":          {file: "usage_days_by_minute: 40000\n", want: []string{"usage_days_by_minute must", "36500"}},
		"hours below":               {file: "usage_days_by_minute: 10\nusage_days_by_hour: 5\n", want: []string{"usage_days_by_hour must be 10 to"}},
		"days below 0":              {file: "usage_days_by_day: -1\n", want: []string{"usage_days_by_day must be 90 to"}},
		"events for ever":           {file: "events_days: 40000\n", want: []string{"events_days must", "3650"}},
		"no connections":            {file: "max_connections: -1\n", want: []string{"max_connections must"}},
		"no number":                 {file: "max_connections_per_address: many\n", want: []string{"line 1"}},
		"a proxy that is everybody": {file: "trusted_proxies: 10.0.0.0/8 0.0.0.0/0\n", want: []string{"trusted_proxies", "0.0.0.0/0 is everybody"}},
		"a proxy's name":            {file: "trusted_proxies: proxy.example.com\n", want: []string{"trusted_proxies", "proxy.example.com", "is no address"}},
		"a proxy's bits":            {file: "trusted_proxies: 10.1.0.0/8\n", want: []string{"did you mean 10.0.0.0/8"}},
		"no guesses":                {file: "guesses_per_minute: -1\n", want: []string{"guesses_per_minute must"}},
		"no burst":                  {file: "guess_burst: -1\n", want: []string{"guess_burst must"}},
		"one bad address of two":    {file: "listen: '127.0.0.1:1 unix:'\n", want: []string{"listen must"}},
		"a Redis by another name":   {file: "redis: http://r/0\n", want: []string{"redis must be redis://"}},
		"a Redis with its password": {file: "redis: redis://:hunter2@r:6379/0\n", want: []string{"HALBERD_REDIS"}},
		"mail without a server":     {file: "smtp_from: a@b.org\n", want: []string{"go with smtp_host"}},
		"mail from nobody":          {file: "smtp_host: mail.example.com\n", want: []string{"smtp_from must be set"}},
		"mail from no address":      {file: "smtp_host: mail.example.com\nsmtp_from: nobody\n", want: []string{"smtp_from must be"}},
		"mail's security":           {file: "smtp_host: mail.example.com\nsmtp_from: a@b.org\nsmtp_security: ssl\n", want: []string{"smtp_security must"}},
		"mail's port":               {file: "smtp_host: mail.example.com\nsmtp_from: a@b.org\nsmtp_port: 70000\n", want: []string{"smtp_port must"}},
		"mail without a password":   {file: "smtp_host: mail.example.com\nsmtp_from: a@b.org\nsmtp_user: u\n", want: []string{"smtp_password_file", "HALBERD_SMTP_PASSWORD"}},
		"a password in the clear":   {file: "smtp_host: mail.example.com\nsmtp_from: a@b.org\nsmtp_user: u\nsmtp_password_file: x\nsmtp_security: none\n", want: []string{"in the clear"}},
		"private, perhaps": {
			s:    sources{environ: []string{"HALBERD_WEBHOOKS_ALLOW_PRIVATE=maybe"}},
			want: []string{"HALBERD_WEBHOOKS_ALLOW_PRIVATE", "true nor false"},
		},
		"nowhere": {file: "listen: ' '\n", want: []string{"nowhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.file != "" {
				c.s.file = writeFile(t, "halberd.yaml", c.file)
			}
			_, err := c.s.load()
			if err == nil {
				t.Fatal("it was accepted")
			}
			for _, inner := range []string{"unmarshal", "!!", "server.Config", "time.Duration"} {
				if strings.Contains(err.Error(), inner) {
					t.Errorf("%q says %q", err, inner)
				}
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
		})
	}
}

func TestTheFileMayBeNamedByAVariable(t *testing.T) {
	file := writeFile(t, "halberd.yaml", "data: c\n")
	got, err := sources{environ: []string{"HALBERD_CONFIG=" + file}}.load()
	if err != nil || got.Data != "c" {
		t.Errorf("got %+v, %v", got, err)
	}
	empty := writeFile(t, "empty.yaml", "# nothing yet\n")
	if got, err := (sources{file: empty, environ: []string{"HALBERD_CONFIG=" + file}}).load(); err != nil || got.Data != "halberd-data" {
		t.Errorf("--config outweighs it: got %+v, %v", got, err)
	}
}

func TestEverySettingIsInTheReference(t *testing.T) {
	text, err := os.ReadFile("../docs/reference/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	for _, s := range c.settings() {
		if !strings.Contains(string(text), "`"+s.name+"`") {
			t.Errorf("%s is not there", s.name)
		}
	}
	var printed bytes.Buffer
	if err := c.write(&printed); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(printed.String(), "\n"); got != len(c.settings()) {
		t.Errorf("%d fields in the file, %d settings: a flag or a variable is missing", got, len(c.settings()))
	}
}

func TestOnlyAnAddressOthersReachWithoutTLSIsExposed(t *testing.T) {
	for listen, want := range map[string]bool{
		"127.0.0.1:1": false, "[::1]:1": false, "localhost:1": false, "127.8.0.1:1": false,
		"": false, "unix:/run/halberd.sock": false, ":1": true, "0.0.0.0:1": true, "[::]:1": true, "192.0.2.1:1": true, "keys.example.com:1": true,
	} {
		var c Config
		if c.inClear(listen) != want {
			t.Errorf("%s: %v", listen, !want)
		}
		c.TLSCert = "a.pem"
		if c.inClear(listen) {
			t.Errorf("%s with TLS", listen)
		}
	}
}
