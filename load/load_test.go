package load

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/reference"
)

func normals(seed uint64, n int, scale float64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * scale)
	}
	return x
}

// generator is the dense GAN's: 100 - 128, LeakyReLU - 784, tanh, as images of one channel. all makes every value an output.
func generator(t testing.TB, all bool) *onnx.Model {
	t.Helper()
	weights := map[string]*onnx.Tensor{
		"fc1.weight": onnxtest.Tensor(t, "", normals(1, 100*128, 0.1), 100, 128),
		"fc1.bias":   onnxtest.Tensor(t, "", normals(2, 128, 0.1), 128),
		"fc2.weight": onnxtest.Tensor(t, "", normals(3, 128*784, 0.1), 128, 784),
		"fc2.bias":   onnxtest.Tensor(t, "", normals(4, 784, 0.1), 784),
	}
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "generator", Param: func(full string) (*onnx.Tensor, error) {
		if w := weights[full]; w != nil {
			return w, nil
		}
		return nil, errors.New("unknown")
	}})
	n := onnx.Symbolic("N")
	x := e.Input("z", pb.TensorProto_FLOAT, n, onnx.Fixed(100))
	var inner []onnx.Value
	keep := func(v onnx.Value) onnx.Value {
		inner = append(inner, v)
		return v
	}
	e.Step("fc1", "fc1")
	x = keep(e.Node("MatMul", "product", []onnx.Value{x, e.Param("weight")}))
	x = keep(e.Node("Add", "", []onnx.Value{x, e.Param("bias", 1, 128)}))
	e.Step("act1", "act1")
	x = keep(e.Node("LeakyRelu", "", []onnx.Value{x}, onnx.Float("alpha", 0.01)))
	e.Step("fc2", "fc2")
	x = keep(e.Node("MatMul", "product", []onnx.Value{x, e.Param("weight")}))
	x = keep(e.Node("Add", "", []onnx.Value{x, e.Param("bias", 1, 784)}))
	e.Step("act2", "act2")
	x = keep(e.Node("Tanh", "", []onnx.Value{x}))
	e.Step("image", "image")
	x = e.Node("Reshape", "", []onnx.Value{x, e.Const("shape", onnxtest.Tensor(t, "", []int64{0, 1, 28, 28}, 4))})
	e.Output(x, pb.TensorProto_FLOAT, n, onnx.Fixed(1), onnx.Fixed(28), onnx.Fixed(28))
	if all {
		for _, v := range inner {
			e.Output(v, pb.TensorProto_FLOAT, n, onnx.Unknown())
		}
	}
	return finish(t, e)
}

