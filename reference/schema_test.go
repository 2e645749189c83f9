package reference

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

func TestEveryRowIsAnOperatorOfTheSchema(t *testing.T) {
	for _, row := range operators() {
		versions := op.Versions(row.domain, row.name)
		if len(versions) == 0 {
			t.Errorf("%s: there is no such operator", row.name)
			continue
		}
		for i, p := range row.in {
			known := false
			for _, s := range versions {
				f, ok := op.FormalOf(s.In, i)
				known = known || ok && (p.lacks == 0 || typesOf(f.Set)&p.lacks != 0)
			}
			if !known {
				t.Errorf("%s: no version has an input %d, of the types %v that are lacking", row.name, i, namesOf(p.lacks))
			}
		}
	}
}

// TestEveryTypeThatTheSchemaAllowsIsEvaluated gives every version of every operator
// inputs of each type that it may have: a type that no rule knows must be said to be
// lacking, not meet a rule for another one.
func TestEveryTypeThatTheSchemaAllowsIsEvaluated(t *testing.T) {
	evaluated := 0
	for _, row := range operators() {
		for _, s := range op.Versions(row.domain, row.name) {
			if s.Deprecated || row.domain == "" && s.Since > newestOpset {
				continue
			}
			for _, shape := range [][]int{{}, {2}, {2, 2}, {1, 2, 3}, {1, 1, 2, 2}} {
				for _, m := range ofEveryType(s, shape) {
					if evaluates(t, m) {
						evaluated++
					}
				}
			}
		}
	}
	if evaluated < 3000 {
		t.Errorf("only %d nodes are evaluated to their end", evaluated)
	}
}

// TestAttributesThatAreNoNumbers gives every attribute of floating point NaN and infinities: the node is evaluated, or
// refused, and nothing panics.
func TestAttributesThatAreNoNumbers(t *testing.T) {
	tried := 0
	for _, row := range operators() {
		for _, s := range op.Versions(row.domain, row.name) {
			for name, a := range s.Attrs {
				if s.Deprecated || a.Type != pb.AttributeProto_FLOAT && a.Type != pb.AttributeProto_FLOATS {
					continue
				}
				for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
					for _, shape := range [][]int{{2}, {2, 2}, {1, 1, 2, 2}} {
						models := ofEveryType(s, shape)
						if len(models) == 0 {
							continue // it has no inputs
						}
						m := models[0]
						n := m.Proto.Graph.Node[0]
						n.Attribute = slices.DeleteFunc(n.Attribute, func(p *pb.AttributeProto) bool { return p.GetName() == name })
						n.Attribute = append(n.Attribute, &pb.AttributeProto{Name: proto.String(name), Type: a.Type.Enum(), F: proto.Float32(float32(v)), Floats: []float32{float32(v), 1}})
						evaluates(t, m)
						tried++
					}
				}
			}
		}
	}
	if tried < 500 {
		t.Errorf("only %d nodes are tried", tried)
	}
}

