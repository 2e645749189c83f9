package report

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the page anew")

// docs/rules.md says what the code says.
func TestThePageOfRules(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Rules\n\nMade from `report.Rules()` by `go test ./report -run Page -update`; `petrify rules` shows the same. Codes do not change; where the\n" +
		"ONNX checker has a code for the same rule, petrify uses it. For each rule of check there is a test that breaks it: see `CheckCases`,\n" +
		"`InferCases` and `NodeCases` in `internal/onnxtest`, `externalCases` and `fileCases` in `onnx/check`.\n\n" +
		"An error breaks a rule of ONNX, a budget or a policy: `petrify verify` and `petrify export` refuse a model in which check finds an\n" +
		"error. What a warning points at is likely to fail, or to have an effect that nobody intended. An info is worth knowing.\n")
	from := ""
	for _, r := range Rules() {
		if r.From != from {
			from = r.From
			fmt.Fprintf(&b, "\n## Found by petrify %s\n", from)
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s. %s\n\n- Example: %s\n- Fix: %s\n", r.Code, r.Severity, r.Doc, r.Example, r.Repair)
	}
	path := filepath.Join("..", "docs", "rules.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != b.String() {
		t.Errorf("%s is not what the code says (%v): write it anew by `go test ./report -run Page -update`", path, err)
	}
}

func TestEveryRuleOfItsOwnIsDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.Code] {
			t.Errorf("%s: two rules have this code", r.Code)
		}
		seen[r.Code] = true
		for what, text := range map[string]string{"doc": r.Doc, "example": r.Example, "repair": r.Repair} {
			if !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %s is %q, want a sentence", r.Code, what, text)
			}
		}
	}
}