func finish(t testing.TB, e *onnx.Emitter) *onnx.Model {
	t.Helper()
	parsed, err := wire.Parse("test", onnxtest.Model(t, e).Bytes, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func open(t testing.TB, m *onnx.Model) *Session {
	t.Helper()
	s, err := Open(m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// agree compares outputs with the reference, with its screen as the limit.
func agree(t *testing.T, m *onnx.Model, inputs, got []*onnx.Tensor) {
	t.Helper()
	want, err := reference.Run(m, inputs)
	if err != nil {
		t.Fatal(err)
	}
	for k, w := range want {
		g := floats(got[k])
		if !slices.Equal(got[k].Dims, w.Dims) || got[k].Name != w.Name || len(g) != w.Len() {
			t.Fatalf("output %s %v, want %s %v", got[k].Name, got[k].Dims, w.Name, w.Dims)
		}
		for i, v := range w.Data.(onnx.Slice[float64]) {
			if !(math.Abs(g[i]-v) <= w.Screen(i)) {
				t.Fatalf("output %s: element %d is %v, want %v within %g", w.Name, i, g[i], v, w.Screen(i))
			}
		}
	}
}

func TestGeneratorAgreesWithTheReference(t *testing.T) {
	for _, all := range []bool{false, true} { // fused, and every value an output
		m := generator(t, all)
		s := open(t, m)
		for _, n := range []int{1, 2, 7, 1024, 1} {
			z := normals(uint64(n), n*100, 1)
			out, err := s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "z", z, n, 100)})
			if err != nil {
				t.Fatal(err)
			}
			rows := min(n, 7) // of the large batch the first and the last
			agree(t, m, []*onnx.Tensor{onnxtest.Tensor(t, "z", z[:rows*100], rows, 100)}, part(t, out, 0, rows))
			agree(t, m, []*onnx.Tensor{onnxtest.Tensor(t, "z", z[(n-rows)*100:], rows, 100)}, part(t, out, n-rows, n))
		}
	}
}

// part are rows lo to hi of tensors whose first axis is the batch.
func part(t *testing.T, ts []*onnx.Tensor, lo, hi int) []*onnx.Tensor {
	var parts []*onnx.Tensor
	for _, v := range ts {
		row := v.Len() / v.Dims[0]
		dims := append([]int{hi - lo}, v.Dims[1:]...)
		parts = append(parts, onnxtest.Tensor(t, v.Name, v.Data.(onnx.Slice[float32])[lo*row:hi*row], dims...))
	}
	return parts
}

// TestOperatorsAgreeWithTheReference runs every operator that computes, over unequal axes, by itself and as its attributes vary.
func TestOperatorsAgreeWithTheReference(t *testing.T) {
	w := func(dims ...int) *onnx.Tensor {
		n := 1
		for _, d := range dims {
			n *= d
		}
		return onnxtest.Tensor(t, "", normals(uint64(n), n, 1), dims...)
	}
	positive := func(n int) *onnx.Tensor {
		v := normals(uint64(n), n, 1)
		for i := range v {
			v[i] = v[i]*v[i] + 0.5
		}
		return onnxtest.Tensor(t, "", v, n)
	}
	axes := func(v ...int64) *onnx.Tensor { return onnxtest.Tensor(t, "", v, len(v)) }
	var none *onnx.Tensor
	type attrs = []onnx.Attr
	for _, test := range []struct {
		op     string
		dims   []int
		consts []*onnx.Tensor
		attrs  attrs
	}{
		{"Add", []int{2, 3, 5}, []*onnx.Tensor{w(3, 1)}, nil},
		{"Sub", []int{3, 1}, []*onnx.Tensor{w(2, 1, 5)}, nil},
		{"Mul", []int{2, 3}, []*onnx.Tensor{w()}, nil},
		{"Div", []int{2, 3}, []*onnx.Tensor{w(2, 3)}, nil},
		{"Exp", []int{3, 5}, nil, nil},
		{"Relu", []int{3, 5}, nil, nil},
		{"Tanh", []int{3, 5}, nil, nil},
		{"Sigmoid", []int{3, 5}, nil, nil},
		{"Softplus", []int{3, 5}, nil, nil},
		{"LeakyRelu", []int{3, 5}, nil, nil},
		{"LeakyRelu", []int{3, 5}, nil, attrs{onnx.Float("alpha", 0)}},
		{"LeakyRelu", []int{3, 5}, nil, attrs{onnx.Float("alpha", 1.5)}},
		{"LeakyRelu", []int{3, 5}, nil, attrs{onnx.Float("alpha", -0.5)}},
		{"Elu", []int{3, 5}, nil, nil},
		{"Elu", []int{3, 5}, nil, attrs{onnx.Float("alpha", -2)}},
		{"MatMul", []int{3, 5}, []*onnx.Tensor{w(5, 4)}, nil},
		{"MatMul", []int{2, 3, 5}, []*onnx.Tensor{w(5, 4)}, nil},
		{"MatMul", []int{3, 5}, []*onnx.Tensor{w(2, 5, 4)}, nil},
		{"MatMul", []int{5}, []*onnx.Tensor{w(5)}, nil},
		{"MatMul", []int{5}, []*onnx.Tensor{w(2, 5, 4)}, nil},
		{"MatMul", []int{2, 3, 5}, []*onnx.Tensor{w(5)}, nil},
		{"Gemm", []int{3, 5}, []*onnx.Tensor{w(5, 4)}, nil},
		{"Gemm", []int{3, 5}, []*onnx.Tensor{w(4, 5), w(4)}, attrs{onnx.Int("transB", 1)}},
		{"Gemm", []int{5, 3}, []*onnx.Tensor{w(4, 5), w(3, 1)}, attrs{onnx.Int("transA", 1), onnx.Int("transB", 1), onnx.Float("alpha", 0.5), onnx.Float("beta", 3)}},
		{"Gemm", []int{3, 5}, []*onnx.Tensor{w(5, 4), w()}, attrs{onnx.Float("beta", 0.25)}},
		{"Gemm", []int{1, 5}, []*onnx.Tensor{w(5, 4), w(4)}, nil},
		{"Transpose", []int{2, 3, 5, 7}, nil, attrs{onnx.Ints("perm", 2, 0, 3, 1)}},
		{"Transpose", []int{2, 3, 5}, nil, nil},
		{"Concat", []int{2, 3, 5}, []*onnx.Tensor{w(2, 1, 5), w(2, 4, 5)}, attrs{onnx.Int("axis", -2)}},
		{"Conv", []int{2, 4, 7, 5}, []*onnx.Tensor{w(6, 2, 3, 2), w(6)}, attrs{onnx.Int("group", 2), onnx.Ints("strides", 2, 1), onnx.Ints("pads", 1, 0, 2, 1), onnx.Ints("dilations", 1, 2)}},
		{"Conv", []int{2, 3, 7, 5}, []*onnx.Tensor{w(4, 3, 3, 2)}, attrs{onnx.String("auto_pad", "SAME_UPPER"), onnx.Ints("strides", 2, 2)}},
		{"Conv", []int{2, 3, 9}, []*onnx.Tensor{w(4, 3, 4), w(4)}, attrs{onnx.Ints("pads", 1, 2)}},
		{"ConvTranspose", []int{2, 4, 3, 5}, []*onnx.Tensor{w(4, 3, 3, 2), w(6)}, attrs{onnx.Int("group", 2), onnx.Ints("strides", 2, 3), onnx.Ints("pads", 1, 0, 0, 1), onnx.Ints("output_padding", 1, 2)}},
		{"ConvTranspose", []int{2, 3, 4, 5}, []*onnx.Tensor{w(3, 2, 4, 4)}, attrs{onnx.Ints("strides", 2, 2), onnx.Ints("pads", 1, 1, 1, 1)}},
		{"ConvTranspose", []int{2, 3, 4, 5}, []*onnx.Tensor{w(3, 2, 3, 3)}, attrs{onnx.Ints("strides", 2, 2), onnx.Ints("output_shape", 8, 11), onnx.Ints("dilations", 1, 2)}},
		{"ConvTranspose", []int{2, 3, 5}, []*onnx.Tensor{w(3, 2, 4), w(2)}, attrs{onnx.Ints("strides", 2), onnx.String("auto_pad", "SAME_LOWER")}},
		{"ConvTranspose", []int{2, 3, 4, 5}, []*onnx.Tensor{w(3, 9, 3, 2), w(9)}, attrs{onnx.Ints("strides", 2, 1), onnx.Ints("pads", 1, 0, 2, 1)}},
		{"MatMul", []int{1, 7}, []*onnx.Tensor{w(7, 4100)}, nil},
		{"Gelu", []int{3, 5}, nil, nil},
		{"Gelu", []int{3, 5}, nil, attrs{onnx.String("approximate", "tanh")}},
		{"Mish", []int{3, 5}, nil, nil},
		{"Swish", []int{3, 5}, nil, attrs{onnx.Float("alpha", 1.25)}},
		{"HardSwish", []int{3, 5}, nil, nil},
		{"Selu", []int{3, 5}, nil, nil},
		{"Celu", []int{3, 5}, nil, attrs{onnx.Float("alpha", 0.5)}},
		{"PRelu", []int{2, 3, 5}, []*onnx.Tensor{w(3, 1)}, nil},
		{"GroupNormalization", []int{2, 6, 5, 7}, []*onnx.Tensor{w(6), w(6)}, attrs{onnx.Int("num_groups", 3)}},
		{"InstanceNormalization", []int{2, 3, 5, 7}, []*onnx.Tensor{w(3), w(3)}, attrs{onnx.Float("epsilon", 1e-3)}},
		{"LayerNormalization", []int{2, 3, 5}, []*onnx.Tensor{w(3, 5), w(3, 5)}, attrs{onnx.Int("axis", 1)}},
		{"BatchNormalization", []int{2, 3, 5, 7}, []*onnx.Tensor{w(3), w(3), w(3), positive(3)}, attrs{onnx.Float("epsilon", 1e-3)}},
		{"BatchNormalization", []int{4, 3}, []*onnx.Tensor{w(3), w(3), w(3), positive(3)}, nil},
		{"Softmax", []int{2, 3, 5}, nil, attrs{onnx.Int("axis", 1)}},
		{"LogSoftmax", []int{2, 3, 5}, nil, nil},
		{"ReduceMean", []int{2, 3, 5, 7}, []*onnx.Tensor{axes(1, -1)}, attrs{onnx.Int("keepdims", 0)}},
		{"ReduceL2", []int{2, 3, 5}, []*onnx.Tensor{axes(1)}, nil},
		{"ReduceL2", []int{2, 3}, nil, attrs{onnx.Int("noop_with_empty_axes", 1)}},
		{"ReduceL1", []int{2, 3}, nil, attrs{onnx.Int("noop_with_empty_axes", 1)}},
		{"ReduceSumSquare", []int{2, 3}, []*onnx.Tensor{axes()}, attrs{onnx.Int("noop_with_empty_axes", 1)}},
		{"ReduceSum", []int{2, 3}, nil, attrs{onnx.Int("noop_with_empty_axes", 1)}},
		{"GlobalAveragePool", []int{2, 3, 5, 7}, nil, nil},
		{"AveragePool", []int{2, 3, 8, 7}, nil, attrs{onnx.Ints("kernel_shape", 2, 3), onnx.Ints("strides", 2, 1), onnx.Ints("pads", 0, 1, 1, 0), onnx.Int("count_include_pad", 1)}},
		{"AveragePool", []int{2, 3, 8}, nil, attrs{onnx.Ints("kernel_shape", 3), onnx.Ints("strides", 2), onnx.String("auto_pad", "SAME_LOWER")}},
		{"MaxPool", []int{2, 3, 8, 7}, nil, attrs{onnx.Ints("kernel_shape", 3, 2), onnx.Ints("strides", 2, 2), onnx.Ints("dilations", 2, 1), onnx.Int("ceil_mode", 1)}},
		{"Resize", []int{1, 2, 3, 5}, []*onnx.Tensor{none, onnxtest.Tensor(t, "", []float32{1, 1, 2, 2}, 4)}, attrs{onnx.String("mode", "linear")}},
		{"Resize", []int{1, 2, 3, 5}, []*onnx.Tensor{none, none, onnxtest.Tensor(t, "", []int64{1, 2, 7, 4}, 4)}, attrs{onnx.String("mode", "linear"), onnx.String("coordinate_transformation_mode", "align_corners")}},
		{"Resize", []int{1, 2, 3, 5}, []*onnx.Tensor{none, onnxtest.Tensor(t, "", []float32{1, 1, 2, 3}, 4)}, attrs{onnx.String("coordinate_transformation_mode", "asymmetric"), onnx.String("nearest_mode", "floor")}},
		{"Resize", []int{1, 2, 3, 5}, []*onnx.Tensor{none, onnxtest.Tensor(t, "", []float32{1, 1, 2.5, 1.5}, 4)}, attrs{onnx.String("mode", "cubic")}},
		{"DepthToSpace", []int{2, 8, 3, 5}, nil, attrs{onnx.Int("blocksize", 2), onnx.String("mode", "CRD")}},
		{"SpaceToDepth", []int{2, 3, 4, 6}, nil, attrs{onnx.Int("blocksize", 2)}},
		{"Pad", []int{2, 3, 5}, []*onnx.Tensor{axes(0, 1, -2, 1, 0, 3)}, nil},
		{"Pad", []int{3, 5}, []*onnx.Tensor{axes(2, 1, 1, 4)}, attrs{onnx.String("mode", "reflect")}},
		{"Tile", []int{2, 3}, []*onnx.Tensor{axes(2, 3)}, nil},
		{"Slice", []int{4, 7}, []*onnx.Tensor{axes(3, 1), axes(-5, 6), axes(0, 1), axes(-2, 2)}, nil},
		{"Gather", []int{4, 3}, []*onnx.Tensor{onnxtest.Tensor(t, "", []int64{3, -4, 1, 1}, 2, 2)}, nil},
		{"Expand", []int{3, 1}, []*onnx.Tensor{axes(2, 1, 4)}, nil},
	} {
		t.Run(fmt.Sprint(test.op, test.dims), func(t *testing.T) {
			in := w(test.dims...)
			in.Name = "x"
			dims := make([]onnx.Dim, len(test.dims))
			for i, d := range test.dims {
				dims[i] = onnx.Fixed(int64(d))
			}
			m := oneNode(t, test.op, dims, test.consts, test.attrs...)
			got, err := open(t, m).Run(t.Context(), []*onnx.Tensor{in})
			if err != nil {
				t.Fatal(err)
			}
			agree(t, m, []*onnx.Tensor{in}, got)
		})
	}
}

func TestRunsAreBitEqual(t *testing.T) {
	s, again := open(t, generator(t, false)), open(t, generator(t, false))
	for _, n := range []int{1, 7, 64} {
		in := []*onnx.Tensor{onnxtest.Tensor(t, "z", normals(9, n*100, 1), n, 100)}
		first, err := s.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		kept := slices.Clone(first[0].Data.(onnx.Slice[float32]))
		for i := range first[0].Data.(onnx.Slice[float32]) {
			first[0].Data.(onnx.Slice[float32])[i] = 77 // the output is ours: spoiling it must not matter
		}
		for _, other := range []*Session{s, again} {
			out, err := other.Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(out[0].Data.(onnx.Slice[float32]), kept) {
				t.Errorf("batch %d: two runs differ", n)
			}
		}
		if want := normals(9, n*100, 1); !slices.Equal(in[0].Data.(onnx.Slice[float32]), want) {
			t.Errorf("batch %d: the input was changed", n)
		}
	}
}

func TestRunsAllocateTheirOutputsOnly(t *testing.T) {
	for _, m := range []*onnx.Model{generator(t, false), convolutional(t, false)} {
		s := open(t, m)
		in := []*onnx.Tensor{onnxtest.Tensor(t, "z", normals(9, 100, 1), 1, 100)}
		got := race.AllocsPerRun(20, func() {
			if _, err := s.Run(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		})
		// The list of outputs, the tensor, its dimensions, its elements, and their header behind the interface.
		if got > 5 {
			t.Errorf("%v allocations in a run, want 5", got)
		}
	}
}

func TestConcurrentRuns(t *testing.T) {
	s := open(t, generator(t, false))
	want := map[int][]float32{}
	input := func(n int) []*onnx.Tensor {
		return []*onnx.Tensor{onnxtest.Tensor(t, "z", normals(uint64(n), n*100, 1), n, 100)}
	}
	sizes := []int{1, 2, 3, 4, 5, 6} // more than a session keeps
	for _, n := range sizes {
		out, err := s.Run(t.Context(), input(n))
		if err != nil {
			t.Fatal(err)
		}
		want[n] = out[0].Data.(onnx.Slice[float32])
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 12 {
				n := sizes[(g+i)%len(sizes)]
				out, err := s.Run(t.Context(), input(n))
				if err != nil {
					t.Error(err)
					return
				}
				if !slices.Equal(out[0].Data.(onnx.Slice[float32]), want[n]) {
					t.Errorf("batch %d: another result beside other runs", n)
				}
			}
		})
	}
	wg.Wait()
	if n := len(s.main.Load().steps[0].segment.kept); n > shapesKept {
		t.Errorf("%d shapes are kept, want at most %d", n, shapesKept)
	}
}

