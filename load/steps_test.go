package load

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness/child"
)

// drawn is a node of one operator with inputs, all of them the model's.
type drawn struct {
	in    []*onnx.Tensor // nil where it is left out
	outs  int
	attrs []onnx.Attr
	known []int // inputs that are constants
}

// model is a graph of the node alone.
func (d drawn) model(t testing.TB, op string, opset int64) (*onnx.Model, []*onnx.Tensor) {
	t.Helper()
	n := &pb.NodeProto{OpType: proto.String(op)}
	g := &pb.GraphProto{Name: proto.String("g"), Node: []*pb.NodeProto{n}}
	var inputs []*onnx.Tensor
	for i, x := range d.in {
		if x == nil {
			n.Input = append(n.Input, "")
			continue
		}
		named := *x
		named.Name = fmt.Sprint("x", i)
		n.Input = append(n.Input, named.Name)
		if slices.Contains(d.known, i) {
			g.Initializer = append(g.Initializer, named.Proto())
			continue
		}
		inputs = append(inputs, &named)
		g.Input = append(g.Input, &pb.ValueInfoProto{Name: proto.String(named.Name), Type: onnx.Type{Elem: x.Type(), Dims: fixedDims(x.Dims)}.Proto()})
	}
	for i := range max(d.outs, 1) {
		n.Output = append(n.Output, fmt.Sprint("y", i))
	}
	for _, a := range d.attrs {
		n.Attribute = append(n.Attribute, a.Proto())
	}
	m := &pb.ModelProto{IrVersion: proto.Int64(10), Graph: g, OpsetImport: []*pb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(opset)}}}
	types, _ := infer.Types(m)
	for _, name := range n.Output {
		g.Output = append(g.Output, &pb.ValueInfoProto{Name: proto.String(name), Type: types[name].Proto()})
	}
	b, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: m, Bytes: b}, inputs
}

// hold compares outputs of any type with the reference: floats within its screen, all else to the last bit.
func hold(t *testing.T, m *onnx.Model, inputs, got []*onnx.Tensor) {
	t.Helper()
	want, err := reference.Run(m, inputs)
	if _, unsupported := errors.AsType[*onnx.UnsupportedError](err); unsupported {
		t.Skip(err) // ONNX's own data are the judge
	}
	if err != nil {
		t.Fatal(err)
	}
	for k, w := range want {
		rounded, err := w.Tensor()
		if err != nil {
			t.Fatal(err)
		}
		g := got[k]
		if g.Type() != rounded.Type() || !slices.Equal(g.Dims, w.Dims) {
			t.Errorf("output %d is %v%v, want %v%v", k, g.Type(), g.Dims, rounded.Type(), w.Dims)
			continue
		}
		if !isFloat(g.Type()) && !isHalf(g.Type()) {
			if !g.Data.Equal(rounded.Data) {
				t.Errorf("output %d is %v, want %v", k, g.Data, rounded.Data)
			}
			continue
		}
		r := floats(g)
		for i := range r {
			if v := w.Float(i); !(math.Abs(r[i]-v) <= w.Screen(i)) && !(r[i] == v) && !(r[i] != r[i] && v != v) {
				t.Errorf("output %d: element %d is %v, want %v within %g", k, i, r[i], v, w.Screen(i))
				break
			}
		}
	}
}

// dice draws what nodes are made of.
type dice struct {
	*rand.Rand
	t testing.TB
}

func (d dice) dims(least, most int) []int {
	dims := make([]int, least+d.IntN(most-least+1))
	for i := range dims {
		dims[i] = 1 + d.IntN(4)
	}
	return dims
}

func (d dice) floats(dims ...int) *onnx.Tensor {
	x := make([]float32, product(dims))
	for i := range x {
		x[i] = float32(d.NormFloat64())
	}
	return onnxtest.Tensor(d.t, "", x, dims...)
}

func (d dice) positive(dims ...int) *onnx.Tensor {
	x := d.floats(dims...)
	for i, v := range x.Data.(onnx.Slice[float32]) {
		x.Data.(onnx.Slice[float32])[i] = 0.1 + float32(math.Abs(float64(v)))
	}
	return x
}

func integersOf[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](d dice, dims ...int) *onnx.Tensor {
	x := make([]T, product(dims))
	for i := range x {
		x[i] = T(d.Uint64())
	}
	return onnxtest.Tensor(d.t, "", x, dims...)
}

// integers are of any of the eight types, all of their bits drawn.
func (d dice) integers(dims ...int) *onnx.Tensor {
	return []func(dice, ...int) *onnx.Tensor{integersOf[int8], integersOf[int16], integersOf[int32], integersOf[int64],
		integersOf[uint8], integersOf[uint16], integersOf[uint32], integersOf[uint64]}[d.IntN(8)](d, dims...)
}

