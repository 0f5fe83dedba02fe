// Package layers keeps the laws of the house: who may import whom
// (law_test.go), that nothing global changes and no init runs, and that secrets
// are compared in constant time. It is tests only, and they read the sources
// themselves: a test that asks the go command passes from the test cache after
// the law was broken.
//
// It is not for style; that is the linter's (.golangci.yml).
package layers

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func TestEveryRoomImportsOnlyWhatTheLawAllows(t *testing.T) {
	for _, breach := range breaches(readTree(t, root)) {
		t.Error(breach)
	}
}

// lawful is a small house that keeps the law, to be broken below.
func lawful() tree {
	files := tree{}
	for _, r := range rooms {
		if !r.planned {
			files[filepath.Join(r.path, "room.go")] = "package room"
		}
	}
	return files
}

func TestABreachOfTheLawIsSeen(t *testing.T) {
	if got := breaches(lawful()); len(got) > 0 {
		t.Fatalf("the lawful house: %q", got)
	}
	for name, c := range map[string]struct{ file, imports, want string }{
		"sideways":             {"dialect/plain/a.go", module + "/storage/sqlite", "dialect/plain/a.go imports " + module + "/storage/sqlite"},
		"upwards":              {"a.go", module + "/server", "a.go imports"},
		"the cellar looks up":  {"internal/gcra/a.go", module, "only the standard library"},
		"another's module":     {"cli/a.go", "modernc.org/sqlite", "cli/a.go imports modernc.org/sqlite"},
		"a look-alike module":  {"storage/sqlite/a.go", "modernc.org/sqlitefake", "modernc.org/sqlitefake"},
		"SQL in the ground":    {"a.go", "database/sql", "only an engine speaks SQL"},
		"HTTP in an engine":    {"storage/sqlite/a.go", "net/http", "only a surface speaks HTTP"},
		"guessable":            {"internal/keytext/a.go", "math/rand/v2", "crypto/rand"},
		"lenient JSON":         {"internal/request/a.go", "encoding/json", "duplicate names"},
		"unsafe elsewhere":     {"key.go", "unsafe", "a secret hides behind a pointer"},
		"testing in a program": {"server/a.go", "testing", "flags"},
		"cgo":                  {"storage/sqlite/a.go", "C", "static"},
		"a test's module":      {"a.go", "pgregory.net/rapid", "a.go imports pgregory.net/rapid"},
		"a strange test":       {"a_test.go", "example.com/mock", "a_test.go imports example.com/mock"},
		"a test of the roof":   {"cli/a_test.go", module + "/cmd/hb", "cmd/hb"},
		"a room without a law": {"helpers/a.go", "fmt", "helpers has no line in the law"},
	} {
		t.Run(name, func(t *testing.T) {
			files := lawful()
			files[c.file] = "package room\n\nimport _ \"" + c.imports + "\"\n"
			got := breaches(files)
			if len(got) != 1 || !strings.Contains(got[0], c.want) {
				t.Errorf("got %q, want one breach with %q", got, c.want)
			}
		})
	}
}

func TestALineWithoutARoomIsSeen(t *testing.T) {
	files := lawful()
	delete(files, "internal/gcra/room.go")
	want := "internal/gcra has a line in the law and no Go files"
	if got := breaches(files); !slices.Equal(got, []string{want}) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatTheLawAllowsIsNotABreach(t *testing.T) {
	for file, imports := range map[string]string{
		"storage/sqlite/a.go":      "modernc.org/sqlite/lib",
		"storage/memory/a.go":      module,
		"secret.go":                "unsafe",
		"a_test.go":                module + "/storage/memory",
		"internal/gcra/a_test.go":  "math/rand/v2",
		"dialect/plain/a.go":       module + "/internal/request",
		"storage/storagetest/a.go": "testing",
	} {
		files := lawful()
		files[file] = "package room\n\nimport _ \"" + imports + "\"\n"
		if got := breaches(files); len(got) > 0 {
			t.Errorf("%s may import %s, got %q", file, imports, got)
		}
	}
}

func TestEveryDependencyHasADecision(t *testing.T) {
	var decisions strings.Builder
	names, err := filepath.Glob(filepath.Join(root, "docs", "decisions", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		decisions.Write(text)
	}
	direct, _ := requirements(t)
	for _, mod := range slices.Sorted(maps.Keys(direct)) {
		if !strings.Contains(decisions.String(), mod) {
			t.Errorf("go.mod requires %s, and no docs/decisions/*.md names it: add a line that says why", mod)
		}
	}
}

func TestLibcIsTheOneSQLiteWasMadeFor(t *testing.T) {
	direct, indirect := requirements(t)
	sqlite := direct["modernc.org/sqlite"] + indirect["modernc.org/sqlite"]
	if sqlite == "" {
		return // no SQLite in this tree
	}
	want, known := sqliteLibc[sqlite]
	if !known {
		t.Fatalf("modernc.org/sqlite %s: write in sqliteLibc which modernc.org/libc its go.mod requires", sqlite)
	}
	if got := direct["modernc.org/libc"] + indirect["modernc.org/libc"]; got != want {
		t.Errorf("modernc.org/libc is %s, but modernc.org/sqlite %s works only with %s", got, sqlite, want)
	}
}

// requirements reads the versions in go.mod, by module.
func requirements(t *testing.T) (direct, indirect map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	direct, indirect = map[string]string{}, map[string]string{}
	inside := false
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
			continue
		case fields[0] == ")":
			inside = false
			continue
		case fields[0] == "require" && len(fields) > 1 && fields[1] == "(":
			inside = true
			continue
		case fields[0] == "require":
			fields = fields[1:]
		case !inside:
			continue
		}
		if len(fields) < 2 || strings.HasPrefix(fields[0], "//") {
			continue
		}
		if strings.Contains(line, "// indirect") {
			indirect[fields[0]] = fields[1]
		} else {
			direct[fields[0]] = fields[1]
		}
	}
	return direct, indirect
}
