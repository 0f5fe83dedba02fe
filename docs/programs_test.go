package docs_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/halberdhq/halberd/internal/fixture"
)

var goProgram = regexp.MustCompile("(?ms)^```go\n(package main\n.*?)^```$")

// The programs of the guide are built as they stand and run: a key of theirs
// gets in until it is revoked.
func TestProgramsInTheGuide(t *testing.T) {
	text, err := os.ReadFile("guide/protect-go.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := goProgram.FindAllStringSubmatch(string(text), -1)
	if len(programs) != 2 {
		t.Fatalf("%d programs, want the one with a server and the one without", len(programs))
	}
	bin := t.TempDir()
	build(t, filepath.Join(bin, "hb"), "../cmd/hb")

	t.Run("with a server", func(t *testing.T) {
		s := newShell(t, bin)
		api := program(t, s, programs[0][1])
		s.run(t, "hb serve")
		s.run(t, "export HB_API_KEY=$(cat halberd-data/admin.key)")
		s.run(t, `CHECKS=$(hb api-keys create --name checks --scopes verify --quiet)`)
		key := strings.TrimSpace(s.run(t, `hb api-keys create --name Ada --scopes read --quiet`))
		s.run(t, "HB_API_KEY=$CHECKS ./program >program.log 2>&1 </dev/null &\n"+await+api+"; then break; fi; sleep 0.05; done")
		for _, c := range []struct {
			method, path, key string
			want              int
		}{
			{"GET", "/healthz", "", 200}, {"GET", "/reports", "", 401}, {"GET", "/reports", key, 200},
			{"POST", "/reports", key, 403}, {"GET", "/elsewhere", key, 403}, {"GET", "/elsewhere", "", 401},
		} {
			if status, body := ask(t, c.method, api+c.path, c.key); status != c.want {
				t.Errorf("%s %s: %d %s, want %d", c.method, c.path, status, body, c.want)
			}
		}
		s.run(t, `hb api-keys delete $(hb api-keys list --search Ada -q) --force`)
		if status, body := ask(t, "GET", api+"/reports", key); status != 401 ||
			body != `{"error":{"code":"UNAUTHORIZED","message":"Invalid or missing API key"}}`+"\n" {
			t.Errorf("after revoke: %d %s", status, body)
		}
	})
	t.Run("in your own process", func(t *testing.T) {
		s := newShell(t, bin)
		api := program(t, s, programs[1][1])
		s.run(t, "./program >program.log 2>&1 </dev/null &\n"+await+api+"; then break; fi; sleep 0.05; done")
		s.run(t, "export HB_URL="+api+" HB_API_KEY=$(cat admin.key)")
		key := strings.TrimSpace(s.run(t, `hb api-keys create --name Ada --scopes read --resources engagement/42 --quiet`))
		for path, want := range map[string]struct {
			status int
			body   string
		}{
			"/engagements": {200, `["42"]`}, "/engagements/42": {200, `"id":"42"`}, "/engagements/43": {403, `"code":"FORBIDDEN"`},
			"/elsewhere": {403, `"status":403`},
		} {
			if status, body := ask(t, "GET", api+path, key); status != want.status || !strings.Contains(body, want.body) {
				t.Errorf("%s: %d %s, want %d %s", path, status, body, want.status, want.body)
			}
		}
		s.run(t, `hb api-keys delete $(hb api-keys list --search Ada -q) --force`)
		if status, body := ask(t, "GET", api+"/engagements", key); status != 401 || !strings.Contains(body, `"title":"Invalid or missing API key"`) {
			t.Errorf("after revoke: %d %s", status, body)
		}
	})
}

// await goes on when something answers at the address behind it.
const await = "for i in $(seq 200); do if curl -so /dev/null "

var pythonFunction = regexp.MustCompile("(?ms)^```python\n(.*?)^```$")

// The function for other languages lets through what is valid, and nothing when
// the answer is not known.
func TestTheFunctionInTheGuide(t *testing.T) {
	text, err := os.ReadFile("guide/protect-http.md")
	if err != nil {
		t.Fatal(err)
	}
	match := pythonFunction.FindSubmatch(text)
	if match == nil {
		t.Fatal("no function")
	}
	_ = fixture.Program(t, "python3", "python3")
	bin := t.TempDir()
	build(t, filepath.Join(bin, "hb"), "../cmd/hb")
	s := newShell(t, bin)
	for name, at := range map[string]string{"there": s.address, "away": "127.0.0.1:1"} {
		function := strings.ReplaceAll(string(match[1]), "127.0.0.1:8080", at)
		if err := os.WriteFile(filepath.Join(s.dir, name+".py"), []byte(function), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.run(t, "hb serve")
	s.run(t, "export HB_API_KEY=$(cat halberd-data/admin.key)")
	s.run(t, "export CHECKS_KEY=$(hb api-keys create --name checks --scopes verify --quiet)")
	s.run(t, "export KEY=$(hb api-keys create --name Ada --scopes read --resources engagement/42 --rate-limit 1/1h --quiet)")
	for _, c := range []struct{ from, arguments, want string }{
		{"there", `os.environ["KEY"], "read"`, "403"},
		{"there", `os.environ["KEY"], "write", "engagement/42"`, "403"},
		{"there", `os.environ["KEY"], "read", "engagement/42"`, "200"},
		{"there", `os.environ["KEY"], "read", "engagement/42"`, "429"},
		{"there", `"nonsense", "read"`, "401"},
		{"there", `None, "read"`, "401"},
		{"there", `os.environ["KEY"], "nonsense"`, "503"},
		{"away", `os.environ["KEY"], "read", "engagement/42"`, "503"},
	} {
		got := s.run(t, "python3 -c 'import os, "+c.from+" as f; print(f.allowed("+c.arguments+")[0])'")
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%s, allowed(%s): %s, want %s", c.from, c.arguments, got, c.want)
		}
	}
}

func build(t *testing.T, to, from string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", to, from).CombinedOutput(); err != nil {
		t.Fatalf("%s%v", out, err)
	}
}

// program builds a text into the folder of a shell, and returns where it will
// listen.
func program(t *testing.T, s *shell, text string) (url string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	_ = l.Close()
	text = strings.NewReplacer("127.0.0.1:8080", s.address, "127.0.0.1:8081", at).Replace(text)
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	build(t, filepath.Join(s.dir, "program"), file)
	return "http://" + at
}

func ask(t *testing.T, method, url, key string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("X-Api-Key", key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}
