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
		case !(open && e.rule == "") && (d > 1e-6*math.Abs(want) || math.IsNaN(d)):
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

		// Padding, borders, thresholds.
		{"padding under a weight that is infinite", 11, "in x float 1,1,2\nin w float 1,1,2\ny = Conv(x, w) pads=1,0\nout y", []*onnx.Tensor{tensor(t, "x", []float32{1, 2}, 1, 1, 2), tensor(t, "w", []float32{i32, 1}, 1, 1, 2)}, []float64{1, inf}, spoiledPadding, []int{0}},
		{"a region without area", 16, "in x float 1,1,4,4\nin r float 1,4\nin b int64 1\ny = RoiAlign(x, r, b)\nout y", []*onnx.Tensor{tensor(t, "x", make([]float32, 16), 1, 1, 4, 4), tensor(t, "r", []float32{2, 2, 1, 1}, 1, 4), tensor(t, "b", []int64{0}, 1)}, []float64{0}, "", nil},
		{"neighbours without weight count in a maximum", 10, "in x float 1,1,2,2\nin r float 1,4\nin b int64 1\ny = RoiAlign(x, r, b) mode=\"max\" sampling_ratio=1\nout y", []*onnx.Tensor{tensor(t, "x", []float32{-1, -2, -3, -4}, 1, 1, 2, 2), tensor(t, "r", []float32{-0.75, -0.75, -0.5, -0.5}, 1, 4), tensor(t, "b", []int64{0}, 1)}, []float64{0}, "", nil},
		{"GridSample far outside, border", 20, "in x float 1,1,1,3\nin g float 1,1,4,2\ny = GridSample(x, g) mode=\"cubic\" padding_mode=\"border\"\nout y", []*onnx.Tensor{tensor(t, "x", []float32{3, 4, 5}, 1, 1, 1, 3), tensor(t, "g", []float32{3e9, 0, -3e9, 0, i32, 0, 100, 0}, 1, 1, 4, 2)}, []float64{5, 3, 5, 5}, "", nil},
		{"GridSample far outside, zeros", 20, "in x float 1,1,1,3\nin g float 1,1,2,2\ny = GridSample(x, g)\nout y", []*onnx.Tensor{tensor(t, "x", []float32{3, 4, 5}, 1, 1, 1, 3), tensor(t, "g", []float32{3e9, 0, -i32, 0}, 1, 1, 2, 2)}, []float64{0, 0}, "", nil},
		{"GridSample at NaN", 20, "in x float 1,1,1,3\nin g float 1,1,1,2\ny = GridSample(x, g) mode=\"nearest\"\nout y", []*onnx.Tensor{tensor(t, "x", []float32{3, 4, 5}, 1, 1, 1, 3), tensor(t, "g", []float32{n32, 0}, 1, 1, 1, 2)}, []float64{0}, "", []int{0}},
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
		if got := elems[int64](r.Outputs[1]); !slices.Equal(got, want) {
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
			if schemaOf("", name, 20).In[0].Set.Tensor&(1<<x.Type()) == 0 || find("", name).in[0].lacks&(1<<x.Type()) != 0 {
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

// TestThresholdsThatRoundingMayCross: where rounding decides on which side of a
// threshold a place lies, the limits cover both sides; elsewhere they do not.
func TestThresholdsThatRoundingMayCross(t *testing.T) {
	ramp := func(dims ...int) []float32 {
		v := make([]float32, size(dims))
		for i := range v {
			v[i] = float32(i * i)
		}
		return v
	}
	scalar := func(name string, v ...float32) *onnx.Tensor { return tensor(t, name, v, len(v)) }
	for _, tc := range []struct {
		name   string
		opset  int64
		src    string
		in     []*onnx.Tensor
		at     int     // the element
		other  float64 // what the other side gives
		within bool    // the sound limit covers it
	}{
		{"the number of sampling points", 16, "in x float 1,1,4,4\nin r float 1,4\nin b int64 1\ny = RoiAlign(x, r, b) spatial_scale=0.1 output_width=2 output_height=2 coordinate_transformation_mode=\"output_half_pixel\"\nout y",
			[]*onnx.Tensor{tensor(t, "x", ramp(4, 4), 1, 1, 4, 4), tensor(t, "r", []float32{0, 0, 40, 40}, 1, 4), tensor(t, "b", []int64{0}, 1)}, 0, 0, false}, // 2 of them or 3
		{"a sampling point at -1", 16, "in x float 1,1,2,2\nin r float 1,4\nin b int64 1\ny = RoiAlign(x, r, b) sampling_ratio=1\nout y",
			[]*onnx.Tensor{tensor(t, "x", []float32{4, 4, 4, 4}, 1, 1, 2, 2), tensor(t, "r", []float32{-1, 0.5, 0, 1.5}, 1, 4), tensor(t, "b", []int64{0}, 1)}, 0, 0, true},
		{"a sampling point well outside", 16, "in x float 1,1,2,2\nin r float 1,4\nin b int64 1\ny = RoiAlign(x, r, b) sampling_ratio=1\nout y",
			[]*onnx.Tensor{tensor(t, "x", []float32{4, 4, 4, 4}, 1, 1, 2, 2), tensor(t, "r", []float32{-1.1, 0.5, 0, 1.5}, 1, 4), tensor(t, "b", []int64{0}, 1)}, 0, 4, false},
		{"the end of a cropped region", 13, "in x float 4\nin r float 2\nin s float 1\ny = Resize(x, r, s) mode=\"linear\" coordinate_transformation_mode=\"tf_crop_and_resize\" extrapolation_value=100.0\nout y",
			[]*onnx.Tensor{tensor(t, "x", ramp(4), 4), scalar("r", 0.1, 1), scalar("s", 2)}, 6, 100, true},
		{"the middle of a cropped region", 13, "in x float 4\nin r float 2\nin s float 1\ny = Resize(x, r, s) mode=\"linear\" coordinate_transformation_mode=\"tf_crop_and_resize\" extrapolation_value=100.0\nout y",
			[]*onnx.Tensor{tensor(t, "x", ramp(4), 4), scalar("r", 0.1, 1), scalar("s", 2)}, 3, 100, false},
		{"a tie of the nearest element", 13, "in x float 10\nin s float 1\ny = Resize(x, , s) mode=\"nearest\"\nout y",
			[]*onnx.Tensor{tensor(t, "x", ramp(10), 10), scalar("s", 0.6)}, 1, 4, true},
		{"a tie of the nearest integer", 13, "in x int32 10\nin s float 1\ny = Resize(x, , s) mode=\"nearest\"\nout y",
			[]*onnx.Tensor{tensor(t, "x", []int32{0, 1, 4, 9, 16, 25, 36, 49, 64, 81}, 10), scalar("s", 0.6)}, 1, 4, true},
		{"a border of GridSample", 20, "in x float 1,1,1,3\nin g float 1,1,1,2\ny = GridSample(x, g) mode=\"nearest\"\nout y",
			[]*onnx.Tensor{tensor(t, "x", []float32{3, 4, 5}, 1, 1, 1, 3), tensor(t, "g", []float32{1 / 3., 0}, 1, 1, 1, 2)}, 0, 5, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			y := run(t, graph(t, tc.opset, tc.src), tc.in...)[0]
			n := y.at(tc.at)
			if tc.other == 0 && !tc.within {
				if n.sound < 1e-3 {
					t.Errorf("%v ± %v: the limit covers one number of points only", n.v, n.sound)
				}
				return
			}
			if got := math.Abs(n.v-tc.other) <= n.sound; got != tc.within {
				t.Errorf("%v ± %v covers %v: %v, want %v", n.v, n.sound, tc.other, got, tc.within)
			}
			if tc.within && math.IsInf(n.sound, 1) && floats&setOf(y) != 0 {
				t.Error("no limit at all")
			}
		})
	}
}

// TestABatchOfNothing evaluates operators on empty batches and axes: the result is
// empty, and nothing is refused.
func TestABatchOfNothing(t *testing.T) {
	for _, tc := range []struct {
		opset int64
		src   string
		want  string // the shape of output 0
	}{
		{13, "in x float 0,3\ny = Relu(x)", "[0,3]"},
		{13, "in x float 0,3\nin z float 3\ny = Add(x, z)", "[0,3]"},
		{13, "in x float 0,3\nin z float 1,1\ny = Where(c, x, z)\nin c bool 1", "[0,3]"},
		{13, "in x float 0,3\nin w float 3,2\ny = MatMul(x, w)", "[0,2]"},
		{13, "in x float 2,0\nin w float 0,2\ny = MatMul(x, w)", "[2,2]"},
		{13, "in x float 0,3\nin w float 3,2\nin b float 2\ny = Gemm(x, w, b)", "[0,2]"},
		{13, "in x float 2,0\nin w float 0,2\nin b float 2\ny = Gemm(x, w, b)", "[2,2]"},
		{13, "in x uint8 0,3\nin w uint8 3,2\ny = MatMulInteger(x, w)", "[0,2]"},
		{13, "in x float 0,2,4\nin w float 3,2,2\ny = Conv(x, w)", "[0,3,3]"},
		{13, "in x float 0,2,4\nin w float 2,3,2\ny = ConvTranspose(x, w)", "[0,3,5]"},
		{13, "in x uint8 0,2,4\nin w uint8 3,2,2\ny = ConvInteger(x, w)", "[0,3,3]"},
		{13, "in x float 0,2,4\ny = MaxPool(x) kernel_shape=2,", "[0,2,3]"},
		{13, "in x float 0,2,4\ny = AveragePool(x) kernel_shape=2,", "[0,2,3]"},
		{13, "in x float 0,2,4\ny = LpPool(x) kernel_shape=2,", "[0,2,3]"},
		{13, "in x float 0,2,4\ny = GlobalAveragePool(x)", "[0,2,1]"},
		{13, "in x float 0,2,4\ny = GlobalMaxPool(x)", "[0,2,1]"},
		{13, "in x float 0,2,4\ny = GlobalLpPool(x)", "[0,2,1]"},
		{13, "in x float 0,2,4\nin i int64 0,2,4\ny = MaxUnpool(x, i) kernel_shape=2, strides=2,", "[0,2,8]"},
		{15, "in x float 0,2,4\nin s float 2\nin b float 2\nin m float 2\nin v float 2\ny = BatchNormalization(x, s, b, m, v)", "[0,2,4]"},
		{15, "in x float 0,2,4\nin s float 2\nin b float 2\ny = InstanceNormalization(x, s, b)", "[0,2,4]"},
		{17, "in x float 0,4\nin s float 4\ny = LayerNormalization(x, s)", "[0,4]"},
		{21, "in x float 0,4,3\nin s float 4\nin b float 4\ny = GroupNormalization(x, s, b) num_groups=2", "[0,4,3]"},
		{23, "in x float 0,4\nin s float 4\ny = RMSNormalization(x, s)", "[0,4]"},
		{13, "in x float 0,2,4\ny = LpNormalization(x)", "[0,2,4]"},
		{13, "in x float 0,2,4,4\ny = MeanVarianceNormalization(x)", "[0,2,4,4]"},
		{13, "in x float 0,2,4\ny = LRN(x) size=3", "[0,2,4]"},
		{13, "in x float 0,3\ny = Softmax(x)", "[0,3]"},
		{11, "in x float 0,3\ny = Softmax(x)", "[0,3]"},
		{13, "in x float 0,3\ny = LogSoftmax(x)", "[0,3]"},
		{13, "in x float 0,3\ny = Hardmax(x)", "[0,3]"},
		{13, "in x float 0,3\ny = ArgMax(x) axis=1", "[0,1]"},
		{13, "in x float 0,3\nin k int64 1\ny, i = TopK(x, k)", "[0,1]"},
		{13, "in x float 0,3\ny = CumSum(x, a)\nin a int64 -", "[0,3]"},
		{13, "in x float 0,3\ny = Flatten(x)", "[0,3]"},
		{13, "in x float 0,3\nin s int64 2\ny = Reshape(x, s)", "[0,1]"},
		{13, "in x float 0,3\ny = Transpose(x)", "[3,0]"},
		{13, "in x float 0,3\ny = Concat(x, x) axis=0", "[0,3]"},
		{1, "in x float 0,3\ny = Concat(x, x)", "[0,6]"}, // the axis is 1 there where none is given
		{13, "in x float 0,4\ny, z = Split(x) axis=1", "[0,2]"},
		{13, "in x float 0,4\ny, z = Split(x) axis=0", "[0,4]"},
		{13, "in x float 0,3\nin r int64 2\ny = Tile(x, r)", "[0,3]"},
		{13, "in x float 0,3\nin p int64 4\ny = Pad(x, p)", "[2,5]"},
		{13, "in x float 0,3\nin s int64 1\nin e int64 1\ny = Slice(x, s, e)", "[0,3]"},
		{13, "in x float 0,3\nin i int64 2\ny = Gather(x, i) axis=1", "[0,2]"},
		{13, "in x float 3,4\nin i int64 0\ny = Gather(x, i)", "[0,4]"},
		{13, "in x float 0,3\nin i int64 0,2\ny = GatherElements(x, i) axis=1", "[0,2]"},
		{13, "in x float 3,4\nin i int64 0,1\ny = GatherND(x, i)", "[0,4]"},
		{16, "in x float 3,4\nin i int64 0,1\nin u float 0,4\ny = ScatterND(x, i, u)", "[3,4]"},
		{16, "in x float 0,4\nin i int64 0,2\nin u float 0,2\ny = ScatterElements(x, i, u) axis=1", "[0,4]"},
		{13, "in i int64 0\nin d int64 1\nin v float 2\ny = OneHot(i, d, v)", "[0,1]"},
		{13, "in x float 0,3\ny = NonZero(x)", "[2,0]"},
		{13, "in x float 0\ny = Unique(x)", "[0]"},
		{13, "in x float 0,3\nin c bool 3\ny = Compress(x, c) axis=1", "[0,1]"},
		{13, "in x float 0,4,2,2\ny = DepthToSpace(x) blocksize=2", "[0,1,4,4]"},
		{13, "in x float 0,1,4,4\ny = SpaceToDepth(x) blocksize=2", "[0,4,2,2]"},
		{13, "in x float 0,1,4\nin s float 3\ny = Resize(x, , s)", "[0,1,4]"},
		{13, "in x float 0,1,4\nin z int64 3\ny = Resize(x, , , z) mode=\"linear\"", "[0,1,1]"},
		{9, "in x float 0,1,4\nin s float 3\ny = Upsample(x, s)", "[0,1,4]"},
		{16, "in x float 0,1,3,3\nin g float 0,2,2,2\ny = GridSample(x, g)", "[0,1,2,2]"},
		{16, "in x float 1,1,3,3\nin r float 0,4\nin b int64 0\ny = RoiAlign(x, r, b)", "[0,1,1,1]"},
		{16, "in x float 0,1,3,3\nin r float 0,4\nin b int64 0\ny = RoiAlign(x, r, b)", "[0,1,1,1]"},
		{13, "in x float 3,0,2\nin w float 1,4,2\nin r float 1,4,4\ny = RNN(x, w, r) hidden_size=4", "[3,1,0,4]"},
		{13, "in x float 3,0,2\nin w float 1,12,2\nin r float 1,12,4\ny = GRU(x, w, r) hidden_size=4", "[3,1,0,4]"},
		{13, "in x float 0,3,2\nin w float 1,16,2\nin r float 1,16,4\ny = LSTM(x, w, r) hidden_size=4", "[0,1,3,4]"},
		{23, "in q float 0,1,2,4\nin k float 0,1,3,4\nin v float 0,1,3,4\ny = Attention(q, k, v)", "[0,1,2,4]"},
		{23, "in q float 1,1,0,4\nin k float 1,1,3,4\nin v float 1,1,3,4\ny = Attention(q, k, v)", "[1,1,0,4]"},
		{23, "in x float 0,1,2,4\nin c float 3,2\nin s float 3,2\nin p int64 0,2\ny = RotaryEmbedding(x, c, s, p)", "[0,1,2,4]"},
		{13, "in x float 0,3\nin s float -\ny = QuantizeLinear(x, s)", "[0,3]"},
		{13, "in x uint8 0,3\nin s float -\ny = DequantizeLinear(x, s)", "[0,3]"},
		{13, "in x float 0,3\ny, s, z = DynamicQuantizeLinear(x)", "[0,3]"},
		{13, "in x float 0,3\nin t int64 0\ny = NegativeLogLikelihoodLoss(x, t) reduction=\"none\"", "[0]"},
		{13, "in x float 0,3\nin t int64 0\ny = SoftmaxCrossEntropyLoss(x, t) reduction=\"none\"", "[0]"},
		{13, "in x float 0,3,3\ny = Det(x)", "[0]"},
		{13, "in x float 0,3\nin z float 3,2\ny = Einsum(x, z) equation=\"ij,jk->ik\"", "[0,2]"},
		{17, "in x float 0,4,1\ny = DFT(x)", "[0,4,2]"},
		{17, "in x float 0,8,1\nin s int64 -\nin w float 4\ny = STFT(x, s, w)", "[0,5,3,2]"},
		{17, "in x float 2,8\nin s int64 -\nin w float 4\ny = STFT(x, s, w)", "[2,5,3,2]"},
		{13, "in b float 1,0,4\nin s float 1,2,0\nin m int64 1\ny = NonMaxSuppression(b, s, m)", "[0,3]"},
		{13, "in x float 2,0\nin l int64 0\ny = ReverseSequence(x, l)", "[2,0]"},
		{14, "in x float 0,3,3\ny = Trilu(x)", "[0,3,3]"},
		{13, "in x float 0,3\nin s int64 2\ny = Expand(x, s)", "[0,3]"},
		{13, "in x float 0,3\ny = Shape(x)", "[2]"},
		{13, "in x float 0,0\ny = EyeLike(x)", "[0,0]"},
		{13, "in x float 0,3\ny = Dropout(x)", "[0,3]"},
		{18, "in x float 0,3\nin a int64 1\ny = ReduceMean(x, a)", "[0,1]"},
		{13, "in x float 0,3\ny = IsNaN(x)", "[0,3]"},
		{13, "in x float 0,3\ny = Cast(x) to=7", "[0,3]"},
		{13, "in x float 0,3\nin z float 3\ny = PRelu(x, z)", "[0,3]"},
	} {
		m := graph(t, tc.opset, tc.src+"\nout y")
		p, err := Compile(m, Options{})
		if err != nil {
			t.Errorf("%s: %v", tc.src, err)
			continue
		}
		inputs := inputsFor(p)
		for _, v := range inputs {
			if d, ok := v.Data.(onnx.Slice[int64]); ok && len(d) > 0 && !strings.Contains(tc.src, "CumSum") {
				for i := range d {
					d[i] = 1
				}
			}
			if d, ok := v.Data.(onnx.Slice[int64]); ok && (strings.Contains(tc.src, "Reshape") || strings.Contains(tc.src, "Resize")) {
				d[0] = 0
			}
			if d, ok := v.Data.(onnx.Slice[float64]); ok && len(d) == 3 && strings.Contains(tc.src, "in s float 3") {
				copy(d, []float64{1, 1, 1})
			}
		}
		r, err := p.Run(context.Background(), inputs)
		if err != nil {
			t.Errorf("%s: %v", tc.src, err)
			continue
		}
		if got := strings.ReplaceAll(fmt.Sprint(r.Outputs[0].Dims), " ", ","); got != tc.want {
			t.Errorf("%s: shape %s, want %s", tc.src, got, tc.want)
		}
	}
}

// TestOldVersionsOfOperators: what they took other types of.
func TestOldVersionsOfOperators(t *testing.T) {
	pick := tensor(t, "x", []float32{3, -4, 0, 2}, 1, 1, 4)
	for _, e := range []edge{
		{"Cast-1 by name", 1, "in x float 1,1,4\ny = Cast(x) to=\"INT32\"\nout y", []*onnx.Tensor{pick}, []float64{3, -4, 0, 2}, "", nil},
		{"LpPool-1 with a fraction", 1, "in x float 1,1,4\ny = LpPool(x) p=2.0 kernel_shape=2,\nout y", []*onnx.Tensor{pick}, []float64{5, 4, 2}, "", nil},
		{"LpPool-1 by 1.5", 1, "in x float 1,1,4\ny = LpPool(x) p=1.5 kernel_shape=4,\nout y", []*onnx.Tensor{pick}, []float64{math.Pow(math.Pow(3, 1.5)+8+math.Pow(2, 1.5), 1/1.5)}, "", nil},
		{"GlobalLpPool-1", 1, "in x float 1,1,4\ny = GlobalLpPool(x) p=1.0\nout y", []*onnx.Tensor{pick}, []float64{9}, "", nil},
		{"Tile-1 along an axis", 1, "in x float 2\nin n float -\nin a float -\ny = Tile(x, n, a)\nout y", []*onnx.Tensor{tensor(t, "x", []float32{1, 2}, 2), tensor(t, "n", []float32{2}), tensor(t, "a", []float32{0})}, []float64{1, 2, 1, 2}, "", nil},
		{"Scatter, withdrawn since opset 11", 11, "in x float 2\nin i int64 1\nin u float 1\ny = Scatter(x, i, u)\nout y", []*onnx.Tensor{tensor(t, "x", []float32{1, 2}, 2), tensor(t, "i", []int64{1}, 1), tensor(t, "u", []float32{9}, 1)}, []float64{1, 9}, "", nil},
	} {
		t.Run(e.name, e.check)
	}
	if _, err := Compile(graph(t, 1, "in x float 2\ny = Cast(x) to=7\nout y"), Options{}); err == nil || !strings.Contains(err.Error(), "INT, want STRING") {
		t.Errorf("Cast-1 by number: error %v", err)
	}
}
