package main

import (
	"bytes"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// What only the server and the command line need, by module, and by packages of
// the standard library whose functions would stand in the binary.
var (
	serversModules = []string{
		"github.com/spf13/cobra", "github.com/spf13/pflag", "go.yaml.in/yaml", "gopkg.in/yaml", "github.com/knadh/koanf",
		"github.com/prometheus/", "github.com/danielgtaylor/huma", "github.com/swaggest/", "github.com/getkin/",
		"github.com/zalando/go-keyring", "github.com/godbus/dbus", "golang.org/x/term",
		"go.opentelemetry.io/otel",
		"google.golang.org/grpc", "google.golang.org/genproto", "google.golang.org/protobuf",
		"github.com/envoyproxy/", "github.com/cncf/xds", "cel.dev/",
	}
	serversPackages = []string{"net/http/pprof.", "expvar.", "testing.(*T)."}
)

// program is a binary that was just built.
type program struct {
	size    int64
	modules []string
	code    []byte
}

// build builds a program of this folder as an embedder would, and reads what
// came out: the binary says itself what is linked, whatever the go command has
// cached.
func build(t *testing.T, folder string) program {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", out, folder)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", folder, err, text)
	}
	info, err := buildinfo.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var p program
	for _, m := range info.Deps {
		p.modules = append(p.modules, m.Path)
	}
	if i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "CGO_ENABLED" }); i < 0 || info.Settings[i].Value != "0" {
		t.Errorf("%s was built with cgo", folder)
	}
	if p.code, err = os.ReadFile(out); err != nil {
		t.Fatal(err)
	}
	p.size = int64(len(p.code))
	if !bytes.Contains(p.code, []byte("runtime.mallocgc")) {
		t.Fatalf("%s: the names of functions are not in the binary, so that nothing can be said of packages", folder)
	}
	return p
}

// servers lists what of the server's is linked.
func (p program) servers() (found []string) {
	for _, m := range p.modules {
		if slices.ContainsFunc(serversModules, func(s string) bool { return strings.HasPrefix(m, s) }) {
			found = append(found, m)
		}
	}
	for _, name := range serversPackages {
		if bytes.Contains(p.code, []byte(name)) {
			found = append(found, name)
		}
	}
	return found
}

// An embedder pays for what they import: without C, and with nothing that only
// the server needs. The figures are those of docs/guide/embedding.md, which are
// measured and not promised.
func TestTheEmbeddersPrice(t *testing.T) {
	readSources(t)
	bare := build(t, "./testdata/bare")
	t.Logf("%-28s %5.1f MB", "net/http alone", float64(bare.size)/1e6)
	for _, c := range []struct{ name, folder string }{
		{"client", "./testdata/client"}, {"guard and client", "./testdata/remote"}, {"library, SQLite and guard", "."},
	} {
		p := build(t, c.folder)
		t.Logf("%-28s %5.1f MB, %.2f times as much, modules: %d %v", c.name, float64(p.size)/1e6, float64(p.size)/float64(bare.size), len(p.modules), p.modules)
		if found := p.servers(); len(found) > 0 {
			t.Errorf("%s links what only the server needs: %v", c.name, found)
		}
		if c.folder == "./testdata/client" && slices.ContainsFunc(p.modules, func(m string) bool { return strings.Contains(m, "sqlite") }) {
			t.Error("a client links SQLite")
		}
	}
}

// The search finds what it looks for where it is.
func TestTheServersPartsAreFoundInAServer(t *testing.T) {
	readSources(t)
	found := strings.Join(build(t, "./testdata/everything").servers(), " ")
	for _, want := range []string{"cobra", "yaml", "prometheus", "go-keyring", "google.golang.org/grpc", "envoyproxy", "go.opentelemetry.io/otel/sdk", "net/http/pprof"} {
		if !strings.Contains(found, want) {
			t.Errorf("%s was not found: %s", want, found)
		}
	}
}

// readSources opens every source that the programs are made of. The test cache
// knows what a test opened itself, not what the go command did for it.
func readSources(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}",
		".", "./testdata/bare", "./testdata/client", "./testdata/remote", "./testdata/everything").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"../../go.mod", "../../go.sum"}
	for folder := range strings.FieldsSeq(string(out)) {
		list, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if filepath.Ext(e.Name()) == ".go" {
				names = append(names, filepath.Join(folder, e.Name()))
			}
		}
	}
	if len(names) < 100 {
		t.Fatalf("%d sources only", len(names))
	}
	for _, name := range names {
		if _, err := os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
}
