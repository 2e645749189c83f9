package infer

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/onnx/wire"
	"google.golang.org/protobuf/proto"
)

func TestInferKnowsEachOperator(t *testing.T) {
	for i, c := range onnxtest.NodeCases {
		t.Run(fmt.Sprintf("%s %d", c.Op, i), func(t *testing.T) {
			types, found := Types(c.Model(t, len(c.Want)))
			if code, what, ok := strings.Cut(c.Want[0], ": "); ok {
				if !slices.ContainsFunc(found, func(f rule.Finding) bool {
					return f.Code == code && strings.Contains(f.Message, what) && f.Where == `node "n" (`+c.Op[strings.LastIndexByte(c.Op, '.')+1:]+`)`
				}) {
					t.Errorf("%v %v: got %s, want %s", c.In, types, onnxtest.Lines(found), c.Want[0])
				}
				return
			}
			if len(found) > 0 {
				t.Errorf("%v: got %s", c.In, onnxtest.Lines(found))
			}
			for i, want := range c.Want {
				if got := types[fmt.Sprintf("y%d", i)]; got.String() != want {
					t.Errorf("%v: output %d is %v, want %s", c.In, i, got, want)
				}
			}
		})
	}
}

// chain is a model whose nodes are given in short: "y = Op(a, b)".
func chain(t *testing.T, inputs map[string]string, constants map[string][]int64, nodes ...string) *pb.ModelProto {
	g := &pb.GraphProto{Name: proto.String("g")}
	for name, typ := range inputs {
		g.Input = append(g.Input, &pb.ValueInfoProto{Name: proto.String(name), Type: onnxtest.ParseType(t, typ)})
	}
	for name, v := range constants {
		g.Initializer = append(g.Initializer, onnxtest.Int64s(name, v))
	}
	for _, s := range nodes {
		out, call, _ := strings.Cut(s, " = ")
		op, args, _ := strings.Cut(strings.TrimSuffix(call, ")"), "(")
		n := onnxtest.Node(op, strings.Split(args, ", "), onnxtest.Names(out))
		if op == "Concat" {
			n.Attribute = append(n.Attribute, onnx.Int("axis", 0).Proto())
		}
		g.Node = append(g.Node, n)
	}
	return &pb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(13)}}, Graph: g}
}

func TestShapesAreFollowedThroughTheArithmeticOfShapes(t *testing.T) {
	inputs := map[string]string{"x": "float[N,3,4,5]"}
	constants := map[string][]int64{"zero": {0}, "one": {1}, "two": {2}, "three": {3}, "four": {4}, "all": {-1}}
	for _, c := range []struct {
		name  string
		nodes []string
		want  string
	}{
		{"batch, and the rest in one", []string{"s = Shape(x)", "n = Gather(s, zero)", "t = Concat(n, all)", "y = Reshape(x, t)"}, "float[N,60]"},
		{"a slice of the shape", []string{"s = Shape(x)", "hw = Slice(s, two, four, zero)", "t = Concat(all, hw)", "y = Reshape(x, t)"}, "float[?,4,5]"},
		{"products of lengths", []string{"s = Shape(x)", "h = Gather(s, two)", "w = Gather(s, three)", "hw = Mul(h, w)", "t = Concat(zero, three, hw)", "y = Reshape(x, t)"}, "float[N,3,20]"},
		{"half the channels", []string{"s = Shape(x)", "h = Gather(s, two)", "half = Div(h, two)", "t = Concat(zero, three, two, half, all)", "y = Reshape(x, t)"}, "float[N,3,2,2,5]"},
		{"a shape from nowhere", []string{"y = Reshape(x, x)"}, "float[...]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			types, found := Types(chain(t, inputs, constants, c.nodes...))
			if got := types["y"].String(); got != c.want {
				t.Errorf("got %s (%s), want %s", got, onnxtest.Lines(found), c.want)
			}
		})
	}
}

func TestInferFindsContradictions(t *testing.T) {
	onnxtest.Rules(t, onnxtest.InferCases, func(m *pb.ModelProto) []rule.Finding {
		_, found := Types(m)
		return found
	})
}

func TestInferOfTheDenseModel(t *testing.T) {
	types, found := Types(onnxtest.DenseModel(t))
	want := map[string]string{
		"x": "float[N,3]", "net.fc1.weight": "float[3,2]", "net.fc1.bias": "float[1,2]",
		"net.fc1.matmul": "float[N,2]", "net.fc1": "float[N,2]", "y": "float[N,2]",
	}
	for name, w := range want {
		if types[name].String() != w {
			t.Errorf("%s is %v, want %s", name, types[name], w)
		}
	}
	if len(types) != len(want) || len(found) > 0 {
		t.Errorf("%d types, want %d; %s", len(types), len(want), onnxtest.Lines(found))
	}
}

// withoutOutputTypes is a copy of a model that does not say what comes out.
func withoutOutputTypes(m *pb.ModelProto) *pb.ModelProto {
	c := proto.Clone(m).(*pb.ModelProto)
	for _, o := range c.Graph.Output {
		o.Type = nil
	}
	return c
}

