package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/zalando/go-keyring"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/cli"
	"github.com/halberdhq/halberd/dialect/enveloped"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/notify"
	"github.com/halberdhq/halberd/storage/memory"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hb": func() {
		// The scripts run where there is no keyring; keyring_test.go has one.
		keyring.MockInitWithError(errors.New("no keyring here"))
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := cli.Run(ctx, cli.Options{
			Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: "1.2.3",
		})
		stop()
		os.Exit(code)
	}})
}

// TestScripts runs hb against a server in this process: one script a verb, and
// one a promise that no verb owns. Each begins with an empty instance, whose
// first admin key and address are in the environment.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			w := world(t)
			server := httptest.NewServer(enveloped.Handler(w.Service, slog.New(slog.DiscardHandler), enveloped.PublicURL("https://keys.example.com")))
			env.Defer(server.Close)
			env.Setenv("HB_URL", server.URL)
			env.Setenv("HB_API_KEY", w.Root.Reveal())
			env.Setenv("HOME", env.WorkDir)
			env.Values["world"] = w
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"let":   let,
			"same":  same,
			"nokey": nokey,

			"leaver": leaver,
			"relay":  relay,
		},
	})
}

// world is an instance whose clock says the time of day: hb has its own.
func world(t *testing.T) *fixture.World {
	t.Helper()
	clock := fixture.NewClock()
	clock.Pass(time.Since(clock.Now()))
	hooks := notify.NewWebhooks(notify.Options{})
	t.Cleanup(hooks.Close)
	return fixture.With(t, memory.New(), clock, halberd.Options{Endpoints: hooks})
}

// relay turns what happened into deliveries, and fails to deliver them once.
func relay(ts *testscript.TestScript, _ bool, _ []string) {
	w := ts.Value("world").(*fixture.World)
	for more := true; more; {
		var err error
		_, more, err = w.Relay(context.Background())
		ts.Check(err)
	}
	due, err := w.DueDeliveries(context.Background(), halberd.Delivery{}, w.Now(), 100)
	ts.Check(err)
	for _, d := range due {
		ts.Check(w.FinishDelivery(context.Background(), d.ID, halberd.Attempt{
			At: w.Now(), Took: time.Second, Status: 503, Error: "it answered 503", NextAt: w.Now().Add(time.Hour),
		}))
	}
}

// exits N command...: the command must end with the exit code N.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N command...")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		ee, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = ee.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, not %s", got, args[0])
	}
}

// let NAME field: sets a variable to a field of the JSON object on stdout; of a
// list, to that of its first object.
func let(ts *testscript.TestScript, _ bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	if list, ok := v.([]any); ok {
		v = list[0]
	}
	field, ok := v.(map[string]any)[args[1]]
	if !ok {
		ts.Fatalf("there is no %s in %v", args[1], v)
	}
	ts.Setenv(args[0], fmt.Sprint(field))
}

// same field value: the JSON object on stdout has exactly this value, written
// as JSON.
func same(ts *testscript.TestScript, neg bool, args []string) {
	var v map[string]json.RawMessage
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	var got bytes.Buffer
	ts.Check(json.Compact(&got, v[args[0]]))
	if (got.String() == args[1]) == neg {
		ts.Fatalf("%s is %s", args[0], got.String())
	}
}

// nokey file...: none of them holds a secret: not the admin key's, and nothing
// of a key's shape.
func nokey(ts *testscript.TestScript, _ bool, args []string) {
	for _, f := range args {
		text := ts.ReadFile(f)
		if strings.Contains(text, ts.Getenv("HB_API_KEY")) || cli.HoldsKey(text) {
			ts.Fatalf("a secret is in %s:\n%s", f, text)
		}
	}
}

// leaver: makes a member who owns a key named deploys, and sets LEAVER to the
// member's id.
func leaver(ts *testscript.TestScript, _ bool, _ []string) {
	w, ok := ts.Value("world").(*fixture.World)
	if !ok {
		ts.Fatalf("there is no world")
	}
	ctx := context.Background()
	in, err := w.InviteMember(ctx, w.Admin, halberd.NewMember{Email: "leaver@example.com", Role: halberd.ScopeAdmin})
	ts.Check(err)
	who, err := w.Accept(ctx, in.Secret, "Lea", "correct horse battery", halberd.Request{})
	ts.Check(err)
	by, err := w.MemberActor(who.Member.ID, who.Epoch, halberd.Request{})
	ts.Check(err)
	_, err = w.Create(ctx, by, halberd.NewKey{Name: "deploys"})
	ts.Check(err)
	ts.Setenv("LEAVER", who.Member.ID.String())
}

// run is hb in this process.
func run(t *testing.T, env map[string]string, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, words bytes.Buffer
	code = cli.Run(t.Context(), cli.Options{
		Args: args, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &words,
		Getenv: func(name string) string { return env[name] }, Version: "1.2.3",
	})
	return code, out.String(), words.String()
}

func serve(t *testing.T) (url, key string) {
	t.Helper()
	w := world(t)
	server := httptest.NewServer(enveloped.Handler(w.Service, slog.New(slog.DiscardHandler)))
	t.Cleanup(server.Close)
	return server.URL, w.Root.Reveal()
}

func TestEveryRowOfTheDocumentIsProvedByName(t *testing.T) {
	var all strings.Builder
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scripts {
		b, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	for n := 1; n <= 22; n++ {
		row := fmt.Sprintf("S0-%02d", n)
		if !strings.Contains(all.String(), row) {
			t.Errorf("no script names %s", row)
		}
	}
}
