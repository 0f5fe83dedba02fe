package gateways_test

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/halberdhq/halberd/internal/fixture"
)

// stand is an API, a gateway before it, and Halberd beside it.
type stand struct {
	t       *testing.T
	api     *api
	keys    *halberd
	address string // of the gateway
	asked   string // where the gateway asks
	gateway *process
}

// gateways are those that are Debian packages, and so are run.
var gateways = []struct {
	name string
	open func(*stand)
}{
	{"nginx", (*stand).nginx}, {"Caddy", (*stand).caddy}, {"HAProxy", (*stand).haproxy},
}

// behindEach runs a test behind every gateway.
func behindEach(t *testing.T, test func(*testing.T, *stand)) {
	for _, g := range gateways {
		t.Run(g.name, func(t *testing.T) {
			s := &stand{t: t, api: openAPI(t), keys: openHalberd(t), address: free(t)}
			s.asked = s.keys.address
			g.open(s)
			s.gateway.listens(s.address)
			test(t, s)
		})
	}
}

// send sends one request through the gateway and returns what the client got,
// and what reached the API.
func (s *stand) send(method, target string, lines ...string) (answer, []seen) {
	s.t.Helper()
	a := raw(s.t, s.address, method, target, lines...)
	return a, s.api.take()
}

// refused fails the test unless the client got this status and a body in JSON
// with this code, and the API nothing.
func (s *stand) refused(status int, code, method, target string, lines ...string) answer {
	s.t.Helper()
	a, seen := s.send(method, target, lines...)
	if len(seen) > 0 {
		s.t.Errorf("%s %s %q reached the API", method, target, lines)
	}
	if a.status != status || a.code() != code {
		s.t.Errorf("%s %s %q: %d %s, want %d %s", method, target, lines, a.status, a.body, status, code)
	}
	return a
}

// allowed fails the test unless the request reached the API, once.
func (s *stand) allowed(method, target string, lines ...string) (answer, seen) {
	s.t.Helper()
	a, all := s.send(method, target, lines...)
	if len(all) != 1 || a.status != 200 || !strings.HasPrefix(a.body, "the API: "+method) && method != "HEAD" {
		s.t.Fatalf("%s %s %q: %d %s, seen %d times", method, target, lines, a.status, a.body, len(all))
	}
	return a, all[0]
}

// shipped copies files of this folder to where a gateway starts, with the three
// addresses replaced and nothing else.
func (s *stand) shipped(dir string, names ...string) {
	s.t.Helper()
	put := strings.NewReplacer(halberdAddress, s.asked, apiAddress, s.api.address(), gatewayAddress, s.address)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatal(err)
		}
		out := put.Replace(string(text))
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(out), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
}

// nginx includes the shipped file as /etc/nginx/nginx.conf does conf.d, in a
// folder of its own.
func (s *stand) nginx() {
	exe := fixture.Program(s.t, "nginx", "nginx-light")
	dir := shortDir(s.t)
	s.shipped(dir, "nginx/halberd.conf")
	s.write(dir, "nginx.conf", `daemon off; `+asRoot(s.t)+` worker_processes 1; pid nginx.pid; error_log stderr warn;
events {}
http {
	access_log off;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	include halberd.conf;
}
`)
	s.gateway = run(s.t, exe, nil, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
}

// asRoot keeps nginx, where root starts it, from giving root away, for the
// folder is root's alone.
func asRoot(t *testing.T) string {
	if me, err := user.Current(); err != nil {
		t.Fatal(err)
	} else if me.Uid == strconv.Itoa(0) {
		return "user root;"
	}
	return ""
}

// caddy gets the shipped file after the options that keep it off the ports and
// folders that a machine has only one of.
func (s *stand) caddy() {
	exe := fixture.Program(s.t, "caddy", "caddy")
	dir := shortDir(s.t)
	s.shipped(dir, "caddy/Caddyfile")
	s.write(dir, "main", "{\n\tadmin off\n\tauto_https off\n}\nimport Caddyfile\n")
	s.gateway = run(s.t, exe, []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir},
		"run", "--config", filepath.Join(dir, "main"), "--adapter", "caddyfile")
}

// haproxy runs where its Lua is.
func (s *stand) haproxy() {
	exe := fixture.Program(s.t, "haproxy", "haproxy")
	dir := shortDir(s.t)
	s.shipped(dir, "haproxy/haproxy.cfg", "haproxy/halberd.lua")
	s.gateway = run(s.t, exe, nil, "-C", dir, "-db", "-f", "haproxy.cfg")
}

func (s *stand) write(dir, name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}