// below draws int64 from 0 to n-1, or from -n on.
func (d dice) below(n int, negative bool, dims ...int) *onnx.Tensor {
	x := make([]int64, product(dims))
	for i := range x {
		if x[i] = int64(d.IntN(n)); negative && d.IntN(2) == 0 {
			x[i] -= int64(n)
		}
	}
	return onnxtest.Tensor(d.t, "", x, dims...)
}

func (d dice) list(v ...int64) *onnx.Tensor { return onnxtest.Tensor(d.t, "", v, len(v)) }
func (d dice) number(v int64) *onnx.Tensor  { return onnxtest.Tensor(d.t, "", []int64{v}) }
func (d dice) flags(dims ...int) *onnx.Tensor {
	x := make([]bool, product(dims))
	for i := range x {
		x[i] = d.IntN(2) == 0
	}
	return onnxtest.Tensor(d.t, "", x, dims...)
}

func (d dice) one(names ...string) string { return names[d.IntN(len(names))] }
func (d dice) flag() int64                { return int64(d.IntN(2)) }

// same draws again, of the same type, without zeros.
func (d dice) same(x *onnx.Tensor, dims ...int) *onnx.Tensor {
	w, _ := onnx.MakeData(x.Type(), product(dims))
	y := w.Wide()
	switch y := y.(type) {
	case onnx.Slice[int64]:
		for i := range y {
			y[i] = int64(1 + d.IntN(100))
			if d.IntN(2) == 0 {
				y[i] = -y[i]
			}
		}
	case onnx.Slice[uint64]:
		for i := range y {
			y[i] = uint64(1 + d.IntN(100))
		}
	}
	w, _ = onnx.Narrow(x.Type(), y)
	t, err := onnx.TensorOf("", w, dims...)
	if err != nil {
		d.t.Fatal(err)
	}
	return t
}

func (d dice) bytes(signed bool, dims ...int) *onnx.Tensor {
	if signed {
		return integersOf[int8](d, dims...)
	}
	return integersOf[uint8](d, dims...)
}

// shifts are how far bits of unsigned integers are shifted, at most as many as all have.
func (d dice) shifts(x *onnx.Tensor) *onnx.Tensor {
	s := d.same(x, x.Dims...)
	t, err := cast(s, pb.TensorProto_INT64)
	if err != nil {
		d.t.Fatal(err)
	}
	for i, v := range t.Data.(onnx.Slice[int64]) {
		t.Data.(onnx.Slice[int64])[i] = v % 8
	}
	if t, err = cast(t, x.Type()); err != nil {
		d.t.Fatal(err)
	}
	return t
}

