package verify

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/onnxtest"
	"github.com/petrify-ml/petrify/load"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// branched is y = x < 0 ? -abs(x) : abs(x) of the first element, with graphs that read a node around them.
func branched() *pb.ModelProto {
	node := func(op string, in []string, out string, attrs ...*pb.AttributeProto) *pb.NodeProto {
		return &pb.NodeProto{OpType: proto.String(op), Input: in, Output: []string{out}, Attribute: attrs}
	}
	value := func(name string, elem pb.TensorProto_DataType, dims ...onnx.Dim) *pb.ValueInfoProto {
		return &pb.ValueInfoProto{Name: proto.String(name), Type: onnx.Type{Elem: elem, Dims: dims}.Proto()}
	}
	branch := func(name, out string, nodes ...*pb.NodeProto) *pb.AttributeProto {
		return &pb.AttributeProto{Name: proto.String(name), Type: pb.AttributeProto_GRAPH.Enum(), G: &pb.GraphProto{
			Name: proto.String(name), Node: nodes, Output: []*pb.ValueInfoProto{value(out, pb.TensorProto_FLOAT, onnx.Fixed(1))},
		}}
	}
	zero, _ := onnx.NewTensor("zero", []float32{0}, 1)
	return &pb.ModelProto{
		IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(17)}},
		Graph: &pb.GraphProto{
			Name: proto.String("branched"), Input: []*pb.ValueInfoProto{value("x", pb.TensorProto_FLOAT, onnx.Fixed(1))},
			Output: []*pb.ValueInfoProto{value("y", pb.TensorProto_FLOAT, onnx.Fixed(1))}, Initializer: []*pb.TensorProto{zero.Proto()},
			Node: []*pb.NodeProto{
				node("If", []string{"below"}, "y",
					branch("then_branch", "n", node("Identity", []string{"m"}, "n"), node("Neg", []string{"a"}, "m")),
					branch("else_branch", "p", node("Identity", []string{"a"}, "p"))),
				node("Abs", []string{"x"}, "a"),
				node("Less", []string{"x", "zero"}, "below"),
			},
		},
	}
}

func TestNodesOutOfOrderAreJudgedInOrder(t *testing.T) {
	reversed := proto.CloneOf(netModel(t).Proto)
	slices.Reverse(reversed.Graph.Node)
	for _, c := range []struct {
		name  string
		model *pb.ModelProto
	}{
		{"a chain from its end", reversed},
		{"graphs that read later nodes", branched()},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := onnx.Marshal(c.model)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			r, err := Run(t.Context(), Options{Paths: []string{writeModel(t, dir, &onnx.Model{Proto: c.model, Bytes: b})}, Runtimes: []witness.Runtime{reference.Runtime{}, ortNode(t)}})
			if err != nil {
				t.Fatal(err)
			}
			m := r.Models[0]
			if m.Problem != "" || len(m.Rows) == 0 || !strings.Contains(strings.Join(m.Notes, "\n"), "(node-order)") {
				t.Errorf("problem %q, %d rows, notes %q", m.Problem, len(m.Rows), m.Notes)
			}
			for _, row := range m.Rows {
				if row.Verdict != Equal {
					t.Errorf("%s: %s %s", row.Runtime, row.Verdict, row.Reason)
				}
			}
		})
	}
}

// Outputs whose shape, or type, is missing get those that follow from the graph.
func TestOutputsWithoutAShapeAreJudged(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(v *pb.ValueInfoProto)
	}{
		{"no shape", func(v *pb.ValueInfoProto) { v.GetType().GetTensorType().Shape = nil }},
		{"no type", func(v *pb.ValueInfoProto) { v.Type = nil }},
	} {
		m := proto.CloneOf(netModel(t).Proto)
		slices.Reverse(m.Graph.Node) // which does not stand in the way
		c.change(m.Graph.Output[0])
		b, err := onnx.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Run(t.Context(), Options{Paths: []string{writeModel(t, t.TempDir(), &onnx.Model{Proto: m, Bytes: b})}, Runtimes: []witness.Runtime{reference.Runtime{}}})
		if err != nil {
			t.Fatal(err)
		}
		got := r.Models[0]
		notes := strings.Join(got.Notes, "\n")
		if got.Problem != "" || len(got.Rows) == 0 || !strings.Contains(notes, "has no shape (required-field-missing)") || !strings.Contains(notes, "(node-order)") {
			t.Errorf("%s: problem %q, %d rows, notes %q", c.name, got.Problem, len(got.Rows), got.Notes)
		}
		for _, row := range got.Rows {
			if row.Verdict != Equal {
				t.Errorf("%s: %s %s", c.name, row.Verdict, row.Reason)
			}
		}
		m.Graph.Output[0].Type = onnx.Type{Elem: pb.TensorProto_INT64}.Proto() // another one
		m.Graph.Output[0].Type.GetTensorType().Shape = nil
		if _, names := withShapes(m); len(names) > 0 {
			t.Errorf("%s: an output of another type gets a shape: %v", c.name, names)
		}
	}
}

