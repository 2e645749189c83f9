package infer_test

import (
	"testing"

	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/reference"
)

func TestInferKnowsEachOperatorOfTheReference(t *testing.T) {
	all := reference.Operators()
	if len(all) < 100 {
		t.Errorf("the reference knows %d operators, want 100 at least", len(all))
	}
	for _, name := range all {
		if !infer.HasRule(name) {
			t.Errorf("the shapes of %s are not inferred", name)
		}
	}
}
