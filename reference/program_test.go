package reference

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

func TestInputsAreHeldAgainstTheirDeclaration(t *testing.T) {
	m := graph(t, 13, `
		in z float N,3
		in k int64 N
		y = Neg(z)
		out y`)
	z := func(dims ...int) *onnx.Tensor { return tensor(t, "z", make([]float32, size(dims)), dims...) }
	k := tensor(t, "k", []int64{1, 2}, 2)
	for _, tc := range []struct {
		name   string
		inputs []*onnx.Tensor
		want   []string // parts of the error
	}{
		{"right", []*onnx.Tensor{k, z(2, 3)}, nil},
		{"missing", []*onnx.Tensor{k}, []string{`"z": missing`, "want float32[N,3]"}},
		{"unknown", []*onnx.Tensor{k, z(2, 3), tensor(t, "x", []float32{1}, 1)}, []string{`"x"`, `it has "z", "k"`}},
		{"twice", []*onnx.Tensor{k, z(2, 3), z(2, 3)}, []string{`"z": given twice`}},
		{"another type", []*onnx.Tensor{k, tensor(t, "z", make([]float64, 6), 2, 3)}, []string{"got float64[2,3]", "want float32[N,3]"}},
		{"another rank", []*onnx.Tensor{k, z(2, 3, 1)}, []string{"rank 3", "rank 2"}},
		{"another length", []*onnx.Tensor{k, z(2, 4)}, []string{"got float32[2,4]", "axis 1"}},
		{"symbols that disagree", []*onnx.Tensor{k, z(5, 3)}, []string{"N is 2 elsewhere"}},
		{"several problems at once", []*onnx.Tensor{z(2, 4)}, []string{`"k": missing`, `"z": got`}},
		{"data of another length", []*onnx.Tensor{k, {Name: "z", Dims: []int{2, 3}, Data: onnx.Slice[float32]{1}}}, []string{"wants 6 elements, got 1"}},
		{"complex numbers", []*onnx.Tensor{k, {Name: "z", Dims: []int{1}, Data: onnx.Slice[complex64]{1}}}, []string{"complex64"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Run(m, tc.inputs)
			if tc.want == nil && err != nil {
				t.Fatal(err)
			}
			for _, part := range tc.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error %v, want %q in it", err, part)
				}
			}
		})
	}
}

func TestEverythingUnknownIsNamedBeforeAnythingIsComputed(t *testing.T) {
	for _, tc := range []struct {
		name, src string
		opset     int64
		want      []string
	}{
		{"operators", "in x float 2\na = Foo(x)\nb = Neg(a)\ny = Bar(b)\nout y", 13, []string{"Foo at opset 13", "also Bar"}},
		{"an attribute", "in x float 2\ny = Neg(x) depth=3\nout y", 13, []string{"Neg", "attribute depth"}},
		{"an attribute of another opset", "in x float 2\ny = Add(x, x) axis=0\nout y", 7, []string{"Add", "attribute axis"}},
		{"an operator before its time", "in x float 2\ny = Gelu(x)\nout y", 19, []string{"Gelu", "from opset 20"}},
		{"an opset after our time", "in x float 2\ny = Neg(x)\nout y", 99, []string{"Neg at opset 99", "up to opset"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Compile(graph(t, tc.opset, tc.src), Options{})
			u, ok := asUnsupported(err)
			if !ok {
				t.Fatalf("error %v, want an UnsupportedError", err)
			}
			for _, part := range tc.want {
				if !strings.Contains(u.Error(), part) {
					t.Errorf("error %q, want %q in it", u, part)
				}
			}
		})
	}
}

// TestARuntimesOwnLayoutIsNamed is about what ONNX Runtime's optimiser writes at its
// last level.
func TestARuntimesOwnLayoutIsNamed(t *testing.T) {
	m := graph(t, 13, "in x float 1,8,4,4\ny = ReorderInput(x)\nout y")
	m.Proto.Graph.Node[0].Domain = proto.String("com.microsoft.nchwc")
	m.Proto.OpsetImport = append(m.Proto.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("com.microsoft.nchwc"), Version: proto.Int64(1)})
	_, err := Compile(m, Options{})
	if u, ok := asUnsupported(err); !ok || !strings.Contains(u.Error(), "com.microsoft.nchwc.ReorderInput") || !strings.Contains(u.Error(), "level extended") {
		t.Errorf("error %v, want an UnsupportedError that says what to do", err)
	}
}

