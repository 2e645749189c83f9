package load

import (
	"math"
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// convolutional is DCGAN's generator as it is trained: 100 - 256x7x7 - 128x14x14 - 1x28x28, each but the last with a normalization that
// nobody has folded. all makes every value an output.
func convolutional(t testing.TB, all bool) *onnx.Model {
	t.Helper()
	seed := uint64(0)
	weights := func(n int, scale float64) []float32 {
		seed++
		return normals(seed, n, scale)
	}
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "generator"})
	n := onnx.Symbolic("N")
	x := e.Input("z", pb.TensorProto_FLOAT, n, onnx.Fixed(100))
	var inner []onnx.Value
	node := func(op string, in []onnx.Value, attrs ...onnx.Attr) {
		x = e.Node(op, "", in, attrs...)
		inner = append(inner, x)
	}
	norm := func(step string, channels int) {
		e.Step(step, step)
		in := []onnx.Value{x}
		for _, name := range []string{"scale", "bias", "mean", "var"} {
			v := weights(channels, 0.1)
			for i := range v {
				if name == "scale" || name == "var" {
					v[i] = 1 + v[i]*v[i]
				}
			}
			in = append(in, e.Const(name, onnxtest.Tensor(t, "", v, channels)))
		}
		node("BatchNormalization", in, onnx.Float("epsilon", 1e-5))
		e.Step(step+".relu", step+".relu")
		node("Relu", []onnx.Value{x})
	}
	up := []onnx.Attr{onnx.Ints("kernel_shape", 4, 4), onnx.Ints("strides", 2, 2), onnx.Ints("pads", 1, 1, 1, 1)}
	e.Step("fc", "fc")
	node("MatMul", []onnx.Value{x, e.Const("weight", onnxtest.Tensor(t, "", weights(100*12544, 0.05), 100, 12544))})
	e.Step("image", "image")
	node("Reshape", []onnx.Value{x, e.Const("shape", onnxtest.Tensor(t, "", []int64{0, 256, 7, 7}, 4))})
	norm("norm1", 256)
	e.Step("up1", "up1")
	node("ConvTranspose", []onnx.Value{x, e.Const("weight", onnxtest.Tensor(t, "", weights(256*128*16, 0.02), 256, 128, 4, 4))}, up...)
	norm("norm2", 128)
	e.Step("up2", "up2")
	node("ConvTranspose", []onnx.Value{x, e.Const("weight", onnxtest.Tensor(t, "", weights(128*16, 0.02), 128, 1, 4, 4)), e.Const("bias", onnxtest.Tensor(t, "", weights(1, 0.02), 1))}, up...)
	e.Step("pixels", "pixels")
	x = e.Node("Tanh", "", []onnx.Value{x})
	e.Output(x, pb.TensorProto_FLOAT, n, onnx.Fixed(1), onnx.Fixed(28), onnx.Fixed(28))
	for _, v := range inner {
		if all {
			e.Output(v, pb.TensorProto_FLOAT)
		}
	}
	m := finish(t, e)
	types, _ := infer.Types(m.Proto)
	for _, out := range m.Proto.Graph.Output {
		out.Type = types[out.GetName()].Proto()
	}
	return m
}

func TestConvolutionalGeneratorAgreesWithTheReference(t *testing.T) {
	for _, all := range []bool{false, true} { // fused, and every value an output
		m := convolutional(t, all)
		s := open(t, m)
		steps := 0
		for _, op := range s.main.Load().all.ops {
			if len(op.out) > 0 {
				steps++
			}
		}
		// Product, sum, rectifier, shape; convolution, rectifier; convolution, hyperbolic tangent.
		if want := map[bool]int{false: 8, true: 9}[all]; steps != want {
			t.Errorf("all=%v: %d operations are left, want %d", all, steps, want)
		}
		for _, n := range []int{1, 3} {
			in := []*onnx.Tensor{onnxtest.Tensor(t, "z", normals(uint64(n), n*100, 1), n, 100)}
			out, err := s.Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if n == 1 || !all { // the reference takes its time
				agree(t, m, in, out)
			}
		}
	}
}