func TestFusionNeedsASoleReader(t *testing.T) {
	// h is read by the activation and by the sum after it: the activation must not swallow it.
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2))
	e.Step("h", "h")
	h := e.Node("MatMul", "", []onnx.Value{x, e.Const("w", onnxtest.Tensor(t, "", []float32{1, 0, 0, -1}, 2, 2))})
	e.Step("r", "r")
	r := e.Node("Relu", "", []onnx.Value{h})
	e.Step("y", "y")
	e.Output(e.Node("Add", "", []onnx.Value{r, h}), pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2))
	y, dims, err := open(t, finish(t, e)).Apply(t.Context(), []float32{1, 2, -3, -4})
	if want := []float32{2, -2, -3, 8}; err != nil || !slices.Equal(y, want) || !slices.Equal(dims, []int{2, 2}) {
		t.Errorf("got %v %v %v, want %v", y, dims, err, want)
	}
}

// TestRowsAlongAnAxisAreNoBias has a product with a sum whose row lies along axis 0, as opset 6 can say.
func TestRowsAlongAnAxisAreNoBias(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 6, IR: 8})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Fixed(2), onnx.Fixed(2))
	e.Step("h", "h")
	h := e.Node("MatMul", "", []onnx.Value{x, e.Const("w", onnxtest.Tensor(t, "", []float32{1, 0, 0, 1}, 2, 2))})
	e.Step("y", "y")
	row := e.Const("b", onnxtest.Tensor(t, "", []float32{10, 20}, 2))
	e.Output(e.Node("Add", "", []onnx.Value{h, row}, onnx.Int("broadcast", 1), onnx.Int("axis", 0)), pb.TensorProto_FLOAT, onnx.Fixed(2), onnx.Fixed(2))
	y, _, err := open(t, finish(t, e)).Apply(t.Context(), []float32{1, 2, 3, 4})
	if want := []float32{11, 12, 23, 24}; err != nil || !slices.Equal(y, want) {
		t.Errorf("got %v %v, want %v", y, err, want)
	}
}

