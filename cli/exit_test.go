package cli_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/cli"
	"github.com/halberdhq/halberd/client"
)

func TestEveryCodeHasAnExitCode(t *testing.T) {
	codes := []string{client.CodeUnreachable, client.CodeBadAnswer}
	for _, c := range halberd.Codes() {
		codes = append(codes, string(c))
	}
	for _, c := range codes {
		if exit, ok := cli.ExitFor(c); !ok || exit < 1 || exit > 7 {
			t.Errorf("%s has no exit code", c)
		}
	}
}

// answering is a server that always gives the same answer.
func answering(t *testing.T, status int, body string, header ...string) map[string]string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return map[string]string{"HB_URL": server.URL, "HB_API_KEY": "hb_live_x"}
}

func TestTheExitCodesOfTheDocument(t *testing.T) {
	for code, want := range map[string]int{
		"INVALID_REQUEST": 2, "UNAUTHORIZED": 4, "FORBIDDEN": 4, "SCOPE_ESCALATION": 4, "NOT_FOUND": 3,
		"KEY_LIMIT_EXCEEDED": 5, "KEY_REVOKED": 5, "CONFLICT": 5, "LAST_ADMIN": 5, "IDEMPOTENT_REPLAY": 5,
		"PAYLOAD_TOO_LARGE": 2, "UNSUPPORTED_MEDIA_TYPE": 2, "INTERNAL": 1, "SOMETHING_NEW": 1,
	} {
		env := answering(t, 400, `{"error":{"code":"`+code+`","message":"No."},"meta":{"request_id":"req_7"}}`)
		exit, out, words := run(t, env, "", "api-keys", "list")
		if exit != want || out != "" || !strings.Contains(words, "hb: No.\n") || !strings.Contains(words, "request id: req_7") {
			t.Errorf("%s: %d, not %d\n%s%s", code, exit, want, out, words)
		}
	}
	// The two that are tried again take as long as the server asks, if that is
	// more than hb waits by itself.
	for code, want := range map[string]int{"RATE_LIMITED": 6, "UNAVAILABLE": 7} {
		status := map[int]int{6: 429, 7: 503}[want]
		env := answering(t, status, `{"error":{"code":"`+code+`","message":"No."}}`, "Retry-After", "60")
		exit, _, words := run(t, env, "", "api-keys", "list")
		if exit != want || !strings.Contains(words, "Try again in 1m0s") {
			t.Errorf("%s: %d\n%s", code, exit, words)
		}
	}
}

func TestAWaitIsSaid(t *testing.T) {
	for status, code := range map[int]string{429: "RATE_LIMITED", 503: "UNAVAILABLE"} {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if asked++; asked == 1 {
				w.WriteHeader(status)
				_, _ = w.Write([]byte(`{"error":{"code":"` + code + `","message":"not now"}}`))
				return
			}
			_, _ = w.Write([]byte(`{"data":[],"meta":{"next_cursor":null}}`))
		}))
		env := map[string]string{"HB_URL": server.URL, "HB_API_KEY": "hb_live_x"}
		exit, out, words := run(t, env, "", "api-keys", "list", "-o", "json")
		if exit != 0 || asked != 2 || strings.Contains(out, "again") || !strings.Contains(words, "hb: not now ("+code+"): trying again in ") {
			t.Errorf("%d: %d after %d\n%s%s", status, exit, asked, out, words)
		}
		asked = 0
		if exit, _, words := run(t, env, "", "api-keys", "list", "--quiet"); exit != 0 || strings.Contains(words, "again") {
			t.Errorf("quiet: %d\n%s", exit, words)
		}
		server.Close()
	}
}

// A revocation that some node may not know of is not done.
func TestAnUnconfirmedRevocationIsNoSuccess(t *testing.T) {
	env := answering(t, 200, `{"data":{"key_id":"key_01h455vb4pex5vsknk084sn02q","label":"CI","state":"revoked"},`+
		`"meta":{"request_id":"req_7","propagation":{"confirmed":false,"nodes":3,"waited_ms":5000}}}`)
	exit, _, words := run(t, env, "", "api-keys", "delete", "key_01h455vb4pex5vsknk084sn02q", "--force")
	if exit != 7 || !strings.Contains(words, "not every node has confirmed it") {
		t.Errorf("%d\n%s", exit, words)
	}
}

func TestACertificateThatIsNotTrustedSaysHowItCouldBe(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	exit, _, words := run(t, map[string]string{"HB_URL": server.URL, "HB_API_KEY": "hb_live_x"}, "", "api-keys", "list")
	if exit != 7 || !strings.Contains(words, "SSL_CERT_FILE") || strings.Contains(words, "that the server runs") {
		t.Errorf("%d\n%s", exit, words)
	}
}

func TestAnExtraVerbChoosesItsExitCode(t *testing.T) {
	root := cli.New(cli.Options{})
	if root.Name() != "hb" || len(root.Commands()) == 0 {
		t.Error(root.Name())
	}
}
