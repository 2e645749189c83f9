package pass_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pass"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/reference"
)

type values = []onnx.Value

// A net draws the weights of a graph.
type net struct {
	*onnx.Emitter
	*rand.Rand
	t *testing.T
}

// weights adds an initializer; those of a variance are positive.
func (n net) weights(name string, dims ...int) onnx.Value {
	size := 1
	for _, d := range dims {
		size *= d
	}
	data := make([]float32, size)
	for i := range data {
		if data[i] = float32(n.NormFloat64()); name == "variance" {
			data[i] = data[i]*data[i] + 0.1
		}
	}
	return n.constant(name, data, dims...)
}

func (n net) constant(name string, data any, dims ...int) onnx.Value {
	d, ok := onnx.DataOf(data)
	if !ok {
		n.t.Fatalf("%T", data)
	}
	return n.Const(name, &onnx.Tensor{Dims: dims, Data: d})
}

// norm adds a normalisation.
func (n net) norm(inner string, x onnx.Value, channels int, attrs ...onnx.Attr) onnx.Value {
	in := values{x}
	for _, name := range []string{"gamma", "beta", "mean", "variance"} {
		in = append(in, n.weights(name, channels))
	}
	return n.Node("BatchNormalization", inner, in, attrs...)
}

// build makes a model with one input x and one output y.
func build(t *testing.T, opset int64, dims []int, layers func(n net, x onnx.Value) onnx.Value) *pb.ModelProto {
	t.Helper()
	n := net{onnx.NewEmitter(onnx.EmitterOptions{Graph: "g", Opset: opset}), rand.New(rand.NewPCG(1, 2)), t}
	var declared []onnx.Dim
	for _, d := range dims {
		declared = append(declared, onnx.Fixed(int64(d)))
	}
	n.Step("g", "y")
	n.Output(layers(n, n.Input("x", pb.TensorProto_FLOAT, declared...)), pb.TensorProto_FLOAT)
	m, err := n.Model()
	if err != nil {
		t.Fatal(err)
	}
	types, _ := infer.Types(m)
	m.Graph.Output[0].Type = types["y"].Proto()
	return m
}

// operators are those of the main graph, in order.
func operators(m *pb.ModelProto) string {
	var s []string
	for _, n := range m.GetGraph().GetNode() {
		s = append(s, n.GetOpType())
	}
	return strings.Join(s, " ")
}

// same applies passes, and fails the test unless the result is a valid model that computes the same, and the source is as it was.
func same(t *testing.T, m *pb.ModelProto, dims []int, passes ...pass.Pass) *pb.ModelProto {
	t.Helper()
	before, err := onnx.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	out := pass.Apply(m, passes...)
	if after, err := onnx.Marshal(m); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the source has changed, %v", err)
	}
	for _, f := range check.Model(out) {
		if f.Severity == rule.Error {
			t.Errorf("the result is invalid: %s: %s", f.Where, f.Message)
		}
	}
	size := 1
	for _, d := range dims {
		size *= d
	}
	r := rand.New(rand.NewPCG(3, 4))
	x := make([]float32, size)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	in, err := onnx.NewTensor("x", x, dims...)
	if err != nil {
		t.Fatal(err)
	}
	run := func(m *pb.ModelProto) *reference.Value {
		p, err := reference.Compile(&onnx.Model{Proto: m}, reference.Options{})
		if err != nil {
			t.Fatalf("%s: %v", operators(m), err)
		}
		result, err := p.RunTensors(t.Context(), []*onnx.Tensor{in})
		if err != nil {
			t.Fatalf("%s: %v", operators(m), err)
		}
		return result.Outputs[0]
	}
	want, got := run(m), run(out)
	if !slices.Equal(want.Dims, got.Dims) {
		t.Fatalf("dims are %v, want %v", got.Dims, want.Dims)
	}
	for i := range want.Len() {
		if a, b := want.Float(i), got.Float(i); !(math.Abs(a-b) <= 1e-5*(1+math.Abs(a))) {
			t.Fatalf("element %d is %v, want %v", i, b, a)
		}
	}
	return out
}