// opsetOf are the first opsets of operators that 13 does not have as they are tested.
var opsetOf = map[string]int64{
	"Gelu": 20, "GroupNormalization": 21, "HardSwish": 14, "LayerNormalization": 17, "Mish": 18, "ReduceL1": 18, "ReduceL2": 18, "ReduceSumSquare": 18, "ReduceMean": 18, "Swish": 24,
}

// oneNode is a model of one operator over an input x, with further inputs constant.
func oneNode(t testing.TB, op string, dims []onnx.Dim, consts []*onnx.Tensor, attrs ...onnx.Attr) *onnx.Model {
	o := onnx.EmitterOptions{Graph: "g", Opset: opsetOf[op]}
	if o.Opset > 13 {
		o.IR = 10
	}
	e := onnx.NewEmitter(o)
	in := []onnx.Value{e.Input("x", pb.TensorProto_FLOAT, dims...)}
	e.Step("s", "y")
	for i, c := range consts {
		if c == nil {
			in = append(in, onnx.Value{}) // left out
			continue
		}
		in = append(in, e.Const(fmt.Sprint("c", i), c))
	}
	e.Output(e.Node(op, "", in, attrs...), pb.TensorProto_FLOAT)
	m := finish(t, e)
	y := onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{}}
	if types, _ := infer.Types(m.Proto); types["y"].Dims != nil {
		y.Dims = types["y"].Dims
	}
	m.Proto.Graph.Output[0].Type = y.Proto()
	return m
}

func TestScalars(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
	x := e.Input("x", pb.TensorProto_FLOAT)
	e.Step("s", "twice")
	twice := e.Node("Mul", "", []onnx.Value{x, e.Const("two", onnxtest.Tensor(t, "", []float32{2}))})
	e.Output(twice, pb.TensorProto_FLOAT)
	e.Step("v", "list")
	e.Output(e.Node("Add", "", []onnx.Value{twice, e.Const("list", onnxtest.Tensor(t, "", []float32{1, 2, 3}, 3))}), pb.TensorProto_FLOAT, onnx.Fixed(3))
	out, err := open(t, finish(t, e)).Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", []float32{5})})
	if err != nil {
		t.Fatal(err)
	}
	if len(out[0].Dims) != 0 || !slices.Equal(out[0].Data.(onnx.Slice[float32]), []float32{10}) {
		t.Errorf("scalar output %v %v", out[0].Dims, out[0].Data)
	}
	if !slices.Equal(out[1].Dims, []int{3}) || !slices.Equal(out[1].Data.(onnx.Slice[float32]), []float32{11, 12, 13}) {
		t.Errorf("list output %v %v", out[1].Dims, out[1].Data)
	}
}

func TestConstantsOfEveryForm(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(6))
	constant := func(name string, a onnx.Attr) onnx.Value {
		e.Step(name, name)
		return e.Node("Constant", "", nil, a)
	}
	node := func(name, op string, in []onnx.Value, attrs ...onnx.Attr) onnx.Value {
		e.Step(name, name)
		return e.Node(op, "", in, attrs...)
	}
	y := node("a", "Mul", []onnx.Value{x, constant("f", onnx.Float("value_float", 2))})
	y = node("b", "Add", []onnx.Value{y, constant("fs", onnx.Floats("value_floats", 1, 2, 3, 4, 5, 6))})
	// The shape (-1, 2, 3), put together from a number and a list.
	one := constant("i", onnx.Int("value_int", -1))
	head := node("head", "Unsqueeze", []onnx.Value{one, constant("zero", onnx.Ints("value_ints", 0))})
	shape := node("shape", "Concat", []onnx.Value{head, constant("is", onnx.Ints("value_ints", 2, 3))}, onnx.Int("axis", 0))
	y = node("y", "Reshape", []onnx.Value{y, shape})
	y = node("z", "Sub", []onnx.Value{y, constant("t", onnx.TensorAttr("value", onnxtest.Tensor(t, "", []float32{1, 0, 0}, 3)))})
	e.Output(y, pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(2), onnx.Fixed(3))
	m := finish(t, e)
	in := []*onnx.Tensor{onnxtest.Tensor(t, "x", normals(1, 12, 1), 2, 6)}
	got, err := open(t, m).Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	agree(t, m, in, got)
}

func TestAxesThatAreAttributes(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: 11})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(1), onnx.Fixed(3))
	e.Step("s", "s")
	x = e.Node("Squeeze", "", []onnx.Value{x}, onnx.Ints("axes", -2))
	e.Step("u", "u")
	x = e.Node("Unsqueeze", "", []onnx.Value{x}, onnx.Ints("axes", 0, 3))
	e.Output(x, pb.TensorProto_FLOAT, onnx.Fixed(1), onnx.Symbolic("N"), onnx.Fixed(3), onnx.Fixed(1))
	y, dims, err := open(t, finish(t, e)).Apply(t.Context(), []float32{1, 2, 3, 4, 5, 6})
	if err != nil || !slices.Equal(dims, []int{1, 2, 3, 1}) || !slices.Equal(y, []float32{1, 2, 3, 4, 5, 6}) {
		t.Errorf("got %v of dims %v, %v", y, dims, err)
	}
}

func TestFloat64(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
	x := e.Input("x", pb.TensorProto_DOUBLE, onnx.Symbolic("N"), onnx.Fixed(2))
	e.Step("s", "y")
	y := e.Node("Gemm", "", []onnx.Value{x, e.Const("w", onnxtest.Tensor(t, "", []float64{1, 2}, 1, 2))}, onnx.Int("transB", 1))
	e.Output(y, pb.TensorProto_DOUBLE, onnx.Symbolic("N"), onnx.Fixed(1))
	out, err := open(t, finish(t, e)).Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", []float64{1, 1e-12, 3, 4}, 2, 2)})
	if err != nil {
		t.Fatal(err)
	}
	if got := out[0].Data.(onnx.Slice[float64]); !slices.Equal(got, []float64{1 + 2e-12, 11}) {
		t.Errorf("got %v", got)
	}
}

