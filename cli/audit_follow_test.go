package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/halberdhq/halberd/cli"
)

// Without --from a follower begins with what is recorded from now on, asks for
// what came after the last event it printed, and ends
// with 0 when it is interrupted.
func TestAFollowerMissesNothingAndRepeatsNothing(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	var asked []string
	steps := []string{`[{"audit_id":"aud_1"}]`, `[{"audit_id":"aud_2"},{"audit_id":"aud_3"}]`, "away"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		asked = append(asked, q.Get("after")+" "+q.Get("sort"))
		step := steps[min(len(asked), len(steps))-1]
		switch step {
		case "away":
			w.Header().Set("Retry-After", "11") // more than the client waits by itself
			w.WriteHeader(http.StatusServiceUnavailable)
			// The follower waits as long as it is told, so it is interrupted here.
			interrupt()
		default:
			_, _ = fmt.Fprintf(w, `{"data":%s,"meta":{"next_cursor":null}}`, step)
		}
	}))
	defer server.Close()
	var out, words bytes.Buffer
	env := map[string]string{"HB_URL": server.URL, "HB_API_KEY": "hb_live_x"}
	code := cli.Run(ctx, cli.Options{
		Args: []string{"audit", "-f", "-o", "json"}, Stdout: &out, Stderr: &words, Getenv: func(n string) string { return env[n] },
	})
	if code != 0 || strings.Count(out.String(), "\n") != 2 || !strings.Contains(out.String(), `{"audit_id":"aud_2"`) {
		t.Errorf("%d\n%s%s", code, out.String(), words.String())
	}
	if got := strings.Join(asked, ", "); got != " , aud_1 at, aud_3 at" {
		t.Errorf("asked for %s", got)
	}
}

func TestAFollowerEndsWhenItIsRefused(t *testing.T) {
	env := answering(t, 403, `{"error":{"code":"FORBIDDEN","message":"No."}}`)
	if code, _, words := run(t, env, "", "audit", "--follow"); code != 4 {
		t.Errorf("%d %s", code, words)
	}
}
