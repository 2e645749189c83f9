package gorgonnx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/internal/race"
	"github.com/petrify-ml/petrify/internal/witnesstest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/wire"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
)

func TestMain(m *testing.M) {
	if os.Getenv("PETRIFY_TEST_DISARMED") == "" {
		Main()
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // of children, which would each wait for a second under the race detector
	os.Exit(m.Run())
}

func weights(dims ...int) *onnx.Tensor {
	n := 1
	for _, d := range dims {
		n *= d
	}
	r := rand.New(rand.NewPCG(uint64(n), uint64(len(dims))))
	x := make(onnx.Slice[float32], n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return &onnx.Tensor{Dims: dims, Data: x}
}

// net is a model of one input x, written by hand.
func net(t testing.TB, opset int64, dims []onnx.Dim, build func(e *onnx.Emitter, x onnx.Value) onnx.Value) *onnx.Model {
	t.Helper()
	e := onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: opset})
	x := e.Input("x", pb.TensorProto_FLOAT, dims...)
	y := build(e, x)
	e.Output(y, pb.TensorProto_FLOAT)
	m, err := e.Model()
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: m}
}

// op adds a node with its value, named after its operator unless a name is given.
func op(e *onnx.Emitter, name string, in []onnx.Value, attrs ...onnx.Attr) onnx.Value {
	kind, value, ok := strings.Cut(name, " ")
	if !ok {
		value = strings.ToLower(kind)
	}
	e.Step(value, value)
	return e.Node(kind, "", in, attrs...)
}

// dense is the form of a fully connected layer that petrify exports.
func dense(e *onnx.Emitter, name string, x onnx.Value, in, out int) onnx.Value {
	e.Step(name, name)
	y := e.Node("MatMul", "product", []onnx.Value{x, e.Const("weight", weights(in, out))})
	return e.Node("Add", "", []onnx.Value{y, e.Const("bias", weights(1, out))})
}

type model struct {
	name  string
	batch []int // sizes of the first axis to run
	m     func(t testing.TB) *onnx.Model
	rest  []int // the other axes of x
}

func (c model) build(t testing.TB) *onnx.Model { return c.m(t) }

func batchOf(rest ...int) []onnx.Dim {
	dims := []onnx.Dim{onnx.Symbolic("N")}
	for _, d := range rest {
		dims = append(dims, onnx.Fixed(int64(d)))
	}
	return dims
}

func one(kind string, rest []int, consts []*onnx.Tensor, attrs ...onnx.Attr) func(testing.TB) *onnx.Model {
	return func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(rest...), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			e.Step("s", "y")
			in := []onnx.Value{x}
			for i, c := range consts {
				in = append(in, e.Const(fmt.Sprint("c", i), c))
			}
			return e.Node(kind, "", in, attrs...)
		})
	}
}

func list(v ...int64) *onnx.Tensor {
	return &onnx.Tensor{Dims: []int{len(v)}, Data: onnx.Slice[int64](v)}
}

var sizes = []int{1, 2, 3, 4, 7}