func TestNormalisationsGoIntoTheLayerInFront(t *testing.T) {
	for _, c := range []struct {
		claim  string
		dims   []int
		layers func(n net, x onnx.Value) onnx.Value
		want   string
	}{
		{"convolution", []int{2, 4, 5, 6}, func(n net, x onnx.Value) onnx.Value {
			return n.norm("", n.Node("Conv", "c", values{x, n.weights("w.weight", 6, 2, 3, 2), n.weights("b", 6)}, onnx.Int("group", 2)), 6)
		}, "Conv"},
		{"convolution without a bias", []int{2, 4, 5, 6}, func(n net, x onnx.Value) onnx.Value {
			return n.norm("", n.Node("Conv", "c", values{x, n.weights("w.weight", 3, 4, 3, 2)}), 3, onnx.Float("epsilon", 0.1))
		}, "Conv"},
		{"convolution over one axis, its bias left out by name", []int{2, 4, 5}, func(n net, x onnx.Value) onnx.Value {
			return n.norm("", n.Node("Conv", "c", values{x, n.weights("w.weight", 3, 4, 3), {}}), 3)
		}, "Conv"},
		{"transposed convolution in groups", []int{2, 4, 3, 2}, func(n net, x onnx.Value) onnx.Value {
			return n.norm("", n.Node("ConvTranspose", "c", values{x, n.weights("w", 4, 3, 2, 3), n.weights("b", 6)}, onnx.Int("group", 2)), 6)
		}, "ConvTranspose"},
		{"Gemm", []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
			return n.norm("", n.Node("Gemm", "c", values{x, n.weights("w", 4, 5), n.weights("b", 1, 5)}), 5)
		}, "Gemm"},
		{"Gemm, transposed, without a bias", []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
			return n.norm("", n.Node("Gemm", "c", values{x, n.weights("w", 5, 4)}, onnx.Int("transB", 1)), 5)
		}, "Gemm"},
		{"product of matrices", []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
			return n.norm("", n.Node("MatMul", "c", values{x, n.weights("w", 4, 5)}), 5)
		}, "MatMul Add"},
		{"product and sum", []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
			return n.norm("", n.Node("Add", "s", values{n.weights("b", 5), n.Node("MatMul", "c", values{x, n.weights("w", 4, 5)})}), 5)
		}, "MatMul Add"},
		{"product and sum before changes of shape", []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
			x = n.Node("Add", "s", values{n.Node("MatMul", "c", values{x, n.weights("w", 4, 24)}), n.weights("b", 1, 24)})
			x = n.Node("Reshape", "r1", values{x, n.constant("s1", []int64{-1, 2, 12}, 3)})
			return n.norm("", n.Node("Reshape", "r2", values{x, n.constant("s2", []int64{0, 6, 2, 2}, 4)}), 6)
		}, "MatMul Add Reshape Reshape"},
		{"product before a change of shape", []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
			x = n.Node("MatMul", "c", values{x, n.weights("w", 4, 24)})
			return n.Node("Relu", "", values{n.norm("n", n.Node("Reshape", "r", values{x, n.constant("s", []int64{0, 6, 4}, 3)}), 6)})
		}, "MatMul Add Reshape Relu"},
		{"product of more axes before a flattening", []int{3, 2, 4}, func(n net, x onnx.Value) onnx.Value {
			x = n.Node("MatMul", "c", values{x, n.weights("w", 4, 5)})
			return n.norm("", n.Node("Flatten", "f", values{x}, onnx.Int("axis", 2)), 5)
		}, "MatMul Add Flatten"},
		{"two, one after the other", []int{2, 4, 5}, func(n net, x onnx.Value) onnx.Value {
			x = n.norm("n1", n.Node("Conv", "c", values{x, n.weights("w", 3, 4, 3)}), 3)
			n.Step("h", "y")
			return n.norm("", x, 3)
		}, "Conv"},
		{"weights that two layers share", []int{2, 3, 5}, func(n net, x onnx.Value) onnx.Value {
			w, b := n.weights("w", 3, 3, 1), n.weights("b", 3)
			return n.norm("", n.Node("Conv", "c2", values{n.Node("Relu", "a", values{n.Node("Conv", "c1", values{x, w, b})}), w, b}), 3)
		}, "Conv Relu Conv"},

		{"product of more axes: its channels are elsewhere", []int{3, 5, 4}, func(n net, x onnx.Value) onnx.Value {
			return n.norm("", n.Node("MatMul", "c", values{x, n.weights("w", 4, 5)}), 5)
		}, "MatMul BatchNormalization"},
		{"a sum along the other axis", []int{5, 4}, func(n net, x onnx.Value) onnx.Value {
			return n.norm("", n.Node("Add", "s", values{n.Node("MatMul", "c", values{x, n.weights("w", 4, 5)}), n.weights("b", 5, 1)}), 5)
		}, "MatMul Add BatchNormalization"},
		{"Gemm with a bias along the other axis", []int{5, 4}, func(n net, x onnx.Value) onnx.Value {
			return n.norm("", n.Node("Gemm", "c", values{x, n.weights("w", 4, 5), n.weights("b", 5, 1)}), 5)
		}, "Gemm BatchNormalization"},
		{"Gemm that scales", []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
			return n.norm("", n.Node("Gemm", "c", values{x, n.weights("w", 4, 5)}, onnx.Float("alpha", 2)), 5)
		}, "Gemm BatchNormalization"},
		{"a value between that is read twice", []int{2, 3, 5}, func(n net, x onnx.Value) onnx.Value {
			x = n.Node("Conv", "c", values{x, n.weights("w", 3, 3, 1)})
			return n.Node("Add", "", values{x, n.norm("n", x, 3)})
		}, "Conv BatchNormalization Add"},
		{"an activation between", []int{2, 3, 5}, func(n net, x onnx.Value) onnx.Value {
			return n.norm("", n.Node("Relu", "a", values{n.Node("Conv", "c", values{x, n.weights("w", 3, 3, 1)})}), 3)
		}, "Conv Relu BatchNormalization"},
		{"a change of shape that mixes channels and places", []int{2, 3, 4}, func(n net, x onnx.Value) onnx.Value {
			x = n.Node("Conv", "c", values{x, n.weights("w", 3, 3, 1)})
			return n.norm("", n.Node("Reshape", "r", values{x, n.constant("s", []int64{0, 3, 2, 2}, 4)}), 3)
		}, "Conv Reshape BatchNormalization"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			m := build(t, 15, c.dims, c.layers)
			out := same(t, m, c.dims, pass.FoldBatchNorm)
			if got := operators(out); got != c.want {
				t.Errorf("left are %s, want %s", got, c.want)
			}
			if !strings.Contains(c.want, "BatchNormalization") {
				for _, p := range out.GetGraph().GetInitializer() {
					if strings.Contains(p.GetName(), "gamma") || strings.Contains(p.GetName(), "variance") {
						t.Errorf("%s is left", p.GetName())
					}
				}
			}
		})
	}
}

