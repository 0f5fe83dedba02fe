package layers

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/halberdhq/halberd"

// A tree is the house's Go sources by path from the root, with slashes.
type tree map[string]string

// readTree reads every source of this module. Read here, and not by a child
// process, the test cache knows which files the answer came from.
func readTree(t *testing.T, root string) tree {
	t.Helper()
	files := tree{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel == "." {
				return nil
			}
			base := d.Name()
			if base[0] == '.' || base[0] == '_' || base == "testdata" || base == "node_modules" || rel == "bin" {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
				if !lists(nestedModules, rel) {
					t.Errorf("%s is another module: name it in nestedModules", rel)
				}
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(rel) != ".go" {
			return nil
		}
		src, err := os.ReadFile(name)
		files[rel] = string(src)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// breaches returns every breach of the import law in files, one line each, in
// order.
func breaches(files tree) []string {
	var found []string
	blame := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	law := map[string]room{}
	for _, r := range rooms {
		if _, twice := law[r.path]; twice {
			blame("%s has two lines in the law", r.path)
		}
		law[r.path] = r
	}
	lived := map[string]bool{}
	for name, src := range files {
		at := path.Dir(name)
		r, ok := law[at]
		if !ok {
			if !lived[at] {
				blame("%s has no line in the law", at)
			}
			lived[at] = true
			continue
		}
		lived[at] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			blame("%v", err)
			continue
		}
		for _, spec := range parsed.Imports {
			pkg, _ := strconv.Unquote(spec.Path.Value)
			if why := forbids(r, name, pkg); why != "" {
				blame("%s imports %s: %s", name, pkg, why)
			}
		}
	}
	for _, r := range rooms {
		if !lived[r.path] && !r.planned {
			blame("%s has a line in the law and no Go files", r.path)
		}
		for other := range strings.FieldsSeq(r.may) {
			if _, ok := law[other]; !ok && !strings.Contains(other, ".") {
				blame("%s may import %s, which has no line in the law", r.path, other)
			}
		}
	}
	slices.Sort(found)
	return found
}

// forbids says why the file called name, in room r, may not import pkg. Empty:
// it may.
func forbids(r room, name, pkg string) string {
	test := strings.HasSuffix(name, "_test.go")
	if pkg == module || strings.HasPrefix(pkg, module+"/") {
		other := strings.TrimPrefix(strings.TrimPrefix(pkg, module), "/")
		if other == "" {
			other = "."
		}
		switch {
		case lists(r.may, other) || test && (other == r.path || other != "cmd/hb"):
			return ""
		default:
			return "this room may import " + list(r.may)
		}
	}
	if first, _, _ := strings.Cut(pkg, "/"); strings.Contains(first, ".") {
		allowed := r.may
		if test {
			allowed += " " + testMay
		}
		for mod := range strings.FieldsSeq(allowed) {
			if strings.Contains(mod, ".") && (pkg == mod || strings.HasPrefix(pkg, mod+"/")) {
				return ""
			}
		}
		return "this room may import " + list(allowed)
	}
	if test {
		if lists(testNever, pkg) {
			return "not even in a test"
		}
		return ""
	}
	for _, w := range words {
		if w.pkg != pkg {
			continue
		}
		allowed := lists(w.only, r.path) || lists(w.only, name)
		if w.never != "" {
			allowed = !lists(w.never, r.path)
		}
		if !allowed {
			return w.why
		}
	}
	return ""
}

func lists(words, word string) bool { return slices.Contains(strings.Fields(words), word) }

func list(words string) string {
	if all := strings.Fields(words); len(all) > 0 {
		return strings.Join(all, ", ")
	}
	return "only the standard library"
}

// parse reads a whole file for the lints.
func parse(t *testing.T, fset *token.FileSet, name, src string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
