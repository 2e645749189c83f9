package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

// drawnElements is how many elements a sequence gets that is drawn.
const drawnElements = 3

// withoutSequences puts tensors in the place of the sequences and optionals of tensors that a graph takes and gives: a
// witness.Session has neither. Nodes at the edges of the graph take them apart and put them together, which only moves
// elements. It says what it did.
func withoutSequences(m *onnx.Model) (notes []string, err error) {
	e := edges{graph: shallow(m.Proto.GetGraph()), taken: map[string]bool{}}
	for _, n := range e.graph.GetNode() {
		for _, name := range slices.Concat(n.Input, n.Output) {
			e.taken[name] = true
		}
	}
	for _, v := range slices.Concat(e.graph.GetInput(), e.graph.GetOutput()) {
		e.taken[v.GetName()] = true
	}
	for _, t := range e.graph.GetInitializer() {
		e.taken[t.GetName()] = true
	}
	e.takeApart()
	e.putTogether()
	if len(e.notes) == 0 {
		return nil, nil
	}
	bare := shallow(m.Proto)
	bare.Graph = e.graph
	bare, _ = withShapes(bare) // some runtimes want to know them
	b, err := onnx.Marshal(bare)
	if err != nil {
		return nil, err
	}
	m.Proto, m.Bytes = bare, b
	return e.notes, nil
}

// edges are the inputs and outputs of a graph whose types change.
type edges struct {
	graph *pb.GraphProto
	taken map[string]bool // names
	notes []string
}

// fresh is a name that nothing has.
func (e *edges) fresh(name string) string {
	for e.taken[name] {
		name += "_"
	}
	e.taken[name] = true
	return name
}

// elementOf is the tensor that a sequence or an optional holds, nil for any other type.
func elementOf(t *pb.TypeProto) (tensor *pb.TypeProto_Tensor, sequence bool) {
	element := t.GetSequenceType().GetElemType()
	if sequence = element != nil; !sequence {
		element = t.GetOptionalType().GetElemType()
	}
	if tensor = element.GetTensorType(); tensor.GetElemType() == 0 {
		return nil, false
	}
	return tensor, sequence
}

// putTogether makes a sequence of inputs that are tensors, and an optional of one.
func (e *edges) putTogether() {
	inputs := e.graph.GetInput()
	var first []*pb.NodeProto
	e.graph.Input = nil
	for _, v := range inputs {
		tensor, sequence := elementOf(v.GetType())
		if tensor == nil {
			e.graph.Input = append(e.graph.Input, v)
			continue
		}
		names, op := []string{e.fresh(v.GetName() + ".element")}, "Optional"
		note := fmt.Sprintf("input %q is an optional, which runtimes are not given: in its place is what it holds, %q", v.GetName(), names[0])
		if sequence {
			names, op = nil, "SequenceConstruct"
			for i := range drawnElements {
				names = append(names, e.fresh(fmt.Sprintf("%s.%d", v.GetName(), i)))
			}
			note = fmt.Sprintf("input %q is a sequence, which runtimes are not given: in its place are its elements, %s", v.GetName(), quoted(names))
		}
		for _, name := range names {
			e.graph.Input = append(e.graph.Input, &pb.ValueInfoProto{Name: proto.String(name), Type: &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: tensor}}})
		}
		first = append(first, makeNode(op, names, []string{v.GetName()}))
		e.notes = append(e.notes, note)
	}
	e.graph.Node = slices.Concat(first, e.graph.GetNode())
}

// takeApart makes outputs of what sequences and optionals hold.
func (e *edges) takeApart() {
	outputs := e.graph.GetOutput()
	e.graph.Output = nil
	e.graph.Node = slices.Clone(e.graph.GetNode())
	for _, v := range outputs {
		tensor, sequence := elementOf(v.GetType())
		switch {
		case tensor == nil:
			e.graph.Output = append(e.graph.Output, v)
		case sequence:
			e.elements(v.GetName(), pb.TensorProto_DataType(tensor.GetElemType()))
		default:
			e.optional(v.GetName(), pb.TensorProto_DataType(tensor.GetElemType()))
		}
	}
}

// elements makes two lists of a sequence: the elements of its tensors, one after the other, and the rank and shape of each.
func (e *edges) elements(name string, elem pb.TensorProto_DataType) {
	data, shapes := e.fresh(name+".elements"), e.fresh(name+".shapes")
	local := func(what string) string { return e.fresh(name + "." + what) }
	round, on, before, beforeShapes := local("round"), local("on"), local("before"), local("before.shapes")
	one, flat, shape, rank, still, after, afterShapes := local("one"), local("flat"), local("shape"), local("rank"), local("still"), local("after"), local("after.shapes")
	all := local("all")
	body := &pb.GraphProto{
		Name: proto.String(local("element")),
		Input: []*pb.ValueInfoProto{
			{Name: proto.String(round), Type: onnx.Type{Elem: pb.TensorProto_INT64, Dims: []onnx.Dim{}}.Proto()},
			{Name: proto.String(on), Type: onnx.Type{Elem: pb.TensorProto_BOOL, Dims: []onnx.Dim{}}.Proto()},
			{Name: proto.String(before), Type: listType(elem)}, {Name: proto.String(beforeShapes), Type: listType(pb.TensorProto_INT64)},
		},
		Output: []*pb.ValueInfoProto{
			{Name: proto.String(still), Type: onnx.Type{Elem: pb.TensorProto_BOOL, Dims: []onnx.Dim{}}.Proto()},
			{Name: proto.String(after), Type: listType(elem)}, {Name: proto.String(afterShapes), Type: listType(pb.TensorProto_INT64)},
		},
		Initializer: []*pb.TensorProto{int64List(all, -1)},
		Node: []*pb.NodeProto{
			makeNode("SequenceAt", []string{name, round}, []string{one}),
			makeNode("Reshape", []string{one, all}, []string{flat}),
			makeNode("Shape", []string{one}, []string{shape}),
			makeNode("Shape", []string{shape}, []string{rank}),
			makeNode("Concat", []string{before, flat}, []string{after}, onnx.Int("axis", 0)),
			makeNode("Concat", []string{beforeShapes, rank, shape}, []string{afterShapes}, onnx.Int("axis", 0)),
			makeNode("Identity", []string{on}, []string{still}),
		},
	}
	count, none, noShapes := local("count"), local("none"), local("none.shapes")
	e.graph.Initializer = append(slices.Clone(e.graph.GetInitializer()), emptyTensor(none, elem), int64List(noShapes))
	e.graph.Node = append(e.graph.Node, makeNode("SequenceLength", []string{name}, []string{count}),
		makeNode("Loop", []string{count, "", none, noShapes}, []string{data, shapes}, holding("body", body)))
	e.graph.Output = append(e.graph.Output,
		&pb.ValueInfoProto{Name: proto.String(data), Type: listType(elem)}, &pb.ValueInfoProto{Name: proto.String(shapes), Type: listType(pb.TensorProto_INT64)})
	e.notes = append(e.notes, fmt.Sprintf("output %q is a sequence, which runtimes do not hand over: judged by its elements, one after the other, %q, and their ranks and shapes, %q", name, data, shapes))
}

