package verify

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// withoutMaps puts tensors in the place of the maps that a graph takes and gives: neither
// ONNX Runtime for JavaScript nor a witness.Session has maps. It says what it did.
func withoutMaps(m *onnx.Model) (notes []string, err error) {
	bare := shallow(m.Proto)
	bare.Graph = shallow(m.Proto.GetGraph())
	notes = append(unzip(bare.Graph), unmap(bare.Graph)...)
	if len(notes) == 0 {
		return nil, nil
	}
	bare, _ = withShapes(bare) // some runtimes want to know them
	b, err := onnx.Marshal(bare)
	if err != nil {
		return nil, err
	}
	m.Proto, m.Bytes = bare, b
	return notes, nil
}

// without returns the nodes except some.
func without(nodes []*pb.NodeProto, gone map[*pb.NodeProto]bool) []*pb.NodeProto {
	return slices.DeleteFunc(slices.Clone(nodes), func(n *pb.NodeProto) bool { return gone[n] })
}

// unzip makes outputs of the scores that ZipMap takes, in the place of the maps that it
// gives: ZipMap does nothing but to write the label of each column beside its score, which
// check compares with the number of columns.
func unzip(g *pb.GraphProto) (notes []string) {
	zips := map[string]*pb.NodeProto{} // by output
	for _, n := range g.GetNode() {
		if isClassical(n, "ZipMap") && len(n.Input) == 1 && len(n.Output) == 1 {
			zips[n.Output[0]] = n
		}
	}
	outputs := g.GetOutput()
	given := func(name string) bool {
		same := func(v *pb.ValueInfoProto) bool { return v.GetName() == name }
		return slices.ContainsFunc(outputs, same) || slices.ContainsFunc(g.Output, same)
	}
	g.Output = nil
	gone := map[*pb.NodeProto]bool{}
	for _, v := range outputs {
		n := zips[v.GetName()]
		if n == nil {
			g.Output = append(g.Output, v)
			continue
		}
		gone[n] = true
		scores := n.Input[0]
		notes = append(notes, fmt.Sprintf("output %q is maps of classes to scores, which runtimes do not hand over: judged by the scores %q", v.GetName(), scores))
		if !given(scores) {
			g.Output = append(g.Output, &pb.ValueInfoProto{Name: proto.String(scores), Type: onnx.Type{Elem: pb.TensorProto_FLOAT}.Proto()})
		}
	}
	g.Node = without(g.GetNode(), gone)
	return notes
}

// unmap makes inputs of the rows that DictVectorizer and CastMap make of maps, in the place of the maps, where nothing else
// reads them: they do nothing but to look up values.
func unmap(g *pb.GraphProto) (notes []string) {
	readers := map[string][]*pb.NodeProto{}
	for _, n := range g.GetNode() {
		for _, name := range n.Input {
			readers[name] = append(readers[name], n)
		}
	}
	inputs := g.GetInput()
	g.Input = nil
	gone := map[*pb.NodeProto]bool{}
	for _, v := range inputs {
		t, all := v.GetType().GetMapType(), readers[v.GetName()]
		rows := make([]*pb.ValueInfoProto, len(all))
		for i, n := range all {
			rows[i] = rowOf(n, t)
		}
		if t == nil || len(all) == 0 || slices.Contains(rows, nil) {
			g.Input = append(g.Input, v)
			continue
		}
		for i, n := range all {
			gone[n] = true
			g.Input = append(g.Input, rows[i])
			notes = append(notes, fmt.Sprintf("input %q is a map, which runtimes are not given: in its place is the row %q that %s makes of it", v.GetName(), n.Output[0], n.GetOpType()))
		}
	}
	g.Node = without(g.GetNode(), gone)
	return notes
}

// rowOf is what a node makes of a map of the type, nil where it is none that does.
func rowOf(n *pb.NodeProto, t *pb.TypeProto_Map) *pb.ValueInfoProto {
	if t == nil || len(n.Output) != 1 {
		return nil
	}
	value, _ := onnx.TypeOf(t.GetValueType())
	length := onnx.Symbolic("entries")
	attr := func(name string) *pb.AttributeProto {
		for _, a := range n.Attribute {
			if a.GetName() == name {
				return a
			}
		}
		return nil
	}
	switch {
	case isClassical(n, "DictVectorizer"):
		length = onnx.Fixed(int64(len(attr("string_vocabulary").GetStrings()) + len(attr("int64_vocabulary").GetInts())))
	case isClassical(n, "CastMap"):
		switch string(attr("cast_to").GetS()) {
		case "TO_STRING":
			value.Elem = pb.TensorProto_STRING
		case "TO_INT64":
			value.Elem = pb.TensorProto_INT64
		default:
			value.Elem = pb.TensorProto_FLOAT
		}
		if string(attr("map_form").GetS()) == "SPARSE" {
			length = onnx.Fixed(attr("max_map").GetI())
		}
	default:
		return nil
	}
	return &pb.ValueInfoProto{Name: proto.String(n.Output[0]), Type: onnx.Type{Elem: value.Elem, Dims: []onnx.Dim{onnx.Fixed(1), length}}.Proto()}
}

// isClassical reports whether a node is of an operator of ai.onnx.ml.
func isClassical(n *pb.NodeProto, op string) bool {
	return n.GetOpType() == op && n.GetDomain() == "ai.onnx.ml"
}
