package reference

import (
	"math"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// TestMasksOfTheLowestNumber has scores that a mask of the type's lowest number is added
// to, as exporters of transformers write it: (1 - mask) * lowest. A masked score is far
// below the others; where all are masked, the mask has swallowed the scores.
func TestMasksOfTheLowestNumber(t *testing.T) {
	for _, elem := range []pb.TensorProto_DataType{pb.TensorProto_FLOAT, pb.TensorProto_FLOAT16} {
		lowest := -formatOf(elem).max
		v := func(name string, dims []int, x ...float64) *Value {
			return &Value{Name: name, Type: elem, Dims: dims, Data: onnx.Slice[float64](x)}
		}
		kind := strings.ToLower(elem.String())
		p, err := Compile(graph(t, 13, strings.ReplaceAll(`in scores T 2,3
			in mask T 2,3
			in one T -
			in lowest T -
			inverse = Sub(one, mask)
			bias = Mul(inverse, lowest)
			masked = Add(scores, bias)
			y = Softmax(masked)
			out y`, " T ", " "+kind+" ")), Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Run(t.Context(), []*Value{
			v("scores", []int{2, 3}, 1.5, -2.25, -0.75, 3, -1, 0.5), v("mask", []int{2, 3}, 1, 1, 0, 0, 0, 0), v("one", nil, 1), v("lowest", nil, lowest),
		})
		if err != nil {
			t.Fatal(err)
		}
		y := r.Outputs[0]
		a := 1 / (1 + math.Exp(-3.75))
		want := []float64{a, 1 - a, 0}
		if elem == pb.TensorProto_FLOAT {
			third := 1.0 / 3
			want = append(want, third, third, third)
		}
		for i, w := range want {
			if x := y.at(i); !(math.Abs(x.v-w) <= 1e-6) || !(y.Screen(i) <= 20*formatOf(elem).u) {
				t.Errorf("%s, element %d: %g ± %g, want %g", elem, i, x.v, y.Screen(i), w)
			}
		}
		for i := len(want); i < 6; i++ { // a runtime that keeps float32 between nodes has other scores
			if s := y.Screen(i); !(s <= 1+1e-3) {
				t.Errorf("%s, element %d: ± %g for a probability", elem, i, s)
			}
		}
	}
}
