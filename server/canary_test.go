package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// secrets are sent to every route, in every place where one might end up
// by mistake, and then looked for everywhere an operator, a backup or a thief
// would find what the server wrote.
func TestNoSecretIsWrittenAnywhere(t *testing.T) {
	dir := shortDir(t)
	collector := receive(t)
	p := serve(t, dir, "--log-level", "debug", "--otlp-endpoint", collector.URL, "--management-limit", "0")
	admin := adminKey(t, dir)
	c := &canaries{secrets: map[string]string{"the admin key": admin}}
	pepper, err := os.ReadFile(filepath.Join(dir, "pepper"))
	if err != nil {
		t.Fatal(err)
	}
	c.secrets["the pepper"] = strings.TrimSpace(string(pepper))
	raw, err := hex.DecodeString(strings.TrimSpace(string(pepper)))
	if err != nil {
		t.Fatal(err)
	}
	c.secrets["the pepper's bytes"] = string(raw)

	n := 5
	if os.Getenv("HALBERD_CAMPAIGN") != "" {
		n = 250
	}
	for i := range n {
		live, revoked, narrow := p.create(fmt.Sprintf("live %d", i)), p.create("revoked"), p.create("rotated")
		c.add("a live key", live.secret)
		c.add("a revoked key", revoked.secret)
		c.add("a rotated key", narrow.secret)
		p.revoke(revoked)
		a := p.ok("POST", "/v1/api-keys/"+narrow.id+"/rotate", admin, `{"overlap_seconds":60}`)
		c.add("a new secret", a.text("data", "key"))
		a = p.ok("POST", "/api/api-keys", admin, fmt.Sprintf(`{"name":"plain %d"}`, i))
		made := a.text("key")
		c.add("a key of /api", made)
		p.ok("DELETE", "/api/api-keys/"+a.text("apiKey", "id"), admin, "") // below the ceiling
		// Endpoints that subscribe to nothing: their secrets are kept, and nothing is sent.
		hook := p.ok("POST", "/v1/webhooks", admin, `{"url":"https://93.184.216.34/","events":[]}`)
		signing := hook.text("data", "secret")
		again := p.ok("POST", "/v1/webhooks/"+hook.text("data", "webhook_id")+"/rotate-secret", admin, "")
		c.add("a signing secret", signing)
		c.add("a signing secret that was rotated in", again.text("data", "secret"))
		channel := fmt.Sprintf("B%dx%s", i, signing[6:30])
		p.ok("POST", "/v1/webhooks", admin, `{"format":"slack","url":"https://93.184.216.34/services/`+channel+`/0000","events":[]}`)
		c.add("a Slack address", channel)
		for j, s := range []string{live.secret, revoked.secret, narrow.secret, made, admin} {
			c.misplace(t, p, admin, s, i == 0 && j == 0)
		}
	}

	where := map[string]string{
		"the log": p.log.String(), "stdout": p.out.String(),
		"a backup": run(t, "backup", "--data", dir, "--to", "-").must(t).out,
		"doctor":   run(t, "doctor", "--data", dir).must(t).String(),
	}
	socket := filepath.Join(dir, "private.sock")
	for _, path := range []string{"/metrics", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/debug/pprof/cmdline", "/doctor"} {
		where[path] = private(t, socket, path).body
	}
	for name, list := range map[string]string{
		"the audit log": "/v1/audit-events?limit=100", "the events": "/v1/events?limit=100", "the webhooks": "/v1/webhooks?limit=100",
	} {
		for path := list; path != ""; {
			a := p.ok("GET", path, admin, "")
			where[name] += a.body
			path = ""
			if next := a.text("meta", "next_cursor"); next != "" {
				path = list + "&cursor=" + url.QueryEscape(next)
			}
		}
	}
	c.search(t, where)
	c.search(t, files(t, dir)) // with what is in the write-ahead logs
	p.stop()
	c.search(t, files(t, dir))
	c.search(t, map[string]string{"the log of the stop": p.log.String(), "the traces": collector.sent()})
	if len(collector.all()) < 10 {
		t.Error("no traces were looked at")
	}
	if !strings.Contains(where["the log"], "level=INFO msg=request") || len(where["the audit log"]) < 1000 ||
		len(where["the events"]) < 1000 || len(where["the webhooks"]) < 1000 {
		t.Error("nothing was looked at: the test shows nothing")
	}
	t.Logf("%d secrets, %d places each, %d answers that echoed none", len(c.secrets), len(where), c.answers)
}