// What a model computed for ONNX's test data must be what is inferred for it,
// also when the inputs are known and shapes follow from their elements.
func TestInferAgreesWithWhatTheModelsOfONNXCompute(t *testing.T) {
	var whole, part, none, models int
	for _, path := range onnxtest.Models(t) {
		m, err := wire.Read(path, wire.Limits{})
		if err != nil {
			t.Error(err)
			continue
		}
		if _, found := Types(m.Proto); rule.Errors(found) {
			t.Errorf("%s: %s", path, onnxtest.Lines(found))
		}
		c := withoutOutputTypes(m.Proto)
		set := filepath.Join(filepath.Dir(path), "test_data_set_0")
		inputs := c.Graph.Input
		c.Graph.Input = nil
		for i, in := range inputs {
			x, err := wire.ReadTensorFile(filepath.Join(set, fmt.Sprintf("input_%d.pb", i)), wire.Limits{})
			if err != nil || in.Type.GetTensorType() == nil { // a sequence, or an initializer
				c.Graph.Input = append(c.Graph.Input, in)
				continue
			}
			p := x.Proto()
			p.Name = in.Name
			c.Graph.Initializer = append(c.Graph.Initializer, p)
		}
		types, found := Types(c)
		if rule.Errors(found) {
			t.Errorf("%s with its inputs: %s", path, onnxtest.Lines(found))
		}
		models++
		for i, out := range c.Graph.Output {
			y, err := wire.ReadTensorFile(filepath.Join(set, fmt.Sprintf("output_%d.pb", i)), wire.Limits{})
			if err != nil || m.Proto.Graph.Output[i].Type.GetTensorType() == nil {
				continue
			}
			got, ok := types[out.GetName()]
			actual := make([]onnx.Dim, len(y.Dims))
			for j, d := range y.Dims {
				actual[j] = onnx.Fixed(int64(d))
			}
			want := onnx.Type{Elem: y.Type(), Dims: actual}
			if want.Elem == pb.TensorProto_UINT16 && got.Elem == pb.TensorProto_BFLOAT16 {
				want.Elem = got.Elem // as the test data of onnx 1.12 keeps it
			}
			if _, fits := op.MergeDims(got.Dims, actual); ok && (got.Elem != want.Elem || !fits) {
				t.Errorf("%s: %s is %v, inferred %v", path, onnx.Quote(out.GetName()), want, got)
			}
			switch {
			case !ok:
				none++
			case got.String() == want.String():
				whole++
			default:
				part++
			}
		}
	}
	if whole < 9*(part+none) {
		t.Errorf("%d outputs of %d models inferred whole, %d in part, %d not at all; want nine in ten whole", whole, models, part, none)
	}
	t.Logf("%d models: %d outputs inferred whole, %d in part, %d not at all", models, whole, part, none)
}

func TestInferKnowsAtLeastWhatTheONNXPackageInfers(t *testing.T) {
	known := make(map[string]map[string]onnx.Type)
	less := make(map[string]int)
	lines := 0
	for line := range strings.Lines(onnxtest.Python(t, "infer.py", onnxtest.Models(t))) {
		lines++
		f := strings.Split(strings.TrimSpace(line), "\t")
		types := known[f[0]]
		if types == nil {
			m, err := wire.Read(f[0], wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			types, _ = Types(withoutOutputTypes(m.Proto))
			known[f[0]] = types
		}
		got, ok := types[f[1]]
		if ok && f[2] != "0" && fmt.Sprint(int(got.Elem)) != f[2] {
			t.Errorf("%s: %s is %v, the onnx package says type %s", f[0], f[1], got, f[2])
		}
		if f[3] == "none" {
			continue
		}
		theirs, _ := onnx.TypeOf(onnxtest.ParseType(t, "float"+f[3]))
		if _, fits := op.MergeDims(got.Dims, theirs.Dims); ok && !fits {
			t.Errorf("%s: %s is %v, the onnx package says %s", f[0], f[1], got, f[3])
		}
		for i, d := range theirs.Dims {
			if d.Known() && (i >= len(got.Dims) || !got.Dims[i].Known()) {
				less[filepath.Base(filepath.Dir(f[0]))]++
				break
			}
		}
	}
	delete(less, "test_sequence_model5") // by way of a sequence of unequal tensors
	delete(less, "test_sequence_model4")
	if len(less) > 0 || lines < 1000 {
		t.Errorf("the onnx package knows more of %v (of %d outputs)", less, lines)
	}
}

func FuzzInfer(f *testing.F) {
	for _, c := range slices.Concat(onnxtest.CheckCases, onnxtest.InferCases) {
		m := onnxtest.DenseModel(f)
		c.Break(m)
		if b, err := onnx.Marshal(m); err == nil && len(b) < 4096 {
			f.Add(b)
		}
	}
	for _, c := range onnxtest.NodeCases {
		f.Add(onnxtest.Bytes(f, c.Model(f, len(c.Want))))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wire.Parse("m.onnx", b, wire.Limits{})
		if err != nil {
			return
		}
		types, found := Types(m.Proto)
		for name, typ := range types {
			for _, d := range typ.Dims {
				if d.Size < -1 || d.Known() && d.Symbol != "" {
					t.Fatalf("%s has the axis %+v", onnx.Quote(name), d)
				}
			}
		}
		for _, f := range found {
			if s, ok := rule.SeverityOf(f.Code); !ok || s != f.Severity {
				t.Fatalf("finding without a rule: %+v", f)
			}
		}
	})
}
