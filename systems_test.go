package petrify

import (
	"go/ast"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// The program and its tests are for other systems and machines, too. Their types are checked from the source, dependencies included, which takes a
// tenth of the time of building them.
func TestOtherSystems(t *testing.T) {
	if os.Getenv("PETRIFY_LONG") == "" {
		t.Skip("checks the types of everything four times: set PETRIFY_LONG=1")
	}
	for _, target := range []string{"linux/386", "linux/arm64", "darwin/arm64", "windows/amd64"} {
		t.Run(target, func(t *testing.T) {
			system, machine, _ := strings.Cut(target, "/")
			all, err := packages.Load(&packages.Config{
				Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps |
					packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax,
				Env:   append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+machine),
				Tests: true,
			}, "./...")
			if err != nil {
				t.Fatal(err)
			}
			packages.Visit(all, nil, func(p *packages.Package) {
				for _, err := range p.Errors {
					t.Error(err)
				}
			})
			for _, p := range all {
				if slices.ContainsFunc(p.OtherFiles, func(name string) bool { return filepath.Ext(name) == ".s" }) {
					continue // go vet compares assembly with its declarations
				}
				for _, file := range p.Syntax {
					for _, d := range file.Decls {
						if f, ok := d.(*ast.FuncDecl); ok && f.Body == nil {
							t.Errorf("%s: %s has no body", p.Fset.Position(f.Pos()), f.Name.Name)
						}
					}
				}
			}
		})
	}
}
