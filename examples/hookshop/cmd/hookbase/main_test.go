package main

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/examples/hookshop"
	"github.com/halberdhq/halberd/internal/fixture"
)

// shop is hookbase beside a running API.
type shop struct {
	*fixture.World
	env map[string]string
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
	k := w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read"))})
	return &shop{w, map[string]string{"HOOKBASE_URL": s.URL, "HOOKBASE_API_KEY": k.Secret.Reveal()}}
}

func (s *shop) hookbase(words string) (exit int, stdout, stderr string) {
	s.T.Helper()
	var out, err strings.Builder
	p := program{
		getenv: func(name string) string { return s.env[name] }, stdout: &out, stderr: &err,
		wait: func(_ context.Context, d time.Duration) error { s.Clock.Pass(d); return nil },
	}
	exit = p.run(s.T.Context(), strings.Fields(words))
	if key := s.env["HOOKBASE_API_KEY"]; key != "" && strings.Contains(out.String()+err.String(), key) {
		s.T.Errorf("%s shows the key:\n%s%s", words, &out, &err)
	}
	return exit, out.String(), err.String()
}

// S3-34: `hookbase sources list` uses HOOKBASE_API_KEY.
func TestS3_34_Lists(t *testing.T) {
	s := open(t)
	for words, want := range map[string]string{
		"sources list":      "ID     NAME        PROVIDER  ACTIVE\nsrc_1  Repository  github    true\nsrc_2  Payments    stripe    true\n",
		"destinations list": "ID     NAME    URL\ndst_1  Builds  https://builds.example.com/hooks\ndst_2  Ledger  https://ledger.example.com/hooks\n",
		"routes list":       "ID     SOURCEID  DESTINATIONID  ACTIVE\nrte_1  src_1     dst_1          true\nrte_2  src_2     dst_2          true\n",
		"events list":       "ID     SOURCEID  TYPE          RECEIVEDAT\nevt_1  src_1     push          2024-01-15T10:30:00Z\nevt_2  src_2     invoice.paid  2024-01-15T10:31:00Z\n",
	} {
		if exit, out, err := s.hookbase(words); exit != 0 || out != want || err != "" {
			t.Errorf("%s: %d\n%s%s", words, exit, out, err)
		}
	}
}

func TestHowItEnds(t *testing.T) {
	s := open(t)
	key := s.env["HOOKBASE_API_KEY"]
	for name, c := range map[string]struct {
		words, key string
		exit       int
		says       string
	}{
		"no command":        {"", key, 2, "usage"},
		"a key as argument": {"sources list " + key, key, 2, "usage"},
		"no such list":      {"users list", key, 2, "usage"},
		"no such verb":      {"sources drop", key, 2, "usage"},
		"no key":            {"sources list", "", 4, "set HOOKBASE_API_KEY"},
		"no good key":       {"sources list", key + "x", 4, "check that the key is active"},
		"a reference":       {"sources list", "${HOOKBASE_API_KEY}", 4, "text of a reference"},
	} {
		s.env["HOOKBASE_API_KEY"] = c.key
		if exit, out, err := s.hookbase(c.words); exit != c.exit || out != "" || !strings.Contains(err, c.says) {
			t.Errorf("%s: %d\n%s%s", name, exit, out, err)
		}
	}
	if exit, out, _ := s.hookbase("--help"); exit != 0 || !strings.Contains(out, "HOOKBASE_API_KEY") {
		t.Errorf("--help: %d %s", exit, out)
	}
}

// S1-25: a key that asked too often waits as long as it is told, and then gets
// its answer.
func TestS1_25_ARateLimitIsWaitedFor(t *testing.T) {
	s := open(t)
	limits := halberd.RateLimits{{Limit: 1, WindowSeconds: 30}}
	k := s.Make(halberd.NewKey{RateLimits: halberd.Some(limits)})
	s.env["HOOKBASE_API_KEY"] = k.Secret.Reveal()
	began := s.Clock.Now()
	for range 3 {
		if exit, _, err := s.hookbase("sources list"); exit != 0 {
			t.Fatalf("%d %s", exit, err)
		}
	}
	if took := s.Clock.Now().Sub(began); took < time.Minute || took > 70*time.Second {
		t.Errorf("three calls at one in 30 s took %s", took)
	}
}
