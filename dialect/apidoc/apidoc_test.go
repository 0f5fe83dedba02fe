package apidoc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/apidoc"
	"github.com/halberdhq/halberd/internal/request"
)

const kept = "../../docs/openapi.json"

// The document that people read in the repository is the one that is served.
// HALBERD_GOLDEN=write (make golden) writes it anew.
func TestTheKeptDocumentIsTheOneServed(t *testing.T) {
	made := apidoc.Document()
	if os.Getenv("HALBERD_GOLDEN") == "write" {
		if err := os.WriteFile(kept, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != string(made) {
		t.Errorf("docs/openapi.json is not what the tables say: run HALBERD_GOLDEN=write go test ./dialect/apidoc, and read the difference")
	}
}

func get(t *testing.T, path string) *http.Response {
	t.Helper()
	h := httptest.NewServer(apidoc.Handler())
	t.Cleanup(h.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func TestTheDocumentIsForAnyone(t *testing.T) {
	res := get(t, "/openapi.json")
	text, err := io.ReadAll(res.Body)
	if err != nil || string(text) != string(apidoc.Document()) {
		t.Error("another document is served", err)
	}
	if res.Header.Get("Access-Control-Allow-Origin") != "*" || res.Header.Get("Content-Type") != "application/json" {
		t.Error(res.Header)
	}
}

var (
	source = regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	inline = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
)

func TestThePageAsksThisServerOnlyAndRunsWhatItsPolicyNames(t *testing.T) {
	for _, path := range []string{"/docs", "/docs/"} {
		res := get(t, path)
		policy := res.Header.Get("Content-Security-Policy")
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(res.StatusCode, err)
		}
		page := string(text)
		if !strings.HasPrefix(policy, "sandbox allow-scripts;") || strings.Contains(policy, "allow-same-origin") || strings.Contains(policy, "http") {
			t.Error(policy)
		}
		scripts := inline.FindAllStringSubmatch(page, -1)
		if len(scripts) == 0 || strings.Count(page, "<script>") != len(scripts) {
			t.Error("the scripts were not found")
		}
		for _, m := range scripts {
			sum := sha256.Sum256([]byte(m[1]))
			if !strings.Contains(policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
				t.Errorf("the policy blocks %.60q", m[1])
			}
		}
		if strings.Contains(page, " onclick=") || strings.Contains(page, " onload=") {
			t.Error("an inline handler, which the policy blocks")
		}
		files := source.FindAllStringSubmatch(page, -1)
		if len(files) < 3 {
			t.Error(page)
		}
		for _, m := range files {
			if !strings.HasPrefix(m[1], "/docs/") {
				t.Errorf("the page asks for %s", m[1])
			}
			file := get(t, m[1])
			if file.StatusCode != http.StatusOK || strings.HasPrefix(file.Header.Get("Content-Type"), "text/html") {
				t.Errorf("%s: %d %s", m[1], file.StatusCode, file.Header.Get("Content-Type"))
			}
		}
	}
	for _, path := range []string{"/docs/oauth2-redirect.html", "/docs/x", "/docs/static.go", "/docs/../openapi.json/x"} {
		if res := get(t, path); res.StatusCode == http.StatusOK {
			t.Errorf("%s is served", path)
		}
	}
}

// docs/reference/errors.md is what the codes' users read.
func TestTheReferenceNamesEveryError(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range halberd.Codes() {
		row := regexp.MustCompile("(?m)^\\| `" + string(code) + "` \\| " + strconv.Itoa(request.Status(code)) + " \\|")
		if !row.Match(text) {
			t.Errorf("%s has no row with %d", code, request.Status(code))
		}
	}
	for _, v := range halberd.VerdictCodes() {
		if !strings.Contains(string(text), "| `"+string(v)+"` |") {
			t.Errorf("the verdict %s has no row", v)
		}
	}
}
