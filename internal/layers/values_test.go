package layers

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strings"
	"testing"
)

// house type-checks the rooms against each other. The standard library and the
// modules are left out, which is quick and enough: every name of ours gets its
// type, and what comes from outside has none.
type house struct {
	fset  *token.FileSet
	rooms map[string][]*ast.File // by folder, without the tests
	done  map[string]*types.Package
	info  types.Info
}

func newHouse(t *testing.T, files tree) *house {
	t.Helper()
	h := &house{
		fset:  token.NewFileSet(),
		rooms: map[string][]*ast.File{},
		done:  map[string]*types.Package{},
		info: types.Info{
			Types: map[ast.Expr]types.TypeAndValue{},
			Defs:  map[*ast.Ident]types.Object{},
			Uses:  map[*ast.Ident]types.Object{},
		},
	}
	for name, src := range files {
		if !strings.HasSuffix(name, "_test.go") {
			h.rooms[path.Dir(name)] = append(h.rooms[path.Dir(name)], parse(t, h.fset, name, src))
		}
	}
	for room := range h.rooms {
		_, _ = h.Import(path.Join(module, room))
	}
	return h
}

// Import is for the type checker.
func (h *house) Import(pkg string) (*types.Package, error) {
	room := strings.TrimPrefix(strings.TrimPrefix(pkg, module), "/")
	if room == "" {
		room = "."
	}
	files := h.rooms[room]
	if len(files) == 0 || !strings.HasPrefix(pkg, module) {
		return nil, fmt.Errorf("%s is not of this house", pkg)
	}
	if p, ok := h.done[room]; ok {
		return p, nil
	}
	h.done[room] = types.NewPackage(pkg, "") // a cycle ends here; the compiler refuses it
	conf := types.Config{Importer: h, Error: func(error) {}}
	p, _ := conf.Check(pkg, h.fset, files, &h.info)
	h.done[room] = p
	return p, nil
}

// each calls visit for every node of every file, with the file's room.
func (h *house) each(visit func(room string, n ast.Node)) {
	for room, files := range h.rooms {
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				visit(room, n)
				return true
			})
		}
	}
}

func (h *house) at(n ast.Node) string {
	p := h.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// global returns the package-level variable that an expression such as
// x, x.f, x[i] or *x begins with: one of ours, or one of another package as
// pkg.Name.
func (h *house) global(e ast.Expr) (ours *types.Var, foreign string) {
	for {
		switch x := e.(type) {
		case *ast.SelectorExpr:
			if id, ok := x.X.(*ast.Ident); ok {
				if _, ok := h.info.Uses[id].(*types.PkgName); ok {
					return nil, id.Name + "." + x.Sel.Name
				}
			}
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.Ident:
			v, ok := h.info.Uses[x].(*types.Var)
			if ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
				return v, ""
			}
			return nil, ""
		default:
			return nil, ""
		}
	}
}

