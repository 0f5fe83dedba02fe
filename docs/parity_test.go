package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
)

// How many rows each of the five documents has.
var rowsOf = map[string]int{"S0": 22, "S1": 30, "S2": 17, "S3": 36, "S4": 17}

var (
	parityRow = regexp.MustCompile(`(?m)^\| (S\d-\d\d) \|([^|]+)\|([^|]+)\| (\w+) \|$`)
	proof     = regexp.MustCompile("`(Test\\w+|[\\w./]+\\.txtar)`")
)

// Every row of the five documents stands in parity.md once, with a state, and
// what is said to prove it exists.
func TestParityNamesEveryRowOnceAndItsProof(t *testing.T) {
	text, err := os.ReadFile("parity.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsOfTheTree(t)
	seen := map[string]int{}
	for _, m := range parityRow.FindAllStringSubmatch(string(text), -1) {
		row, where, state := m[1], m[3], m[4]
		seen[row]++
		proofs := proof.FindAllStringSubmatch(where, -1)
		switch state {
		case "kept", "differently":
			if len(proofs) == 0 {
				t.Errorf("%s is %s, and nothing proves it", row, state)
			}
		case "later":
		default:
			t.Errorf("%s: the state %q is none of kept, differently, later", row, state)
		}
		for _, p := range proofs {
			if strings.HasSuffix(p[1], ".txtar") {
				if _, err := os.Stat(filepath.Join("..", p[1])); err != nil {
					t.Errorf("%s: %v", row, err)
				}
			} else if !tests[p[1]] {
				t.Errorf("%s: there is no test %s", row, p[1])
			}
		}
	}
	for document, n := range rowsOf {
		for i := 1; i <= n; i++ {
			row := fmt.Sprintf("%s-%02d", document, i)
			if seen[row] != 1 {
				t.Errorf("%s stands there %d times", row, seen[row])
			}
			delete(seen, row)
		}
	}
	for row := range seen {
		t.Errorf("%s is a row of no document", row)
	}
}

// testsOfTheTree lists the test functions of every package.
func testsOfTheTree(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				found[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// documents calls fn with every page of this repository that is written for
// people.
func documents(t *testing.T, fn func(name, text string)) {
	t.Helper()
	for _, pattern := range []string{"../*.md", "*.md", "*/*.md", "../examples/*.md", "../dialect/*/*.md"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			fn(name, string(text))
		}
	}
}

var word = regexp.MustCompile(`\w+`)

// S4-17: what a document shows as a key is not one.
func TestNoDocumentHoldsAKey(t *testing.T) {
	documents(t, func(name, text string) {
		for _, w := range word.FindAllString(text, -1) {
			if halberd.NewSecret(w).WellFormed() {
				t.Errorf("%s holds a key", name)
			}
		}
	})
}

var (
	link    = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	unsaid  = regexp.MustCompile(`[^\w\- ]`)
)

// A link leads to a file of this repository, and to a heading of it.
func TestLinksLeadSomewhere(t *testing.T) {
	documents(t, func(name, text string) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to, anchor := m[1], strings.TrimPrefix(m[2], "#")
			if strings.Contains(to, "://") {
				continue
			}
			at := name
			if to != "" {
				at = filepath.Join(filepath.Dir(name), to)
			}
			if _, err := os.Stat(at); err != nil {
				t.Errorf("%s: %s is not there", name, to)
				continue
			}
			if anchor == "" {
				continue
			}
			there, err := os.ReadFile(at)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			found := false
			for _, h := range heading.FindAllStringSubmatch(string(there), -1) {
				found = found || strings.ReplaceAll(unsaid.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == anchor
			}
			if !found {
				t.Errorf("%s: %s has no heading #%s", name, at, anchor)
			}
		}
	})
}
