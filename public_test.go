package petrify

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Other programs can name whatever a public package shows them: no exported identifier mentions a type of an internal one.
func TestPublicPackagesShowNothingInternal(t *testing.T) {
	out, err := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Name}}\t{{.Export}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	var public []string
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		files[f[0]] = f[2]
		if strings.HasPrefix(f[0], module) && f[1] != "main" && !internal(f[0]) {
			public = append(public, f[0])
		}
	}
	if len(public) < 10 {
		t.Fatalf("only %v are public", public)
	}
	imports := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) })
	for _, path := range public {
		p, err := imports.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range mentions(p) {
			t.Errorf("%s", strings.TrimPrefix(problem, module))
		}
	}
}

// Every public package shows by an example that runs how it is used; but not what is generated, nor a suite that runs in
// tests only.
func TestPublicPackagesHaveExamples(t *testing.T) {
	for room := range rooms {
		if room == "" || room == "onnx/pb" || strings.HasSuffix(room, "test") || strings.HasPrefix(room, "cmd/") || internal(module+room) {
			continue
		}
		tests, err := filepath.Glob(filepath.Join(filepath.FromSlash(room), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		runs := false
		for _, name := range tests {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range doc.Examples([]*ast.File{f}...) {
				runs = runs || e.Output != ""
			}
		}
		if !runs {
			t.Errorf("%s has no example that runs", room)
		}
	}
}

func internal(path string) bool {
	return strings.HasPrefix(path, module) && slices.Contains(strings.Split(path, "/"), "internal")
}

// mentions lists the exported identifiers of a package by which it shows a type of an internal one.
func mentions(p *types.Package) (problems []string) {
	for _, name := range p.Scope().Names() {
		o := p.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		s := shown{of: p, seen: map[types.Type]bool{}}
		s.see(o.Type(), name)
		problems = append(problems, s.problems...)
	}
	return problems
}

// shown is what an identifier shows of types.
type shown struct {
	of       *types.Package
	seen     map[types.Type]bool
	problems []string
}

func (s *shown) see(t types.Type, where string) {
	if t == nil || s.seen[t] {
		return
	}
	s.seen[t] = true
	switch t := t.(type) {
	case *types.Named:
		for arg := range t.TypeArgs().Types() {
			s.see(arg, where)
		}
		pkg := t.Obj().Pkg()
		switch {
		case pkg != nil && internal(pkg.Path()):
			s.problems = append(s.problems, fmt.Sprintf("%s.%s mentions %s", s.of.Path(), where, t))
		case pkg == s.of:
			for m := range t.Methods() {
				if m.Exported() {
					s.see(m.Type(), where+"."+m.Name())
				}
			}
			s.see(t.Underlying(), where)
		}
	case *types.Alias:
		s.see(types.Unalias(t), where)
	case *types.Pointer:
		s.see(t.Elem(), where)
	case *types.Slice:
		s.see(t.Elem(), where)
	case *types.Array:
		s.see(t.Elem(), where)
	case *types.Chan:
		s.see(t.Elem(), where)
	case *types.Map:
		s.see(t.Key(), where)
		s.see(t.Elem(), where)
	case *types.TypeParam:
		s.see(t.Constraint(), where)
	case *types.Union:
		for term := range t.Terms() {
			s.see(term.Type(), where)
		}
	case *types.Tuple:
		for v := range t.Variables() {
			s.see(v.Type(), where)
		}
	case *types.Signature:
		for p := range t.TypeParams().TypeParams() {
			s.see(p, where)
		}
		s.see(t.Params(), where)
		s.see(t.Results(), where)
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() {
				s.see(f.Type(), where+"."+f.Name())
			}
		}
	case *types.Interface:
		for m := range t.Methods() {
			if m.Exported() {
				s.see(m.Type(), where+"."+m.Name())
			}
		}
		for e := range t.EmbeddedTypes() {
			s.see(e, where)
		}
	}
}

// The rule finds what it looks for, wherever it is.
func TestMentionsAreFound(t *testing.T) {
	hidden := types.NewPackage(module+"internal/hidden", "hidden")
	secret := types.NewNamed(types.NewTypeName(0, hidden, "Secret", nil), types.NewStruct(nil, nil), nil)
	p := types.NewPackage(module+"open", "open")
	param := func(t types.Type) *types.Tuple { return types.NewTuple(types.NewVar(0, p, "x", t)) }
	f := types.NewSignatureType(nil, nil, nil, param(types.NewMap(types.Typ[types.Int], types.NewSlice(types.NewPointer(secret)))), nil, false)
	p.Scope().Insert(types.NewFunc(0, p, "Take", f))
	p.Scope().Insert(types.NewFunc(0, p, "take", f))
	config := types.NewNamed(types.NewTypeName(0, p, "Config", nil), types.NewStruct([]*types.Var{
		types.NewField(0, p, "Open", secret, false), types.NewField(0, p, "closed", secret, false),
	}, nil), nil)
	p.Scope().Insert(config.Obj())
	config.AddMethod(types.NewFunc(0, p, "Give", types.NewSignatureType(types.NewVar(0, p, "c", config), nil, nil, nil, param(config), false)))
	want := []string{p.Path() + ".Config.Open mentions " + secret.String(), p.Path() + ".Take mentions " + secret.String()}
	if got := mentions(p); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}
