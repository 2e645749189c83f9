//go:build unix

package check

import (
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
		t.Errorf("%s is not a rule", code)
	}
}
