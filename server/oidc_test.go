package server

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAProviderThatMakesNoSenseIsRefusedByName(t *testing.T) {
	for file, want := range map[string]string{
		"oidc_client_id: halberd\n":                                         "oidc_issuer",
		"oidc_issuer: https://login.example.com\n":                          "oidc_client_id",
		"oidc_issuer: http://login.example.com\noidc_client_id: halberd\n":  "https",
		"oidc_issuer: login.example.com\noidc_client_id: halberd\n":         "oidc_issuer",
		"oidc_issuer: https://l.example\noidc_client_id: h\nsecret: here\n": "secret",
	} {
		if _, err := (sources{file: writeFile(t, "halberd.yaml", file)}).load(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", file, err)
		}
	}
}

// The secret shared with the provider comes from a file of one's own, or from the
// environment, and is printed nowhere.
func TestTheSecretOfTheProvider(t *testing.T) {
	const secret = "do not tell anybody"
	file := writeFile(t, "halberd.yaml", "oidc_issuer: https://login.example.com\noidc_client_id: halberd\n")
	c, err := sources{file: file, environ: []string{"HALBERD_OIDC_CLIENT_SECRET=" + secret}}.load()
	if err != nil || c.oidcSecret.Reveal() != secret {
		t.Fatalf("from the environment: %v", err)
	}
	var printed bytes.Buffer
	if err := c.write(&printed); err != nil || strings.Contains(printed.String(), secret) {
		t.Errorf("printed: %s, %v", printed.String(), err)
	}
	if p, err := c.provider(); err != nil || p.Name() != "login.example.com" {
		t.Errorf("the provider: %v, %v", p, err)
	}

	path := filepath.Join(t.TempDir(), "oidc-secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ownSecret(path); err != nil || got != secret {
		t.Errorf("from a file: %v", err)
	}
	for what, spoil := range map[string]func() error{
		"chmod 600": func() error { return os.Chmod(path, 0o640) },
		"empty":     func() error { return os.WriteFile(path, []byte("\n"), 0o600) },
		"no such":   func() error { return os.Remove(path) },
	} {
		if what != "no such" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		c.OIDCClientSecretFile = path
		if _, err := c.provider(); err == nil || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", what, err)
		}
		if what == "no such" {
			_ = os.WriteFile(path, []byte(secret), 0o600)
		}
	}
}
