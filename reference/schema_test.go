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
