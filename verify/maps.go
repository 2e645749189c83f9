package verify

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/reference"
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
	zips := zipsOf(g)
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

// zipsOf are the nodes that make maps of scores, by their outputs.
func zipsOf(g *pb.GraphProto) map[string]*pb.NodeProto {
	zips := map[string]*pb.NodeProto{}
	for _, n := range g.GetNode() {
		if isClassical(n, "ZipMap") && len(n.Input) == 1 && len(n.Output) == 1 {
			zips[n.Output[0]] = n
		}
	}
	return zips
}

// scored puts the scores in recorded maps in the place of the maps, as unzip does in the graph, in all data sets or in none: where a
// graph takes maps, or recorded maps have not the classes of the graph, they are judged as they are. It reports whether it did so.
func scored(g *pb.GraphProto, sets []dataSet) bool {
	zips := zipsOf(g)
	if slices.ContainsFunc(g.GetInput(), func(v *pb.ValueInfoProto) bool { return v.GetType().GetMapType() != nil }) ||
		!slices.ContainsFunc(g.GetOutput(), func(v *pb.ValueInfoProto) bool { return zips[v.GetName()] != nil }) {
		return false
	}
	given := map[string]bool{}
	for _, v := range g.GetOutput() {
		given[v.GetName()] = true
	}
	recorded := make([][]*reference.Value, len(sets))
	for i, d := range sets {
		for _, v := range d.recorded {
			n := zips[v.Name]
			if n == nil {
				recorded[i] = append(recorded[i], v)
				continue
			}
			scores, ok := scoresOf(v, n)
			if !ok {
				return false
			}
			if !given[n.Input[0]] {
				recorded[i] = append(recorded[i], scores)
			}
		}
	}
	for i := range sets {
		if sets[i].recorded != nil {
			sets[i].recorded = recorded[i]
		}
	}
	return true
}

// scoresOf are the scores in the maps that a ZipMap gave: a row for each map, in the order of the node's classes.
func scoresOf(maps *reference.Value, n *pb.NodeProto) (*reference.Value, bool) {
	classes := classesOf(n)
	var data onnx.Slice[float32]
	for _, m := range maps.Elems {
		if m.Kind != reference.Map || len(m.Elems) != 2 || m.Elems[0].Len() != len(classes) || m.Elems[1].Type != pb.TensorProto_FLOAT {
			return nil, false
		}
		place := map[string]int{}
		for i := range classes {
			place[keyText(m.Elems[0], i)] = i
		}
		for _, class := range classes {
			i, ok := place[class]
			if !ok {
				return nil, false
			}
			data = append(data, float32(m.Elems[1].Float(i)))
		}
	}
	t, err := onnx.TensorOf(n.Input[0], data, len(maps.Elems), len(classes))
	if err != nil {
		return nil, false
	}
	v, err := reference.FromTensor(t)
	if err != nil {
		return nil, false
	}
	v.Name = n.Input[0]
	return v, true
}

// classesOf are the labels of a ZipMap as text.
func classesOf(n *pb.NodeProto) []string {
	var classes []string
	for _, s := range onnx.Attribute(n, "classlabels_strings").GetStrings() {
		classes = append(classes, string(s))
	}
	for _, i := range onnx.Attribute(n, "classlabels_int64s").GetInts() {
		classes = append(classes, fmt.Sprint(i))
	}
	return classes
}

func keyText(keys *reference.Value, i int) string {
	switch d := keys.Data.(type) {
	case onnx.Slice[string]:
		return d[i]
	case onnx.Slice[int64]:
		return fmt.Sprint(d[i])
	}
	return ""
}

// zipped is the message of the maps that a ZipMap makes of scores.
func zipped(name string, n *pb.NodeProto, scores *reference.Value) (*pb.SequenceProto, error) {
	words := onnx.Attribute(n, "classlabels_strings").GetStrings()
	numbers := onnx.Attribute(n, "classlabels_int64s").GetInts()
	classes := len(words) + len(numbers)
	if len(scores.Dims) == 0 || scores.Dims[len(scores.Dims)-1] != classes || classes == 0 {
		return nil, fmt.Errorf("scores are %s for %d classes", scores, classes)
	}
	all := &pb.SequenceProto{Name: &name, ElemType: new(int32(pb.SequenceProto_MAP))}
	for row := range scores.Len() / classes {
		m := &pb.MapProto{KeyType: new(int32(pb.TensorProto_STRING)), StringKeys: words, Keys: numbers, Values: &pb.SequenceProto{ElemType: new(int32(pb.SequenceProto_TENSOR))}}
		if len(words) == 0 {
			m.KeyType = new(int32(pb.TensorProto_INT64))
		}
		for i := range classes {
			t := &onnx.Tensor{Dims: []int{}, Data: onnx.Slice[float32]{float32(scores.Float(row*classes + i))}}
			m.Values.TensorValues = append(m.Values.TensorValues, t.Proto())
		}
		all.MapValues = append(all.MapValues, m)
	}
	return all, nil
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
