//go:build unix

package onnx

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryRuleHasACase(t *testing.T) {
	cases := make(map[string]bool)
	for _, c := range slices.Concat(checkCases, inferCases) {
		cases[c.code] = true
	}
	for _, c := range externalCases {
		cases[c.code] = true
	}
	for _, c := range fileCases {
		cases[c.code] = true
	}
	for _, r := range Rules() {
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