func TestOutputsThatNeedNoArithmetic(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"))
	e.Step("s", "same")
	e.Output(e.Node("Identity", "", []onnx.Value{x}), pb.TensorProto_FLOAT, onnx.Symbolic("N"))
	e.Output(x, pb.TensorProto_FLOAT, onnx.Symbolic("N"))
	e.Step("c", "shape")
	e.Output(e.Node("Identity", "", []onnx.Value{e.Const("ints", onnxtest.Tensor(t, "", []int64{4, 5}, 2))}), pb.TensorProto_INT64, onnx.Fixed(2))
	e.Step("b", "flags")
	e.Output(e.Node("Identity", "", []onnx.Value{e.Const("bools", onnxtest.Tensor(t, "", []bool{true, false}, 2))}), pb.TensorProto_BOOL, onnx.Fixed(2))
	in := []float32{1, 2, 3}
	out, err := open(t, finish(t, e)).Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", in, 3)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []any{in, in, []int64{4, 5}, []bool{true, false}} {
		if got := fmt.Sprint(out[i].Data); got != fmt.Sprint(want) {
			t.Errorf("output %s is %v, want %v", out[i].Name, got, want)
		}
	}
	out[0].Data.(onnx.Slice[float32])[0] = 9
	if in[0] != 1 || out[1].Data.(onnx.Slice[float32])[0] != 1 {
		t.Error("outputs share storage with the input or with each other")
	}
}

func TestInputsAreHeldAgainstTheirTypes(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
	n := onnx.Symbolic("N")
	a := e.Input("a", pb.TensorProto_FLOAT, n, onnx.Fixed(3))
	b := e.Input("b", pb.TensorProto_FLOAT, n, onnx.Fixed(3))
	e.Step("s", "y")
	e.Output(e.Node("Add", "", []onnx.Value{a, b}), pb.TensorProto_FLOAT, n, onnx.Fixed(3))
	s := open(t, finish(t, e))
	good := func(name string, rows int) *onnx.Tensor {
		return onnxtest.Tensor(t, name, make([]float32, 3*rows), rows, 3)
	}
	for _, test := range []struct {
		claim string
		in    []*onnx.Tensor
		want  string
	}{
		{"missing", []*onnx.Tensor{good("a", 1)}, `input "b" is missing`},
		{"unknown", []*onnx.Tensor{good("a", 1), good("b", 1), good("c", 1)}, `"c" is not an input`},
		{"twice", []*onnx.Tensor{good("a", 1), good("a", 1), good("b", 1)}, `input "a" is given twice`},
		{"nil", []*onnx.Tensor{nil}, "input 0 is nil"},
		{"element type", []*onnx.Tensor{onnxtest.Tensor(t, "a", make([]float64, 3), 1, 3), good("b", 1)}, "input a float[N,3]: got elements of type double"},
		{"rank", []*onnx.Tensor{onnxtest.Tensor(t, "a", make([]float32, 3), 3), good("b", 1)}, "input a float[N,3]: got dims [3]"},
		{"fixed axis", []*onnx.Tensor{onnxtest.Tensor(t, "a", make([]float32, 4), 1, 4), good("b", 1)}, "got dims [1 4], want 3 on axis 1"},
		{"named axis", []*onnx.Tensor{good("a", 2), good("b", 1)}, "input b float[N,3]: got dims [1 3], want 2 on axis 0"},
		{"dims that contradict the data", []*onnx.Tensor{{Name: "a", Dims: []int{2, 3}, Data: make(onnx.Slice[float32], 5)}, good("b", 2)}, "do not fit 5 elements"},
		{"negative dims", []*onnx.Tensor{{Name: "a", Dims: []int{-1, 3}, Data: make(onnx.Slice[float32], 3)}, good("b", 1)}, "do not fit"},
		{"product beyond an int", []*onnx.Tensor{{Name: "a", Dims: []int{math.MaxInt, 3}, Data: make(onnx.Slice[float32], 3)}, good("b", 1)}, "do not fit"},
	} {
		if _, err := s.Run(t.Context(), test.in); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want %s", test.claim, err, test.want)
		}
	}
	if _, err := s.Run(t.Context(), []*onnx.Tensor{good("b", 2), good("a", 2)}); err != nil {
		t.Errorf("inputs in another order: %v", err)
	}
}

func TestApply(t *testing.T) {
	s := open(t, generator(t, false))
	if got := fmt.Sprint(s.Inputs(), s.Outputs()); got != "[z float[N,100]] [image float[N,1,28,28]]" {
		t.Errorf("ports are %s", got)
	}
	y, dims, err := s.Apply(t.Context(), make([]float32, 300))
	if err != nil || len(y) != 3*784 || !slices.Equal(dims, []int{3, 1, 28, 28}) {
		t.Errorf("%d elements of dims %v, %v", len(y), dims, err)
	}
	for _, n := range []int{0, 99, 101} {
		if _, _, err := s.Apply(t.Context(), make([]float32, n)); err == nil || !strings.Contains(err.Error(), "a multiple of 100 elements") {
			t.Errorf("%d elements: %v", n, err)
		}
	}
	if _, _, err := open(t, generator(t, true)).Apply(t.Context(), make([]float32, 100)); err == nil || !strings.Contains(err.Error(), "7 outputs") {
		t.Errorf("many outputs: %v", err)
	}
}

