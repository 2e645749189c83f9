package verify

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// line is a node as text, "y, z = Op(a, , b)", with attributes. The domain of an
// operator is before a colon.
func line(text string, attrs ...*pb.AttributeProto) *pb.NodeProto {
	outs, rest, _ := strings.Cut(text, " = ")
	op, ins, _ := strings.Cut(strings.TrimSuffix(rest, ")"), "(")
	split := func(s string) []string {
		parts := strings.Split(s, ",")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		return parts
	}
	n := &pb.NodeProto{Output: split(outs), Attribute: attrs}
	if domain, name, ok := strings.Cut(op, ":"); ok {
		n.Domain, op = proto.String(domain), name
	}
	n.OpType = proto.String(op)
	if ins != "" {
		n.Input = split(ins)
	}
	return n
}

func graphOf(name string, g *pb.GraphProto) *pb.AttributeProto {
	return &pb.AttributeProto{Name: proto.String(name), Type: pb.AttributeProto_GRAPH.Enum(), G: g}
}

func intsOf(name string, v ...int64) *pb.AttributeProto {
	return &pb.AttributeProto{Name: proto.String(name), Type: pb.AttributeProto_INTS.Enum(), Ints: v}
}

// ports are values without shapes: "x float, c bool".
func ports(text string) []*pb.ValueInfoProto {
	var all []*pb.ValueInfoProto
	for _, f := range strings.Split(text, ",") {
		name, typ, _ := strings.Cut(strings.TrimSpace(f), " ")
		if name == "" {
			continue
		}
		elem := pb.TensorProto_DataType(pb.TensorProto_DataType_value[strings.ToUpper(typ)])
		t := onnx.Type{Elem: elem}
		if elem != pb.TensorProto_FLOAT {
			t.Dims = []onnx.Dim{} // numbers and conditions of loops
		}
		all = append(all, &pb.ValueInfoProto{Name: proto.String(name), Type: t.Proto()})
	}
	return all
}

func weightsOf(r *rand.Rand, name string, dims ...int) *pb.TensorProto {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return (&onnx.Tensor{Name: name, Dims: dims, Data: onnx.Slice[float32](normals(r, n, 0.5))}).Proto()
}

