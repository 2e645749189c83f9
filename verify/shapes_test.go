package verify

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// Where rounding decides how many elements there are, another number of them is not a finding: only the proof can tell, which
// sees what the runtime had to count.
func TestRoundingMayDecideAShape(t *testing.T) {
	const ulp = 0x1p-23 // of 1, which is e^0
	exp := line("e = Exp(x)")
	constants := []*pb.TensorProto{
		(&onnx.Tensor{Name: "one", Dims: []int{2}, Data: onnx.Slice[float32]{1, 0}}).Proto(),
		(&onnx.Tensor{Name: "ulp", Dims: []int{2}, Data: onnx.Slice[float32]{ulp, 0}}).Proto(),
		(&onnx.Tensor{Name: "axis", Dims: []int{1}, Data: onnx.Slice[int64]{1}}).Proto(),
		(&onnx.Tensor{Name: "zero", Dims: []int{}, Data: onnx.Slice[float32]{0}}).Proto(),
	}
	x, err := onnx.NewTensor("x", []float32{0, 1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		claim string
		elem  pb.TensorProto_DataType
		rank  int
		rest  []*pb.NodeProto // from d, which is 0 at its first place, or an ulp
	}{
		{"NonZero", pb.TensorProto_INT64, 2, []*pb.NodeProto{line("y = NonZero(d)")}},
		{"Unique", pb.TensorProto_FLOAT, 1, []*pb.NodeProto{line("b = Greater(d, zero)"), line("k = Cast(b)", intOf("to", 1)), line("y = Unique(k)")}},
		{"Compress", pb.TensorProto_FLOAT, 1, []*pb.NodeProto{line("b = Greater(d, zero)"), line("y = Compress(x, b)", intOf("axis", 0))}},
		{"the shape of it", pb.TensorProto_INT64, 1, []*pb.NodeProto{line("z = NonZero(d)"), line("y = Shape(z)")}},
		{"what is of that length", pb.TensorProto_FLOAT, 2, []*pb.NodeProto{line("z = NonZero(d)"), line("s = Shape(z)"), line("y = ConstantOfShape(s)")}},
	} {
		t.Run(c.claim, func(t *testing.T) {
			p := &pb.ModelProto{
				IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(13)}},
				Graph: &pb.GraphProto{
					Name: proto.String("g"), Initializer: constants,
					Node:   append([]*pb.NodeProto{exp, line("d = Sub(e, one)")}, c.rest...),
					Input:  []*pb.ValueInfoProto{{Name: proto.String("x"), Type: onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Fixed(2)}}.Proto()}},
					Output: []*pb.ValueInfoProto{{Name: proto.String("y"), Type: onnx.Type{Elem: c.elem, Dims: slices.Repeat([]onnx.Dim{onnx.Unknown()}, c.rank)}.Proto()}},
				},
			}
			dir := t.TempDir()
			writeModel(t, dir, modelOf(t, p))
			// rounded is a runtime whose Exp is an ulp off, which its function may be.
			rounded := made{name: "rounded", open: func(ctx context.Context, m *onnx.Model) (witness.Session, error) {
				q := proto.CloneOf(m.Proto)
				for _, n := range q.Graph.Node {
					if n.GetOpType() == "Exp" {
						n.Output[0] = "exact"
					}
				}
				q.Graph.Node = slices.Insert(q.Graph.Node, 1, line("e = Add(exact, ulp)"))
				return (reference.Runtime{}).Open(ctx, modelOf(t, q))
			}}
			// short is one that counts wrong: it takes the smallest element for none.
			short := made{name: "short", open: func(ctx context.Context, m *onnx.Model) (witness.Session, error) {
				q := proto.CloneOf(m.Proto)
				q.Graph.Node = slices.Insert(q.Graph.Node, 2, line("none = Sub(e, e)"))
				for _, n := range q.Graph.Node[3:] {
					if i := slices.Index(n.Input, "d"); i >= 0 && n.GetOpType() != "Identity" {
						n.Input[i] = "none"
					}
				}
				return (reference.Runtime{}).Open(ctx, modelOf(t, q))
			}}
			s, err := rounded.Open(t.Context(), modelOf(t, p))
			if err != nil {
				t.Fatal(err)
			}
			y, err := s.Run(t.Context(), []*onnx.Tensor{x})
			if err != nil {
				t.Fatal(err)
			}
			writeSet(t, dir, 0, []*onnx.Tensor{x}, y)
			r := report(t, Options{Paths: []string{dir}, Runtimes: []witness.Runtime{rounded, short}})
			if len(rowsOf(r, "rounded")) == 0 {
				t.Fatalf("nothing was judged: %+v", *r.Models[0])
			}
			if row := rowsOf(r, "rounded")[0]; row.Verdict != Equal || row.Stage != Proof {
				t.Errorf("what rounding made: %s by %s, %s", row.Verdict, row.Stage, row.Reason)
			}
			if row := rowsOf(r, Recorded)[0]; row.Verdict != Equal || row.Stage != Sampling {
				t.Errorf("recorded: %s by %s, %s", row.Verdict, row.Stage, row.Reason)
			}
			if row := rowsOf(r, "short")[0]; row.Verdict != Different {
				t.Errorf("a count that is wrong: %s by %s, %s", row.Verdict, row.Stage, row.Reason)
			}
			if notes := strings.Join(r.Models[0].Notes, "\n"); !strings.Contains(notes, "it decides how many elements there are") {
				t.Errorf("no note names the rule: %s", notes)
			}
		})
	}
}