// drawings are the operators that are carried out on tensors, with a way to draw a node of each, and the opset.
var drawings = map[string]struct {
	opset int64
	draw  func(d dice) drawn
}{
	"Add": {14, whole2}, "Sub": {14, whole2}, "Mul": {14, whole2}, "Div": {14, whole2}, "Max": {13, whole2}, "Min": {13, whole2},
	"Less": {13, whole2}, "LessOrEqual": {16, whole2}, "Greater": {13, whole2}, "GreaterOrEqual": {16, whole2}, "Equal": {13, whole2},
	"BitwiseAnd": {18, whole2}, "BitwiseOr": {18, whole2}, "BitwiseXor": {18, whole2},
	"BitwiseNot": {18, func(d dice) drawn { return drawn{in: []*onnx.Tensor{d.integers(d.dims(1, 3)...)}} }},
	"Abs":        {13, func(d dice) drawn { return drawn{in: []*onnx.Tensor{d.integers(d.dims(1, 3)...)}} }},
	"Sign":       {13, func(d dice) drawn { return drawn{in: []*onnx.Tensor{d.integers(d.dims(1, 3)...)}} }},
	"Mod": {13, func(d dice) drawn {
		n := whole2(d)
		if t := n.in[0].Type(); t != pb.TensorProto_INT64 && t != pb.TensorProto_UINT64 { // ONNX Runtime goes by way of float64 there
			n.attrs = []onnx.Attr{onnx.Int("fmod", d.flag())}
		}
		return n
	}},
	"BitShift": {11, func(d dice) drawn {
		x := []*onnx.Tensor{integersOf[uint8](d, 3, 4), integersOf[uint16](d, 12), integersOf[uint32](d, 2, 6), integersOf[uint64](d, 5)}[d.IntN(4)]
		return drawn{in: []*onnx.Tensor{x, d.shifts(x)}, attrs: []onnx.Attr{onnx.String("direction", d.one("LEFT", "RIGHT"))}}
	}},
	"Cast": {13, func(d dice) drawn {
		to := []pb.TensorProto_DataType{pb.TensorProto_INT8, pb.TensorProto_INT32, pb.TensorProto_INT64, pb.TensorProto_UINT16, pb.TensorProto_UINT32, pb.TensorProto_UINT64, pb.TensorProto_FLOAT, pb.TensorProto_DOUBLE, pb.TensorProto_BOOL}
		return drawn{in: []*onnx.Tensor{d.integers(d.dims(1, 3)...)}, attrs: []onnx.Attr{onnx.Int("to", int64(to[d.IntN(len(to))]))}}
	}},
	"Clip": {13, func(d dice) drawn {
		x := d.integers(d.dims(1, 3)...)
		return drawn{in: []*onnx.Tensor{x, nil, d.same(x)}}
	}},
	"ReduceSum": {13, func(d dice) drawn {
		x := []*onnx.Tensor{integersOf[int32](d, 2, 3, 4), integersOf[uint64](d, 3, 4), integersOf[int64](d, 5), integersOf[uint32](d, 2, 2)}[d.IntN(4)]
		x = d.same(x, x.Dims...) // where sums wrap round ONNX Runtime has the largest number
		return drawn{in: []*onnx.Tensor{x, d.list(int64(d.IntN(len(x.Dims))))}, attrs: []onnx.Attr{onnx.Int("keepdims", d.flag())}, known: []int{1}}
	}},
	"ReduceMax": {18, func(d dice) drawn {
		x := []*onnx.Tensor{integersOf[int32](d, 2, 3, 4), integersOf[uint64](d, 3, 4), integersOf[int8](d, 5), integersOf[uint8](d, 2, 2)}[d.IntN(4)]
		return drawn{in: []*onnx.Tensor{x, d.list(int64(d.IntN(len(x.Dims))))}, attrs: []onnx.Attr{onnx.Int("keepdims", d.flag())}, known: []int{1}}
	}},
	"ArgMax": {13, func(d dice) drawn {
		x := d.integers(2, 3, 4)
		return drawn{in: []*onnx.Tensor{x}, attrs: []onnx.Attr{onnx.Int("axis", int64(d.IntN(6)-3)), onnx.Int("keepdims", d.flag()), onnx.Int("select_last_index", d.flag())}}
	}},
	"Range": {11, func(d dice) drawn {
		from := int64(d.IntN(20) - 10)
		return drawn{in: []*onnx.Tensor{d.number(from), d.number(from + int64(d.IntN(20)) - 10), d.number([]int64{1, 2, 3, -1, -3}[d.IntN(5)])}}
	}},
	"GatherElements": {13, func(d dice) drawn {
		x := d.dims(1, 3)
		axis := d.IntN(len(x))
		at := slices.Clone(x)
		at[axis] = 1 + d.IntN(4)
		return drawn{in: []*onnx.Tensor{d.floats(x...), d.below(x[axis], true, at...)}, attrs: []onnx.Attr{onnx.Int("axis", int64(axis))}}
	}},
	"ScatterElements": {18, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(3, 5), d.below(3, true, 2, 5), d.floats(2, 5)}, attrs: []onnx.Attr{onnx.String("reduction", d.one("add", "mul", "max", "min"))}}
	}},
	"GatherND": {13, func(d dice) drawn {
		k, batch := 1+d.IntN(2), d.IntN(2)
		at := []int{2, 3, k}
		return drawn{in: []*onnx.Tensor{d.floats(2, 2, 2, 3), d.below(2, true, at...)}, attrs: []onnx.Attr{onnx.Int("batch_dims", int64(batch))}}
	}},
	"ScatterND": {18, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{integersOf[int32](d, 4, 3), d.below(4, true, 5, 1), integersOf[int32](d, 5, 3)}, attrs: []onnx.Attr{onnx.String("reduction", d.one("add", "mul", "max", "min"))}}
	}},
	"OneHot": {13, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.below(4, true, d.dims(1, 2)...), d.number(4), d.floats(2)}, attrs: []onnx.Attr{onnx.Int("axis", int64(d.IntN(3)-1))}}
	}},
	"NonZero": {13, func(d dice) drawn { return drawn{in: []*onnx.Tensor{d.flags(d.dims(1, 3)...)}} }},
	"Compress": {11, func(d dice) drawn {
		if d.IntN(2) == 0 {
			return drawn{in: []*onnx.Tensor{d.floats(2, 3), d.flags(5)}}
		}
		return drawn{in: []*onnx.Tensor{d.floats(2, 3, 2), d.flags(3)}, attrs: []onnx.Attr{onnx.Int("axis", 1)}}
	}},
	"Unique": {11, func(d dice) drawn {
		attrs := []onnx.Attr{onnx.Int("sorted", d.flag())}
		if d.IntN(2) == 0 {
			attrs = append(attrs, onnx.Int("axis", int64(d.IntN(2))))
		}
		return drawn{in: []*onnx.Tensor{d.below(2, true, 3, 4)}, outs: 4, attrs: attrs}
	}},
	"TopK": {11, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(3, 4, 2), d.list(int64(d.IntN(3)))}, outs: 2, attrs: []onnx.Attr{onnx.Int("axis", int64(d.IntN(3)%2)), onnx.Int("largest", d.flag())}}
	}},
	"CumSum": {14, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{integersOf[int64](d, 3, 4), d.number(int64(d.IntN(4) - 2))}, attrs: []onnx.Attr{onnx.Int("exclusive", d.flag()), onnx.Int("reverse", d.flag())}}
	}},
	"Trilu": {14, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.integers(2, 3, 4), d.number(int64(d.IntN(9) - 4))}, attrs: []onnx.Attr{onnx.Int("upper", d.flag())}}
	}},
	"EyeLike": {9, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(3, 4)}, attrs: []onnx.Attr{onnx.Int("k", int64(d.IntN(7)-3)), onnx.Int("dtype", int64(pb.TensorProto_INT32))}}
	}},
	"ReverseSequence": {10, func(d dice) drawn {
		at := d.flag()
		return drawn{in: []*onnx.Tensor{d.floats(4, 4, 2), d.below(5, false, 4)}, attrs: []onnx.Attr{onnx.Int("time_axis", at), onnx.Int("batch_axis", 1-at)}}
	}},
	"Hardmax": {13, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(3, 4, 2)}, attrs: []onnx.Attr{onnx.Int("axis", int64(d.IntN(3)))}}
	}},
	"Conv": {11, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(2, 4, 5, 4, 6), d.floats(6, 2, 3, 2, 2), d.floats(6)}, attrs: []onnx.Attr{onnx.Int("group", 2),
			onnx.Ints("strides", 1+d.flag(), 1+d.flag(), 1), onnx.Ints("dilations", 1+d.flag(), 1, 1+d.flag()), onnx.Ints("pads", d.flag(), 0, 1, d.flag(), 1, 0)}}
	}},
	"ConvTranspose": {11, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(1, 4, 2, 3, 2), d.floats(4, 3, 3, 2, 2), d.floats(6)}, attrs: []onnx.Attr{onnx.Int("group", 2),
			onnx.Ints("strides", 2, 2, 1+d.flag()), onnx.Ints("dilations", 1, 1+d.flag(), 1), onnx.Ints("pads", d.flag(), 0, 0, d.flag(), 0, 0), onnx.Ints("output_padding", d.flag(), d.flag(), 0)}}
	}},
	"MaxPool": {12, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(2, 2, 7, 6)}, outs: 2, attrs: []onnx.Attr{onnx.Ints("kernel_shape", 3, 2), onnx.Ints("strides", 1+d.flag(), 2), onnx.Ints("pads", d.flag(), 0, 1, 1),
			onnx.Int("ceil_mode", d.flag()), onnx.Int("storage_order", d.flag()), onnx.Ints("dilations", 1+d.flag(), 1)}}
	}},
	"LpPool": {18, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(2, 2, 7, 6)}, attrs: []onnx.Attr{onnx.Ints("kernel_shape", 3, 2), onnx.Ints("strides", 1+d.flag(), 2), onnx.Int("p", 1+int64(d.IntN(3)))}}
	}},
	"GlobalLpPool": {2, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(2, 3, 4, 2)}, attrs: []onnx.Attr{onnx.Int("p", 1+int64(d.IntN(3)))}}
	}},
	"QuantizeLinear": {21, func(d dice) drawn {
		signed := d.IntN(2) == 0
		if d.IntN(2) == 0 {
			return drawn{in: []*onnx.Tensor{d.floats(3, 4), d.positive(), d.bytes(signed)}}
		}
		return drawn{in: []*onnx.Tensor{d.floats(3, 4), d.positive(3), d.bytes(signed, 3)}, attrs: []onnx.Attr{onnx.Int("axis", 0)}}
	}},
	"DequantizeLinear": {21, func(d dice) drawn {
		signed := d.IntN(2) == 0
		switch d.IntN(3) {
		case 0:
			return drawn{in: []*onnx.Tensor{d.bytes(signed, 3, 4), d.positive(), d.bytes(signed)}}
		case 1:
			return drawn{in: []*onnx.Tensor{d.bytes(signed, 3, 4), d.positive(3), d.bytes(signed, 3)}, attrs: []onnx.Attr{onnx.Int("axis", 0)}}
		}
		return drawn{in: []*onnx.Tensor{d.bytes(signed, 3, 5), d.positive(3, 3), d.bytes(signed, 3, 3)}, attrs: []onnx.Attr{onnx.Int("axis", 1), onnx.Int("block_size", 2)}}
	}},
	"DynamicQuantizeLinear": {11, func(d dice) drawn { return drawn{in: []*onnx.Tensor{d.floats(3, 4)}, outs: 3} }},
	"MatMulInteger": {10, func(d dice) drawn {
		a, w := d.IntN(2) == 0, d.IntN(2) == 0
		in := []*onnx.Tensor{d.bytes(a, 2, 3, 4), d.bytes(w, 4, 5), d.bytes(a), d.bytes(w)}
		if d.IntN(2) == 0 {
			in[3] = d.bytes(w, 5)
		}
		return drawn{in: in}
	}},
	"MatMul": {13, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{integersOf[int32](d, 2, 1, 3, 4), integersOf[int32](d, 3, 4, 2)}}
	}},
	"ConvInteger": {10, func(d dice) drawn {
		a, w := d.IntN(2) == 0, d.IntN(2) == 0
		return drawn{in: []*onnx.Tensor{d.bytes(a, 1, 4, 5, 4), d.bytes(w, 4, 2, 3, 2), d.bytes(a), d.bytes(w)}, attrs: []onnx.Attr{onnx.Int("group", 2), onnx.Ints("pads", 1, 0, d.flag(), 1)}}
	}},
	"QLinearMatMul": {10, func(d dice) drawn {
		s := d.IntN(2) == 0
		scale := func() *onnx.Tensor { return onnxtest.Tensor(d.t, "", []float32{float32(0.01 + d.Float64())}) }
		return drawn{in: []*onnx.Tensor{d.bytes(s, 3, 4), scale(), d.bytes(s), d.bytes(s, 4, 2), scale(), d.bytes(s), onnxtest.Tensor(d.t, "", []float32{50 + float32(d.IntN(9))}), d.bytes(s)}}
	}},
	"QLinearConv": {10, func(d dice) drawn {
		s := d.IntN(2) == 0
		scale := func(n ...int) *onnx.Tensor { return d.positive(n...) }
		return drawn{in: []*onnx.Tensor{d.bytes(s, 1, 2, 5, 4), scale(), d.bytes(s), d.bytes(s, 3, 2, 2, 2), scale(3), d.bytes(s, 3), onnxtest.Tensor(d.t, "", []float32{100}), d.bytes(s), onnxtest.Tensor(d.t, "", []int32{5, -700, int32(d.IntN(1000))}, 3)},
			attrs: []onnx.Attr{onnx.Ints("strides", 1+d.flag(), 1)}}
	}},
	"NegativeLogLikelihoodLoss": {13, loss}, "SoftmaxCrossEntropyLoss": {13, loss},
	"LRN": {13, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(2, 5, 3, 1)}, attrs: []onnx.Attr{onnx.Int("size", 1+2*int64(d.IntN(3))), onnx.Float("alpha", 0.1), onnx.Float("bias", 2)}}
	}},
	"LpNormalization": {1, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(3, 4, 2)}, attrs: []onnx.Attr{onnx.Int("axis", int64(d.IntN(3))), onnx.Int("p", 1+d.flag())}}
	}},
	"RMSNormalization": {23, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(3, 4, 2), d.floats(4, 2)}, attrs: []onnx.Attr{onnx.Int("axis", 1)}}
	}},
	"BatchNormalization": {15, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(3, 4, 2), d.floats(4), d.floats(4), d.floats(4), d.positive(4)}, outs: 3, attrs: []onnx.Attr{onnx.Int("training_mode", 1), onnx.Float("momentum", 0.75)}}
	}},
	"RNN": {14, func(d dice) drawn { return recurrent(d, 1) }}, "GRU": {14, func(d dice) drawn { return recurrent(d, 3) }}, "LSTM": {14, func(d dice) drawn { return recurrent(d, 4) }},
	"NonMaxSuppression": {11, func(d dice) drawn {
		f := func(v float32) *onnx.Tensor { return onnxtest.Tensor(d.t, "", []float32{v}) }
		return drawn{in: []*onnx.Tensor{d.floats(2, 6, 4), d.floats(2, 3, 6), d.list(int64(1 + d.IntN(4))), f(0.3), f(-0.5)}, attrs: []onnx.Attr{onnx.Int("center_point_box", 0)}}
	}},
	"RoiAlign": {16, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(2, 2, 6, 5), onnxtest.Tensor(d.t, "", []float32{0.3, 0.4, 3.7, 4.6, 1.1, 0.2, 4.3, 2.9}, 2, 4), d.below(2, false, 2)}, attrs: []onnx.Attr{onnx.String("mode", d.one("avg", "max")),
			onnx.Int("output_height", 2), onnx.Int("output_width", 3), onnx.Int("sampling_ratio", int64(d.IntN(3))), onnx.String("coordinate_transformation_mode", d.one("half_pixel", "output_half_pixel"))}}
	}},
	"GridSample": {20, func(d dice) drawn {
		g := d.floats(2, 3, 2, 2)
		return drawn{in: []*onnx.Tensor{d.floats(2, 2, 4, 5), g}, attrs: []onnx.Attr{onnx.String("mode", d.one("linear", "cubic")),
			onnx.String("padding_mode", d.one("zeros", "border", "reflection")), onnx.Int("align_corners", d.flag())}}
	}},
	"AffineGrid": {20, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(2, 2, 3), d.list(2, 3, 4, 5)}, attrs: []onnx.Attr{onnx.Int("align_corners", d.flag())}}
	}},
	"CenterCropPad": {18, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.integers(4, 5), d.list(int64(1+d.IntN(8)), int64(1+d.IntN(8)))}}
	}},
	"Col2Im": {18, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(2, 12, 12), d.list(5, 4), d.list(2, 2)}, attrs: []onnx.Attr{onnx.Ints("strides", 1, 1)}}
	}},
	"Einsum": {12, func(d dice) drawn {
		switch d.IntN(4) {
		case 0:
			return drawn{in: []*onnx.Tensor{d.floats(2, 3, 4), d.floats(2, 4, 5)}, attrs: []onnx.Attr{onnx.String("equation", "bij, bjk -> bik")}}
		case 1:
			return drawn{in: []*onnx.Tensor{d.floats(2, 3, 3)}, attrs: []onnx.Attr{onnx.String("equation", "...ii->...i")}}
		case 2:
			return drawn{in: []*onnx.Tensor{d.floats(3, 4), d.floats(4), d.floats(3)}, attrs: []onnx.Attr{onnx.String("equation", "ab,b,a")}}
		}
		return drawn{in: []*onnx.Tensor{d.floats(2, 1, 3, 4), d.floats(5, 4, 2)}, attrs: []onnx.Attr{onnx.String("equation", "...xy,...yz")}}
	}},
	"Attention": {24, func(d dice) drawn {
		in := []*onnx.Tensor{d.floats(2, 4, 3, 5), d.floats(2, 2, 6, 5), d.floats(2, 2, 6, 4), nil}
		if d.IntN(2) == 0 {
			in[3] = d.floats(3, 6)
		}
		return drawn{in: in, attrs: []onnx.Attr{onnx.Int("is_causal", d.flag()), onnx.Float("softcap", float32(2*d.flag())), onnx.Float("scale", 0.4)}}
	}},
	"RotaryEmbedding": {23, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(2, 3, 4, 6), d.floats(5, 2), d.floats(5, 2), d.below(5, false, 2, 4)}, attrs: []onnx.Attr{onnx.Int("rotary_embedding_dim", 4), onnx.Int("interleaved", d.flag())}}
	}},
	"TensorScatter": {24, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(2, 3, 5, 4), d.floats(2, 3, 2, 4), d.below(4, false, 2)}, attrs: []onnx.Attr{onnx.String("mode", d.one("linear", "circular"))}}
	}},
	"DFT": {20, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(2, 5, 1+d.IntN(2)), nil, d.number(1)}, attrs: []onnx.Attr{onnx.Int("inverse", d.flag())}}
	}},
	"STFT": {17, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(2, 16, 1), d.number(3), d.positive(6)}, attrs: []onnx.Attr{onnx.Int("onesided", d.flag())}}
	}},
	"HannWindow": {17, window}, "HammingWindow": {17, window}, "BlackmanWindow": {17, window},
	"MelWeightMatrix": {17, func(d dice) drawn {
		f := func(v float32) *onnx.Tensor { return onnxtest.Tensor(d.t, "", []float32{v}) }
		return drawn{in: []*onnx.Tensor{d.number(int64(1 + d.IntN(8))), d.number(16), d.number(8192), f(0), f(4096)}}
	}},
	"BitCast": {26, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{integersOf[uint32](d, 3, 4)}, attrs: []onnx.Attr{onnx.Int("to", int64(pb.TensorProto_INT32))}}
	}},
	"CausalConvWithState": {27, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(2, 3, 5), d.floats(3, 1, 4), d.floats(3), d.floats(2, 3, 3)}, outs: 2, attrs: []onnx.Attr{onnx.String("activation", d.one("none", "silu"))}}
	}},
	"LinearAttention": {27, func(d dice) drawn {
		rule := d.one("linear", "gated", "delta", "gated_delta")
		in := []*onnx.Tensor{d.floats(2, 3, 8), d.floats(2, 3, 4), d.floats(2, 3, 6), d.floats(2, 2, 2, 3), nil, nil}
		if strings.HasPrefix(rule, "gated") {
			in[4] = d.floats(2, 3, 2*(1+int(d.flag())))
		}
		if strings.HasSuffix(rule, "delta") {
			in[5] = d.positive(2, 3, 2)
		}
		return drawn{in: in, outs: 2, attrs: []onnx.Attr{onnx.Int("q_num_heads", 4), onnx.Int("kv_num_heads", 2), onnx.String("update_rule", rule)}}
	}},
	"DeformConv": {19, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.floats(1, 4, 5, 6), d.floats(2, 2, 2, 3), d.floats(1, 24, 4, 4), d.floats(2), d.floats(1, 12, 4, 4)}, attrs: []onnx.Attr{onnx.Int("group", 2), onnx.Int("offset_group", 2)}}
	}},
	"StringConcat": {20, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{onnxtest.Tensor(d.t, "", []string{"a", "", "ü"}, 3), onnxtest.Tensor(d.t, "", []string{"x", "yz"}, 2, 1)}}
	}},
	"StringSplit": {20, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{onnxtest.Tensor(d.t, "", []string{" a b  c ", "", "a,b,,c", "x"}, 2, 2)}, outs: 2,
			attrs: []onnx.Attr{onnx.String("delimiter", d.one("", ",", " ", "a")), onnx.Int("maxsplit", int64(1+d.IntN(3)))}}
	}},
	"StringNormalizer": {10, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{onnxtest.Tensor(d.t, "", []string{"Monday", "tuesday", "WEDNESDAY"}, 3)},
			attrs: []onnx.Attr{onnx.String("case_change_action", d.one("NONE", "LOWER", "UPPER")), onnx.Int("is_case_sensitive", d.flag()), onnx.Strings("stopwords", "monday", "WEDNESDAY")}}
	}},
	"RegexFullMatch": {20, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{onnxtest.Tensor(d.t, "", []string{"www.google.com", "a", ""}, 3)}, attrs: []onnx.Attr{onnx.String("pattern", d.one(`www\.[\w.-]+\.\bcom\b`, "a|b", ""))}}
	}},
	"TfIdfVectorizer": {9, func(d dice) drawn {
		return drawn{in: []*onnx.Tensor{d.below(4, false, 2, 7)}, attrs: []onnx.Attr{onnx.Int("min_gram_length", 1+d.flag()), onnx.Int("max_gram_length", 2), onnx.Int("max_skip_count", int64(d.IntN(4))),
			onnx.String("mode", d.one("TF", "IDF", "TFIDF")), onnx.Ints("ngram_counts", 0, 3), onnx.Ints("ngram_indexes", 0, 1, 2, 3, 4), onnx.Ints("pool_int64s", 1, 2, 3, 1, 2, 0, 3),
			onnx.Floats("weights", 0.5, 2, 3, 0.25, 1.5)}}
	}},
	"Det": {11, func(d dice) drawn { return drawn{in: []*onnx.Tensor{d.floats(2, 3, 3)}} }},
}

