// Package samples_test runs the samples of this folder as a reader would: by
// bash and curl, node and Python, against a running API and the keys of a
// running Halberd. Only the placeholders of README.md in the folder above are
// replaced.
package samples_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/plain"
	"github.com/halberdhq/halberd/examples/hookshop"
	"github.com/halberdhq/halberd/internal/fixture"
)

// stand is an API whose keys are managed beside it, on one address, and a home
// folder for those who call it.
type stand struct {
	*fixture.World
	project halberd.ProjectID
	handler http.Handler
	url     string
	home    string
	env     []string
}

// open starts a stand whose keys begin with prefix.
func open(t *testing.T, prefix string) *stand {
	t.Helper()
	s := &stand{World: fixture.New(t), home: t.TempDir()}
	p, err := s.CreateProject(t.Context(), s.Admin, halberd.NewProject{Name: "Samples", KeyPrefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	s.project = p.ID
	shop, err := hookshop.New(s.Service, hookshop.Options{Now: s.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	keys := plain.Handler(s.Service, nil)
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/api-keys") {
			keys.ServeHTTP(w, r)
			return
		}
		shop.ServeHTTP(w, r)
	})
	server := httptest.NewServer(s.handler)
	t.Cleanup(server.Close)
	s.url = server.URL
	s.env = []string{
		"PATH=" + programs + ":/usr/bin:/bin", "HOME=" + s.home, "LC_ALL=C.UTF-8",
		"HOOKBASE_URL=" + s.url, "HIVE_URL=" + s.url,
	}
	s.curlrc("silent", "show-error", `write-out = "\n%{http_code}"`)
	return s
}

// curlrc makes curl print the status below the body, so that its command line
// can stay as printed.
func (s *stand) curlrc(lines ...string) {
	s.T.Helper()
	if err := os.WriteFile(filepath.Join(s.home, ".curlrc"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		s.T.Fatal(err)
	}
}

// key makes a key of the project.
func (s *stand) key(scopes ...string) halberd.Changed {
	s.T.Helper()
	return s.Make(halberd.NewKey{Project: s.project, Scopes: halberd.Some(halberd.MustScopes(scopes...))})
}

// answer is what a sample got.
type answer struct {
	Status int
	Body   json.RawMessage
}

// sample runs a sample with its placeholders replaced: the host by the stand,
// the others as with says, a placeholder and its value in turn.
func (s *stand) sample(name string, with ...string) answer {
	s.T.Helper()
	text := replaced(s.T, name, append([]string{"https://api.example.com", s.url}, with...)...)
	var out []byte
	switch filepath.Ext(name) {
	case ".sh":
		need(s.T, "curl", "/usr/bin/curl", "--version")
		return curled(s.T, s.must("/usr/bin/bash", "-c", text))
	case ".mjs":
		need(s.T, "nodejs", "/usr/bin/node", "-e", "process.exit(typeof fetch === 'function' ? 0 : 1)")
		out = s.must("/usr/bin/node", s.write("sample.mjs", text+"console.log(JSON.stringify({status: response.status, body: data}));\n"))
	case ".py":
		need(s.T, "python3-requests", "/usr/bin/python3", "-c", "import requests")
		out = s.must("/usr/bin/python3", s.write("sample.py", text+"import json\nprint(json.dumps({'status': response.status_code, 'body': data}))\n"))
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		s.T.Fatalf("%s printed %s", name, out)
	}
	return a
}

// curled reads what curl prints with this stand's .curlrc.
func curled(t testing.TB, out []byte) answer {
	t.Helper()
	body, last, ok := cutLast(string(out), "\n")
	status, err := strconv.Atoi(last)
	if !ok || err != nil {
		t.Fatalf("curl printed %s", out)
	}
	return answer{status, json.RawMessage(body)}
}

func cutLast(text, at string) (before, after string, found bool) {
	if i := strings.LastIndex(text, at); i >= 0 {
		return text[:i], text[i+len(at):], true
	}
	return text, "", false
}

// replaced is a sample's text. A placeholder that is not in it fails the test.
func replaced(t testing.TB, name string, with ...string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for i := 0; i < len(with); i += 2 {
		if !strings.Contains(text, with[i]) {
			t.Fatalf("%s has no %s", name, with[i])
		}
		text = strings.ReplaceAll(text, with[i], with[i+1])
	}
	return text
}

func (s *stand) write(name, text string) string {
	s.T.Helper()
	name = filepath.Join(s.home, name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		s.T.Fatal(err)
	}
	return name
}

// must runs a program that succeeds.
func (s *stand) must(program string, args ...string) []byte {
	s.T.Helper()
	out, stderr, exit := s.run(nil, program, args...)
	if exit != 0 || stderr != "" {
		s.T.Fatalf("%s ends with %d:\n%s%s", program, exit, out, stderr)
	}
	return []byte(out)
}

// run runs a program in the home folder with a small environment and more.
func (s *stand) run(more []string, program string, args ...string) (stdout, stderr string, exit int) {
	s.T.Helper()
	cmd := exec.CommandContext(s.T.Context(), program, args...)
	cmd.Dir = s.home
	cmd.Env = slices.Concat(s.env, more)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		s.T.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (s *stand) port() string {
	s.T.Helper()
	u, err := url.Parse(s.url)
	if err != nil {
		s.T.Fatal(err)
	}
	return u.Port()
}

// need ends the test unless a program of a Debian package is there. Where it
// could have been installed, that is a failure.
func need(t testing.TB, pkg, program string, probe ...string) {
	t.Helper()
	if err := exec.CommandContext(t.Context(), program, probe...).Run(); err == nil {
		return
	}
	what := fmt.Sprintf("%s does not do: install the Debian package %s (scripts/debian.sh)", program, pkg)
	if os.Getenv("CI") == "true" || os.Geteuid() == 0 {
		t.Fatal(what)
	}
	t.Skip(what)
}

// programs is the folder of hookbase and aphids-cli.
var programs string

func TestMain(m *testing.M) {
	os.Exit(built(m))
}

func built(m *testing.M) int {
	dir, err := os.MkdirTemp("", "samples")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs = dir
	out, err := exec.Command("go", "build", "-o", dir, "../hookshop/cmd/hookbase", "../hookshop/cmd/aphids-cli").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s%v\n", out, err)
		return 1
	}
	return m.Run()
}
