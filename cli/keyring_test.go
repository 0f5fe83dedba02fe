package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"
)

func TestLoginKeepsTheKeyInTheKeyring(t *testing.T) {
	keyring.MockInit()
	t.Cleanup(func() { keyring.MockInitWithError(keyring.ErrUnsupportedPlatform) })
	url, key := serve(t)
	home := t.TempDir()
	env := map[string]string{"XDG_CONFIG_HOME": home}

	code, out, words := run(t, env, key+"\n", "login", "--url", url, "--profile", "prod")
	if code != 0 || out != "" || !strings.Contains(words, "in the system's keyring") || strings.Contains(words, key) {
		t.Fatalf("%d %s %s", code, out, words)
	}
	if _, err := os.Stat(filepath.Join(home, "halberd", "credentials.yaml")); err == nil {
		t.Error("the key is in a file too")
	}
	b, err := os.ReadFile(filepath.Join(home, "halberd", "profiles.yaml"))
	if err != nil || strings.Contains(string(b), key) {
		t.Errorf("%v\n%s", err, b)
	}
	if code, _, words := run(t, env, "", "whoami"); code != 0 || !strings.Contains(words, "profile prod") {
		t.Errorf("%d %s", code, words)
	}

	// Moved to a file, it leaves the keyring.
	if code, _, words := run(t, env, key, "login", "--url", url, "--profile", "prod", "--no-keyring"); code != 0 {
		t.Fatal(words)
	}
	if _, err := keyring.Get("halberd", "prod "+url); err == nil {
		t.Error("the key is still in the keyring")
	}
	if code, _, words := run(t, env, key, "login", "--url", url, "--profile", "prod"); code != 0 {
		t.Fatal(words)
	}
	b, _ = os.ReadFile(filepath.Join(home, "halberd", "credentials.yaml"))
	if strings.Contains(string(b), key) {
		t.Error("the key is still in the file")
	}

	if code, _, words := run(t, env, "", "logout"); code != 0 {
		t.Error(words)
	}
	if _, err := keyring.Get("halberd", "prod "+url); err == nil {
		t.Error("logout left the key in the keyring")
	}
}
