package halberd_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/keytext"
)

// A secret is silent in fmt, slog, JSON, XML, as a map key and inside other
// values, exported or not.
func TestSecretNeverPrintsItself(t *testing.T) {
	text := keytext.Mint("hb_live")
	s := halberd.NewSecret(text)
	type holder struct {
		Open   halberd.Secret
		hidden halberd.Secret
		list   []halberd.Secret
		where  *halberd.Secret
	}
	h := holder{s, s, []halberd.Secret{s}, &s}
	check := halberd.Check{Secret: s}
	changed := halberd.Changed{Secret: s}

	var out bytes.Buffer
	for _, v := range []any{s, &s, h, &h, check, &check, changed, []any{s, h}, map[string]any{"a": h}, map[halberd.Secret]int{s: 1}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		b, _ := json.Marshal(v)
		out.Write(b)
		b, _ = xml.Marshal(v)
		out.Write(b)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
	}
	fmt.Fprintln(&out, fmt.Errorf("with %v: %w", s, errors.New("x")))
	for _, part := range []string{text, text[len(text)-20:], fmt.Sprintf("%x", text)[16:]} {
		if strings.Contains(strings.ToLower(out.String()), strings.ToLower(part)) {
			t.Errorf("a secret shows itself in:\n%s", out.String())
		}
	}
	if s.Reveal() != text {
		t.Error("Reveal does not return the text")
	}
}

// A panic that carries a secret does not print it.
func TestSecretIsSilentInAPanic(t *testing.T) {
	if text := os.Getenv("TEST_PANIC_TEXT"); text != "" {
		panic(halberd.NewSecret(text))
	}
	text := keytext.Mint("hb_live")
	cmd := exec.Command(os.Args[0], "-test.run=^TestSecretIsSilentInAPanic$")
	cmd.Env = append(os.Environ(), "TEST_PANIC_TEXT="+text)
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("panic")) {
		t.Fatalf("the child did not panic: %s", out)
	}
	if bytes.Contains(out, []byte(text)) {
		t.Errorf("the panic prints the secret:\n%s", out)
	}
}

func TestZeroSecret(t *testing.T) {
	var s halberd.Secret
	if !s.IsZero() || s.Reveal() != "" || s.WellFormed() || s.Hint() != "" {
		t.Error("the zero Secret is something")
	}
}
