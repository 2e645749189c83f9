package infer_test

import (
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/reference"
)

func TestInferKnowsEachOperatorOfTheReference(t *testing.T) {
	all := reference.Operators()
	if len(all) < 100 {
		t.Errorf("the reference knows %d operators, want 100 at least", len(all))
	}
	for _, name := range all {
		domain, plain := "", name
		if i := strings.LastIndexByte(name, '.'); i >= 0 {
			domain, plain = name[:i], name[i+1:]
		}
		if v := op.Versions(domain, plain); len(v) == 0 || v[len(v)-1].Rule == nil {
			t.Errorf("the shapes of %s are not inferred", name)
		}
	}
}