// whole2 is two tensors of integers that broadcast, the second without zeros.
func whole2(d dice) drawn {
	x := d.integers(2, 1, 4)
	return drawn{in: []*onnx.Tensor{x, d.same(x, 3, 1)}}
}

func loss(d dice) drawn {
	attrs := []onnx.Attr{onnx.String("reduction", d.one("none", "mean", "sum"))}
	if d.IntN(2) == 0 {
		attrs = append(attrs, onnx.Int("ignore_index", 1))
	}
	in := []*onnx.Tensor{d.floats(2, 3, 4), d.below(3, false, 2, 4), d.positive(3)}
	return drawn{in: in[:2+d.IntN(2)], attrs: attrs}
}

func window(d dice) drawn {
	return drawn{in: []*onnx.Tensor{d.number(int64(2 + d.IntN(9)))}, attrs: []onnx.Attr{onnx.Int("periodic", d.flag())}}
}

// recurrent is a cell of so many gates, with lengths, first states and, for an LSTM, peepholes.
func recurrent(d dice, gates int) drawn {
	const steps, batch, in, hidden = 4, 3, 2, 5
	way := d.one("forward", "reverse", "bidirectional")
	ways := 1
	if way == "bidirectional" {
		ways = 2
	}
	layout := d.flag()
	x, state := []int{steps, batch, in}, []int{ways, batch, hidden}
	if layout == 1 {
		x, state = []int{batch, steps, in}, []int{batch, ways, hidden}
	}
	lengths := onnxtest.Tensor(d.t, "", []int32{4, int32(1 + d.IntN(4)), 2}, batch)
	n := drawn{
		in:   []*onnx.Tensor{d.floats(x...), d.floats(ways, gates*hidden, in), d.floats(ways, gates*hidden, hidden), d.floats(ways, 2*gates*hidden), lengths, d.floats(state...)},
		outs: 2, attrs: []onnx.Attr{onnx.Int("hidden_size", hidden), onnx.String("direction", way), onnx.Int("layout", layout)},
	}
	switch gates {
	case 3:
		n.attrs = append(n.attrs, onnx.Int("linear_before_reset", d.flag()))
	case 4:
		n.outs = 3
		n.in = append(n.in, d.floats(state...), d.floats(ways, 3*hidden))
		n.attrs = append(n.attrs, onnx.Int("input_forget", d.flag()))
	}
	return n
}