type canaries struct {
	secrets map[string]string // what each is
	answers int
}

func (c *canaries) add(what, secret string) {
	c.secrets[fmt.Sprintf("%s (%d)", what, len(c.secrets))] = secret
}

// misplace sends a secret wherever one does not belong. No answer may hold it.
func (c *canaries) misplace(t *testing.T, p *process, admin, secret string, thorough bool) {
	t.Helper()
	send := func(method, path, key, body string, header ...string) {
		t.Helper()
		a, err := p.try(method, path, key, body, header...)
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		c.answers++
		head := fmt.Sprint(a.header)
		if found := c.in(a.body+head, secret); found != "" {
			t.Errorf("%s %s answers %d with the secret (%s): %s", method, strings.ReplaceAll(path, secret, "SECRET"), a.status, found,
				strings.ReplaceAll(a.body+head, secret, "SECRET"))
		}
		if a.status >= 500 {
			t.Errorf("%s %s: %d %s", method, strings.ReplaceAll(path, secret, "SECRET"), a.status, a.body)
		}
	}
	quoted := fmt.Sprintf("%q", secret)
	for _, r := range p.routes() {
		path := strings.NewReplacer("{key_id}", secret, "{keyId}", secret, "{project_id}", secret, "{organization_id}", secret).Replace(r.path)
		plain := strings.NewReplacer("{key_id}", "key_x", "{keyId}", "key_x", "{project_id}", "prj_x", "{organization_id}", "org_x").Replace(r.path)
		send(r.method, path, admin, "")
		send(r.method, plain+"?api_key="+secret+"&key="+secret+"&cursor="+secret+"&sort="+secret+"&limit="+secret, "", "")
		send(r.method, plain+"?"+secret, admin, "")
		for _, body := range []string{quoted, `{` + quoted + `:1}`, `{"key_id":` + quoted + `,"` + secret, secret,
			`{"scopes":[` + quoted + `],"resources":[` + quoted + `],"expires_at":` + quoted + `}`,
			`{"scopes":` + quoted + `}`, `{"expires_at":` + quoted + `}`, `{"ip_allow":[` + quoted + `]}`,
			`{"key":` + quoted + `,"scopes":[` + quoted + `]}`, `{"key":` + quoted + `,"client_ip":` + quoted + `}`,
			`{"key":` + quoted + `,"resource":` + quoted + `}`, `{"key_prefix":` + quoted + `}`, `{"key":` + quoted + `,"key":` + quoted + `}`,
			`{"project_id":` + quoted + `}`, `{"expiresInDays":` + quoted + `}`, `{"rate_limits":[{"name":` + quoted + `}]}`} {
			if r.method != "GET" && thorough {
				send(r.method, plain, admin, body)
			}
		}
		if !thorough {
			continue
		}
		send(r.method, plain, "", "key="+secret, "Content-Type", "application/x-www-form-urlencoded")
		for _, h := range []string{"Cookie", "X-Api-Key", "X-Auth-Token", "Authorization", "Proxy-Authorization", "X-Request-Id", "Traceparent",
			"User-Agent", "Referer", "Origin", "If-Match", "Idempotency-Key", "X-Forwarded-For", "Forwarded", "Accept", "Content-Type", "Content-Encoding", "Accept-Language"} {
			key := admin
			if h == "Authorization" || h == "X-Api-Key" {
				key = ""
			}
			send(r.method, plain, key, "", h, secret)
		}
		send(r.method, plain, "", "", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("x:"+secret)))
		send(r.method, plain, "", "", "Authorization", "Bearer  "+secret)
		send(r.method, plain, secret, "", "X-API-Key", admin)
	}
	send("GET", "/"+secret, "", "")
	send("GET", "/v1/"+secret, "", "")
	send("GET", "/v1//"+secret, admin, "")
	send("GET", "/api/"+secret, admin, "")
	send("GET", "/docs/"+secret, "", "")
	send("GET", "/healthz?"+secret, "", "")
	send("POST", "/v1/api-keys/verify", admin, `{"key":`+quoted+`}`)
	send("POST", "/v1/api-keys/verify", admin, `{"key":`+quoted+`,"scopes":["admin"],"resource":"engagement/42","client_ip":"203.0.113.7"}`)
	send("POST", "/v1/api-keys/verify", admin, `{"key":"`+secret[:len(secret)-1]+`"}`)
	if len(secret) < 8 { // a method is a word without a limit
		t.Fatal("that is no secret")
	}
	send(strings.ToUpper(secret), "/v1/whoami", admin, "")
	send("GET", "/v1/whoami", secret, "")
}