// right are models that the profile passes: each must agree with the reference, run for run.
var right = []model{
	{"the dense generator", sizes, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(10), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			x = op(e, "LeakyRelu act1", []onnx.Value{dense(e, "fc1", x, 10, 7)}, onnx.Float("alpha", 0.2))
			x = op(e, "Tanh act2", []onnx.Value{dense(e, "fc2", x, 7, 12)})
			return op(e, "Reshape image", []onnx.Value{x, e.Const("shape", list(0, 1, 3, 4))})
		})
	}, []int{10}},
	{"the dense discriminator", sizes, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(1, 3, 4), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			x = op(e, "Flatten flat", []onnx.Value{x})
			x = op(e, "LeakyRelu act1", []onnx.Value{dense(e, "fc1", x, 12, 7)})
			return op(e, "Sigmoid act2", []onnx.Value{dense(e, "fc2", x, 7, 1)})
		})
	}, []int{1, 3, 4}},
	{"a residual", sizes, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(5), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			h := op(e, "Relu", []onnx.Value{dense(e, "fc1", x, 5, 5)})
			return op(e, "Add sum", []onnx.Value{h, x})
		})
	}, []int{5}},
	{"two leaky rectifiers of two slopes", sizes, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(5), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			a := op(e, "LeakyRelu a", []onnx.Value{dense(e, "fc1", x, 5, 5)}, onnx.Float("alpha", 0.1))
			b := op(e, "LeakyRelu b", []onnx.Value{dense(e, "fc2", x, 5, 5)}, onnx.Float("alpha", 0.7))
			return op(e, "Sub", []onnx.Value{a, b})
		})
	}, []int{5}},
	{"a mean and a spread", sizes, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(5), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			mean := dense(e, "mean", x, 5, 4)
			spread := op(e, "Softplus", []onnx.Value{dense(e, "log", x, 5, 4)})
			return op(e, "Concat both", []onnx.Value{mean, spread}, onnx.Int("axis", 1))
		})
	}, []int{5}},
	{"pixel shuffle", sizes, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(8, 3, 5), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			x = op(e, "Reshape split", []onnx.Value{x, e.Const("six", list(0, 2, 2, 2, 3, 5))})
			x = op(e, "Transpose", []onnx.Value{x}, onnx.Ints("perm", 0, 1, 4, 2, 5, 3))
			return op(e, "Reshape join", []onnx.Value{x, e.Const("four", list(0, 2, 6, 10))})
		})
	}, []int{8, 3, 5}},
	{"convolution, normalization, rectifier", sizes, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(2, 6, 5), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			e.Step("conv", "conv")
			x = e.Node("Conv", "", []onnx.Value{x, e.Const("weight", weights(3, 2, 3, 3)), e.Const("bias", weights(3))},
				onnx.Ints("kernel_shape", 3, 3), onnx.Ints("pads", 1, 1, 1, 1), onnx.Ints("strides", 2, 2))
			e.Step("bn", "bn")
			variance := &onnx.Tensor{Dims: []int{3}, Data: onnx.Slice[float32]{0.5, 1, 2}}
			x = e.Node("BatchNormalization", "", []onnx.Value{x, e.Const("scale", weights(3)), e.Const("b", weights(3)), e.Const("mean", weights(3)), e.Const("var", variance)})
			return op(e, "LeakyRelu", []onnx.Value{x})
		})
	}, []int{2, 6, 5}},
	{"gemm with a bias", []int{2, 3, 4, 7}, one("Gemm", []int{5}, []*onnx.Tensor{weights(4, 5), weights(4)}, onnx.Int("transB", 1)), []int{5}},
	{"max pooling", sizes, one("MaxPool", []int{2, 6, 5}, nil, onnx.Ints("kernel_shape", 2, 2), onnx.Ints("strides", 2, 2)), []int{2, 6, 5}},
	{"average of images", sizes, one("GlobalAveragePool", []int{2, 6, 5}, nil), []int{2, 6, 5}},
	{"sum with a scalar", sizes, one("Add", []int{5}, []*onnx.Tensor{{Data: onnx.Slice[float32]{2}}}), []int{5}},
	{"images by a scalar", sizes, one("Mul", []int{2, 3, 4}, []*onnx.Tensor{{Data: onnx.Slice[float32]{2}}}), []int{2, 3, 4}},
	{"images by a list of one", sizes, one("Mul", []int{2, 3, 4}, []*onnx.Tensor{weights(1)}), []int{2, 3, 4}},
	{"images plus an image", sizes, one("Add", []int{2, 3, 4}, []*onnx.Tensor{weights(2, 3, 4)}), []int{2, 3, 4}},
	{"images by channels", sizes, one("Add", []int{2, 3, 4}, []*onnx.Tensor{weights(2, 1, 1)}), []int{2, 3, 4}},
	{"images by a list", []int{1, 3, 7}, one("Add", []int{2, 3, 4}, []*onnx.Tensor{weights(4)}), []int{2, 3, 4}},
	{"a bare input", sizes, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(5), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			e.Output(op(e, "Tanh", []onnx.Value{x}), pb.TensorProto_FLOAT)
			return x
		})
	}, []int{5}},
	{"concat of one", sizes, one("Concat", []int{5}, nil, onnx.Int("axis", 1)), []int{5}},
	{"sum with a list", []int{1, 2, 3, 4, 7}, one("Add", []int{5}, []*onnx.Tensor{weights(5)}), []int{5}},
	{"sum with a column", sizes, one("Add", []int{5}, []*onnx.Tensor{weights(1, 1)}), []int{5}},
	{"product with a row", sizes, one("Mul", []int{5}, []*onnx.Tensor{weights(1, 5)}), []int{5}},
	{"quotient by a row", sizes, one("Div", []int{5}, []*onnx.Tensor{weights(1, 5)}), []int{5}},
	{"column plus row", sizes, one("Sub", []int{1}, []*onnx.Tensor{weights(1, 5)}), []int{1}},
	{"transposed matrix", sizes, one("Transpose", []int{5}, nil, onnx.Ints("perm", 1, 0)), []int{5}},
	{"one column", sizes, one("MatMul", []int{5}, []*onnx.Tensor{weights(5, 1)}), []int{5}},
	{"from one column", sizes, one("MatMul", []int{1}, []*onnx.Tensor{weights(1, 3)}), []int{1}},
	{"from one to one", sizes, one("MatMul", []int{1}, []*onnx.Tensor{weights(1, 1)}), []int{1}},
}