// TestOperatorsOnTensorsAgreeWithTheReference draws nodes with their inputs and attributes.
func TestOperatorsOnTensorsAgreeWithTheReference(t *testing.T) {
	for op, how := range drawings {
		t.Run(op, func(t *testing.T) {
			for seed := range uint64(12) {
				d := dice{rand.New(rand.NewPCG(seed, 5)), t}
				n := how.draw(d)
				m, inputs := n.model(t, op, how.opset)
				got, err := open(t, m).Run(t.Context(), inputs)
				if err != nil {
					t.Fatalf("drawing %d: %v", seed, err)
				}
				hold(t, m, inputs, got)
				if t.Failed() {
					t.Fatalf("drawing %d: %v of %v", seed, m.Proto.Graph.Node[0], n.in)
				}
			}
		})
	}
}

// TestOperatorsOnTensorsAgreeWithONNXRuntime compares drawings with ONNX Runtime. It starts a process for each, so it runs when
// $PETRIFY_DRAWINGS says how many of each operator.
func TestOperatorsOnTensorsAgreeWithONNXRuntime(t *testing.T) {
	count, err := strconv.ParseUint(os.Getenv("PETRIFY_DRAWINGS"), 10, 8)
	if err != nil {
		t.Skip("PETRIFY_DRAWINGS does not say how many drawings")
	}
	node := child.Node()
	node.Program = witnesstest.Node(t, "onnxruntime-node")
	for _, op := range slices.Sorted(maps.Keys(drawings)) {
		how := drawings[op]
		t.Run(op, func(t *testing.T) {
			if op == "STFT" || op == "DFT" {
				t.Skip("where the transform is zero ONNX Runtime gives the rounding errors of float32")
			}
			for seed := range count {
				m, inputs := how.draw(dice{rand.New(rand.NewPCG(seed, 6)), t}).model(t, op, how.opset)
				got, err := open(t, m).Run(t.Context(), inputs)
				if err != nil {
					t.Fatal(err)
				}
				there, err := node.Open(t.Context(), m)
				if err != nil {
					t.Logf("drawing %d: ONNX Runtime: %.200v", seed, err)
					continue
				}
				want, err := there.Run(t.Context(), inputs)
				there.Close()
				if err != nil {
					t.Logf("drawing %d: ONNX Runtime: %.200v", seed, err)
					continue
				}
				for k := range want {
					if err := sameValues(got[k], want[k]); err != nil {
						t.Errorf("drawing %d, output %d: %v; %v", seed, k, err, m.Proto.Graph.Node[0])
					}
				}
			}
		})
	}
}

