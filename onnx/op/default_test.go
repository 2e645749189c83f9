package op_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx/op"
)

// What an attribute is when a node leaves it out stands in the schema: no code that reads attributes says it again. It says
// what stands in for one that has no default, or that the version at hand, or the operator, does not have.
func TestDefaultsStandInTheSchemaAlone(t *testing.T) {
	open := map[string]bool{ // names that the schema does not settle for all
		"reduction":  true, // Scatter has none
		"round_mode": true, // QuantizeLinear neither
		"saturate":   true,
		"spatial":    true, // gone since version 9
	}
	for s := range op.All() {
		for name, a := range s.Attrs {
			if a.Default == nil {
				open[name] = true
			}
		}
	}
	readers := map[string]int{"int": 1, "float": 1, "text": 1, "texts": 1, "string": 1, "axis": 2, "attribute": 2} // arguments without a default
	read := 0
	for _, room := range []string{".", "../../load", "../../reference"} {
		files, err := filepath.Glob(filepath.Join(filepath.FromSlash(room), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			at := token.NewFileSet()
			f, err := parser.ParseFile(at, file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				usual, ok := readers[calledName(call.Fun)]
				if !ok || len(call.Args) < usual {
					return true
				}
				for _, arg := range call.Args[:usual] {
					lit, ok := arg.(*ast.BasicLit)
					if !ok || lit.Kind != token.STRING {
						continue
					}
					name, _ := strconv.Unquote(lit.Value)
					read++
					if len(call.Args) > usual && !open[name] {
						t.Errorf("%s: attribute %q has a default in the schema, and another here", at.Position(call.Pos()), name)
					}
				}
				return true
			})
		}
	}
	if read < 400 {
		t.Errorf("found %d places where attributes are read, want 400 or more", read)
	}
}

// calledName is the last name of what is called: int of c.int, attribute of attribute[float32].
func calledName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.IndexExpr:
		return calledName(e.X)
	}
	return ""
}

// A version that lacks an attribute yet does what the next ones do by its default, and one that has lost it has none.
func TestDefaultsOfOtherVersions(t *testing.T) {
	for _, c := range []struct {
		name, attr string
		opset      int64
		want       string
	}{
		{"TopK", "largest", 1, "1"}, {"TopK", "largest", 11, "1"},
		{"Softmax", "axis", 12, "1"}, {"Softmax", "axis", 13, "-1"},
		{"BatchNormalization", "spatial", 7, "1"}, {"BatchNormalization", "spatial", 9, "none"},
		{"Concat", "axis", 4, "none"}, {"Cast", "no such attribute", 13, "none"},
	} {
		got := "none"
		if d := op.Find("", c.name, c.opset).Default(c.attr); d != nil {
			got = strconv.FormatInt(d.GetI(), 10)
		}
		if got != c.want {
			t.Errorf("%s of opset %d: the default of %s is %s, want %s", c.name, c.opset, c.attr, got, c.want)
		}
	}
}