// What the graph does not say of its inputs, ONNX says nevertheless, and ONNX Runtime refuses.
func TestInputsOfOtherShapesAreRefused(t *testing.T) {
	numbers := func(name string, dims ...int) *onnx.Tensor {
		n := 1
		for _, d := range dims {
			n *= d
		}
		return tensor(t, name, make([]float32, n), dims...)
	}
	for _, c := range []struct {
		graph, want string
		inputs      []*onnx.Tensor
	}{
		{"in x float ?\nin s int64 ?\nin e int64 ?\ny = Slice(x, s, e)\nout y", "want the shape [*]",
			[]*onnx.Tensor{numbers("x", 4), tensor(t, "s", []int64{0}, 1, 1), tensor(t, "e", []int64{2}, 1)}},
		{"in x float ?\nin a int64 ?\ny = ReduceSum(x, a)\nout y", "want the shape [*]", []*onnx.Tensor{numbers("x", 2, 2), tensor(t, "a", []int64{0})}},
		{"in x float ?\nin k int64 ?\ny, i = TopK(x, k)\nout y", "want the shape [1]", []*onnx.Tensor{numbers("x", 3), tensor(t, "k", []int64{1}, 1, 1)}},
		{"in x float ?\nin s float ?\nin b float ?\ny = InstanceNormalization(x, s, b)\nout y", "want the shape [*]",
			[]*onnx.Tensor{numbers("x", 1, 2, 3), numbers("s", 2, 1), numbers("b", 2)}},
		{"in x float ?\nin i int64 ?\nin u float ?\ny = ScatterND(x, i, u)\nout y", "updates of shape [2 2], want [2 1 2]",
			[]*onnx.Tensor{numbers("x", 3, 2), tensor(t, "i", []int64{0, 1}, 2, 1, 1), numbers("u", 2, 2)}},
		{"in x float ?\nin c float ?\nin s float ?\nin p int64 ?\ny = RotaryEmbedding(x, c, s, p)\nout y", "position 9223372036854775807 of [3 2]",
			[]*onnx.Tensor{numbers("x", 1, 1, 2, 4), numbers("c", 3, 2), numbers("s", 3, 2), tensor(t, "p", []int64{0, math.MaxInt64}, 1, 2)}},
		{"in x float ?\nin c float ?\nin s float ?\ny = RotaryEmbedding(x, c, s)\nout y", "want 3 axes",
			[]*onnx.Tensor{numbers("x", 1, 1, 2, 4), numbers("c", 2, 2), numbers("s", 2, 2)}},
		{"in x float ?\ny = Einsum(x) equation=\"ii->i\"\nout y", "the diagonal along 'i' of shape [3 1]", []*onnx.Tensor{numbers("x", 3, 1)}},
		{"in x float ?\nin w float ?\ny = ConvTranspose(x, w) output_padding=2,\nout y", "output_padding is 2 along axis 0, want less than 1",
			[]*onnx.Tensor{numbers("x", 1, 1, 3), numbers("w", 1, 1, 2)}},
		{"in n int64 ?\ny = HannWindow(n)\nout y", "a window of length 0", []*onnx.Tensor{tensor(t, "n", []int64{0})}},
	} {
		p, err := Compile(graph(t, 23, c.graph), Options{})
		if err == nil {
			_, err = p.RunTensors(t.Context(), c.inputs)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.graph, err, c.want)
		}
	}
}

func TestAxesBehindTheLastAreRefused(t *testing.T) {
	for _, opset := range []int64{10, 12, 13} {
		for _, op := range []string{"Softmax", "LogSoftmax", "Hardmax"} {
			_, err := Run(graph(t, opset, "in x float ?\ny = "+op+"(x) axis=2\nout y"), []*onnx.Tensor{tensor(t, "x", []float32{1, 2}, 1, 2)})
			if err == nil || !strings.Contains(err.Error(), "axis 2, want one of rank 2") {
				t.Errorf("%s of opset %d: %v", op, opset, err)
			}
		}
	}
}

// What the schema requires is asked for before anything is evaluated.
func TestWhatIsLeftOutIsRefused(t *testing.T) {
	without := graph(t, 11, "in c bool -\nin x float 2\ny = If(c)\nout y")
	if _, err := Compile(without, Options{}); err == nil || !strings.Contains(err.Error(), "attribute else_branch is missing") {
		t.Errorf("If without branches: %v", err)
	}
	adam := graph(t, 11, "in r float -\nin k int64 -\nin x float 1\ny, v, h = Adam(r, k, x, , x, x)\nout y")
	adam.Proto.Graph.Node[0].Domain = proto.String(trainingDomain)
	adam.Proto.OpsetImport = append(adam.Proto.OpsetImport, &pb.OperatorSetIdProto{Domain: proto.String(trainingDomain), Version: proto.Int64(1)})
	if _, err := Run(adam, []*onnx.Tensor{tensor(t, "r", []float32{1}), tensor(t, "k", []int64{1}), tensor(t, "x", []float32{1}, 1)}); err == nil || !strings.Contains(err.Error(), "a tensor is left out") {
		t.Errorf("Adam without gradients: %v", err)
	}
}

