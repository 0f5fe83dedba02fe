package server_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// write puts a file beside the data folder.
func writeBeside(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reload sends SIGHUP until the log says the words once more.
func (p *process) reload(words string) {
	p.t.Helper()
	before := strings.Count(p.log.String(), words)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		p.t.Fatal(err)
	}
	eventually(p.t, words, func() bool { return strings.Count(p.log.String(), words) > before })
}

// Doors: policy and trusted proxies, read at the start and on SIGHUP.
func TestDoorsGoByThePolicyThatWasReadLast(t *testing.T) {
	beside := shortDir(t)
	policy := writeBeside(t, beside, "policy.yaml", "rules:\n  - path: /a\n")
	config := writeBeside(t, beside, "halberd.yaml", "trusted_proxies: 127.0.0.1\npolicy: "+policy+"\n")
	p := serve(t, shortDir(t), "--config", config)
	key := p.create("through a door").secret
	ask := func(path string) int {
		return p.call("GET", "/v1/auth/forward", key, "", "X-Forwarded-Method", "GET", "X-Forwarded-Uri", path).status
	}
	wants := func(path string, want int) {
		t.Helper()
		if got := ask(path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	wants("/a", 200)
	wants("/b", 403)
	writeBeside(t, beside, "policy.yaml", "rules:\n  - path: /b\n")
	p.reload("the configuration was read again\"")
	wants("/a", 403)
	wants("/b", 200)
	writeBeside(t, beside, "policy.yaml", "rules:\n  - path: /a\n    scope: read\n")
	p.reload("the former stays")
	p.logs("line 3: field scope is none of a policy's")
	wants("/a", 403)
	wants("/b", 200)
	// Nobody is believed any more: what the policy needs is not stated.
	writeBeside(t, beside, "policy.yaml", "rules:\n  - path: /b\n")
	writeBeside(t, beside, "halberd.yaml", "policy: "+policy+"\n")
	p.reload("the configuration was read again\"")
	wants("/b", 401)
	if n := strings.Count(p.log.String(), "the configuration was read again\""); n != 2 {
		t.Errorf("%d times, so what was refused is said to be read, too", n)
	}
	p.logs("named in trusted_proxies")
	for _, args := range [][]string{{"--policy", filepath.Join(beside, "none.yaml")}, {"--policy", writeBeside(t, beside, "bad.yaml", "rules: 7\n")}} {
		run(t, append([]string{"serve", "--data", shortDir(t), "--listen", "127.0.0.1:0"}, args...)...).refused(t, 2, "the policy")
	}
}

// A project that the policy names and that is not there is told at the start, at
// each reload and by the doctor, and refuses nothing but what it covers.
func TestAPolicyThatNamesAnUnknownProjectIsToldAtTheStart(t *testing.T) {
	const none = "prj_01h455vb4pex5vsknk084sn02q"
	beside := shortDir(t)
	policy := writeBeside(t, beside, "policy.yaml", "rules:\n  - path: /a\n  - path: /b\n    project: "+none+"\n")
	p := serve(t, shortDir(t), "--policy", policy, "--trusted-proxies", "127.0.0.1")
	p.logs("projects=" + none)
	key := p.create("through a door").secret
	for path, want := range map[string]int{"/a": 200, "/b": 401} {
		if got := p.call("GET", "/v1/auth/forward", key, "", "X-Forwarded-Method", "GET", "X-Forwarded-Uri", path).status; got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	p.reload("projects=" + none)
	home := p.ok("GET", "/v1/projects", adminKey(t, p.dir), "").text("data", "0", "project_id")
	writeBeside(t, beside, "policy.yaml", "project: "+home+"\nrules:\n  - path: /a\n")
	before := strings.Count(p.log.String(), "do not exist")
	p.reload("the configuration was read again\"")
	if found, _ := doctor(t, p.dir); strings.Count(p.log.String(), "do not exist") != before {
		t.Error("it warns of a project that is there")
	} else {
		expect(t, found, "policy", "ok", policy)
	}
	writeBeside(t, beside, "policy.yaml", "rules:\n  - path: /a\n")
	ill(t, func(t *testing.T, _ string) {
		writeBeside(t, beside, "policy.yaml", "project: "+none+"\nrules:\n  - path: /a\n")
	}, []string{"--policy", policy}, "policy", "warn", none, "hb projects list")
	writeBeside(t, beside, "policy.yaml", "rules:\n  - path: /a\n")
	ill(t, func(t *testing.T, _ string) {
		writeBeside(t, beside, "policy.yaml", "rules:\n  - path: a\n")
	}, []string{"--policy", policy}, "policy", "fail", "line 2", "SIGHUP")
}

// bad keys are counted by the address that can be believed,
// and good ones are answered as ever.
func TestBadKeysAreAnswered429WhateverAddressTheyClaim(t *testing.T) {
	p := serve(t, shortDir(t), "--guesses-per-minute", "1", "--guess-burst", "3")
	good := p.create("good").secret
	seen := map[int]int{}
	for i := range 12 {
		claim := "198.51.100." + string(rune('0'+i%10))
		for _, path := range []string{"/v1/auth/forward?scopes=read", "/v1/whoami", "/api/api-keys", "/v1/auth/nginx?scopes=read"} {
			a := p.call("GET", path, "hb_live_nothing", "", "X-Forwarded-For", claim, "X-Real-IP", claim, "Forwarded", "for="+claim)
			seen[a.status]++
			if a.status == 429 && a.header.Get("Retry-After") == "" {
				t.Errorf("%s: no Retry-After", path)
			}
		}
	}
	// Of 12 on the nginx door those beyond the bound are 403.
	if seen[401] != 3 || seen[429]+seen[403] != 45 || seen[403] < 11 {
		t.Errorf("answers by status: %v", seen)
	}
	for _, path := range []string{"/v1/auth/forward?scopes=read", "/v1/whoami"} {
		if a := p.call("GET", path, good, ""); a.status != 200 {
			t.Errorf("a good key at %s: %d", path, a.status)
		}
	}
	if got := p.metric(`halberd_door_answers_total{door="forward",status="429"}`); got < 11 {
		t.Errorf("counted %v", got)
	}
	if strings.Contains(p.log.String(), "/v1/auth/") {
		t.Errorf("a check was logged:\n%s", p.log)
	}
}

// A-52, S2 allow-lists: behind a proxy that is believed the client's address is
// the one that it states, for every surface alike.
func TestATrustedProxyStatesTheClientsAddress(t *testing.T) {
	p := serve(t, shortDir(t), "--trusted-proxies", "127.0.0.0/8, 10.0.0.0/8", "--guesses-per-minute", "0")
	admin := adminKey(t, p.dir)
	key := p.ok("POST", "/v1/api-keys", admin, `{"project_id":null,"ip_allow":["203.0.113.0/24"]}`).text("data", "key")
	for chain, want := range map[string]int{
		"":                                401,
		"203.0.113.7":                     200,
		"203.0.113.7, 10.1.2.3":           200,
		"203.0.113.7,198.51.100.1":        401,
		"198.51.100.1, 203.0.113.7":       200, // the left is what the client says of itself
		"nonsense, 203.0.113.7":           200,
		"203.0.113.7, nonsense":           401,
		"203.0.113.7, nonsense, 10.1.2.3": 401,
		"203.0.113.7:1234":                200,
		"::ffff:203.0.113.7":              200,
		"\"203.0.113.7\"":                 401,
		"203.0.113.7,":                    401,
		strings.Repeat("10.0.0.1, ", 500) + "10.0.0.1": 401,
	} {
		if got := p.call("GET", "/v1/whoami", key, "", "X-Forwarded-For", chain).status; got != want {
			t.Errorf("%s: %d, want %d", chain[:min(len(chain), 60)], got, want)
		}
	}
	a := p.ok("GET", "/v1/audit-events?limit=1", admin, "")
	if !strings.Contains(a.body, `"127.0.0.1"`) {
		t.Errorf("without a proxy: %s", a.body)
	}
	p.call("POST", "/v1/api-keys", admin, `{"project_id":null}`, "X-Forwarded-For", "198.51.100.77")
	a = p.ok("GET", "/v1/audit-events?limit=1", admin, "")
	if !strings.Contains(a.body, `"198.51.100.77"`) {
		t.Errorf("the audit log has another address: %s", a.body)
	}
}

// A gateway on the same machine asks over a socket.
func TestDoorsOpenOnASocketToo(t *testing.T) {
	beside := shortDir(t)
	path := filepath.Join(beside, "hb.sock")
	p := serve(t, shortDir(t), "--listen", "127.0.0.1:0 unix:"+path, "--trusted-proxies", "unix")
	key := p.create("over a socket").secret
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v %v", info, err)
	}
	over := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	defer over.CloseIdleConnections()
	ask := func(c *http.Client, base, method string) int {
		r, err := http.NewRequestWithContext(t.Context(), "GET", base+"/v1/auth/forward", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-API-Key", key)
		r.Header.Set("X-Forwarded-Method", method)
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if got := ask(over, "http://hb", "GET"); got != 200 {
		t.Errorf("over the socket: %d", got)
	}
	if got := ask(http.DefaultClient, p.url, "GET"); got != 401 { // no proxy of ours is there
		t.Errorf("over TCP: %d", got)
	}
	p.stop()
	alone := launch(t, shortDir(t), "--listen", "unix:"+path)
	if alone.url != "unix:"+path || strings.Contains(alone.out.String(), "api-keys list") {
		t.Errorf("says %s", alone.out)
	}
}
