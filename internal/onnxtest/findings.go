package onnxtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
)

// Rules sees that what breaks each rule is found, and the model left as it was.
func Rules(t *testing.T, cases []RuleCase, check func(*pb.ModelProto) []rule.Finding) {
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			m := DenseModel(t)
			c.Break(m)
			before, err := onnx.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			found := check(m)
			if !slices.ContainsFunc(found, func(f rule.Finding) bool {
				return f.Code == c.Code && (f.Where == c.Where || c.Where == "") && strings.Contains(f.Message, c.What)
			}) {
				t.Errorf("got %v\nwant %s: %s: %s", Lines(found), c.Where, c.Code, c.What)
			}
			if after, _ := onnx.Marshal(m); string(after) != string(before) {
				t.Error("the model was changed")
			}
			if max := rule.Most + 1; len(found) > max {
				t.Errorf("%d findings, want %d at most", len(found), max)
			}
		})
	}
}

// Lines shows findings, one on a line.
func Lines(found []rule.Finding) string {
	var b strings.Builder
	for _, f := range found[:min(len(found), 10)] {
		fmt.Fprintf(&b, "\n  %v", f)
	}
	return b.String()
}