type route struct{ method, path string }

// routes is every operation that the reference names.
func (p *process) routes() (all []route) {
	p.t.Helper()
	paths, _ := p.ok("GET", "/openapi.json", "", "").get("paths").(map[string]any)
	for path, ops := range paths {
		methods, _ := ops.(map[string]any)
		for m := range methods {
			if m := strings.ToUpper(m); slices.Contains([]string{"GET", "POST", "PATCH", "PUT", "DELETE"}, m) {
				all = append(all, route{m, path})
			}
		}
	}
	if len(all) < 15 {
		p.t.Fatalf("the reference names %d operations", len(all))
	}
	return all
}

// in says in which form a text holds a secret; empty: in none.
func (c *canaries) in(text, secret string) string {
	b := []byte(secret)
	back := slices.Clone(b)
	slices.Reverse(back)
	percent := ""
	for _, x := range b {
		percent += fmt.Sprintf("%%%02X", x)
	}
	forms := map[string]string{
		"raw": secret, "reversed": string(back), "hex": hex.EncodeToString(b), "HEX": strings.ToUpper(hex.EncodeToString(b)),
		"url": url.QueryEscape(secret), "percent": percent, "go": fmt.Sprintf("%v", b),
	}
	for skip := range 3 { // as base64 of a longer text would have it
		e := base64.RawStdEncoding.EncodeToString(b[skip:])
		e = e[:len(e)-4] // whose end depends on what follows
		forms[fmt.Sprintf("base64+%d", skip)] = e
		forms[fmt.Sprintf("base64url+%d", skip)] = strings.NewReplacer("+", "-", "/", "_").Replace(e)
	}
	for form, f := range forms {
		if strings.Contains(text, f) {
			return form
		}
	}
	return ""
}

func (c *canaries) search(t *testing.T, where map[string]string) {
	t.Helper()
	for place, text := range where {
		for what, secret := range c.secrets {
			if form := c.in(text, secret); form != "" {
				t.Errorf("%s holds %s (%s)", place, what, form)
			}
		}
	}
}

// files is the content of a data folder, but for the two that are secrets.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || e.Name() == "pepper" || e.Name() == "admin.key" {
			return err
		}
		text, err := os.ReadFile(path)
		out[e.Name()] = string(bytes.Clone(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out["halberd.db"]) == 0 {
		t.Fatal("no database was looked at")
	}
	return out
}

// The search itself must find what it looks for.
func TestASecretInAnyFormIsFound(t *testing.T) {
	const secret = "hb_live_0123456789abcdefghijABCDEFGHIJ01"
	var c canaries
	for _, text := range []string{
		secret, "x" + secret + "y", hex.EncodeToString([]byte(secret)), fmt.Sprintf("%v", []byte(secret)),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.URLEncoding.EncodeToString([]byte("a" + secret + "b")),
		base64.StdEncoding.EncodeToString([]byte("ab" + secret)), "10JIHGFEDCBAjihgfedcba9876543210_evil_bh",
	} {
		if c.in(text, secret) == "" {
			t.Errorf("not found in %s", text)
		}
	}
	if form := c.in("hb_live_012 "+secret[8:30], secret); form != "" {
		t.Errorf("found in a hint: %s", form)
	}
}
