//go:build unix

package check

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx/rule"
)

func TestEveryRuleHasACase(t *testing.T) {
	cases := make(map[string]bool)
	for _, c := range slices.Concat(onnxtest.CheckCases, onnxtest.InferCases) {
		cases[c.Code] = true
	}
	for _, c := range onnxtest.NodeCases {
		if code, _, ok := strings.Cut(c.Want[0], ": "); ok {
			cases[code] = true
		}
	}
	for _, c := range externalCases {
		cases[c.code] = true
	}
	for _, c := range fileCases {
		cases[c.code] = true
	}
	for _, r := range rule.All() {
		if !cases[r.Code] {
			t.Errorf("%s: no test breaks this rule", r.Code)
		}
		delete(cases, r.Code)
		if r.Doc == "" || !strings.HasSuffix(r.Doc, ".") {
			t.Errorf("%s: the doc is %q, want a sentence", r.Code, r.Doc)
		}
	}
	for code := range cases {
		t.Errorf("%s is no rule", code)
	}
}

var update = flag.Bool("update", false, "write the page anew")

// docs/rules.md says what the code says. `go test ./onnx/check -run Page -update`
// writes it anew.
func TestThePageOfRules(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Rules of petrify check\n\nMade from `rule.All()` by `go test ./onnx/check -run Page -update`. Codes do not change; where the ONNX checker has a code for\nthe same rule, it is that one. Each rule has a test that breaks it: see `CheckCases`, `InferCases` and `NodeCases`\nin `internal/onnxtest`, `externalCases` and `fileCases` in `onnx/check`.\n\n")
	b.WriteString("An error breaks a rule of ONNX or of the budget: `petrify verify` and `petrify export` refuse such a model. A warning is likely\nto fail, or to do what nobody meant. An info is worth knowing.\n\n")
	b.WriteString("| code | severity | what holds |\n|---|---|---|\n")
	for _, r := range rule.All() {
		fmt.Fprintf(&b, "| %s | %v | %s |\n", r.Code, r.Severity, strings.ReplaceAll(r.Doc, "|", `\|`))
	}
	path := filepath.Join("..", "..", "docs", "rules.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != b.String() {
		t.Errorf("%s is not what the code says (%v): write it anew by `go test ./onnx/check -run Page -update`", path, err)
	}
}