// state returns every package-level thing that can change while the program
// runs, and every init.
func (h *house) state() []string {
	var found []string
	blame := func(n ast.Node, format string, args ...any) {
		found = append(found, h.at(n)+": "+fmt.Sprintf(format, args...))
	}
	written := func(room string, n ast.Node, target ast.Expr) {
		ours, foreign := h.global(target)
		if ours != nil && globals[room+": "+ours.Name()] == "" {
			blame(n, "%s is package-level and written here; pass it in, or keep it in a struct", ours.Name())
		}
		if foreign != "" && foreignGlobals[room+": "+foreign] == "" {
			blame(n, "%s belongs to another package and is written here", foreign)
		}
	}
	h.each(func(room string, n ast.Node) {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				return
			}
			for _, target := range n.Lhs {
				written(room, n, target)
			}
		case *ast.IncDecStmt:
			written(room, n, n.X)
		case *ast.UnaryExpr:
			if ours, _ := h.global(n.X); n.Op == token.AND && ours != nil {
				written(room, n, n.X)
			}
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 && slices.Contains([]string{"delete", "clear", "copy"}, id.Name) {
				written(room, n, n.Args[0])
			}
		}
	})
	for room, files := range h.rooms {
		for _, f := range files {
			for _, decl := range f.Decls {
				switch decl := decl.(type) {
				case *ast.FuncDecl:
					if decl.Recv == nil && decl.Name.Name == "init" {
						blame(decl, "init runs unasked; wire it where it can be read")
					}
				case *ast.GenDecl:
					for _, spec := range decl.Specs {
						v, ok := spec.(*ast.ValueSpec)
						if !ok || decl.Tok != token.VAR || embedded(decl.Doc) || embedded(v.Doc) {
							continue
						}
						for i, name := range v.Names {
							if name.Name == "_" || globals[room+": "+name.Name] != "" {
								continue
							}
							var value ast.Expr
							if i < len(v.Values) {
								value = v.Values[i]
							}
							if why := mutable(name.Name, value); why != "" {
								blame(name, "var %s is state: %s", name.Name, why)
							}
						}
					}
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

func embedded(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	for _, c := range doc.List {
		if strings.HasPrefix(c.Text, "//go:embed ") {
			return true
		}
	}
	return false
}

// mutable says why a package-level variable cannot be as good as a constant.
func mutable(name string, value ast.Expr) string {
	switch v := value.(type) {
	case nil:
		return "it has no value, so somebody must give it one"
	case *ast.UnaryExpr:
		if v.Op == token.AND {
			return "it points to something that can change"
		}
	case *ast.CallExpr:
		if id, ok := v.Fun.(*ast.Ident); ok && (id.Name == "make" || id.Name == "new") {
			return "it begins empty, so somebody must fill it"
		}
	case *ast.CompositeLit:
		if sel, ok := v.Type.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && (id.Name == "sync" || id.Name == "atomic") {
				return "a " + id.Name + "." + sel.Sel.Name + " exists to change"
			}
		}
	}
	if ast.IsExported(name) && !strings.HasPrefix(name, "Err") {
		return "it is exported, so anybody may write it; make it a function or a constant"
	}
	return ""
}

func TestNothingGlobalChangesAndNoInitRuns(t *testing.T) {
	for _, breach := range newHouse(t, readTree(t, root)).state() {
		t.Error(breach)
	}
}

func TestGlobalStateIsSeen(t *testing.T) {
	for src, want := range map[string]string{
		"var cache = map[string]int{}\nfunc f() { cache[\"a\"] = 1 }":   "cache is package-level and written here",
		"var n = 0\nfunc f() { n++ }":                                   "n is package-level",
		"var s = state{}\nfunc f() { s.x.y = 1 }":                       "s is package-level",
		"var m = t{}\nfunc f() { delete(m, 1) }":                        "m is package-level",
		"var c = t{}\nfunc f() *t { return &c }":                        "c is package-level",
		"var c int":                                                     "no value",
		"var c = &t{}":                                                  "points to something",
		"var c = make(chan int)":                                        "begins empty",
		"import \"sync\"\nvar mu = sync.Mutex{}":                        "exists to change",
		"var Default = t{}":                                             "exported",
		"func init() {}":                                                "init runs unasked",
		"import \"net/http\"\nfunc f() { http.DefaultTransport = nil }": "http.DefaultTransport belongs to another package",
	} {
		got := newHouse(t, tree{"cli/a.go": "package cli\n" + src}).state()
		if len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s\n\tgot %q, want one finding with %q", src, got, want)
		}
	}
}

func TestConstantTablesAreNotState(t *testing.T) {
	files := tree{"cli/a.go": `package cli

import (
	"embed"
	"errors"
	"regexp"
)

//go:embed templates
var templates embed.FS

var (
	ErrGone = errors.New("gone")
	word    = regexp.MustCompile("[a-z]+")
	table   = map[string]int{"a": 1}
	_       I = T{}
)

func f() int {
	table := map[string]int{}
	table["a"] = 2
	return table["a"]
}

type T struct{ n int }

func (t *T) f() { t.n = 1 }
func init2()    {}
`}
	if got := newHouse(t, files).state(); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

// The lint on secrets covers the rooms through which one passes, and finds
//
//   - == and != on a Secret, a Digest, a revealed text, or a thing whose name
//     ends in secret, digest, pepper, password, mac or signature, unless the
//     other side is empty ("" or T{}, the question "is there one?");
//   - a switch on such a thing;
//   - such a thing given to a function of strings or bytes that compares
//     (Equal, HasPrefix, Contains, …), to reflect.DeepEqual, or to
//     slices.Equal.
//
// What it cannot see: a secret's text under another name. The index and the
// engines are not covered: they find by digest, and a digest is made under the
// pepper, so its letters cannot be tried one by one.
const secretRooms = `
	. internal/keytext internal/request guard client cli server
	dialect/enveloped dialect/plain gateway console notify`

// Files in those rooms that are not covered either, and why.
var ownDigestsOnly = map[string]string{
	"directory.go": "feeds the index; both sides of a comparison come from the store",
}

// comparing are the functions that stop at the first difference.
var comparing = map[string]string{
	"strings": "Compare Contains ContainsAny Count Cut CutPrefix CutSuffix EqualFold HasPrefix HasSuffix Index LastIndex Split TrimPrefix TrimSuffix",
	"bytes":   "Compare Contains ContainsAny Count Cut CutPrefix CutSuffix Equal EqualFold HasPrefix HasSuffix Index LastIndex Split TrimPrefix TrimSuffix",
	"slices":  "Compare Contains Equal Index",
	"reflect": "DeepEqual",
}

// leaks returns every comparison of a secret that takes longer the more of it
// is right.
func (h *house) leaks() []string {
	var found []string
	h.each(func(room string, n ast.Node) {
		if !lists(secretRooms, room) || n == nil || ownDigestsOnly[h.fset.Position(n.Pos()).Filename] != "" {
			return
		}
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if (n.Op == token.EQL || n.Op == token.NEQ) &&
				(h.secret(n.X) || h.secret(n.Y)) && !nothing(n.X) && !nothing(n.Y) {
				found = append(found, h.at(n)+": a secret is compared with "+n.Op.String()+"; use hmac.Equal on digests")
			}
		case *ast.SwitchStmt:
			if n.Tag != nil && h.secret(n.Tag) {
				found = append(found, h.at(n)+": a switch compares a secret; use hmac.Equal on digests")
			}
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				return
			}
			id, ok := sel.X.(*ast.Ident)
			if !ok || !lists(comparing[id.Name], sel.Sel.Name) {
				return
			}
			if slices.ContainsFunc(n.Args, h.secret) {
				found = append(found, h.at(n)+": a secret is compared with "+id.Name+"."+sel.Sel.Name+"; use hmac.Equal on digests")
			}
		}
	})
	slices.Sort(found)
	return found
}

// secret reports whether e is a secret or its digest, by type or by name.
func (h *house) secret(e ast.Expr) bool {
	if t := h.info.TypeOf(e); t != nil {
		if named, ok := types.Unalias(t).(*types.Named); ok && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == module {
			return named.Obj().Name() == "Secret" || named.Obj().Name() == "Digest"
		}
		if basic, ok := t.(*types.Basic); ok && basic.Info()&(types.IsBoolean|types.IsNumeric) != 0 {
			return false
		}
	}
	switch x := e.(type) {
	case *ast.ParenExpr:
		return h.secret(x.X)
	case *ast.StarExpr:
		return h.secret(x.X)
	case *ast.SliceExpr:
		return h.secret(x.X)
	case *ast.Ident:
		return secretName(x.Name)
	case *ast.SelectorExpr:
		return secretName(x.Sel.Name)
	case *ast.CallExpr:
		switch fun := x.Fun.(type) {
		case *ast.SelectorExpr:
			return fun.Sel.Name == "Reveal"
		case *ast.ArrayType: // []byte(secret)
			return len(x.Args) == 1 && h.secret(x.Args[0])
		case *ast.Ident:
			return fun.Name == "string" && len(x.Args) == 1 && h.secret(x.Args[0])
		}
	}
	return false
}

func secretName(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(
		[]string{"secret", "digest", "pepper", "password", "mac", "signature"},
		func(word string) bool { return strings.HasSuffix(name, word) },
	)
}

// nothing reports whether e is the zero of its type: comparing with it asks
// only whether there is a secret.
func nothing(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.ParenExpr:
		return nothing(x.X)
	case *ast.BasicLit:
		return x.Value == `""`
	case *ast.CompositeLit:
		return len(x.Elts) == 0
	case *ast.Ident:
		return x.Name == "nil"
	}
	return false
}