// nested are models with an input x of 3 by 4, and graphs within.
func nested() map[string]*pb.ModelProto {
	r := rand.New(rand.NewPCG(6, 6))
	model := func(rank int, nodes []*pb.NodeProto, inits []*pb.TensorProto, functions ...*pb.FunctionProto) *pb.ModelProto {
		x := &pb.ValueInfoProto{Name: proto.String("x"), Type: onnx.Type{Elem: elem, Dims: []onnx.Dim{onnx.Fixed(3), onnx.Fixed(4)}}.Proto()}
		return &pb.ModelProto{
			IrVersion:   proto.Int64(8),
			OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(17)}, {Domain: proto.String("own"), Version: proto.Int64(1)}},
			Functions:   functions,
			Graph: &pb.GraphProto{
				Name: proto.String("nested"), Node: nodes, Initializer: append(inits,
					(&onnx.Tensor{Name: "true", Dims: []int{}, Data: onnx.Slice[bool]{true}}).Proto(),
					(&onnx.Tensor{Name: "three", Dims: []int{}, Data: onnx.Slice[int64]{3}}).Proto(),
					(&onnx.Tensor{Name: "zero", Dims: []int{}, Data: onnx.Slice[float32]{0}}).Proto()),
				Input: []*pb.ValueInfoProto{x}, Output: []*pb.ValueInfoProto{{Name: proto.String("y"), Type: onnx.Type{Elem: elem, Dims: slices.Repeat([]onnx.Dim{onnx.Unknown()}, rank)}.Proto()}},
			},
		}
	}
	w := weightsOf(r, "w", 4, 4)
	inner := func(name, in, out string) *pb.GraphProto { // a product with weights of its own
		return &pb.GraphProto{
			Name: proto.String(name), Initializer: []*pb.TensorProto{weightsOf(r, name+".w", 4, 4)},
			Node: []*pb.NodeProto{line(out + ".p = MatMul(" + in + ", " + name + ".w)"), line(out + " = Tanh(" + out + ".p)")}, Output: ports(out + " float"),
		}
	}
	branch := func(in, out string) *pb.NodeProto {
		return line(out+" = If(c)", graphOf("then_branch", inner("then", in, out+".t")), graphOf("else_branch", inner("else", in, out+".e")))
	}
	condition := []*pb.NodeProto{line("m = ReduceSum(x)"), line("d = ReduceSum(m)"), line("n = Squeeze(d)"), line("c = Greater(n, zero)")}
	round := func(nodes ...*pb.NodeProto) *pb.GraphProto { // of a Loop that carries v and stacks s
		return &pb.GraphProto{Name: proto.String("round"), Input: ports("i int64, go bool, v float"), Node: nodes, Output: ports("stay bool, next float, s float")}
	}
	loopBody := []*pb.NodeProto{line("q = MatMul(v, w)"), line("next = Tanh(q)"), line("s = Neg(next)"), line("stay = Identity(go)")}
	scanBody := func() *pb.GraphProto {
		return &pb.GraphProto{
			Name: proto.String("step"), Input: ports("h float, e float"), Output: ports("h2 float, o float"),
			Node: []*pb.NodeProto{line("a = Add(h, e)"), line("h2 = Tanh(a)"), line("o = Mul(h2, e)")},
		}
	}
	double := &pb.FunctionProto{
		Name: proto.String("Double"), Domain: proto.String("own"), Input: []string{"a", "k"}, Output: []string{"b"},
		Attribute:   []string{"alpha"},
		OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(17)}, {Domain: proto.String("own"), Version: proto.Int64(1)}},
		Node: []*pb.NodeProto{
			line("p = MatMul(a, k)"),
			line("b = LeakyRelu(p)", &pb.AttributeProto{Name: proto.String("alpha"), RefAttrName: proto.String("alpha"), Type: pb.AttributeProto_FLOAT.Enum()}),
		},
	}
	twice := &pb.FunctionProto{
		Name: proto.String("Twice"), Domain: proto.String("own"), Input: []string{"a", "k"}, Output: []string{"b"},
		OpsetImport: double.OpsetImport,
		Node: []*pb.NodeProto{
			line("p = own:Double(a, k)", &pb.AttributeProto{Name: proto.String("alpha"), Type: pb.AttributeProto_FLOAT.Enum(), F: proto.Float32(0.3)}),
			line("b = own:Double(p, k)", &pb.AttributeProto{Name: proto.String("alpha"), Type: pb.AttributeProto_FLOAT.Enum(), F: proto.Float32(0.1)}),
		},
	}
	return map[string]*pb.ModelProto{
		"a branch":           model(2, append(slices.Clone(condition), branch("x", "y")), nil),
		"a loop":             model(3, []*pb.NodeProto{line("last, all = Loop(three, true, x)", graphOf("body", round(loopBody...))), line("l = Unsqueeze(last, first)"), line("y = Add(l, all)")}, []*pb.TensorProto{w, (&onnx.Tensor{Name: "first", Dims: []int{1}, Data: onnx.Slice[int64]{0}}).Proto()}),
		"a loop that breaks": model(3, []*pb.NodeProto{line("last, y = Loop(, true, x)", graphOf("body", round(line("q = MatMul(v, w)"), line("next = Add(q, v)"), line("s = Identity(v)"), line("f = Cast(i)", intOf("to", 1)), line("stay = Less(f, limit)"))))}, []*pb.TensorProto{w, (&onnx.Tensor{Name: "limit", Dims: []int{}, Data: onnx.Slice[float32]{1.5}}).Proto()}),
		"a branch in a loop": model(3, append(slices.Clone(condition), line("last, y = Loop(three, true, x)", graphOf("body", round(branch("v", "next"), line("s = Neg(next)"), line("stay = Identity(go)"))))), nil),
		"a scan": model(2, []*pb.NodeProto{
			line("h = Gather(x, at)", intOf("axis", 1)),
			line("last, y = Scan(h, x)", graphOf("body", scanBody()), intOf("num_scan_inputs", 1), intsOf("scan_input_axes", 1), intsOf("scan_input_directions", 1), intsOf("scan_output_axes", -1), intsOf("scan_output_directions", 1)),
		}, []*pb.TensorProto{(&onnx.Tensor{Name: "at", Dims: []int{}, Data: onnx.Slice[int64]{2}}).Proto()}),
		"functions": model(2, []*pb.NodeProto{line("t = own:Twice(x, w)"), line("y = own:Twice(t, w)")}, []*pb.TensorProto{w}, double, twice),
	}
}

func modelOf(t *testing.T, p *pb.ModelProto) *onnx.Model {
	t.Helper()
	b, err := onnx.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: p, Bytes: b}
}