func TestEnds(t *testing.T) {
	s := open(t, generator(t, false))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := s.Run(ctx, []*onnx.Tensor{onnxtest.Tensor(t, "z", make([]float32, 100), 1, 100)}); !errors.Is(err, why) {
		t.Errorf("a context that has ended: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Apply(t.Context(), make([]float32, 100)); err == nil {
		t.Error("a closed session runs")
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "generator.onnx")
	if err := os.WriteFile(path, generator(t, false).Bytes, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := File(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := File(filepath.Join(t.TempDir(), "none.onnx")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestUnsupportedIsNamedBeforeAnythingRuns(t *testing.T) {
	dims := []onnx.Dim{onnx.Fixed(2), onnx.Fixed(3)}
	for _, test := range []struct {
		claim, want string
		change      func(m *onnx.Model)
	}{
		{"an operator", `unsupported operator Bernoulli at opset 15: node "y"`, func(m *onnx.Model) {
			m.Proto.Graph.Node[0].OpType, m.Proto.OpsetImport[0].Version = proto.String("Bernoulli"), proto.Int64(15)
		}},
		{"a domain", `unsupported operator com.acme.Sigmoid`, func(m *onnx.Model) {
			m.Proto.Graph.Node[0].Domain = proto.String("com.acme")
			m.Proto.OpsetImport = append(m.Proto.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("com.acme"), Version: proto.Int64(1)})
		}},
		{"ONNX Runtime's own operator among ONNX's", "unsupported operator SimplifiedLayerNormalization", func(m *onnx.Model) {
			m.Proto.Graph.Node[0].OpType, m.Proto.Graph.Node[0].Input = proto.String("SimplifiedLayerNormalization"), []string{"x", "w"}
			m.Proto.Graph.Initializer = append(m.Proto.Graph.Initializer, onnxtest.Tensor(t, "w", []float32{1, 2, 3}, 3).Proto())
		}},
		{"an old opset", "load has it from opset 6 on", func(m *onnx.Model) { m.Proto.OpsetImport[0].Version = proto.Int64(5) }},
		{"a future opset", "opset 1000", func(m *onnx.Model) { m.Proto.OpsetImport[0].Version = proto.Int64(1000) }},
		{"sparse weights of more elements than fit", "a sparse tensor of 1099511627776 elements", func(m *onnx.Model) {
			values := onnxtest.Tensor(t, "w", []float32{1}, 1).Proto()
			indices := onnxtest.Tensor(t, "", []int64{0}, 1).Proto()
			m.Proto.Graph.SparseInitializer = []*pb.SparseTensorProto{{Values: values, Indices: indices, Dims: []int64{1 << 20, 1 << 20}}}
		}},
		{"integers", `elements of type int32`, func(m *onnx.Model) {
			m.Proto.Graph.Node[0].OpType, m.Proto.Graph.Node[0].Input = proto.String("Gemm"), []string{"x", "x", "x"}
			square := onnx.Type{Elem: pb.TensorProto_INT32, Dims: []onnx.Dim{onnx.Fixed(2), onnx.Fixed(2)}}.Proto()
			m.Proto.Graph.Input[0].Type, m.Proto.Graph.Output[0].Type = square, square
		}},
	} {
		m := oneNode(t, "Sigmoid", dims, nil)
		test.change(m)
		_, err := Open(m)
		if _, ok := errors.AsType[*onnx.UnsupportedError](err); !ok || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want an UnsupportedError with %s", test.claim, err, test.want)
		}
	}
}

func TestWrongModelsAreErrors(t *testing.T) {
	open := []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(3)}
	list := func(v ...int64) []*onnx.Tensor { return []*onnx.Tensor{onnxtest.Tensor(t, "", v, len(v))} }
	floats := func(dims ...int) []*onnx.Tensor {
		n := 1
		for _, d := range dims {
			n *= d
		}
		return []*onnx.Tensor{onnxtest.Tensor(t, "", make([]float32, n), dims...)}
	}
	for _, test := range []struct {
		claim string
		m     *onnx.Model
	}{
		{"matrices that do not fit", oneNode(t, "MatMul", open, floats(4, 5))},
		{"a product with a scalar", oneNode(t, "MatMul", open, floats())},
		{"gemm of three axes", oneNode(t, "Gemm", open, floats(1, 3, 3))},
		{"gemm with a sum of another shape", oneNode(t, "Gemm", open, []*onnx.Tensor{floats(3, 4)[0], floats(5)[0]})},
		{"shapes that do not broadcast", oneNode(t, "Add", open, floats(4))},
		{"reshape to another size", oneNode(t, "Reshape", open, list(7, 7))},
		{"reshape with two open axes", oneNode(t, "Reshape", open, list(-1, -1))},
		{"reshape with a negative axis", oneNode(t, "Reshape", open, list(-2, 3))},
		{"reshape to what divides badly", oneNode(t, "Reshape", open, list(-1, 4))},
		{"reshape beyond an int", oneNode(t, "Reshape", open, list(math.MaxInt64, math.MaxInt64, -1))},
		{"reshape by floats", oneNode(t, "Reshape", open, floats(2))},
		{"reshape that copies an axis that is not there", oneNode(t, "Reshape", open, list(2, 3, 0))},
		{"flatten beyond the rank", oneNode(t, "Flatten", open, nil, onnx.Int("axis", 3))},
		{"transpose with an axis twice", oneNode(t, "Transpose", open, nil, onnx.Ints("perm", 0, 0))},
		{"transpose with too few axes", oneNode(t, "Transpose", open, nil, onnx.Ints("perm", 0))},
		{"transpose with a negative axis", oneNode(t, "Transpose", open, nil, onnx.Ints("perm", 1, -2))},
		{"concat along no axis", oneNode(t, "Concat", open, floats(2, 3), onnx.Int("axis", 2))},
		{"concat without an axis", oneNode(t, "Concat", open, floats(2, 3))},
		{"concat of unequal shapes", oneNode(t, "Concat", open, floats(2, 4), onnx.Int("axis", 0))},
		{"concat of unequal ranks", oneNode(t, "Concat", open, floats(2), onnx.Int("axis", 0))},
		{"squeeze of an axis that is longer", oneNode(t, "Squeeze", open, list(1))},
		{"squeeze beyond the rank", oneNode(t, "Squeeze", open, list(5))},
		{"unsqueeze of one place twice", oneNode(t, "Unsqueeze", open, list(0, -4))},
		{"unsqueeze without axes", oneNode(t, "Unsqueeze", open, nil)},
		{"too many inputs", oneNode(t, "Relu", open, floats(1))},
		{"an attribute of another type", oneNode(t, "LeakyRelu", open, nil, onnx.Int("alpha", 1))},
	} {
		s, err := Open(test.m)
		if err == nil {
			_, err = s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", make([]float32, 6), 2, 3)})
		}
		if err == nil {
			t.Errorf("%s: runs", test.claim)
		} else if strings.Contains(err.Error(), "panic") {
			t.Errorf("%s: ended in a panic: %v", test.claim, err)
		}
	}
}

func TestHugeValuesAreRefusedBeforeTheyAreMade(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
	n := onnx.Symbolic("N")
	x := e.Input("x", pb.TensorProto_FLOAT, n)
	e.Step("s", "column")
	column := e.Node("Unsqueeze", "", []onnx.Value{x, e.Const("axes", onnxtest.Tensor(t, "", []int64{1}, 1))})
	e.Step("y", "y")
	e.Output(e.Node("Add", "", []onnx.Value{column, x}), pb.TensorProto_FLOAT, n, n)
	s := open(t, finish(t, e))
	_, _, err := s.Apply(t.Context(), make([]float32, 1<<20))
	if _, ok := errors.AsType[*onnx.UnsupportedError](err); !ok || !strings.Contains(err.Error(), "take more than") {
		t.Errorf("a table of 2^40 elements: %v", err)
	}
}

func TestDeclaredDimensionsAllocateNothing(t *testing.T) {
	m := oneNode(t, "Relu", []onnx.Dim{onnx.Fixed(1 << 40)}, nil)
	m.Proto.Graph.ValueInfo = []*pb.ValueInfoProto{{Name: proto.String("q"), Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Fixed(1 << 40)}}.Proto()}}
	allocated := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			Open(m)
		}
	}).AllocedBytesPerOp()
	if allocated > 1<<20 {
		t.Errorf("a declaration of 4 TiB took %d bytes", allocated)
	}
}