func TestNodesThatWaitForEachOtherAreInvalid(t *testing.T) {
	m := proto.CloneOf(netModel(t).Proto)
	last := m.Graph.Node[len(m.Graph.Node)-1]
	m.Graph.Node[0].Input[0] = last.Output[0]
	slices.Reverse(m.Graph.Node)
	sorted, _ := inOrder(m.Graph)
	if len(sorted.Node) != len(m.Graph.Node) {
		t.Errorf("%d nodes of %d are left", len(sorted.Node), len(m.Graph.Node))
	}
	_, err := admit(&onnx.Model{Proto: m})
	if err == nil || !strings.Contains(err.Error(), "graph-cycle") {
		t.Errorf("error %v, want graph-cycle", err)
	}
}

// Limits grow from layer to layer. A layer that mixes errors makes them grow as errors do; where each one multiplies them, any
// output is within its screen in the end, and the proof is asked.
func TestAScreenThatLetsEverythingPassAsksForTheProof(t *testing.T) {
	for _, c := range []struct {
		layers  int
		op      string
		weights func(r *rand.Rand) float32
		want    Stage
	}{
		{2, "MatMul", func(r *rand.Rand) float32 { return float32(r.NormFloat64() / 8) }, Screen},
		{60, "MatMul", func(r *rand.Rand) float32 { return float32(r.NormFloat64() / 8) }, Screen},
		{2, "Mul", func(*rand.Rand) float32 { return 4 }, Screen},
		{40, "Mul", func(*rand.Rand) float32 { return 4 }, Proof},
	} {
		g := &pb.GraphProto{Name: proto.String("deep"), Input: []*pb.ValueInfoProto{{Name: proto.String("x0"), Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Fixed(64), onnx.Fixed(64)}}.Proto()}}}
		r := rand.New(rand.NewPCG(1, 9))
		for i := range c.layers {
			w := make([]float32, 64*64)
			for k := range w {
				w[k] = c.weights(r)
			}
			x, err := onnx.NewTensor(fmt.Sprint("w", i), w, 64, 64)
			if err != nil {
				t.Fatal(err)
			}
			g.Initializer = append(g.Initializer, x.Proto())
			product, next := fmt.Sprint("p", i), fmt.Sprint("x", i+1)
			then := "Sin"
			if c.op == "MatMul" {
				then = "Identity"
			}
			g.Node = append(g.Node, &pb.NodeProto{OpType: proto.String(c.op), Input: []string{fmt.Sprint("x", i), x.Name}, Output: []string{product}},
				&pb.NodeProto{OpType: proto.String(then), Input: []string{product}, Output: []string{next}})
		}
		g.Output = []*pb.ValueInfoProto{{Name: proto.String(fmt.Sprint("x", c.layers)), Type: g.Input[0].Type}}
		m := &pb.ModelProto{IrVersion: proto.Int64(8), Graph: g, OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(17)}}}
		b, err := onnx.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		path := writeModel(t, dir, &onnx.Model{Proto: m, Bytes: b})
		report, err := Run(t.Context(), Options{Paths: []string{path}, Runtimes: []witness.Runtime{load.Runtime{}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range report.Models[0].Rows {
			if row.Verdict != Equal || row.Stage != c.want {
				t.Errorf("%d layers of %s: %s by %s, want %s by %s: %s", c.layers, c.op, row.Verdict, row.Stage, Equal, c.want, row.Reason)
			}
		}
		// Of recorded outputs there is no proof, and what their screen is worth is said.
		x := onnxtest.Tensor(t, "x0", normals(r, 64*64, 1), 64, 64)
		session, err := load.Runtime{}.Open(t.Context(), &onnx.Model{Proto: m, Bytes: b})
		if err != nil {
			t.Fatal(err)
		}
		y, err := session.Run(t.Context(), []*onnx.Tensor{x})
		if err != nil {
			t.Fatal(err)
		}
		writeSet(t, dir, 0, []*onnx.Tensor{x}, y)
		if report, err = Run(t.Context(), Options{Paths: []string{dir}}); err != nil {
			t.Fatal(err)
		}
		caveat := ""
		for _, found := range report.Models[0].Caveats {
			caveat += found.Rule
		}
		if want := map[Stage]string{Screen: "", Proof: "limits-wide"}[c.want]; caveat != want {
			t.Errorf("%d layers of %s, recorded: caveat %q, want %q", c.layers, c.op, caveat, want)
		}
	}
}