// TestFlatModelsComputeTheSame compares models that are written out with what they
// were.
func TestFlatModelsComputeTheSame(t *testing.T) {
	for name, p := range nested() {
		t.Run(name, func(t *testing.T) {
			j := &job{options: Options{Timeout: time.Minute}.withDefaults(), model: modelOf(t, p)}
			var err error
			if j.program, err = reference.Compile(j.model, reference.Options{}); err != nil {
				t.Fatal(err)
			}
			for seed := range uint64(4) {
				x := &onnx.Tensor{Name: "x", Dims: []int{3, 4}, Data: onnx.Slice[float32](normals(rand.New(rand.NewPCG(seed, 1)), 12, 1))}
				d := dataSet{inputs: []*onnx.Tensor{x}, values: valuesOf([]*onnx.Tensor{x})}
				model, program := j.flat(t.Context(), d)
				if program == nil {
					t.Fatal("cannot be written out")
				}
				for _, f := range check.Model(model.Proto) {
					if f.Severity == rule.Error {
						t.Errorf("the flat model is not ONNX: %v", f)
					}
				}
				for _, n := range program.Nodes() {
					if n.Composite {
						t.Errorf("%s is still there", n.Label)
					}
				}
				want, err := j.program.RunTensors(t.Context(), d.inputs)
				if err != nil {
					t.Fatal(err)
				}
				got, err := program.RunTensors(t.Context(), d.inputs)
				if err != nil {
					t.Fatal(err)
				}
				w, g := want.Outputs[0], got.Outputs[0]
				if !slices.Equal(w.Data.(onnx.Slice[float64]), g.Data.(onnx.Slice[float64])) || !slices.Equal(w.Dims, g.Dims) || !slices.Equal(w.Sound, g.Sound) {
					t.Errorf("seed %d: %v, want %v", seed, g.Data, w.Data)
				}
			}
		})
	}
}

// TestTheProofSeesInsideGraphsWithin plants an error into a weight that only a
// graph within reads.
func TestTheProofSeesInsideGraphsWithin(t *testing.T) {
	runtimes := map[string]func(plant func(m *pb.ModelProto)) witness.Runtime{"reference": faulty}
	for name, weight := range map[string]string{"a branch": "", "a branch in a loop": "", "a loop": "w", "functions": "w"} {
		for rt, open := range runtimes {
			for _, wrong := range []bool{false, true} {
				m := modelOf(t, nested()[name])
				plant := func(p *pb.ModelProto) {
					if !wrong {
						return
					}
					raise(p.Graph, weight)
				}
				path := writeModel(t, t.TempDir(), m)
				r := report(t, Options{Paths: []string{path}, Runtimes: []witness.Runtime{open(plant)}, Prove: true})
				row := rowsOf(r, "faulty")[0]
				switch {
				case !wrong && row.Verdict != Equal:
					t.Errorf("%s, %s: %s: %s", rt, name, row.Verdict, row.Reason)
				case wrong && (row.Verdict != Different || row.Fault == nil || row.Fault.Op != "MatMul"):
					t.Errorf("%s, %s: %s, fault %v, want one of a MatMul: %s", rt, name, row.Verdict, row.Fault, row.Reason)
				}
			}
		}
	}
}

// raise makes the weights of that name too large by 1e-4, or, without a name, those
// of the graphs within.
func raise(g *pb.GraphProto, name string) {
	for _, p := range g.Initializer {
		if own := p.GetName(); own == name || name == "" && strings.HasSuffix(own, ".w") {
			x, err := onnx.FromProto(p)
			if err != nil {
				panic(err)
			}
			d := slices.Clone(x.Data.(onnx.Slice[float32]))
			for i := range d {
				d[i] *= 1.0001
			}
			x.Data = d
			proto.Reset(p)
			proto.Merge(p, x.Proto())
		}
	}
	for _, n := range g.Node {
		for _, a := range n.Attribute {
			if a.G != nil {
				raise(a.G, name)
			}
		}
	}
}

// TestRealRuntimesAreProvenInsideGraphsWithin lets ONNX Runtime have the same
// models, whose proof must reach every node.
func TestRealRuntimesAreProvenInsideGraphsWithin(t *testing.T) {
	rt := ortNode(t)
	for name, p := range nested() {
		path := writeModel(t, t.TempDir(), modelOf(t, p))
		r := report(t, Options{Paths: []string{path}, Runtimes: []witness.Runtime{rt}, Prove: true})
		for _, row := range rowsOf(r, rt.Name()) {
			if row.Verdict != Equal || row.Stage != Proof || strings.Contains(row.Reason, "as a whole") {
				t.Errorf("%s: %s, stage %s: %s", name, row.Verdict, row.Stage, row.Reason)
			}
		}
		if len(r.Models[0].Rows) == 0 {
			t.Errorf("%s: %v", name, fmt.Sprintf("%+v", r.Models[0]))
		}
	}
}
