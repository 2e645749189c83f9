package reference

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// An edge is a node at the edge of what its operator is defined for.
type edge struct {
	name  string
	opset int64
	src   string
	in    []*onnx.Tensor
	want  []float64 // of output 0
	// rule is what the standard leaves undefined, "" for nothing; then only the
	// elements in open have no limit.
	rule string
	open []int
}

func (e edge) check(t *testing.T) {
	t.Helper()
	p, err := Compile(graph(t, e.opset, e.src), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.RunTensors(context.Background(), e.in)
	if err != nil {
		t.Fatal(err)
	}
	y := r.Outputs[0]
	if y.Len() != len(e.want) {
		t.Fatalf("%s, want %d elements", y, len(e.want))
	}
	for i, want := range e.want {
		n := y.at(i)
		d := math.Abs(n.v - want)
		if n.v == want || math.IsNaN(n.v) && math.IsNaN(want) {
			d = 0
		}
		open := slices.Contains(e.open, i)
		switch {
		case d > 1e-6*math.Abs(want) || math.IsNaN(d):
			t.Errorf("element %d is %v, want %v", i, n.v, want)
		case open != math.IsInf(n.sound, 1):
			t.Errorf("element %d is %v ± %v, defined: %v", i, n.v, n.sound, !open)
		}
	}
	if said := strings.Join(r.Notes, "\n"); e.rule == "" && said != "" || !strings.Contains(said, e.rule) {
		t.Errorf("notes %q, want %q", said, e.rule)
	}
}

func TestTheEdgesOfOperators(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	n32, i32 := float32(nan), float32(inf)
	x := func(v ...float32) []*onnx.Tensor { return []*onnx.Tensor{tensor(t, "x", v, len(v))} }
	list := func(x []*onnx.Tensor, more ...*onnx.Tensor) []*onnx.Tensor { return append(x, more...) }
	const most = math.MaxFloat32
	for _, e := range []edge{
		// Order with NaN.
		{"ArgMax, NaN wins", 13, "in x float 4\ny = ArgMax(x) keepdims=0\nout y", x(1, n32, 3, n32), []float64{1}, orderOfNaN, []int{0}},
		{"ArgMax, the last NaN", 13, "in x float 4\ny = ArgMax(x) keepdims=0 select_last_index=1\nout y", x(1, n32, 3, n32), []float64{3}, orderOfNaN, []int{0}},
		{"ArgMin, NaN wins", 13, "in x float 4\ny = ArgMin(x) keepdims=0\nout y", x(1, n32, 3, n32), []float64{1}, orderOfNaN, []int{0}},
		{"ArgMin without NaN", 13, "in x float 4\ny = ArgMin(x) keepdims=0\nout y", x(1, 0, 3, 0), []float64{1}, "", nil},
		{"Hardmax, NaN wins", 13, "in x float 3\ny = Hardmax(x)\nout y", x(1, n32, 3), []float64{0, 1, 0}, orderOfNaN, []int{0, 1, 2}},
		{"ReduceMax of NaN", 13, "in x float 3\ny = ReduceMax(x) keepdims=0\nout y", x(1, n32, 3), []float64{nan}, orderOfNaN, []int{0}},
		{"ReduceMin of NaN", 13, "in x float 3\ny = ReduceMin(x) keepdims=0\nout y", x(1, 3, n32), []float64{nan}, orderOfNaN, []int{0}},
		{"ReduceSum of NaN", 13, "in x float 3\ny = ReduceSum(x) keepdims=0\nout y", x(1, 3, n32), []float64{nan}, "", nil},
		{"Max of NaN", 13, "in x float 3\nin z float 3\ny = Max(x, z)\nout y", list(x(1, n32, 3), tensor(t, "z", []float32{n32, 0, 4}, 3)), []float64{nan, nan, 4}, "", nil},
		{"Min of NaN", 13, "in x float 3\nin z float 3\ny = Min(x, z)\nout y", list(x(1, n32, 3), tensor(t, "z", []float32{n32, 0, 4}, 3)), []float64{nan, nan, 3}, "", nil},
		{"Unique with NaN", 13, "in x float 5\ny = Unique(x)\nout y", x(2, n32, 1, n32, 2), []float64{1, 2, nan}, orderOfNaN, []int{0, 1, 2}},
		{"a bound of Clip that is NaN", 13, "in x float 2\nin z float -\ny = Clip(x, z)\nout y", list(x(1, 2), tensor(t, "z", []float32{n32})), []float64{nan, nan}, orderOfNaN, []int{0, 1}},
		{"Clip of NaN", 13, "in x float 2\nin z float -\ny = Clip(x, z)\nout y", list(x(n32, 2), tensor(t, "z", []float32{3})), []float64{nan, 3}, "", nil},
		{"Shrink of NaN", 13, "in x float 2\ny = Shrink(x)\nout y", x(n32, 2), []float64{0, 2}, "", nil},
		{"ThresholdedRelu of NaN", 13, "in x float 2\ny = ThresholdedRelu(x)\nout y", x(n32, 2), []float64{0, 2}, "", nil},

		// Limits of Clip where there are none.
		{"Clip without bounds, opset 1", 1, "in x float 3\ny = Clip(x)\nout y", x(-i32, 1, i32), []float64{-most, 1, most}, "", nil},
		{"Clip without bounds, opset 6", 6, "in x float 3\ny = Clip(x)\nout y", x(-i32, 1, i32), []float64{-most, 1, most}, "", nil},
		{"Clip with one bound, opset 6", 6, "in x float 3\ny = Clip(x) min=0.0\nout y", x(-i32, 1, i32), []float64{0, 1, most}, "", nil},
		{"Clip without bounds, opset 13", 13, "in x float 3\ny = Clip(x)\nout y", x(-i32, 1, i32), []float64{-most, 1, most}, "", nil},
		{"Clip without bounds, float16", 13, "in x float16 2\ny = Clip(x)\nout y", []*onnx.Tensor{tensor(t, "x", []onnx.Float16{onnx.NewFloat16(i32), onnx.NewFloat16(1)}, 2)}, []float64{65504, 1}, "", nil},

		// Shrink with a negative lambd: below -lambd comes first.
		{"Shrink, negative lambd", 9, "in x float 4\ny = Shrink(x) lambd=-1.5 bias=1.0\nout y", x(-2, -1, 1, 2), []float64{-1, 0, 2, 1}, "", nil},

		// Numbers that become integers.
		{"float32 to int32", 13, "in x float 5\ny = Cast(x) to=6\nout y", x(1.5, 3e9, n32, -i32, -2147483648), []float64{1, math.MinInt32, math.MinInt32, math.MinInt32, math.MinInt32}, beyondInteger, []int{1, 2, 3}},
		{"float32 to uint8", 13, "in x float 4\ny = Cast(x) to=2\nout y", x(-0.9, 255.9, 256, -1), []float64{0, 255, 0, 255}, beyondInteger, []int{2, 3}},
		{"float32 to int64", 13, "in x float 2\ny = Cast(x) to=7\nout y", x(0x1p62, 0x1p63), []float64{0x1p62, math.MinInt64}, beyondInteger, []int{1}},
		{"float32 to bool", 13, "in x float 3\ny = Cast(x) to=9\nout y", x(n32, 0, i32), []float64{1, 0, 1}, "", nil},
		{"int32 to int8 keeps the low bits", 13, "in x int32 2\ny = Cast(x) to=3\nout y", []*onnx.Tensor{tensor(t, "x", []int32{200, -300}, 2)}, []float64{-56, -44}, "", nil},
		{"NaN is quantized", 13, "in x float 3\nin s float -\ny = QuantizeLinear(x, s)\nout y", list(x(n32, i32, -i32), tensor(t, "s", []float32{1})), []float64{0, 255, 0}, quantizedNaN, []int{0}},
		{"a range of zero is quantized", 13, "in x float 2\nq, y, z = DynamicQuantizeLinear(x)\nout y", x(0, 0), []float64{0}, zeroScale, []int{0}},
		{"fractions as indices", 13, "in x float 4\nin d int64 -\nin v float 2\ny = OneHot(x, d, v)\nout y", list(x(-0.5, -1.5, 1.9, n32), tensor(t, "d", []int64{3}), tensor(t, "v", []float32{0, 1}, 2)),
			[]float64{1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0}, beyondInteger, []int{9, 10, 11}},

		// Integers.
		{"division by zero", 13, "in x int32 3\nin z int32 3\ny = Div(x, z)\nout y", []*onnx.Tensor{tensor(t, "x", []int32{7, 7, math.MinInt32}, 3), tensor(t, "z", []int32{0, -2, -1}, 3)}, []float64{0, -3, math.MinInt32}, integerByZero, []int{0, 2}},
		{"the least integer by -1", 13, "in x int64 1\nin z int64 1\ny = Div(x, z)\nout y", []*onnx.Tensor{tensor(t, "x", []int64{math.MinInt64}, 1), tensor(t, "z", []int64{-1}, 1)}, []float64{math.MinInt64}, integerOverflow, []int{0}},
		{"remainder by zero", 13, "in x uint8 2\nin z uint8 2\ny = Mod(x, z)\nout y", []*onnx.Tensor{tensor(t, "x", []uint8{7, 7}, 2), tensor(t, "z", []uint8{0, 4}, 2)}, []float64{0, 3}, integerByZero, []int{0}},
		{"remainder of floats by zero", 13, "in x float 2\nin z float 2\ny = Mod(x, z) fmod=1\nout y", list(x(5, 5), tensor(t, "z", []float32{0, 3}, 2)), []float64{nan, 2}, "", nil},
		{"a shift by the width", 11, "in x uint8 3\nin z uint8 3\ny = BitShift(x, z) direction=\"LEFT\"\nout y", []*onnx.Tensor{tensor(t, "x", []uint8{3, 3, 3}, 3), tensor(t, "z", []uint8{7, 8, 200}, 3)}, []float64{128, 0, 0}, wideShift, []int{1, 2}},
		{"a shift by the width of 64 bits", 11, "in x uint64 2\nin z uint64 2\ny = BitShift(x, z) direction=\"RIGHT\"\nout y", []*onnx.Tensor{tensor(t, "x", []uint64{1 << 63, 1}, 2), tensor(t, "z", []uint64{63, 64}, 2)}, []float64{1, 0}, wideShift, []int{1}},
		{"a power beyond the integers", 13, "in x int32 4\nin z int32 4\ny = Pow(x, z)\nout y", []*onnx.Tensor{tensor(t, "x", []int32{2, 0, 3, -2}, 4), tensor(t, "z", []int32{31, -1, -1, 31}, 4)}, []float64{math.MinInt32, 0, 0, math.MinInt32}, integerPower, []int{0, 1}},

		// Windows over padding only; means of nothing.
		{"MaxPool over padding", 12, "in x float 1,1,1\ny = MaxPool(x) kernel_shape=1, pads=1,1 strides=1,\nout y", []*onnx.Tensor{tensor(t, "x", []float32{-5}, 1, 1, 1)}, []float64{-most, -5, -most}, paddingOnly, []int{0, 2}},
		{"MaxPool of int8 over padding", 12, "in x int8 1,1,1\ny = MaxPool(x) kernel_shape=1, pads=1,1 strides=1,\nout y", []*onnx.Tensor{tensor(t, "x", []int8{-5}, 1, 1, 1)}, []float64{-128, -5, -128}, paddingOnly, []int{0, 2}},
		{"AveragePool over padding", 11, "in x float 1,1,1\ny = AveragePool(x) kernel_shape=1, pads=1,1 strides=1,\nout y", []*onnx.Tensor{tensor(t, "x", []float32{-5}, 1, 1, 1)}, []float64{0, -5, 0}, paddingOnly, []int{0, 2}},
		{"AveragePool that counts the padding", 11, "in x float 1,1,1\ny = AveragePool(x) kernel_shape=1, pads=1,1 strides=1, count_include_pad=1\nout y", []*onnx.Tensor{tensor(t, "x", []float32{-5}, 1, 1, 1)}, []float64{0, -5, 0}, "", nil},
		{"MaxPool with NaN", 12, "in x float 1,1,3\ny = MaxPool(x) kernel_shape=2, strides=1,\nout y", []*onnx.Tensor{tensor(t, "x", []float32{1, n32, 3}, 1, 1, 3)}, []float64{nan, nan}, orderOfNaN, []int{0, 1}},
		{"GlobalMaxPool with NaN", 12, "in x float 1,1,3\ny = GlobalMaxPool(x)\nout y", []*onnx.Tensor{tensor(t, "x", []float32{1, n32, 3}, 1, 1, 3)}, []float64{nan}, orderOfNaN, []int{0}},
		{"GlobalAveragePool of nothing", 12, "in x float 1,2,0\ny = GlobalAveragePool(x)\nout y", []*onnx.Tensor{tensor(t, "x", []float32{}, 1, 2, 0)}, []float64{nan, nan}, emptyMean, []int{0, 1}},
		{"GlobalMaxPool of nothing", 12, "in x float 1,2,0\ny = GlobalMaxPool(x)\nout y", []*onnx.Tensor{tensor(t, "x", []float32{}, 1, 2, 0)}, []float64{-inf, -inf}, "", nil},
		{"LayerNormalization of nothing", 17, "in x float 2,0\nin s float 0\nz, y = LayerNormalization(x, s)\nout y", []*onnx.Tensor{tensor(t, "x", []float32{}, 2, 0), tensor(t, "s", []float32{}, 0)}, []float64{0, 0}, emptyMean, []int{0, 1}},

		// Scale and B that broadcast to all of X.
		{"LayerNormalization, a scale for each row", 17, "in x float 2,2\nin s float 2,1\nin b float 2,2\ny = LayerNormalization(x, s, b) epsilon=0.0\nout y",
			[]*onnx.Tensor{tensor(t, "x", []float32{1, 3, 10, 20}, 2, 2), tensor(t, "s", []float32{1, 2}, 2, 1), tensor(t, "b", []float32{0, 0, 5, 7}, 2, 2)}, []float64{-1, 1, 3, 9}, "", nil},
		{"RMSNormalization, a scale for each element", 23, "in x float 2,2\nin s float 2,2\ny = RMSNormalization(x, s) epsilon=0.0\nout y",
			[]*onnx.Tensor{tensor(t, "x", []float32{3, 3, 2, -2}, 2, 2), tensor(t, "s", []float32{1, 2, 3, 4}, 2, 2)}, []float64{1, 2, 3, -4}, "", nil},
	} {
		t.Run(e.name, e.check)
	}
}

func TestTopKOrdersNaNAboveAllNumbers(t *testing.T) {
	nan := float32(math.NaN())
	for _, largest := range []bool{true, false} {
		src := fmt.Sprintf("in x float 6\nin k int64 1\ny, i = TopK(x, k) largest=%d\nout y i", map[bool]int{true: 1}[largest])
		p, err := Compile(graph(t, 13, src), Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.RunTensors(context.Background(), []*onnx.Tensor{tensor(t, "x", []float32{2, nan, -1, 5, nan, 3}, 6), tensor(t, "k", []int64{4}, 1)})
		if err != nil {
			t.Fatal(err)
		}
		want := []int64{2, 0, 5, 3}
		if largest {
			want = []int64{1, 4, 3, 5}
		}
		if got := r.Outputs[1].Data.([]int64); !slices.Equal(got, want) {
			t.Errorf("largest %v: indices %v, want %v", largest, got, want)
		}
		if !math.IsInf(r.Outputs[0].Sound[0], 1) || len(r.Notes) == 0 {
			t.Errorf("largest %v: what the standard leaves undefined has a limit", largest)
		}
	}
	if compareNumbers(math.NaN(), math.Inf(1)) <= 0 || compareNumbers(math.NaN(), math.NaN()) != 0 || compareNumbers(0, math.Copysign(0, -1)) != 0 {
		t.Error("the order of numbers and NaN is not total")
	}
}

// TestReductionsOfNothing holds every reduction to its identity, in every type.
func TestReductionsOfNothing(t *testing.T) {
	type row struct {
		float, int8s, int32s, int64s, uint8s, uint32s, uint64s, bools float64
	}
	inf := math.Inf(1)
	zeros, ones := row{}, row{1, 1, 1, 1, 1, 1, 1, 1}
	least := row{-inf, -128, math.MinInt32, math.MinInt64, 0, 0, 0, 0}
	largest := row{inf, 127, math.MaxInt32, math.MaxInt64, 255, math.MaxUint32, math.MaxUint64, 1}
	empty := []*onnx.Tensor{
		tensor(t, "x", []float32{}, 2, 0), tensor(t, "x", []int8{}, 2, 0), tensor(t, "x", []int32{}, 2, 0), tensor(t, "x", []int64{}, 2, 0),
		tensor(t, "x", []uint8{}, 2, 0), tensor(t, "x", []uint32{}, 2, 0), tensor(t, "x", []uint64{}, 2, 0), tensor(t, "x", []bool{}, 2, 0),
	}
	for name, want := range map[string]row{
		"ReduceSum": zeros, "ReduceL1": zeros, "ReduceL2": zeros, "ReduceSumSquare": zeros, "ReduceProd": ones,
		"ReduceMax": least, "ReduceMin": largest, "ReduceLogSum": {float: -inf}, "ReduceLogSumExp": {float: -inf},
	} {
		for i, w := range []float64{want.float, want.int8s, want.int32s, want.int64s, want.uint8s, want.uint32s, want.uint64s, want.bools} {
			x := empty[i]
			if find("", name).in[0].types&(1<<x.Type()) == 0 {
				continue
			}
			opset := int64(20)
			src := fmt.Sprintf("in x %s 2,0\nin a int64 1\ny = %s(x, a)\nout y", pb.TensorProto_DataType_name[int32(x.Type())], name)
			y := run(t, graph(t, opset, src), x, tensor(t, "a", []int64{1}, 1))[0]
			if y.Len() != 2 || y.Float(1) != w || !y.exact() {
				t.Errorf("%s of no %v is %v, want %v", name, x.Type(), y.Data, w)
			}
		}
	}
	r := run(t, graph(t, 18, "in x float 2,0\nin a int64 1\ny = ReduceMean(x, a)\nout y"), tensor(t, "x", []float32{}, 2, 0), tensor(t, "a", []int64{1}, 1))[0]
	if !math.IsInf(r.Sound[0], 1) {
		t.Errorf("the mean of nothing is %v, and has a limit", r.Data)
	}
	if _, err := Run(graph(t, 18, "in x float 2,0\ny = ArgMax(x) axis=1\nout y"), []*onnx.Tensor{tensor(t, "x", []float32{}, 2, 0)}); err == nil {
		t.Error("nothing has a largest element")
	}
}

// TestReductionsOverNoAxes: noop_with_empty_axes leaves out the reduction, not
// what is done to each element before and after it.
func TestReductionsOverNoAxes(t *testing.T) {
	x := []float32{-3, 4}
	for name, want := range map[string][]float64{
		"ReduceSum": {-3, 4}, "ReduceMean": {-3, 4}, "ReduceMax": {-3, 4}, "ReduceMin": {-3, 4}, "ReduceProd": {-3, 4},
		"ReduceL1": {3, 4}, "ReduceL2": {3, 4}, "ReduceSumSquare": {9, 16}, "ReduceLogSum": {math.NaN(), math.Log(4)}, "ReduceLogSumExp": {-3, 4},
	} {
		for _, axes := range []string{"", ", a"} {
			src := fmt.Sprintf("in x float 2\nin a int64 0\ny = %s(x%s) noop_with_empty_axes=1\nout y", name, axes)
			y := run(t, graph(t, 18, src), tensor(t, "x", x, 2), tensor(t, "a", []int64{}, 0))[0]
			for i, w := range want {
				if n := y.at(i); !(math.Abs(n.v-w) <= n.sound) && !(math.IsNaN(n.v) && math.IsNaN(w)) {
					t.Errorf("%s(x%s): element %d is %v, want %v", name, axes, i, n.v, w)
				}
			}
		}
		y := run(t, graph(t, 18, fmt.Sprintf("in x float 2\ny = %s(x)\nout y", name)), tensor(t, "x", x, 2))[0]
		if y.Len() != 1 {
			t.Errorf("%s without axes gives %s", name, y)
		}
	}
}