// ofEveryType returns models of one node each, whose inputs have the shape: for every
// type of every input one, in which the others have the first type they may have.
func ofEveryType(s *op.Schema, shape []int) []*onnx.Model {
	var models []*onnx.Model
	first := func(set typeSet) pb.TensorProto_DataType {
		for _, t := range []pb.TensorProto_DataType{pb.TensorProto_FLOAT, pb.TensorProto_INT64} {
			if set&(1<<t) != 0 {
				return t
			}
		}
		for t := range pb.TensorProto_DataType(62) {
			if set&(1<<t) != 0 {
				return t
			}
		}
		return 0
	}
	for at, formal := range s.In {
		for typ := range pb.TensorProto_DataType(62) {
			if typesOf(formal.Set)&tensors&(1<<typ) == 0 {
				continue
			}
			g := &pb.GraphProto{Name: proto.String("g")}
			n := &pb.NodeProto{OpType: proto.String(s.Name), Domain: proto.String(s.Domain), Output: []string{"y"}}
			for i, f := range s.In {
				elem := first(typesOf(f.Set))
				if i == at || f.Variable && f.Type == formal.Type {
					elem = typ
				}
				name := fmt.Sprintf("x%d", i)
				n.Input = append(n.Input, name)
				dims := make([]onnx.Dim, len(shape))
				for a, d := range shape {
					dims[a] = onnx.Fixed(int64(d))
				}
				g.Input = append(g.Input, &pb.ValueInfoProto{Name: proto.String(name), Type: onnx.Type{Elem: elem, Dims: dims}.Proto()})
			}
			for name, a := range s.Attrs {
				if !a.Required {
					continue
				}
				p := &pb.AttributeProto{Name: proto.String(name), Type: a.Type.Enum(), I: proto.Int64(1), F: proto.Float32(1), Ints: []int64{1, 1}[:max(1, min(2, len(shape)-2))]}
				if len(a.Enum) > 0 {
					p.S = []byte(a.Enum[0])
				}
				n.Attribute = append(n.Attribute, p)
			}
			g.Node, g.Output = []*pb.NodeProto{n}, []*pb.ValueInfoProto{{Name: proto.String("y")}}
			models = append(models, &onnx.Model{Proto: &pb.ModelProto{
				IrVersion: proto.Int64(8), Graph: g, OpsetImport: []*pb.OperatorSetIdProto{{Domain: proto.String(s.Domain), Version: proto.Int64(s.Since)}},
			}})
		}
	}
	return models
}

// evaluates reports whether the model, a single node, runs to its end.
func evaluates(t *testing.T, m *onnx.Model) bool {
	n := m.Proto.Graph.Node[0]
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%s, version %d, of %v: panic: %v", n.GetOpType(), m.Proto.OpsetImport[0].GetVersion(), m.Proto.Graph.Input, p)
		}
	}()
	p, err := Compile(m, fuzzBudget)
	if err != nil {
		if f, ok := asFormat(err); ok && !strings.Contains(f.Error(), "outputs") {
			t.Errorf("%s, version %d: %v", n.GetOpType(), m.Proto.OpsetImport[0].GetVersion(), f)
		}
		return false
	}
	_, err = p.Run(t.Context(), inputsFor(p))
	if err != nil && strings.Contains(err.Error(), "does not take") {
		t.Errorf("%s, version %d, of %v: %v", n.GetOpType(), m.Proto.OpsetImport[0].GetVersion(), m.Proto.Graph.Input, err)
	}
	return err == nil
}

// namesOf lists the types of a set.
func namesOf(set typeSet) []string {
	var names []string
	for i := range 62 {
		if set&(1<<i) != 0 {
			names = append(names, typeName(pb.TensorProto_DataType(i)))
		}
	}
	if set&seqs != 0 {
		names = append(names, "sequence")
	}
	if set&options != 0 {
		names = append(names, "optional")
	}
	return names
}