// optional makes three tensors of an optional: whether it holds one, its elements, and its shape, which are empty where it
// does not.
func (e *edges) optional(name string, elem pb.TensorProto_DataType) {
	has, data, shape := e.fresh(name+".given"), e.fresh(name+".elements"), e.fresh(name+".shape")
	local := func(what string) string { return e.fresh(name + "." + what) }
	got, all, flat, dims, none, noDims := local("got"), local("all"), local("flat"), local("dims"), local("none"), local("none.dims")
	outputs := func(data, shape string) []*pb.ValueInfoProto {
		return []*pb.ValueInfoProto{{Name: proto.String(data), Type: listType(elem)}, {Name: proto.String(shape), Type: listType(pb.TensorProto_INT64)}}
	}
	then := &pb.GraphProto{
		Name: proto.String(local("then")), Output: outputs(flat, dims), Initializer: []*pb.TensorProto{int64List(all, -1)},
		Node: []*pb.NodeProto{
			makeNode("OptionalGetElement", []string{name}, []string{got}),
			makeNode("Reshape", []string{got, all}, []string{flat}),
			makeNode("Shape", []string{got}, []string{dims}),
		},
	}
	otherwise := &pb.GraphProto{
		Name: proto.String(local("else")), Output: outputs(none, noDims),
		Node: []*pb.NodeProto{
			makeNode("Constant", nil, []string{none}, valued(emptyTensor("", elem))),
			makeNode("Constant", nil, []string{noDims}, valued(int64List(""))),
		},
	}
	e.graph.Node = append(e.graph.Node, makeNode("OptionalHasElement", []string{name}, []string{has}),
		makeNode("If", []string{has}, []string{data, shape}, holding("then_branch", then), holding("else_branch", otherwise)))
	e.graph.Output = append(e.graph.Output, &pb.ValueInfoProto{Name: proto.String(has), Type: onnx.Type{Elem: pb.TensorProto_BOOL, Dims: []onnx.Dim{}}.Proto()})
	e.graph.Output = append(e.graph.Output, outputs(data, shape)...)
	e.notes = append(e.notes, fmt.Sprintf("output %q is an optional, which runtimes do not hand over: judged by whether it holds a tensor, %q, and that tensor's elements and shape, %q and %q", name, has, data, shape))
}

// listType is the type of a list.
func listType(elem pb.TensorProto_DataType) *pb.TypeProto {
	return onnx.Type{Elem: elem, Dims: []onnx.Dim{onnx.Unknown()}}.Proto()
}

// int64List is a list of int64.
func int64List(name string, list ...int64) *pb.TensorProto {
	return &pb.TensorProto{Name: proto.String(name), DataType: proto.Int32(int32(pb.TensorProto_INT64)), Dims: []int64{int64(len(list))}, Int64Data: list}
}

// emptyTensor is a list of nothing.
func emptyTensor(name string, elem pb.TensorProto_DataType) *pb.TensorProto {
	return &pb.TensorProto{Name: proto.String(name), DataType: proto.Int32(int32(elem)), Dims: []int64{0}}
}

func holding(name string, g *pb.GraphProto) onnx.Attr {
	return onnx.AttrOf(&pb.AttributeProto{Name: proto.String(name), Type: pb.AttributeProto_GRAPH.Enum(), G: g})
}

func valued(t *pb.TensorProto) onnx.Attr {
	return onnx.AttrOf(&pb.AttributeProto{Name: proto.String("value"), Type: pb.AttributeProto_TENSOR.Enum(), T: t})
}

// makeNode is a node of ai.onnx, which has the name of its output.
func makeNode(op string, inputs, outputs []string, attrs ...onnx.Attr) *pb.NodeProto {
	n := &pb.NodeProto{Name: proto.String(outputs[0]), OpType: proto.String(op), Input: inputs, Output: outputs}
	for _, a := range attrs {
		n.Attribute = append(n.Attribute, a.Proto())
	}
	return n
}

// quoted is a list of names for people.
func quoted(names []string) string {
	return strings.Join(slices.Collect(func(yield func(string) bool) {
		for _, name := range names {
			if !yield(fmt.Sprintf("%q", name)) {
				return
			}
		}
	}), ", ")
}