// TestHostileNumbersAreErrors puts numbers into attributes and inputs that nobody would write.
func TestHostileNumbersAreErrors(t *testing.T) {
	extremes := []int64{0, -1, 7, 1 << 33, math.MaxInt64, math.MinInt64}
	run := func(what, op string, n drawn, opset int64) {
		defer func() {
			if r := recover(); r != nil {
				t.Errorf("%s of %s: panic: %v", what, op, r)
			}
		}()
		m, inputs := n.model(t, op, opset)
		s, err := Open(m)
		if err != nil {
			return
		}
		s.main.Load().limit, s.main.Load().work = 1<<22, 1<<22
		start := time.Now()
		if _, err := s.Run(t.Context(), inputs); err != nil && strings.Contains(err.Error(), "panic") {
			t.Errorf("%s of %s: %v", what, op, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s of %s took %v", what, op, took)
		}
	}
	for _, op := range slices.Sorted(maps.Keys(drawings)) {
		how := drawings[op]
		for _, v := range extremes {
			n := how.draw(dice{rand.New(rand.NewPCG(3, 5)), t})
			for i, a := range n.attrs {
				changed := n
				changed.attrs = slices.Clone(n.attrs)
				switch p := a.Proto(); {
				case p.Type != nil && p.GetType() == pb.AttributeProto_INT:
					changed.attrs[i] = onnx.Int(p.GetName(), v)
				case p.GetType() == pb.AttributeProto_INTS:
					list := slices.Clone(p.GetInts())
					list[len(list)-1] = v
					changed.attrs[i] = onnx.Ints(p.GetName(), list...)
				case p.GetType() == pb.AttributeProto_FLOAT:
					changed.attrs[i] = onnx.Float(p.GetName(), float32(math.Inf(int(v))))
				default:
					continue
				}
				run(fmt.Sprintf("%s = %d", a.Proto().GetName(), v), op, changed, how.opset)
			}
			for i, x := range n.in {
				if x == nil || x.Len() == 0 {
					continue
				}
				for _, known := range []bool{false, true} {
					changed := n
					changed.in = slices.Clone(n.in)
					changed.in[i] = x.Clone()
					switch w := x.Data.Wide().(type) {
					case onnx.Slice[int64]:
						w[len(w)-1] = v
						changed.in[i].Data, _ = onnx.Narrow(x.Type(), w)
					case onnx.Slice[float64]:
						w[len(w)-1] = []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e30, -1e30, 0}[slices.Index(extremes, v)]
						changed.in[i].Data, _ = onnx.Narrow(x.Type(), w)
					default:
						continue
					}
					if known {
						changed.known = append(slices.Clone(n.known), i)
					}
					run(fmt.Sprintf("input %d with %d", i, v), op, changed, how.opset)
				}
				empty := n
				empty.in = slices.Clone(n.in)
				empty.in[i] = &onnx.Tensor{Dims: slices.Clone(x.Dims), Data: x.Data.Make(0)}
				if len(x.Dims) > 0 {
					empty.in[i].Dims[len(x.Dims)-1] = 0
					run(fmt.Sprintf("input %d without elements", i), op, empty, how.opset)
				}
			}
		}
	}
}