// In training a normalisation uses the statistics of the batch: it must stay.
func TestNormalisationsOfTheBatchStay(t *testing.T) {
	layers := func(attrs ...onnx.Attr) func(n net, x onnx.Value) onnx.Value {
		return func(n net, x onnx.Value) onnx.Value {
			return n.norm("", n.Node("Conv", "c", values{x, n.weights("w", 3, 3, 1)}), 3, attrs...)
		}
	}
	for _, c := range []struct {
		opset int64
		attrs []onnx.Attr
		want  string
	}{
		{15, []onnx.Attr{onnx.Int("training_mode", 1)}, "Conv BatchNormalization"},
		{15, []onnx.Attr{onnx.Int("training_mode", 0)}, "Conv"},
		{7, []onnx.Attr{onnx.Int("spatial", 0)}, "Conv BatchNormalization"},
		{7, nil, "Conv"},
		{6, nil, "Conv BatchNormalization"},
	} {
		if got := operators(pass.Apply(build(t, c.opset, []int{2, 3, 5}, layers(c.attrs...)), pass.FoldBatchNorm)); got != c.want {
			t.Errorf("opset %d, %v: left are %s, want %s", c.opset, c.attrs, got, c.want)
		}
	}
}

// What a graph inside a node reads keeps its name, and weights that whoever runs the model may replace are not constants.
func TestNamesThatOthersReadStay(t *testing.T) {
	dims := []int{2, 3, 5}
	layers := func(n net, x onnx.Value) onnx.Value {
		x = n.Node("Conv", "c", values{x, n.weights("w", 3, 3, 1)})
		return n.Node("Relu", "", values{n.norm("n", x, 3)})
	}
	inside := build(t, 15, dims, layers)
	then := &pb.GraphProto{Name: proto.String("then"), Node: []*pb.NodeProto{{OpType: proto.String("Neg"), Input: []string{"g.c"}, Output: []string{"t"}}},
		Output: []*pb.ValueInfoProto{{Name: proto.String("t")}}}
	otherwise := &pb.GraphProto{Name: proto.String("else"), Node: []*pb.NodeProto{{OpType: proto.String("Abs"), Input: []string{"g.n"}, Output: []string{"t"}}},
		Output: []*pb.ValueInfoProto{{Name: proto.String("t")}}}
	inside.Graph.Node = append(inside.Graph.Node, &pb.NodeProto{OpType: proto.String("If"), Input: []string{"flag"}, Output: []string{"z"}, Attribute: []*pb.AttributeProto{
		{Name: proto.String("then_branch"), Type: pb.AttributeProto_GRAPH.Enum(), G: then},
		{Name: proto.String("else_branch"), Type: pb.AttributeProto_GRAPH.Enum(), G: otherwise},
	}})
	if got := operators(pass.Apply(inside, pass.FoldBatchNorm)); got != "Conv BatchNormalization Relu If" {
		t.Errorf("a value that a branch reads is gone: %s", got)
	}
	then.Node[0].Input[0] = "x"
	out := pass.Apply(inside, pass.FoldBatchNorm)
	if got := operators(out); got != "Conv Relu If" || out.GetGraph().GetNode()[0].GetOutput()[0] != "g.n" {
		t.Errorf("the name that a branch reads is gone: %v", out.GetGraph().GetNode())
	}

	given := build(t, 15, dims, layers)
	given.Graph.Input = append(given.Graph.Input, &pb.ValueInfoProto{Name: proto.String("g.w"), Type: onnx.Type{Elem: pb.TensorProto_FLOAT}.Proto()})
	if got := operators(pass.Apply(given, pass.FoldBatchNorm)); got != "Conv BatchNormalization Relu" {
		t.Errorf("weights that may be replaced are folded: %s", got)
	}
	if out := pass.Apply(given, pass.FixDefaults, pass.FoldBatchNorm); operators(out) != "Conv Relu" || len(out.GetGraph().GetInput()) != 1 {
		t.Errorf("with defaults fixed: %s, %d inputs", operators(out), len(out.GetGraph().GetInput()))
	}
}

