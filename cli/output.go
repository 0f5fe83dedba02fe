package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v3"

	"github.com/halberdhq/halberd/dialect/enveloped/wire"
)

// formats are what --output may be everywhere; the first is the default.
var formats = []string{"table", "json", "yaml"}

// output is the flag --output, one of some words.
type output struct {
	to *string
	of []string
}

func (o output) String() string {
	if o.to == nil { // of pflag's own making
		return ""
	}
	return *o.to
}

func (output) Type() string { return "format" }

func (o output) Set(s string) error {
	if !slices.Contains(o.of, s) {
		return fmt.Errorf("must be %s", strings.Join(o.of, ", "))
	}
	*o.to = s
	return nil
}

// show writes v to stdout as the caller asked for it: as JSON or YAML in the
// fields of /v1, or by people for people.
func (a *app) show(v any, people func(*page)) error {
	text, err := a.render(v, people)
	if err != nil {
		return err
	}
	return a.write(text)
}

func (a *app) render(v any, people func(*page)) ([]byte, error) {
	switch a.format {
	case "json":
		return asJSON(v, "  ")
	case "yaml":
		return asYAML(v)
	}
	p := &page{colored: a.colored()}
	people(p)
	return p.buf.Bytes(), nil
}

// write is the only way to stdout: in one piece, and its failure is the verb's.
func (a *app) write(text []byte) error {
	if _, err := a.out.Write(text); err != nil {
		return fmt.Errorf("writing to stdout: %w", err)
	}
	return nil
}

// showSecret writes a new key, whose secret can never be shown again. Where it
// cannot be written the key exists and nobody has it, so people are told which
// one to revoke.
func (a *app) showSecret(k *wire.NewSecretKey) error {
	// Without this a closed pipe ends the program before it can say anything.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	defer signal.Stop(broken)

	// With -q only the key, whatever the format of the rest.
	text := []byte(k.Secret + "\n")
	if !a.quiet && a.format != "" && a.format != "table" {
		var err error
		if text, err = a.render(k, nil); err != nil {
			return err
		}
	}
	err := a.write(text)
	if err == nil && leadsNowhere(a.out) {
		// Go opens the null device in place of a stdout that was closed.
		err = fmt.Errorf("stdout is closed, or the null device")
	}
	if err != nil {
		return &problem{exit: exitFailure, err: err, text: fmt.Sprintf("the key %s was made, but it could not be written: %v.\n"+
			"    Nobody has its secret. Revoke it with `hb api-keys delete %s --force`,\n"+
			"    or make a new secret with `hb api-keys rotate %s`.", k.KeyID, err, k.KeyID, k.KeyID)}
	}
	return nil
}

// leadsNowhere reports whether w is the null device.
func leadsNowhere(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	at, err := f.Stat()
	if err != nil {
		return true
	}
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(at, null)
}

// asJSON is v for programs, yet safe on a terminal.
func asJSON(v any, indent string) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return escapeJSON(buf.Bytes()), nil
}

// asYAML goes by way of JSON, which is YAML, so that both name and order the
// fields alike. Strings keep their quotes: YAML reads "no" without them as
// false.
func asYAML(v any) ([]byte, error) {
	js, err := asJSON(v, "")
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(js, &doc); err != nil {
		return nil, err
	}
	unfold(&doc)
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, err
	}
	return escapeJSON(buf.Bytes()), nil
}

// unfold writes lists and objects one item a line, and bare those field names
// that are ordinary words.
func unfold(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			if name := n.Content[i]; fieldName(name.Value) {
				name.Style = 0
			}
		}
	}
	if n.Kind != yaml.ScalarNode && len(n.Content) > 0 {
		n.Style = 0
	}
	for _, c := range n.Content {
		unfold(c)
	}
}

func fieldName(s string) bool {
	for i := range len(s) {
		if (s[i] < 'a' || s[i] > 'z') && s[i] != '_' {
			return false
		}
	}
	return len(s) > 1 && s != "true" && s != "false" && s != "null" && s != "yes" && s != "no" && s != "on" && s != "off"
}