// TestNormalizationsAreFoldedWhereTheyMay has the same values with and without the passes.
func TestNormalizationsAreFolded(t *testing.T) {
	type values = []onnx.Value
	for _, test := range []struct {
		claim  string
		dims   []int
		folds  bool
		layers func(e *onnx.Emitter, c func(name string, dims ...int) onnx.Value, x onnx.Value) onnx.Value
		ch     int
	}{
		{"a convolution with a bias", []int{2, 3, 5, 7}, true, func(e *onnx.Emitter, c func(string, ...int) onnx.Value, x onnx.Value) onnx.Value {
			return e.Node("Conv", "", values{x, c("w", 4, 3, 3, 2), c("b", 4)})
		}, 4},
		{"a transposed convolution in groups", []int{2, 4, 5, 7}, true, func(e *onnx.Emitter, c func(string, ...int) onnx.Value, x onnx.Value) onnx.Value {
			return e.Node("ConvTranspose", "", values{x, c("w", 4, 3, 3, 2)}, onnx.Int("group", 2))
		}, 6},
		{"gemm", []int{2, 3}, true, func(e *onnx.Emitter, c func(string, ...int) onnx.Value, x onnx.Value) onnx.Value {
			return e.Node("Gemm", "", values{x, c("w", 4, 3), c("b", 4)}, onnx.Int("transB", 1))
		}, 4},
		{"gemm that scales", []int{2, 3}, false, func(e *onnx.Emitter, c func(string, ...int) onnx.Value, x onnx.Value) onnx.Value {
			return e.Node("Gemm", "", values{x, c("w", 4, 3), c("b", 4)}, onnx.Int("transB", 1), onnx.Float("alpha", 2))
		}, 4},
		{"a product and a sum before a change of shape", []int{2, 3}, true, func(e *onnx.Emitter, c func(string, ...int) onnx.Value, x onnx.Value) onnx.Value {
			x = e.Node("MatMul", "product", values{x, c("w", 3, 24)})
			x = e.Node("Add", "sum", values{c("b", 24), x})
			return e.Node("Reshape", "", values{x, e.Const("shape", onnxtest.Tensor(t, "", []int64{-1, 4, 2, 3}, 4))})
		}, 4},
		{"a product without a sum", []int{2, 3}, true, func(e *onnx.Emitter, c func(string, ...int) onnx.Value, x onnx.Value) onnx.Value {
			x = e.Node("MatMul", "product", values{x, c("w", 3, 24)})
			return e.Node("Reshape", "", values{x, e.Const("shape", onnxtest.Tensor(t, "", []int64{0, 4, 6}, 3))})
		}, 4},
		{"weights that are read twice", []int{2, 3, 5, 7}, true, func(e *onnx.Emitter, c func(string, ...int) onnx.Value, x onnx.Value) onnx.Value {
			w := c("w", 3, 3, 1, 1)
			return e.Node("Conv", "", values{e.Node("Conv", "first", values{x, w}), w})
		}, 3},
	} {
		t.Run(test.claim, func(t *testing.T) {
			e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
			var dims []onnx.Dim
			for _, d := range test.dims {
				dims = append(dims, onnx.Fixed(int64(d)))
			}
			x := e.Input("x", pb.TensorProto_FLOAT, dims...)
			e.Step("layer", "layer")
			constant := func(name string, dims ...int) onnx.Value {
				return e.Const(name, onnxtest.Tensor(t, "", normals(uint64(len(name)+product(dims)), product(dims), 1), dims...))
			}
			x = test.layers(e, constant, x)
			e.Step("norm", "norm")
			variance := normals(9, test.ch, 1)
			for i, v := range variance {
				variance[i] = 0.5 + v*v
			}
			x = e.Node("BatchNormalization", "", values{x, constant("scale", test.ch), constant("bias", test.ch), constant("mean", test.ch), e.Const("var", onnxtest.Tensor(t, "", variance, test.ch))})
			e.Output(x, pb.TensorProto_FLOAT)
			m := finish(t, e)
			types, _ := infer.Types(m.Proto)
			m.Proto.Graph.Output[0].Type = types["norm"].Proto()

			in := []*onnx.Tensor{onnxtest.Tensor(t, "x", normals(3, product(test.dims), 1), test.dims...)}
			s := open(t, m)
			left := slices.ContainsFunc(s.main.Load().all.ops, func(op operation) bool { return op.name == "BatchNormalization" })
			if left == test.folds {
				t.Errorf("the normalization is left: %v", left)
			}
			got, err := s.Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, m, in, got)
		})
	}
}

// A shape that is put together from that of the input, as PyTorch writes it, is known when the graph is built.
func TestShapesAreComputedWhenTheGraphIsBuilt(t *testing.T) {
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g"})
	x := e.Input("x", pb.TensorProto_FLOAT, onnx.Symbolic("N"), onnx.Fixed(6), onnx.Symbolic("H"), onnx.Symbolic("W"))
	step := 0
	node := func(op string, in []onnx.Value, attrs ...onnx.Attr) onnx.Value {
		step++
		name := op + string(rune('a'+step))
		e.Step(name, name)
		return e.Node(op, "", in, attrs...)
	}
	ints := func(v ...int64) onnx.Value {
		step++
		e.Step("c", "c")
		return e.Const(string(rune('a'+step)), onnxtest.Tensor(t, "", v, len(v)))
	}
	shape := node("Shape", []onnx.Value{x})
	n := node("Gather", []onnx.Value{shape, ints(0)})
	area := node("Slice", []onnx.Value{shape, ints(2), ints(math.MaxInt64)})
	e.Step("half", "half")
	twice := node("Floor", []onnx.Value{node("Mul", []onnx.Value{node("Cast", []onnx.Value{area}, onnx.Int("to", int64(pb.TensorProto_FLOAT))), e.Const("scale", onnxtest.Tensor(t, "", []float32{1.5}))})})
	size := node("Concat", []onnx.Value{n, ints(6), node("Cast", []onnx.Value{twice}, onnx.Int("to", int64(pb.TensorProto_INT64)))}, onnx.Int("axis", 0))
	large := node("Resize", []onnx.Value{x, {}, {}, size}, onnx.String("coordinate_transformation_mode", "asymmetric"), onnx.String("nearest_mode", "floor"))
	flat := node("Reshape", []onnx.Value{large, node("Concat", []onnx.Value{node("Mul", []onnx.Value{n, ints(2)}), ints(-1)}, onnx.Int("axis", 0))})
	e.Output(flat, pb.TensorProto_FLOAT, onnx.Unknown(), onnx.Unknown())
	m := finish(t, e)
	s := open(t, m)
	for _, dims := range [][]int{{1, 6, 2, 3}, {2, 6, 4, 5}, {1, 6, 2, 3}} {
		in := []*onnx.Tensor{onnxtest.Tensor(t, "x", normals(1, product(dims), 1), dims...)}
		got, err := s.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, m, in, got)
	}
}