func TestNoSecretIsComparedByItsLetters(t *testing.T) {
	for _, leak := range newHouse(t, readTree(t, root)).leaks() {
		t.Error(leak)
	}
}

func TestAComparedSecretIsSeen(t *testing.T) {
	ground := `package halberd

type Secret struct{}
func (Secret) Reveal() string { return "" }
type Digest [32]byte
type record struct { Kept Digest; PreviousDigest [32]byte }
`
	head := "package request\nimport (\"bytes\"; \"strings\"; \"" + module + "\")\n"
	for src, want := range map[string]string{
		"func f(a, b halberd.Digest) bool { return a == b }":                                       "with ==",
		"func f(a, b halberd.Secret) bool { return a != b }":                                       "with !=",
		"func f(s halberd.Secret, t string) bool { return t == s.Reveal() }":                       "with ==",
		"func f(password, t string) bool { return password == t }":                                 "with ==",
		"func f(d halberd.Digest, b []byte) bool { return bytes.Equal(d[:], b) }":                  "bytes.Equal",
		"func f(s halberd.Secret) bool { return strings.HasPrefix(s.Reveal(), \"hb_\") }":          "strings.HasPrefix",
		"func f(apiSecret string) bool { return strings.EqualFold(\"x\", apiSecret) }":             "strings.EqualFold",
		"func f(wantMAC, b []byte) bool { return bytes.HasPrefix(b, wantMAC) }":                    "bytes.HasPrefix",
		"func f(s halberd.Secret) { switch s.Reveal() { case \"a\": } }":                           "switch",
		"func f(a halberd.Digest, pepper []byte) bool { return bytes.Equal([]byte(pepper), nil) }": "bytes.Equal",
	} {
		got := newHouse(t, tree{"a.go": ground, "internal/request/a.go": head + src}).leaks()
		if len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s\n\tgot %q, want one finding with %q", src, got, want)
		}
	}
	fine := head + `
func f(d, e halberd.Digest, secret string, digests int, x struct{ n int }) bool {
	return d == halberd.Digest{} || secret == "" || digests == 2 || x.n == 1 || strings.HasPrefix("a", "b") ||
		secret != "" && bytes.Equal(nil, nil)
}`
	if got := newHouse(t, tree{"a.go": ground, "internal/request/a.go": fine}).leaks(); len(got) > 0 {
		t.Errorf("harmless comparisons are blamed: %q", got)
	}
}