func input(batch int, rest []int) []*onnx.Tensor {
	x := weights(append([]int{batch}, rest...)...)
	x.Name = "x"
	return []*onnx.Tensor{x}
}

// differ says how outputs differ from the reference, by its screen.
func differ(t *testing.T, m *onnx.Model, in, got []*onnx.Tensor) error {
	t.Helper()
	want, err := reference.Run(m, in)
	if err != nil {
		t.Fatal(err)
	}
	for k, w := range want {
		g, ok := got[k].Data.(onnx.Slice[float32])
		if !ok || !slices.Equal(got[k].Dims, w.Dims) {
			return fmt.Errorf("output %s is %T of dims %v, want %v", w.Name, got[k].Data, got[k].Dims, w.Dims)
		}
		for i, v := range w.Data.(onnx.Slice[float64]) {
			if !(math.Abs(float64(g[i])-v) <= w.Screen(i)) {
				return fmt.Errorf("output %s: element %d is %v, want %v within %g", w.Name, i, g[i], v, w.Screen(i))
			}
		}
	}
	return nil
}

func TestWhatTheProfilePassesIsRight(t *testing.T) {
	race.Skip(t)
	for _, c := range right {
		t.Run(c.name, func(t *testing.T) {
			m := c.build(t)
			s, err := Open(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for range 2 { // shapes come again, and their graphs are used again
				for _, n := range c.batch {
					in := input(n, c.rest)
					got, err := s.Run(t.Context(), in)
					if err != nil {
						t.Errorf("batch %d: %v", n, err)
						continue
					}
					if err := differ(t, m, in, got); err != nil {
						t.Errorf("batch %d: %v", n, err)
					}
				}
			}
		})
	}
}

// TestFunctionsOverTheirRange compares every function of one variable with the reference from end to end of float's useful range.
func TestFunctionsOverTheirRange(t *testing.T) {
	race.Skip(t)
	for _, kind := range []string{"Abs", "Ceil", "Floor", "LeakyRelu", "Log", "Neg", "Relu", "Sigmoid", "Sign", "Softplus", "Sqrt", "Tanh"} {
		m := one(kind, []int{4001}, nil)(t)
		t.Run(kind, func(t *testing.T) {
			x := make([]float32, 4001)
			for i := range x {
				x[i] = float32(i-2000) * 0.017
				if kind == "Log" || kind == "Sqrt" {
					x[i] = float32(math.Abs(float64(x[i]))) + 1e-3
				}
			}
			s, err := Open(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			in := []*onnx.Tensor{{Name: "x", Dims: []int{1, 4001}, Data: onnx.Slice[float32](x)}}
			got, err := s.Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if err := differ(t, m, in, got); err != nil {
				t.Error(err)
			}
		})
	}
}

// wrong are models that the profile refuses, each for a fault that shows.
var wrong = []struct {
	model
	why string
}{
	{model{"gemm of one row", []int{1}, one("Gemm", []int{5}, []*onnx.Tensor{weights(5, 4), weights(4)}), []int{5}}, "writes the result into the third operand"},
	{model{"gemm with a whole matrix", []int{3}, one("Gemm", []int{5}, []*onnx.Tensor{weights(5, 4), weights(3, 4)}), []int{5}}, "third operand"},
	{model{"gemm with a column", []int{4}, one("Gemm", []int{5}, []*onnx.Tensor{weights(5, 4), weights(4, 1)}), []int{5}}, "several rows"},
	{model{"a rectifier beside what it rectifies", []int{3}, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(5), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			return op(e, "Add", []onnx.Value{x, op(e, "LeakyRelu", []onnx.Value{x})})
		})
	}, []int{5}}, "writes over its input"},
	{model{"the same through a view", []int{3}, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(5), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			return op(e, "Add", []onnx.Value{op(e, "Identity", []onnx.Value{x}), op(e, "LeakyRelu", []onnx.Value{x})})
		})
	}, []int{5}}, "writes over its input"},
	{model{"normalization beside what it normalizes", []int{1}, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(3, 2, 2), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			e.Step("bn", "bn")
			y := e.Node("BatchNormalization", "", []onnx.Value{x, e.Const("scale", weights(3)), e.Const("b", weights(3)), e.Const("mean", weights(3)), e.Const("var", &onnx.Tensor{Dims: []int{3}, Data: onnx.Slice[float32]{0.5, 1, 2}})})
			return op(e, "Add", []onnx.Value{x, y})
		})
	}, []int{3, 2, 2}}, "writes over its input"},
	{model{"a weight after a rectifier", []int{3}, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(5), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			e.Step("w", "w")
			w := e.Node("LeakyRelu", "", []onnx.Value{e.Const("raw", weights(1, 5))}, onnx.Float("alpha", 0.5))
			return op(e, "Mul", []onnx.Value{x, w})
		})
	}, []int{5}}, "writes over the initializer"},
	{model{"an output that goes on", []int{3}, func(t testing.TB) *onnx.Model {
		m := net(t, 13, batchOf(5), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			h := op(e, "Tanh", []onnx.Value{x})
			e.Output(h, pb.TensorProto_FLOAT)
			return op(e, "Exp", []onnx.Value{h})
		})
		return m
	}, []int{5}}, "is read inside the graph too"},
	{model{"a square", []int{3}, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(5), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			return op(e, "Mul", []onnx.Value{x, x})
		})
	}, []int{5}}, "comes twice"},
	{model{"a list as long as the batch", []int{5}, one("Add", []int{5}, []*onnx.Tensor{weights(5)}), []int{5}}, "has that length"},
	{model{"a list along a column", []int{3}, one("Add", []int{1}, []*onnx.Tensor{weights(3)}), []int{1}}, "along the wrong axis"},
	{model{"a list as long as the batch of images", []int{4}, one("Add", []int{2, 3, 4}, []*onnx.Tensor{weights(4)}), []int{2, 3, 4}}, "has that length"},
	{model{"broadcast of four axes", []int{2}, one("Add", []int{3, 2, 2}, []*onnx.Tensor{weights(1, 3, 1, 1)}), []int{3, 2, 2}}, "does not broadcast"},
	{model{"maximum of a row", []int{3}, one("Max", []int{5}, []*onnx.Tensor{weights(1, 1, 5)}), []int{5}}, "broadcasts"},
	{model{"reshape to more axes", []int{2}, one("Reshape", []int{3, 4}, []*onnx.Tensor{list(-1, 2, 3, 2, 1)}), []int{3, 4}}, "-1"},
	{model{"reshape to fewer axes", []int{1}, one("Reshape", []int{3, 4}, []*onnx.Tensor{list(-1, 12)}), []int{3, 4}}, "-1"},
	{model{"flatten from the end", []int{2}, one("Flatten", []int{3, 4}, nil, onnx.Int("axis", -1)), []int{3, 4}}, "negative axes"},
	{model{"concat from the end", []int{2}, one("Concat", []int{3}, []*onnx.Tensor{weights(2, 2)}, onnx.Int("axis", -1)), []int{3}}, "negative axes"},
	{model{"softmax of columns", []int{3}, one("Softmax", []int{5}, nil, onnx.Int("axis", 0)), []int{5}}, "lacks the operator"},
	{model{"softmax of three axes", []int{2}, one("Softmax", []int{3, 4}, nil, onnx.Int("axis", 1)), []int{3, 4}}, "lacks the operator"},
	{model{"a large exponential", []int{40}, wide("Exp"), []int{5}}, "lacks the operator"},
	{model{"the sine of a large angle", []int{40}, wide("Sin"), []int{5}}, "lacks the operator"},
	{model{"the cosine of a large angle", []int{40}, wide("Cos"), []int{5}}, "lacks the operator"},
	{model{"transpose without an order", []int{3}, one("Transpose", []int{5}, nil), []int{5}}, "wants perm"},
	{model{"padding above and to the left", []int{2}, one("Conv", []int{2, 5, 5}, []*onnx.Tensor{weights(3, 2, 3, 3)}, onnx.Ints("kernel_shape", 3, 3), onnx.Ints("pads", 1, 1, 0, 0)), []int{2, 5, 5}}, "takes pads"},
	{model{"convolution in groups", []int{2}, one("Conv", []int{4, 5, 5}, []*onnx.Tensor{weights(4, 2, 3, 3)}, onnx.Ints("kernel_shape", 3, 3), onnx.Int("group", 2)), []int{4, 5, 5}}, "group"},
	{model{"max pooling of padded negatives", []int{2}, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(2, 4, 4), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			low := op(e, "Neg", []onnx.Value{op(e, "Exp", []onnx.Value{x})})
			return op(e, "MaxPool", []onnx.Value{low}, onnx.Ints("kernel_shape", 2, 2), onnx.Ints("pads", 1, 1, 0, 0))
		})
	}, []int{2, 4, 4}}, "pads"},
	{model{"an operator it lacks", []int{2}, one("Erf", []int{3}, nil), []int{3}}, "lacks the operator"},
	{model{"products of stacks", []int{2}, one("MatMul", []int{3, 4}, []*onnx.Tensor{weights(4, 2)}), []int{3, 4}}, "matrices only"},
	{model{"a scalar constant", []int{2}, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(5), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			return op(e, "Mul", []onnx.Value{x, op(e, "Constant", nil, onnx.TensorAttr("value", &onnx.Tensor{Data: onnx.Slice[float32]{2}}))})
		})
	}, []int{5}}, "lacks the operator"},
	{model{"a constant row", []int{2}, func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(5), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			return op(e, "Mul", []onnx.Value{x, op(e, "Constant", nil, onnx.TensorAttr("value", weights(1, 5)))})
		})
	}, []int{5}}, "lacks the operator"},
	{model{"squeeze", []int{2}, one("Squeeze", []int{1, 5}, []*onnx.Tensor{list(1)}), []int{1, 5}}, "lacks the operator"},
	{model{"unsqueeze", []int{2}, one("Unsqueeze", []int{5}, []*onnx.Tensor{list(1)}), []int{5}}, "lacks the operator"},
}

