package main

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/examples/hookshop"
	"github.com/halberdhq/halberd/internal/fixture"
)

// shop is aphids-cli beside a running API.
type shop struct {
	*fixture.World
	env   map[string]string
	stdin string
}

func open(t *testing.T) *shop {
	t.Helper()
	w := fixture.New(t)
	h, err := hookshop.New(w.Service, hookshop.Options{Now: w.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &shop{World: w, env: map[string]string{"HIVE_URL": s.URL}}
}

func (s *shop) key(scope string, limits halberd.RateLimits, resources ...string) string {
	s.T.Helper()
	n := halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes(scope)), RateLimits: halberd.Some(limits)}
	if len(resources) > 0 {
		r, err := halberd.ParseResources(resources)
		if err != nil {
			s.T.Fatal(err)
		}
		n.Resources = halberd.Some(r)
	}
	return s.Make(n).Secret.Reveal()
}

func (s *shop) aphids(args ...string) (exit int, stdout, stderr string) {
	s.T.Helper()
	var out, err strings.Builder
	p := program{
		getenv: func(name string) string { return s.env[name] }, stdin: strings.NewReader(s.stdin), stdout: &out, stderr: &err,
		wait: func(_ context.Context, d time.Duration) error { s.Clock.Pass(d); return nil },
	}
	exit = p.run(s.T.Context(), args)
	if strings.Contains(out.String()+err.String(), "hb_live_") {
		s.T.Errorf("%q shows a key:\n%s%s", args, &out, &err)
	}
	return exit, out.String(), err.String()
}

const started = "run_1 queued: runbook rb_1 of engagement 42 against https://example.com\n"

// S1-18: --api-key works as printed, and warns.
func TestS1_18_TheFlagWorksAndWarns(t *testing.T) {
	s := open(t)
	exit, out, err := s.aphids("--api-key", s.key("write", nil), "--runbook", "rb_1", "--target-url", "https://example.com")
	if exit != 0 || out != started || err != visible {
		t.Errorf("%d\n%s%s", exit, out, err)
	}
}

// S1-17: the environment is enough, and no warning is due.
func TestS1_17_TheEnvironment(t *testing.T) {
	s := open(t)
	s.env["HIVE_API_KEY"] = s.key("write", nil, "engagement/42")
	exit, out, err := s.aphids("--runbook", "rb_1", "--target-url", "https://example.com")
	if exit != 0 || out != started || err != "" {
		t.Errorf("%d\n%s%s", exit, out, err)
	}
}

func TestAKeyFile(t *testing.T) {
	s := open(t)
	s.env["HIVE_API_KEY"] = "the file goes before"
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte(s.key("write", nil)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if exit, out, err := s.aphids("--api-key-file", name, "--runbook", "rb_1", "--target-url", "https://example.com"); exit != 0 || out != started || err != "" {
		t.Errorf("%d\n%s%s", exit, out, err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if exit, _, err := s.aphids("--api-key-file", name, "--runbook", "rb_1", "--target-url", "https://example.com"); exit != 0 || !strings.Contains(err, "chmod 600") {
		t.Errorf("readable by all: %d %s", exit, err)
	}
	s.stdin = s.key("write", nil) + "\r\n"
	if exit, _, err := s.aphids("--api-key-file=-", "--runbook", "rb_1", "--target-url", "https://example.com"); exit != 0 || err != "" {
		t.Errorf("standard input: %d %s", exit, err)
	}
}

func TestHowItEnds(t *testing.T) {
	s := open(t)
	write, read := s.key("write", nil), s.key("read", nil)
	some := s.key("write", nil, "engagement/42")
	rest := []string{"--runbook", "rb_1", "--target-url", "https://example.com"}
	for name, c := range map[string]struct {
		key  string
		args []string
		exit int
		says string
	}{
		"no arguments":          {write, nil, 2, "are needed"},
		"no such flag":          {write, append([]string{"--" + write}, rest...), 2, "make no sense"},
		"one too many":          {write, append([]string{write}, rest...), 2, "an argument too many"},
		"an unset variable":     {"", append([]string{"--api-key"}, rest...), 2, "is HIVE_API_KEY set?"},
		"an empty variable":     {"", append([]string{"--api-key", ""}, rest...), 2, "is HIVE_API_KEY set?"},
		"both":                  {"", append([]string{"--api-key", write, "--api-key-file", "-"}, rest...), 2, "exclude"},
		"a key as a file":       {"", append([]string{"--api-key-file", write}, rest...), 2, "no such file"},
		"a key as a runbook":    {write, []string{"--runbook", write, "--target-url", "https://example.com"}, 2, "where something else belongs"},
		"no key":                {"", rest, 4, "set HIVE_API_KEY"},
		"a read key":            {read, rest, 4, "does not hold the scope"},
		"another engagement":    {some, []string{"--runbook", "rb_2", "--target-url", "https://example.com"}, 3, "not found"},
		"no such runbook":       {some, []string{"--runbook", "rb_9", "--target-url", "https://example.com"}, 3, "not found"},
		"a step up":             {some, []string{"--runbook", "../sources", "--target-url", "https://example.com"}, 4, "cannot be named so"},
		"no address to look at": {write, []string{"--runbook", "rb_1", "--target-url", "example"}, 2, "targetUrl"},
	} {
		s.env["HIVE_API_KEY"] = c.key
		if exit, out, err := s.aphids(c.args...); exit != c.exit || out != "" || !strings.Contains(err, c.says) {
			t.Errorf("%s: %d\n%s%s", name, exit, out, err)
		}
	}
	if exit, out, _ := s.aphids("--help"); exit != 0 || out != usage {
		t.Errorf("--help: %d %s", exit, out)
	}
}

// S1-25: too many runs are waited for.
func TestS1_25_ARateLimitIsWaitedFor(t *testing.T) {
	s := open(t)
	s.env["HIVE_API_KEY"] = s.key("write", halberd.RateLimits{{Limit: 1, WindowSeconds: 10}})
	began := s.Clock.Now()
	for range 2 {
		if exit, _, err := s.aphids("--runbook", "rb_1", "--target-url", "https://example.com"); exit != 0 {
			t.Fatalf("%d %s", exit, err)
		}
	}
	if took := s.Clock.Now().Sub(began); took < 10*time.Second {
		t.Errorf("two calls at one in 10 s took %s", took)
	}
}
