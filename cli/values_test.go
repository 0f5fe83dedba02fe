package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// asked is the body that a command sends.
func asked(t *testing.T, args ...string) (body string, code int) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		_, _ = io.WriteString(w, `{"data":{"key_id":"key_1"}}`)
	}))
	defer server.Close()
	code, _, _ = run(t, map[string]string{"HB_URL": server.URL, "HB_API_KEY": "hb_live_x"}, "", args...)
	return body, code
}

func TestFlagsAreReadAsTheySay(t *testing.T) {
	for flag, want := range map[string]string{
		"--expires-in=90":                       `{"expires_in_days":90}`,
		"--expires-in=30d":                      `{"expires_in_days":30}`,
		"--expires-in=2w":                       `{"expires_in_days":14}`,
		"--expires-in=48h":                      `{"expires_in_days":2}`,
		"--expires-in=never":                    `{"expires_at":null}`,
		"--expires-at=never":                    `{"expires_at":null}`,
		"--expires-at=2026-01-31":               `{"expires_at":"2026-01-31"}`,
		"--expires-in=0":                        `{"expires_in_days":0}`, // the server says what is wrong with it
		"--scopes=read, write":                  `{"scopes":["read","write"]}`,
		"--rate-limit=100/m":                    `{"rate_limits":[{"limit":100,"window_seconds":60}]}`,
		"--rate-limit=a=1/1d/5,b=2/90s":         `{"rate_limits":[{"name":"a","limit":1,"window_seconds":86400,"burst":5},{"name":"b","limit":2,"window_seconds":90}]}`,
		"--rate-limit=5/1m@external_id":         `{"rate_limits":[{"limit":5,"window_seconds":60,"per":"external_id"}]}`,
		"--quota=10000/month":                   `{"quota":{"limit":10000,"refill":"month"}}`,
		"--quota=5/12h@external_id":             `{"quota":{"limit":5,"refill":"interval","every_seconds":43200,"per":"external_id"}}`,
		"--quota=7":                             `{"quota":{"limit":7,"refill":"none"}}`,
		"--quota=none":                          `{"quota":null}`,
		"--metadata=url=https://x.example/?a=b": `{"metadata":{"url":"https://x.example/?a=b"}}`,
		"--organization-wide":                   `{"project_id":null}`,
	} {
		if got, code := asked(t, "api-keys", "create", flag); got != want || code != 0 {
			t.Errorf("%s: %s, not %s (%d)", flag, got, want, code)
		}
	}
	for _, flag := range []string{
		"--expires-in=", "--expires-in=d", "--expires-in=-5h", "--expires-in=1.5d", "--expires-in=99999999d", "--expires-in=0h",
		"--rate-limit=100", "--rate-limit=0/1m", "--rate-limit=1/0s", "--rate-limit=1/1ms", "--rate-limit=x/1m", "--rate-limit=1/1m/0", "--rate-limit=1/d/1/1", "--rate-limit=1/d@key", "--rate-limit=1/d@",
		"--quota=", "--quota=x/day", "--quota=0/day", "--quota=5/", "--quota=5/year", "--quota=5/1ms", "--quota=5/day@me",
		"--metadata==x", "--metadata=",
	} {
		if got, code := asked(t, "api-keys", "create", flag); got != "" || code != 2 {
			t.Errorf("%s was sent: %s (%d)", flag, got, code)
		}
	}
}

func TestAShortLifeIsAnInstant(t *testing.T) {
	got, _ := asked(t, "api-keys", "create", "--expires-in", "12h")
	var body struct {
		ExpiresAt string `json:"expires_at"`
	}
	if err := json.Unmarshal([]byte(got), &body); err != nil || len(body.ExpiresAt) != len("2026-01-31T23:59:59Z") {
		t.Errorf("%s %v", got, err)
	}
}