func TestTwentyThousandNodes(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Fixed(1))
	for i := range race.Pick(20000, 4000) {
		e.Step("s", fmt.Sprint("v", i))
		x = e.Node("Relu", "", []onnx.Value{x})
	}
	e.Output(x, pb.TensorProto_FLOAT, onnx.Fixed(1))
	m := finish(t, e)
	start := time.Now()
	y, _, err := open(t, m).Apply(t.Context(), []float32{3})
	if err != nil || y[0] != 3 {
		t.Errorf("got %v, %v", y, err)
	}
	if took := time.Since(start); took > race.Pick(20*time.Second, 3*time.Minute) {
		t.Errorf("took %v", took)
	}
}

func TestValuesOutOfOrder(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Fixed(1))
	e.Step("a", "a")
	a := e.Node("Relu", "", []onnx.Value{x})
	e.Step("b", "b")
	e.Output(e.Node("Tanh", "", []onnx.Value{a}), pb.TensorProto_FLOAT, onnx.Fixed(1))
	for _, test := range []struct {
		claim  string
		change func(g *pb.GraphProto)
	}{
		{"used before it is computed", func(g *pb.GraphProto) { slices.Reverse(g.Node) }},
		{"a cycle", func(g *pb.GraphProto) { g.Node[0].Input[0] = "b" }},
		{"computed twice", func(g *pb.GraphProto) { g.Node = append(g.Node, g.Node[0]) }},
		{"from nowhere", func(g *pb.GraphProto) { g.Node[0].Input[0] = "nowhere" }},
		{"an output from nowhere", func(g *pb.GraphProto) { g.Output[0].Name = proto.String("nowhere") }},
		{"a node without inputs", func(g *pb.GraphProto) { g.Node[0].Input = nil }},
		{"a node without outputs", func(g *pb.GraphProto) { g.Node[0].Output = nil }},
		{"an input left out", func(g *pb.GraphProto) { g.Node[0].Input[0] = "" }},
	} {
		m := finish(t, e)
		test.change(m.Proto.Graph)
		s, err := Open(m)
		if err == nil {
			_, _, err = s.Apply(t.Context(), []float32{1})
		}
		if err == nil {
			t.Errorf("%s: runs", test.claim)
		}
		if _, ok := errors.AsType[*onnx.FormatError](err); !ok {
			t.Errorf("%s: error is %v, want a FormatError", test.claim, err)
		}
	}
}

// FuzzOpen wants errors, never a panic, whatever is in a file, and two equal runs of what does run.
func FuzzOpen(f *testing.F) {
	// Small seeds only: the fuzzer would spend its time on making a generator's file smaller.
	image := []onnx.Dim{onnx.Fixed(1), onnx.Fixed(2), onnx.Fixed(3), onnx.Fixed(3)}
	list := func(v ...int64) *onnx.Tensor { return onnxtest.Tensor(f, "", v, len(v)) }
	f.Add(oneNode(f, "ConvTranspose", image, []*onnx.Tensor{onnxtest.Tensor(f, "", make([]float32, 24), 2, 3, 2, 2)}, onnx.Ints("strides", 2, 1), onnx.Ints("output_padding", 1, 0)).Bytes)
	f.Add(oneNode(f, "Conv", image, []*onnx.Tensor{onnxtest.Tensor(f, "", make([]float32, 8), 2, 1, 2, 2)}, onnx.Int("group", 2), onnx.Ints("pads", 0, 1, 1, 0)).Bytes)
	f.Add(oneNode(f, "AveragePool", image, nil, onnx.Ints("kernel_shape", 2, 2), onnx.Int("ceil_mode", 1)).Bytes)
	f.Add(oneNode(f, "Resize", image, []*onnx.Tensor{nil, onnxtest.Tensor(f, "", []float32{1, 1, 2, 1.5}, 4)}, onnx.String("mode", "cubic")).Bytes)
	f.Add(oneNode(f, "Pad", image, []*onnx.Tensor{list(0, 0, 1, 2, 0, 0, -1, 1)}, onnx.String("mode", "reflect")).Bytes)
	f.Add(oneNode(f, "Slice", image, []*onnx.Tensor{list(2, 0), list(-9, 3), list(2, 3), list(-1, 2)}).Bytes)
	f.Add(oneNode(f, "Gather", image, []*onnx.Tensor{list(0, -1)}, onnx.Int("axis", 2)).Bytes)
	f.Add(oneNode(f, "Tile", image, []*onnx.Tensor{list(1, 2, 1, 2)}).Bytes)
	f.Add(oneNode(f, "ReduceMax", image, nil, onnx.Ints("axes", 1, -1)).Bytes)
	f.Add(oneNode(f, "DepthToSpace", []onnx.Dim{onnx.Fixed(1), onnx.Fixed(4), onnx.Fixed(1), onnx.Fixed(2)}, nil, onnx.Int("blocksize", 2)).Bytes)
	f.Add(oneNode(f, "Reshape", []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(3)}, []*onnx.Tensor{onnxtest.Tensor(f, "", []int64{-1}, 1)}).Bytes)
	f.Add(oneNode(f, "Gemm", []onnx.Dim{onnx.Symbolic("N"), onnx.Fixed(2)}, []*onnx.Tensor{onnxtest.Tensor(f, "", make([]float32, 6), 3, 2), onnxtest.Tensor(f, "", make([]float32, 3), 3)}, onnx.Int("transB", 1)).Bytes)
	f.Add(oneNode(f, "Concat", []onnx.Dim{onnx.Fixed(2), onnx.Fixed(1)}, []*onnx.Tensor{onnxtest.Tensor(f, "", make([]float32, 4), 2, 2)}, onnx.Int("axis", -1)).Bytes)
	f.Add(oneNode(f, "Transpose", []onnx.Dim{onnx.Fixed(2), onnx.Fixed(1), onnx.Fixed(3)}, nil, onnx.Ints("perm", 2, 0, 1)).Bytes)
	for _, op := range slices.Sorted(maps.Keys(drawings)) {
		m, _ := drawings[op].draw(dice{rand.New(rand.NewPCG(1, 5)), f}).model(f, op, drawings[op].opset)
		f.Add(m.Bytes)
	}
	for _, m := range programs(f) {
		f.Add(m.Bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wire.Parse("fuzz", b, wire.Limits{Size: 1 << 20, Memory: 16 << 20})
		if err != nil {
			return
		}
		s, err := Open(m)
		if err != nil {
			return
		}
		*s.main.Load().model = model{opset: s.main.Load().opset, limit: 1 << 24, work: 1 << 24}
		var inputs []*onnx.Tensor
		for _, p := range s.Inputs() {
			n, dims := 1, []int{}
			for _, d := range p.Type.Dims {
				if d.Size < 0 {
					d.Size = 2
				}
				if d.Size > 64 {
					return
				}
				dims = append(dims, int(d.Size))
				if n *= int(d.Size); n > 1<<16 {
					return
				}
			}
			small := make([]float64, n)
			for i, v := range normals(5, n, 1) {
				if small[i] = float64(v); p.Type.Elem != pb.TensorProto_FLOAT {
					small[i] = float64(i % 3)
				}
			}
			x, err := fromReals(p.Type.Elem, small, dims)
			if err != nil {
				return
			}
			x.Name = p.Name
			inputs = append(inputs, x)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		defer func() {
			if took := time.Since(start); took > 20*time.Second {
				t.Fatalf("a run of one second took %v", took)
			}
		}()
		first, err := s.Run(ctx, inputs)
		if err != nil {
			if strings.Contains(err.Error(), "panic") {
				t.Fatal(err)
			}
			return
		}
		second, err := s.Run(ctx, inputs)
		if err != nil && ctx.Err() != nil {
			return
		}
		if err != nil {
			t.Fatalf("the second run fails: %v", err)
		}
		for i := range first {
			if !slices.Equal(first[i].Proto().GetRawData(), second[i].Proto().GetRawData()) {
				t.Fatalf("output %d changes from run to run", i)
			}
		}
	})
}