// wide applies a function to ten times its input.
func wide(kind string) func(testing.TB) *onnx.Model {
	return func(t testing.TB) *onnx.Model {
		return net(t, 13, batchOf(5), func(e *onnx.Emitter, x onnx.Value) onnx.Value {
			return op(e, kind, []onnx.Value{op(e, "Mul", []onnx.Value{x, e.Const("ten", &onnx.Tensor{Dims: []int{1, 1}, Data: onnx.Slice[float32]{10}})})})
		})
	}
}

// TestWhatTheProfileRefusesIsWrong shows both that a fault is refused with its name, and that the library has it.
func TestWhatTheProfileRefusesIsWrong(t *testing.T) {
	race.Skip(t)
	for _, c := range wrong {
		t.Run(c.name, func(t *testing.T) {
			m, in := c.build(t), input(c.batch[0], c.rest)
			s, err := Open(t.Context(), m)
			if err == nil {
				_, err = s.Run(t.Context(), in)
				s.Close()
			}
			if _, ok := errors.AsType[*onnx.UnsupportedError](err); !ok || !strings.Contains(err.Error(), c.why) {
				t.Errorf("error is %v, want an UnsupportedError with %q", err, c.why)
			}
			if err := bare(t, m, in); err == nil {
				t.Error("onnx-go computes it rightly")
			}
		})
	}
}

