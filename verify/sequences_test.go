package verify

import (
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
	"github.com/petrify-ml/petrify/witness"
	"google.golang.org/protobuf/proto"
)

// held is a value of a graph that is, or holds, tensors of float32 of two axes.
func held(name string, kind reference.Kind) *pb.ValueInfoProto {
	t := onnx.Type{Elem: pb.TensorProto_FLOAT, Dims: []onnx.Dim{onnx.Fixed(2), onnx.Unknown()}}.Proto()
	switch kind {
	case reference.Sequence:
		t = &pb.TypeProto{Value: &pb.TypeProto_SequenceType{SequenceType: &pb.TypeProto_Sequence{ElemType: t}}}
	case reference.Optional:
		t = &pb.TypeProto{Value: &pb.TypeProto_OptionalType{OptionalType: &pb.TypeProto_Optional{ElemType: t}}}
	}
	return &pb.ValueInfoProto{Name: proto.String(name), Type: t}
}

func heldModel(t *testing.T, in, out []*pb.ValueInfoProto, nodes ...*pb.NodeProto) *onnx.Model {
	t.Helper()
	p := &pb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: []*pb.OperatorSetIdProto{{Version: proto.Int64(16)}},
		Graph: &pb.GraphProto{Name: proto.String("held"), Input: in, Output: out, Node: nodes}}
	b, err := onnx.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return &onnx.Model{Proto: p, Bytes: b}
}

// TestSequencesAndOptionalsAreJudgedByWhatTheyHold has ONNX Runtime run graphs that take and give them.
func TestSequencesAndOptionalsAreJudgedByWhatTheyHold(t *testing.T) {
	const sequence, optional, tensor = reference.Sequence, reference.Optional, reference.Tensor
	list := func(v ...*pb.ValueInfoProto) []*pb.ValueInfoProto { return v }
	none := makeNode("Optional", nil, []string{"y"}, onnx.AttrOf(&pb.AttributeProto{Name: proto.String("type"), Type: pb.AttributeProto_TYPE_PROTO.Enum(), Tp: held("", tensor).Type}))
	for name, c := range map[string]struct {
		model *onnx.Model
		notes []string
	}{
		"in and out": {
			heldModel(t, list(held("s", sequence), held("x", tensor)), list(held("y", sequence)), makeNode("SequenceInsert", []string{"s", "x"}, []string{"y"})),
			[]string{`input "s" is a sequence`, `"s.0", "s.1", "s.2"`, `output "y" is a sequence`, `"y.elements"`, `"y.shapes"`},
		},
		"of unequal shapes": {
			heldModel(t, list(held("x", tensor)), list(held("y", sequence)), makeNode("Concat", []string{"x", "x"}, []string{"wide"}, onnx.Int("axis", 1)), makeNode("SequenceConstruct", []string{"x", "wide"}, []string{"y"})),
			[]string{`output "y" is a sequence`},
		},
		"of nothing": {
			heldModel(t, list(held("x", tensor)), list(held("y", sequence)), makeNode("SequenceEmpty", nil, []string{"y"}, onnx.Int("dtype", 1))),
			[]string{`output "y" is a sequence`},
		},
		"an optional": {
			heldModel(t, list(held("o", optional)), list(held("y", optional)), makeNode("OptionalGetElement", []string{"o"}, []string{"x"}), makeNode("Neg", []string{"x"}, []string{"z"}), makeNode("Optional", []string{"z"}, []string{"y"})),
			[]string{`input "o" is an optional`, `output "y" is an optional`, `"y.given"`},
		},
		"an optional of nothing": {
			heldModel(t, list(held("x", tensor)), list(held("z", tensor), held("y", optional)), makeNode("Neg", []string{"x"}, []string{"z"}), none),
			[]string{`output "y" is an optional`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Run(t.Context(), Options{Paths: []string{writeModel(t, t.TempDir(), c.model)}, Runtimes: []witness.Runtime{reference.Runtime{}, ortNode(t)}})
			if err != nil {
				t.Fatal(err)
			}
			m := r.Models[0]
			if m.Problem != "" || len(m.Rows) == 0 {
				t.Fatalf("problem %q, %d rows", m.Problem, len(m.Rows))
			}
			for _, row := range m.Rows {
				if row.Verdict != Equal {
					t.Errorf("%s: %s: %s %s", row.Runtime, row.Output, row.Verdict, row.Reason)
				}
			}
			for _, want := range c.notes {
				if !strings.Contains(strings.Join(m.Notes, "\n"), want) {
					t.Errorf("notes %q, want %q in them", m.Notes, want)
				}
			}
		})
	}
}

// TestSequencesAreTakenApart compares what becomes of a sequence with its elements and their shapes.
func TestSequencesAreTakenApart(t *testing.T) {
	m := heldModel(t, []*pb.ValueInfoProto{held("x", reference.Tensor)}, []*pb.ValueInfoProto{held("y", reference.Sequence)},
		makeNode("Neg", []string{"x"}, []string{"y.elements"}), // a name that is taken
		makeNode("Concat", []string{"y.elements", "x"}, []string{"wide"}, onnx.Int("axis", 1)), makeNode("SequenceConstruct", []string{"x", "wide"}, []string{"y"}))
	if _, err := withoutSequences(m); err != nil {
		t.Fatal(err)
	}
	p, err := reference.Compile(m, reference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.RunTensors(t.Context(), []*onnx.Tensor{{Name: "x", Dims: []int{2, 1}, Data: onnx.Slice[float32]{1, 2}}})
	if err != nil {
		t.Fatal(err)
	}
	elements, shapes := r.Outputs[0], r.Outputs[1]
	if elements.Name != "y.elements_" || !slices.Equal(elements.Data.(onnx.Slice[float64]), []float64{1, 2, -1, 1, -2, 2}) {
		t.Errorf("%s is %v", elements.Name, elements.Data)
	}
	if shapes.Name != "y.shapes" || !slices.Equal(shapes.Data.(onnx.Slice[int64]), []int64{2, 2, 1, 2, 2, 2}) {
		t.Errorf("%s is %v", shapes.Name, shapes.Data)
	}
}
