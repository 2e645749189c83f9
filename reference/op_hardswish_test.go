package reference

import (
	"math"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// TestHardSwishMayBeWrittenOut computes HardSwish in float16 as its definition has it, with
// the result of HardSigmoid stored in float16, and 1 % too large.
func TestHardSwishMayBeWrittenOut(t *testing.T) {
	var x []float64
	for i := -400; i <= 400; i++ {
		x = append(x, half(float64(i)/97))
	}
	p, err := Compile(graph(t, 14, "in x float16 801\ny = HardSwish(x)\nout y"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Run(t.Context(), []*Value{{Name: "x", Type: pb.TensorProto_FLOAT16, Dims: []int{801}, Data: onnx.Slice[float64](x)}})
	if err != nil {
		t.Fatal(err)
	}
	y, beyond := r.Outputs[0], 0
	for i, v := range x {
		gate := half(max(0, min(1, v/6+0.5)))
		if got := half(v * gate); !(math.Abs(got-y.Float(i)) <= y.Screen(i)) {
			t.Errorf("HardSwish(%g) written out is %g, want %g ± %g", v, got, y.Float(i), y.Screen(i))
		}
		if got := half(1.01 * v * gate); !(math.Abs(got-y.Float(i)) <= y.Screen(i)) {
			beyond++
		}
	}
	if beyond < len(x)/2 {
		t.Errorf("%d of %d values 1 %% too large are beyond the screen", beyond, len(x))
	}
}