func TestNothingIsComputed(t *testing.T) {
	for _, test := range []struct {
		dims  []int
		op    string
		attrs []onnx.Attr
		want  []int
		sum   float64
	}{
		{[]int{2, 0, 4}, "ReduceSum", []onnx.Attr{onnx.Int("keepdims", 0)}, nil, 0},
		{[]int{2, 0, 4}, "ReduceProd", []onnx.Attr{onnx.Ints("axes", 1)}, []int{2, 1, 4}, 8},
		{[]int{0, 3, 0}, "Relu", nil, []int{0, 3, 0}, 0},
	} {
		m := oneNode(t, test.op, fixedDims(test.dims), nil, test.attrs...)
		got, err := open(t, m).Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", []float32{}, test.dims...)})
		if err != nil {
			t.Errorf("%s of %v: %v", test.op, test.dims, err)
			continue
		}
		sum := 0.0
		for _, v := range floats(got[0]) {
			sum += v
		}
		if !slices.Equal(got[0].Dims, test.want) || sum != test.sum {
			t.Errorf("%s of %v has dims %v and the sum %v, want %v and %v", test.op, test.dims, got[0].Dims, sum, test.want, test.sum)
		}
	}
}

func TestNormalizationOfOneAxisHasOneChannel(t *testing.T) {
	one := func(v float32) *onnx.Tensor { return onnxtest.Tensor(t, "", []float32{v}, 1) }
	m := oneNode(t, "BatchNormalization", []onnx.Dim{onnx.Symbolic("N")}, []*onnx.Tensor{one(2), one(-1), one(0.5), one(3)})
	in := []*onnx.Tensor{onnxtest.Tensor(t, "x", normals(1, 10, 1), 10)}
	got, err := open(t, m).Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	agree(t, m, in, got)
}

// Before opset 7 a normalization says by is_test that it is not training.
func TestNormalizationOfTheBatchIsUnsupported(t *testing.T) {
	for _, test := range []struct {
		claim string
		opset int64
		attrs []onnx.Attr
		runs  bool
	}{
		{"opset 6 in training", 6, nil, false},
		{"opset 6 in inference", 6, []onnx.Attr{onnx.Int("is_test", 1)}, true},
		{"opset 9", 9, nil, true},
		{"opset 13 in training", 13, nil, true},
	} {
		list := onnxtest.Tensor(t, "", []float32{1, 2, 3}, 3)
		m := oneNode(t, "BatchNormalization", fixedDims([]int{2, 3, 4}), []*onnx.Tensor{list, list, list, list}, test.attrs...)
		m.Proto.OpsetImport[0].Version = proto.Int64(test.opset)
		s, err := Open(m)
		if err == nil {
			_, err = s.Run(t.Context(), []*onnx.Tensor{onnxtest.Tensor(t, "x", normals(1, 24, 1), 2, 3, 4)})
		}
		if _, unsupported := errors.AsType[*onnx.UnsupportedError](err); unsupported == test.runs || test.runs && err != nil {
			t.Errorf("%s: error is %v, runs %v", test.claim, err, test.runs)
		}
	}
}

// TestInputsAreNotKept runs on inputs that are read where they lie, one after the other, and with the input among the outputs.
func TestInputsAreNotKept(t *testing.T) {
	m := modelOf(t, `
		in x float 2 3
		const w float 3 2 = 1 2 3 4 5 6
		y = MatMul(x, w)
		out y float 2 2`, nil)
	handedOn := modelOf(t, `
		in x float 2 3
		const w float 3 2 = 1 2 3 4 5 6
		y = MatMul(x, w)
		z = Identity(x)
		out y float 2 2
		out z float 2 3`, nil)
	for _, m := range []*onnx.Model{m, handedOn} {
		s := open(t, m)
		for round := range 3 {
			in := []*onnx.Tensor{onnxtest.Tensor(t, "x", normals(uint64(round), 6, 1), 2, 3)}
			got, err := s.Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			hold(t, m, in, got)
			clear(in[0].Data.(onnx.Slice[float32]))
			if len(got) > 1 && slices.Equal(got[1].Data.(onnx.Slice[float32]), in[0].Data.(onnx.Slice[float32])) {
				t.Error("an output is the caller's own input")
			}
		}
	}
}

// TestRoundTripsThrough8BitsAreOneGraph has values that are quantised and dequantised, with integers of both kinds, beside those whose integers
// somebody else wants, or that have scales for each channel.
func TestRoundTripsThrough8BitsAreOneGraph(t *testing.T) {
	for _, test := range []struct {
		name  string
		one   bool
		model string
	}{
		{"uint8", true, `
			in x float 2 3
			const s float = 0.25
			const z uint8 = 100
			q = QuantizeLinear(x, s, z)
			y = DequantizeLinear(q, s, z)
			out y float 2 3`},
		{"int8, without a zero point on the way back", true, `
			in x float 2 3
			const s float = 0.125
			const z int8 = 0
			q = QuantizeLinear(x, s, z)
			w = DequantizeLinear(q, s)
			y = Relu(w)
			out y float 2 3`},
		{"integers that are wanted", false, `
			in x float 2 3
			const s float = 0.25
			const z uint8 = 100
			q = QuantizeLinear(x, s, z)
			y = DequantizeLinear(q, s, z)
			out y float 2 3
			out q uint8 2 3`},
		{"scales of an axis", false, `
			in x float 2 3
			const s float 3 = 0.25 0.5 1
			const z int8 3 = 1 2 3
			q = QuantizeLinear(x, s, z) axis=1
			y = DequantizeLinear(q, s, z) axis=1
			out y float 2 3`},
		{"scales that are computed", false, `
			in x float 2 3
			in s float
			const z int8 = 3
			q = QuantizeLinear(x, s, z)
			y = DequantizeLinear(q, s, z)
			out y float 2 3`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := modelOf(t, test.model, nil)
			s := open(t, m)
			if s.main.Load().whole() != test.one {
				t.Errorf("one graph: %v, want %v", !test.one, test.one)
			}
			in := []*onnx.Tensor{onnxtest.Tensor(t, "x", []float32{0.12, -3.3, 1000, -1000, 0.125, 0.375}, 2, 3)}
			if len(s.Inputs()) > 1 {
				in = append(in, onnxtest.Tensor(t, "s", []float32{0.25}))
			}
			for range 2 {
				got, err := s.Run(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				hold(t, m, in, got)
			}
		})
	}
}