// A folded weight is the product that it should be, with one rounding, and epsilon the number that was meant.
func TestFoldedByHand(t *testing.T) {
	one := func(v float32) []float32 { return []float32{v} }
	m := build(t, 15, []int{1, 1}, func(n net, x onnx.Value) onnx.Value {
		x = n.Node("MatMul", "fc", values{x, n.constant("fc.weight", one(3), 1, 1)})
		return n.Node("BatchNormalization", "", values{x, n.constant("gamma", one(2), 1), n.constant("beta", one(7), 1), n.constant("mean", one(1), 1), n.constant("variance", one(1e-4), 1)}, onnx.Float("epsilon", 1e-3))
	})
	out := same(t, m, []int{1, 1}, pass.FoldBatchNorm)
	scale := 2 / math.Sqrt(float64(float32(1e-4))+1e-3)
	want := fmt.Sprint("g.fc.weight [1 1] ", float32(3*scale), "; g.fc.bias [1 1] ", float32(7-scale), "; ")
	got := ""
	for _, p := range out.GetGraph().GetInitializer() {
		w, err := onnx.FromProto(p)
		if err != nil {
			t.Fatal(err)
		}
		got += fmt.Sprint(w.Name, " ", w.Dims, " ", w.Data.(onnx.Slice[float32])[0], "; ")
	}
	if got != want {
		t.Errorf("folded to %s, want %s", got, want)
	}
	nodes := out.GetGraph().GetNode()
	if len(nodes) != 2 || nodes[0].GetName() != "g.fc.matmul" || nodes[1].GetName() != "y" || nodes[1].GetOutput()[0] != "y" {
		t.Errorf("the nodes are %v", nodes)
	}
}

func TestConstantsBecomeData(t *testing.T) {
	m := build(t, 15, []int{2}, func(n net, x onnx.Value) onnx.Value {
		a := n.Node("Constant", "a", nil, onnx.Float("value_float", 2))
		b := n.Node("Constant", "b", nil, onnx.Floats("value_floats", 1, 3))
		c := n.Node("Constant", "c", nil, onnx.TensorAttr("value", &onnx.Tensor{Dims: []int{1}, Data: onnx.Slice[float32]{5}}))
		d := n.Node("Constant", "d", nil, onnx.Ints("value_ints", 2, 1))
		e := n.Node("Constant", "e", nil, onnx.Int("value_int", -1))
		x = n.Node("Add", "s", values{n.Node("Mul", "p", values{x, a}), n.Node("Add", "q", values{b, c})})
		x = n.Node("Reshape", "r", values{x, d})
		return n.Node("Reshape", "", values{x, n.Node("Unsqueeze", "u", values{e, n.constant("axes", []int64{0}, 1)})})
	})
	if got := operators(same(t, m, []int{2}, pass.ConstantsToData)); strings.Contains(got, "Constant") {
		t.Errorf("left are %s", got)
	}
}

