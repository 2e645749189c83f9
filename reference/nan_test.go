package reference

import (
	"math"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// TestNaNIsCertainWhereEveryRuntimeHasIt holds NaN to its two kinds: what IEEE 754
// makes of exact operands is NaN everywhere, and what an error may turn into a
// number has no limit.
func TestNaNIsCertainWhereEveryRuntimeHasIt(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, tc := range []struct {
		name, src string
		x         []float32
		want      []string // of each element: certain NaN, unknown NaN, or a number
	}{
		{"root", "y = Sqrt(x)\nout y", []float32{-1, 4, nan}, []string{"certain", "number", "certain"}},
		{"logarithm", "y = Log(x)\nout y", []float32{-1, 0, nan}, []string{"certain", "number", "certain"}},
		{"power", "y = Pow(x, half)\nout y", []float32{-8, 2, nan}, []string{"certain", "number", "certain"}},
		{"difference of infinities", "y = Sub(x, x)\nout y", []float32{inf, 1, -inf}, []string{"certain", "number", "certain"}},
		{"zero times infinity", "y = Mul(x, zero)\nout y", []float32{inf, 1, -inf}, []string{"certain", "number", "certain"}},
		{"zero by zero", "y = Div(x, zero)\nout y", []float32{0, 1, nan}, []string{"certain", "number", "certain"}},
		{"a masked row", "y = Softmax(x)\nout y", []float32{-inf, -inf, -inf}, []string{"certain", "certain", "certain"}},
		{"through a product with weights", "y = MatMul(x, w)\nout y", []float32{nan, 1, 1}, []string{"certain", "certain", "certain"}},
		{"through inexact weights", "v = Exp(w)\ny = MatMul(x, v)\nout y", []float32{nan, 1, 1}, []string{"certain", "certain", "certain"}},
		{"infinity through inexact weights", "v = Sub(w, w)\nu = Exp(v)\nk = Sub(u, u)\ny = MatMul(x, k)\nout y", []float32{inf, 1, 1}, []string{"unknown", "unknown", "unknown"}},
		{"a root that errors may make real", "e = Exp(x)\nd = Sub(e, e)\ny = Sqrt(d)\nout y", []float32{1, 0, -1}, []string{"number", "number", "number"}},
		{"an inexact number by NaN", "e = Exp(x)\ny = Add(e, x)\nout y", []float32{1, nan, inf}, []string{"number", "certain", "number"}},
		{"Max", "y = Max(x, zero)\nout y", []float32{1, nan, -1}, []string{"number", "certain", "number"}},
		{"Relu", "y = Relu(x)\nout y", []float32{1, nan, -1}, []string{"number", "certain", "number"}},
		{"LeakyRelu", "y = LeakyRelu(x)\nout y", []float32{1, nan, -1}, []string{"number", "certain", "number"}},
		{"Elu", "y = Elu(x)\nout y", []float32{1, nan, -1}, []string{"number", "certain", "number"}},
		{"guarded", "p = Softmax(x)\nc = IsNaN(p)\ny = Where(c, zero, p)\nout y", []float32{-inf, -inf, -inf}, []string{"number", "number", "number"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := graph(t, 13, "in x float 3\n"+tc.src,
				tensor(t, "half", []float32{0.5}), tensor(t, "zero", []float32{0}), tensor(t, "w", []float32{1, 2, 3, 4, 5, 6, 7, 8, 9}, 3, 3))
			y := run(t, m, tensor(t, "x", tc.x, 3))[0]
			for i, want := range tc.want {
				n := y.at(i)
				got := "number"
				switch {
				case math.IsNaN(n.v) && n.sound == 0 && n.screen() == 0:
					got = "certain"
				case math.IsNaN(n.v):
					got = "unknown"
				}
				if got != want {
					t.Errorf("element %d is %v, want %s", i, n, want)
				}
			}
			if tc.name == "guarded" && !y.exact() {
				t.Errorf("the guarded values have errors: %v", y.Sound)
			}
		})
	}
}

func TestInfinityIsCertainWhateverTheErrorsOfWhatIsFinite(t *testing.T) {
	m := graph(t, 13, "in x float 2\ne = Exp(x)\ns = Add(e, top)\ny = MatMul(s, one)\nz = Exp(y)\nout y z",
		tensor(t, "top", []float32{float32(math.Inf(-1)), 0}, 2), tensor(t, "one", []float32{1, 1}, 2, 1))
	for i, y := range run(t, m, tensor(t, "x", []float32{1, 2}, 2)) {
		if want := []float64{math.Inf(-1), 0}[i]; y.Float(0) != want || y.Sound != nil && y.Sound[0] > 1e-37 {
			t.Errorf("output %d is %v, want %v for certain", i, y.at(0), want)
		}
	}
}

func TestComparisonsWithNaNHoldNowhere(t *testing.T) {
	m := graph(t, 13, "in x float 2\ne = Exp(x)\nf = Add(e, nan)\nd = Less(f, e)\ny = Cast(d) to=1\nout y", tensor(t, "nan", []float32{float32(math.NaN())}))
	y := run(t, m, &onnx.Tensor{Name: "x", Dims: []int{2}, Data: onnx.Slice[float32]{1, 2}})[0]
	if y.Type != pb.TensorProto_FLOAT || y.Float(0) != 0 || !y.exact() {
		t.Errorf("NaN is less than a number: %v ± %v", y.Data, y.Sound)
	}
}