func TestGraphsThatContradictThemselves(t *testing.T) {
	for _, tc := range []struct{ name, src, want string }{
		{"a value before its node", "in x float 2\ny = Neg(z)\nz = Neg(x)\nout y", `no node before it computes "z"`},
		{"an output that nothing computes", "in x float 2\ny = Neg(x)\nout q", `"q"`},
		{"a name twice", "in x float 2\ny = Neg(x)\ny = Neg(x)\nout y", "the name is taken"},
		{"too few inputs", "in x float 2\ny = Add(x)\nout y", "has 1 inputs, want 2"},
		{"too many inputs", "in x float 2\ny = Neg(x, x)\nout y", "has 2 inputs, want 1"},
		{"an input left out", "in x float 2\ny = Add(, x)\nout y", "not optional"},
		{"too many outputs", "in x float 2\ny, z = Neg(x)\nout y", "has 2 outputs"},
		{"an attribute of another type", "in x float 2\ny = Flatten(x) axis=1.5\nout y", "FLOAT, want INT"},
		{"an attribute twice", "in x float 2\ny = Flatten(x) axis=1 axis=1\nout y", "twice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Compile(graph(t, 13, tc.src), Options{})
			if f, ok := asFormat(err); !ok || !strings.Contains(f.Error(), tc.want) {
				t.Errorf("error %v, want a FormatError with %q", err, tc.want)
			}
		})
	}
	if _, err := Compile(&onnx.Model{Proto: &pb.ModelProto{}}, Options{}); err == nil {
		t.Error("a model without a graph compiles")
	}
}

func TestTypesThatAnOperatorDoesNotTake(t *testing.T) {
	for _, tc := range []struct {
		src    string
		inputs []*onnx.Tensor
		want   string
	}{
		{"in x bool 1\ny = Tanh(x)\nout y", []*onnx.Tensor{tensor(t, "x", []bool{true}, 1)}, "bool[1], which Tanh does not take"},
		{"in x float 1\nin k int64 1\ny = Add(x, k)\nout y", []*onnx.Tensor{tensor(t, "x", []float32{1}, 1), tensor(t, "k", []int64{1}, 1)}, "want the type of input 0"},
		{"in x float 2,3\nin w float 4,5\ny = MatMul(x, w)\nout y", []*onnx.Tensor{tensor(t, "x", make([]float32, 6), 2, 3), tensor(t, "w", make([]float32, 20), 4, 5)}, "3 columns against 4 rows"},
		{"in x float 2\ny = Reshape(x, s)\nout y", []*onnx.Tensor{tensor(t, "x", make([]float32, 2), 2)}, `no node before it computes "s"`},
	} {
		if _, err := Run(graph(t, 13, tc.src), tc.inputs); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want %q in it", err, tc.want)
		}
	}
}