func TestActivationsGoInFrontOfReshaping(t *testing.T) {
	m := build(t, 15, []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
		x = n.Node("MatMul", "c", values{x, n.weights("w", 4, 6)})
		x = n.Node("Reshape", "r1", values{x, n.constant("s1", []int64{0, 2, 3}, 3)})
		x = n.Node("Unsqueeze", "r2", values{x, n.constant("s2", []int64{1}, 1)})
		x = n.Node("LeakyRelu", "a", values{x}, onnx.Float("alpha", 0.1))
		x = n.Node("Flatten", "f", values{x})
		return n.Node("Add", "", values{x, n.Node("Tanh", "t", values{x})}) // read twice: stays
	})
	if got, want := operators(same(t, m, []int{3, 4}, pass.LiftOverReshaping)), "MatMul LeakyRelu Reshape Unsqueeze Flatten Tanh Add"; got != want {
		t.Errorf("in order they are %s, want %s", got, want)
	}
}

func TestProductsBecomeGemm(t *testing.T) {
	for _, c := range []struct {
		claim  string
		dims   []int
		layers func(n net, x onnx.Value) onnx.Value
		want   string
	}{
		{"product and sum", []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
			return n.Node("Add", "", values{n.Node("MatMul", "c", values{x, n.weights("w", 4, 5)}), n.weights("b", 1, 5)})
		}, "Gemm"},
		{"sum and product", []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
			return n.Node("Add", "", values{n.weights("b", 5), n.Node("MatMul", "c", values{x, n.weights("w", 4, 5)})})
		}, "Gemm"},
		{"product alone", []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
			return n.Node("Relu", "", values{n.Node("MatMul", "c", values{x, n.weights("w", 4, 5)})})
		}, "Gemm Relu"},
		{"a stack, with weights that two layers share", []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
			w, b := n.weights("w", 4, 4), n.weights("b", 1, 4)
			x = n.Node("Add", "s1", values{n.Node("MatMul", "c1", values{x, w}), b})
			return n.Node("Add", "", values{n.Node("MatMul", "c2", values{n.Node("Tanh", "a", values{x}), w}), b})
		}, "Gemm Tanh Gemm"},
		{"a sum with another value of the graph", []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
			return n.Node("Add", "", values{n.Node("MatMul", "c", values{x, n.weights("w", 4, 4)}), x})
		}, "Gemm Add"},
		{"a bias with more axes than the product", []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
			return n.Node("Add", "", values{n.Node("MatMul", "c", values{x, n.weights("w", 4, 5)}), n.weights("b", 1, 1, 5)})
		}, "Gemm Add"},
		{"a product that something else reads, too", []int{3, 4}, func(n net, x onnx.Value) onnx.Value {
			p := n.Node("MatMul", "c", values{x, n.weights("w", 4, 5)})
			return n.Node("Mul", "", values{n.Node("Add", "s", values{p, n.weights("b", 1, 5)}), p})
		}, "Gemm Add Mul"},

		{"a product of more axes", []int{3, 2, 4}, func(n net, x onnx.Value) onnx.Value {
			return n.Node("Add", "", values{n.Node("MatMul", "c", values{x, n.weights("w", 4, 5)}), n.weights("b", 5)})
		}, "MatMul Add"},
		{"weights that are computed", []int{3, 3}, func(n net, x onnx.Value) onnx.Value {
			return n.Node("MatMul", "", values{x, n.Node("Tanh", "t", values{x})})
		}, "Tanh MatMul"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			if got := operators(same(t, build(t, 13, c.dims, c.layers), c.dims, pass.ProductsToGemm)); got != c.want {
				t.Errorf("operators are %s, want %s", got, c.want)
			}
		})
	}
}

func TestPassesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range pass.All() {
		if p.Name == "" || p.Doc == "" || seen[p.Name] {
			t.Errorf("%+v", p)
		}
		seen[p.Name] = true
	}
}