// bare runs a model twice without asking the profile, and returns what was wrong.
func bare(t *testing.T, m *onnx.Model, in []*onnx.Tensor) error {
	t.Helper()
	r, err := self()
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Open(t.Context(), m)
	if err != nil {
		return err
	}
	defer s.Close()
	for range 2 {
		got, err := s.Run(t.Context(), in)
		if err != nil {
			return err
		}
		if err := differ(t, m, in, got); err != nil {
			return err
		}
	}
	return nil
}

// TestONNXBackEndTests replays ONNX's own tests: what the profile passes must agree, in two runs, and enough must pass.
func TestONNXBackEndTests(t *testing.T) {
	race.Skip(t)
	models, err := filepath.Glob(filepath.Join(witnesstest.ONNXTestData(t), "*", "*", "model.onnx"))
	if err != nil || len(models) == 0 {
		t.Fatalf("no models: %v", err)
	}
	agreed := map[string]int{}
	for _, path := range models {
		name := filepath.Base(filepath.Dir(path))
		m, err := wire.Read(path, wire.Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		ran, err := replay(t, m, filepath.Dir(path))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if ran {
			for _, n := range m.Proto.Graph.Node {
				agreed[n.GetOpType()]++
			}
		}
	}
	t.Logf("agreed, by operator: %v", agreed)
	asInputs := []string{"BatchNormalization", "Reshape"} // their tests give as inputs what the profile wants to be initializers
	for kind := range rules {
		if agreed[kind] == 0 && !slices.Contains(asInputs, kind) {
			t.Errorf("no test of ONNX has shown that %s is right", kind)
		}
	}
}

// replay reports whether a model was run; an error says that it should not have been.
func replay(t *testing.T, m *onnx.Model, dir string) (ran bool, err error) {
	s, err := Open(t.Context(), m)
	if _, ok := errors.AsType[*onnx.UnsupportedError](err); ok {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer s.Close()
	sets, err := filepath.Glob(filepath.Join(dir, "test_data_set_*"))
	if err != nil {
		return false, err
	}
	for _, set := range sets {
		var in []*onnx.Tensor
		for i, v := range m.Proto.Graph.Input {
			x, err := wire.ReadTensorFile(filepath.Join(set, fmt.Sprintf("input_%d.pb", i)), wire.Limits{})
			if errors.Is(err, os.ErrNotExist) {
				continue // an initializer that is listed among the inputs
			}
			if err != nil {
				return false, err
			}
			x.Name = v.GetName()
			in = append(in, x)
		}
		for range 2 {
			got, err := s.Run(t.Context(), in)
			if _, ok := errors.AsType[*onnx.UnsupportedError](err); ok {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			for i, g := range got {
				want, err := wire.ReadTensorFile(filepath.Join(set, fmt.Sprintf("output_%d.pb", i)), wire.Limits{})
				if err != nil {
					return false, err
				}
				if err := near(g, want); err != nil {
					return false, fmt.Errorf("%s: output %d: %w", filepath.Base(set), i, err)
				}
			}
		}
	}
	return len(sets) > 0, nil
}

// near compares an output with a recorded one, within the tolerance of ONNX's own runner: 1e-7 + 1e-3 |want|.
func near(got, want *onnx.Tensor) error {
	g, ok := got.Data.(onnx.Slice[float32])
	w, ok2 := want.Data.(onnx.Slice[float32])
	if !ok || !ok2 || !slices.Equal(got.Dims, want.Dims) {
		return fmt.Errorf("%v%v, want %v%v", got.Type(), got.Dims, want.Type(), want.Dims)
	}
	for i := range w {
		if g[i] != w[i] && !(g[i] != g[i] && w[i] != w[i]) && !(math.Abs(float64(g[i])-float64(w[i])) <= 1e-7+1e-3*math.Abs(float64(w[i]))) {
			return fmt.Errorf("element %d is %v, want %v", i, g[i], w[i])
		}
	}
	return nil
}

func TestProbe(t *testing.T) {
	if _, err := (Runtime{}).Version(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestProgramsThatAreNotArmedDoNotStartThemselves runs this test binary without Main, which must refuse instead of running itself
// as a child that runs itself.
func TestProgramsThatAreNotArmedDoNotStartThemselves(t *testing.T) {
	if os.Getenv("PETRIFY_TEST_DISARMED") != "" {
		unarmed := func(err error) bool {
			m, ok := errors.AsType[*witness.MissingError](err)
			return ok && strings.Contains(m.Remedy, "gorgonnx.Main")
		}
		if _, err := (Runtime{}).Version(t.Context()); !unarmed(err) {
			t.Errorf("probe: %v", err)
		}
		if _, err := Open(t.Context(), right[0].build(t)); !unarmed(err) {
			t.Errorf("open: %v", err)
		}
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run", t.Name())
	cmd.Env = append(os.Environ(), "PETRIFY_TEST_DISARMED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestADeathOfTheChildIsSurvived kills the child under a session: the next run starts another.
func TestADeathOfTheChildIsSurvived(t *testing.T) {
	m := right[0].build(t)
	s, err := Open(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in := input(3, right[0].rest)
	short, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-short.Done()
	if _, err := s.Run(short, in); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a run out of time: %v", err)
	}
	s.child.Close() // as if it had died between two runs
	s.child = nil
	got, err := s.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if err := differ(t, m, in, got); err != nil {
		t.Error(err)
	}
}

// TestWhatKillsTheLibraryKillsTheChildOnly has onnx-go allocate what a model declares, 16 TiB, and hang or die of it.
func TestWhatKillsTheLibraryKillsTheChildOnly(t *testing.T) {
	m := net(t, 13, batchOf(5), func(e *onnx.Emitter, x onnx.Value) onnx.Value { return op(e, "Tanh", []onnx.Value{x}) })
	m.Proto.Graph.ValueInfo = []*pb.ValueInfoProto{{Name: proto.String("tanh"), Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Fixed(1 << 42)}}.Proto()}}
	s, err := Open(t.Context(), m)
	if err == nil {
		s.Close()
		t.Fatal("16 TiB were found")
	}
	if _, ok := errors.AsType[*witness.BrokenError](err); !ok || !strings.Contains(err.Error(), "stock onnx-go") || strings.Contains(err.Error(), "goroutine") {
		t.Errorf("error is %v, want a BrokenError that blames onnx-go in few words", err)
	}
}

func TestClosedSession(t *testing.T) {
	s, err := Open(t.Context(), right[0].build(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Run(t.Context(), input(1, right[0].rest)); err == nil {
		t.Error("a closed session runs")
	}
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}