func TestBudgetsEndWhatWouldNot(t *testing.T) {
	shape := func(dims ...int64) *onnx.Tensor { return tensor(t, "s", dims, len(dims)) }
	for _, tc := range []struct {
		name, src string
		init      *onnx.Tensor
		o         Options
		want      string
	}{
		{"a large tensor", "y = ConstantOfShape(s)\nout y", shape(1<<20, 1<<20), Options{}, "beyond the budget"},
		{"a shape that overflows", "y = ConstantOfShape(s)\nout y", shape(1<<40, 1<<40), Options{}, "beyond the budget"},
		{"a long way along nothing", "y = ConstantOfShape(s)\nout y", shape(1<<40, 0), Options{}, "longer than"},
		{"a negative shape", "y = ConstantOfShape(s)\nout y", shape(-1), Options{}, "negative"},
		{"a large product", "a = ConstantOfShape(s)\ny = MatMul(a, a)\nout y", shape(1000, 1000), Options{Work: 1 << 20}, "beyond the budget"},
		{"many copies", "a = ConstantOfShape(s)\nb = Concat(a, a) axis=0\nc = Concat(b, b) axis=0\nd = Concat(c, c) axis=0\ny = Concat(d, d, c, b, a) axis=0\nout y", shape(1000), Options{Memory: 20000}, "beyond the budget"},
		{"an initializer", "y = Identity(s)\nout y", shape(1, 2, 3), Options{Memory: 2}, "beyond the budget"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := Compile(graph(t, 13, tc.src, tc.init), tc.o)
			if err == nil {
				_, err = p.Run(context.Background(), nil)
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestMemoryThatIsFreeAgainCanBeUsedAgain(t *testing.T) {
	src := "a0 = ConstantOfShape(s)\n"
	for i := range 50 {
		src += "a" + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10)) + "x = Identity(" + prev(i) + ")\n"
	}
	src += "y = Identity(" + prev(50) + ")\nout y"
	p, err := Compile(graph(t, 13, src, tensor(t, "s", []int64{1000}, 1)), Options{Memory: 5000})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(t.Context(), nil); err != nil {
		t.Errorf("50 values of 1000 elements, two alive at once, in 5000: %v", err)
	}
}

func prev(i int) string {
	if i == 0 {
		return "a0"
	}
	return "a" + string(rune('0'+i/10)) + string(rune('0'+i%10)) + "x"
}

func TestAContextEndsARun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p, err := Compile(graph(t, 13, "in x float 1\ny = Neg(x)\nout y"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.RunTensors(ctx, []*onnx.Tensor{tensor(t, "x", []float32{1}, 1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestAnOperatorWithoutARuleSaysSoByName(t *testing.T) {
	m := graph(t, 13, `
		in x float 3
		e = Exp(x)
		y = NonZero(e)
		out y`)
	p, err := Compile(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.RunTensors(t.Context(), []*onnx.Tensor{tensor(t, "x", []float32{1, 2, 3}, 3)})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "NonZero has no rule") {
		t.Errorf("notes %q, want one that names NonZero", r.Notes)
	}
	if !math.IsInf(r.Outputs[0].Sound[0], 1) {
		t.Errorf("the sound limit is %v, want infinite", r.Outputs[0].Sound[0])
	}
}

func TestMovedDataIsExact(t *testing.T) {
	m := graph(t, 13, `
		in x float 2,3
		a = Transpose(x)
		b = Reshape(a, s)
		c = Flatten(b) axis=0
		y = Concat(c, c) axis=1
		out y`, tensor(t, "s", []int64{-1, 1}, 2))
	y := run(t, m, tensor(t, "x", []float32{1, 2, 3, 4, 5, 6}, 2, 3))[0]
	if want := []float64{1, 4, 2, 5, 3, 6, 1, 4, 2, 5, 3, 6}; !slices.Equal(y.floats(), want) || y.Sound != nil {
		t.Errorf("%v ± %v, want exactly %v", y.Data, y.Sound, want)
	}
}

func TestNodesCanBeRunOneByOne(t *testing.T) {
	m := graph(t, 13, `
		in x float 2
		a = Mul(x, w)
		y = Tanh(a)
		out y`, tensor(t, "w", []float32{2, 3}, 2))
	p, err := Compile(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	nodes := p.Nodes()
	if len(nodes) != 2 || nodes[0].Op != "Mul" || !slices.Equal(nodes[0].Inputs, []string{"x", "w"}) || !slices.Equal(nodes[1].Outputs, []string{"y"}) {
		t.Fatalf("nodes %+v", nodes)
	}
	a := &Value{Name: "a", Type: pb.TensorProto_FLOAT, Dims: []int{2}, Data: onnx.Slice[float64]{0.5, -0.5}}
	r, err := p.RunNode(t.Context(), 1, map[string]*Value{"a": a})
	if err != nil {
		t.Fatal(err)
	}
	y := r.Outputs[0]
	if got := y.Float(0); got != math.Tanh(0.5) {
		t.Errorf("tanh 0.5 is %v", got)
	}
	if limit := y.Sound[0]; limit > 1e-6 {
		t.Errorf("the limit of one node on exact inputs is %v, want about 8 u", limit)
	}
	if w := p.Constant("w"); w == nil || w.Len() != 2 {
		t.Errorf("constant w is %v", w)
	}
	if _, err := p.RunNode(t.Context(), 0, nil); err == nil {
		t.Error("a node runs without its inputs")
	}
}

func TestAnInitializerStandsInForAnInput(t *testing.T) {
	m := graph(t, 13, `
		in x float 2
		in w float 2
		y = Add(x, w)
		out y`, tensor(t, "w", []float32{10, 20}, 2))
	x := tensor(t, "x", []float32{1, 2}, 2)
	if y := run(t, m, x)[0]; y.Float(1) != 22 {
		t.Errorf("with the initializer: %v", y.Data)
	}
	if y := run(t, m, x, tensor(t, "w", []float32{0, 0}, 2))[0]; y.Float(1) != 2 {
		t.Errorf("with the input given: %v", y.Data)
	}
}

func TestFunctionsOfTheModel(t *testing.T) {
	// scale(x; by) = x * by + x, called with and without its attribute.
	f := &pb.FunctionProto{
		Name: proto.String("scale"), Domain: proto.String("mine"), Input: []string{"x"}, Output: []string{"y"},
		AttributeProto: []*pb.AttributeProto{attribute(t, "by", "3.0")},
		Node: []*pb.NodeProto{
			{OpType: proto.String("Constant"), Output: []string{"k"}, Attribute: []*pb.AttributeProto{{
				Name: proto.String("value_float"), Type: pb.AttributeProto_FLOAT.Enum(), RefAttrName: proto.String("by"),
			}}},
			node(t, "m = Mul(x, k)"),
			node(t, "y = Add(m, x)"),
		},
		OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(13)}},
	}
	m := graph(t, 13, "in x float 1\na = scale(x)\ny = scale(a) by=0.5\nout y")
	for _, n := range m.Proto.Graph.Node {
		n.Domain = proto.String("mine")
	}
	m.Proto.Functions = []*pb.FunctionProto{f}
	m.Proto.OpsetImport = append(m.Proto.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("mine"), Version: proto.Int64(1)})
	if y := run(t, m, tensor(t, "x", []float32{2}, 1))[0]; y.Float(0) != 12 {
		t.Errorf("(2*3+2)*0.5+8 is %v", y.Data)
	}

	f.Node[1] = node(t, "m = scale(x)")
	f.Node[1].Domain = proto.String("mine")
	f.OpsetImport = append(f.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String("mine"), Version: proto.Int64(1)})
	if _, err := Compile(m, Options{}); err == nil {
		t.Error("a function that calls itself compiles")
	}
}

func TestTheTableIsInOrderAndWithoutDuplicates(t *testing.T) {
	names := Operators()
	if len(names) < 100 {
		t.Errorf("%d operators", len(names))
	}
	for i, name := range names {
		if i > 0 && names[i-1] == name {
			t.Errorf("%s twice", name)
		}
	}
	for _, o := range operators() {
		if o.eval == nil || o.name == "" {
			t.Errorf("%q has no eval", o.name)
		}
	}
}

func TestWatchShowsTheValuesOfTheMainGraph(t *testing.T) {
	m := graph(t, 13, "in x float 1\na = Neg(x)\nb = Exp(a)\nunused = Neg(b)\ny = Neg(b)\nout y")
	p, err := Compile(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := FromTensor(tensor(t, "x", []float32{1}, 1))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	if _, err := p.Watch(t.Context(), []*Value{x}, func(v *Value) { names = append(names, v.Name) }); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "unused", "y"}; !slices.Equal(names, want) {
		t.Errorf("saw %q, want %q", names, want)
	}
}

// TestAFunctionWithTheNameOfAStandardOperatorHasNoLimit: the standard leaves it to
// the runtime which of the two it takes.
func TestAFunctionWithTheNameOfAStandardOperatorHasNoLimit(t *testing.T) {
	for name, shadows := range map[string]bool{"Relu": true, "Twice": false} {
		m := graph(t, 13, "in x float 2\ny = "+name+"(x)\nout y")
		f := graph(t, 13, "in x float 2\ny = Add(x, x)\nout y").Proto.Graph
		m.Proto.Functions = []*pb.FunctionProto{{Name: proto.String(name), Input: []string{"x"}, Output: []string{"y"}, Node: f.Node, OpsetImport: m.Proto.OpsetImport}}
		p, err := Compile(m, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.RunTensors(t.Context(), []*onnx.Tensor{tensor(t, "x", []float32{-1, 2}, 2)})
		if err != nil {
			t.Fatal(err)
		}
		if y := r.Outputs[0]; y.Float(0) != -2 || math.IsInf(y.at(0).sound, 1) != shadows || (len(r.Notes) == 1) != shadows {
			t.Errorf("%s: %v ± %v, notes %q", name, y.Data, y.Sound, r.Notes)
		}
	}
}

// TestOperatorsThatAreRefusedSayWhy compiles nodes of other domains that the reference does not have.
func TestOperatorsThatAreRefusedSayWhy(t *testing.T) {
	for name, why := range map[string]string{
		"com.microsoft:BeamSearch":                "a search",
		"com.microsoft:Rfft":                      "has no kernel for CPUs",
		"com.microsoft:GatedDeltaNet":             "has no kernel for CPUs",
		"com.microsoft:SparseAttention":           "the same memory",
		"com.microsoft:SparseToDenseMatMul":       "a sparse tensor",
		"com.microsoft:EPContext":                 "compiled for one processor",
		"com.microsoft:NoSuchOperator":            "unsupported operator com.microsoft.NoSuchOperator",
		"com.microsoft.nchwc:Conv":                "level extended",
		"com.ms.internal.nhwc:Conv":               "other processors",
		"com.microsoft.extensions:BertTokenizer":  "onnxruntime-extensions",
		"ai.onnx.contrib:BertTokenizer":           "onnxruntime-extensions",
		"com.amd.quark:ExtendedQuantizeLinear":    "AMD's quantizer",
		"trt:TRT_FP8QuantizeLinear":               "TensorRT",
		"org.pytorch.aten:ATen":                   "PyTorch",
		"pkg.onnxscript.torch_lib:aten_index_put": "a function of PyTorch's exporter that the file lacks",
		"org.example:NoSuchOperator":              "unsupported operator org.example.NoSuchOperator",
	} {
		domain, name, _ := strings.Cut(name, ":")
		m := &onnx.Model{Proto: &pb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Domain: proto.String(domain), Version: proto.Int64(1)}}, Graph: &pb.GraphProto{
			Name:   proto.String("g"),
			Node:   []*pb.NodeProto{{OpType: proto.String(name), Domain: proto.String(domain), Input: []string{"x"}, Output: []string{"y"}}},
			Input:  []*pb.ValueInfoProto{{Name: proto.String("x"), Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Fixed(2)}}.Proto()}},
			Output: []*pb.ValueInfoProto{{Name: proto.String("y")}},
		}}}
		if _, err := Compile(m, Options{}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: got %v, want %q in it", name, err, why)
		}
	}
}

func TestComplexNumbersAreRefusedWithTheReason(t *testing.T) {
	m := &onnx.Model{Proto: &pb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(13)}}, Graph: &pb.GraphProto{
		Name:        proto.String("g"),
		Initializer: []*pb.TensorProto{{Name: proto.String("w"), DataType: proto.Int32(int32(pb.TensorProto_COMPLEX64)), Dims: []int64{1}, FloatData: []float32{1, 2}}},
		Node:        []*pb.NodeProto{{OpType: proto.String("Shape"), Input: []string{"w"}, Output: []string{"y"}}},
		Output:      []*pb.ValueInfoProto{{Name: proto.String("y")}},
	}}}
	if _, err := Compile(m, Options{}); err == nil || !strings.Contains(err.Error(), "complex64, which ONNX Runtime does not have, either") {
		t.Errorf("got %v, want a reason", err)
	}
}
