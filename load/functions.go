package load

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

const (
	mostCalls    = 100     // functions inside each other
	mostExpanded = 1 << 20 // nodes after their expansion
)

// expandFunctions puts the nodes of the model's functions where they are called. Package check has seen to it that they mean the same
// operators by the opset of the model as by their own. m is not changed.
func expandFunctions(m *pb.ModelProto) (*pb.ModelProto, error) {
	if len(m.GetFunctions()) == 0 {
		return m, nil
	}
	x := &expander{functions: map[onnx.FunctionKey]*pb.FunctionProto{}, root: "fn"}
	for _, f := range m.GetFunctions() {
		x.functions[onnx.KeyOf(f)] = f
	}
	for begins(m.GetGraph(), x.root) { // until no name does
		x.root += "'"
	}
	nodes, err := x.nodes(m.GetGraph().GetNode(), &callSite{})
	if err != nil {
		return nil, err
	}
	g := &pb.GraphProto{
		Name: m.Graph.Name, Node: nodes, Initializer: m.Graph.GetInitializer(), SparseInitializer: m.Graph.GetSparseInitializer(),
		Input: m.Graph.GetInput(), Output: m.Graph.GetOutput(), ValueInfo: m.Graph.GetValueInfo(),
	}
	return &pb.ModelProto{IrVersion: m.IrVersion, OpsetImport: m.GetOpsetImport(), Graph: g}, nil
}

// begins reports whether a name in g, or in a graph inside it, begins with root.
func begins(g *pb.GraphProto, root string) bool {
	has := func(name string) bool { return strings.HasPrefix(name, root) }
	port := func(v *pb.ValueInfoProto) bool { return has(v.GetName()) }
	return slices.ContainsFunc(g.GetInput(), port) || slices.ContainsFunc(g.GetOutput(), port) ||
		slices.ContainsFunc(g.GetInitializer(), func(t *pb.TensorProto) bool { return has(t.GetName()) }) ||
		slices.ContainsFunc(g.GetNode(), func(n *pb.NodeProto) bool {
			return slices.ContainsFunc(n.GetInput(), has) || slices.ContainsFunc(n.GetOutput(), has) ||
				slices.ContainsFunc(n.GetAttribute(), func(a *pb.AttributeProto) bool { return a.GetG() != nil && begins(a.GetG(), root) })
		})
}

type expander struct {
	functions map[onnx.FunctionKey]*pb.FunctionProto
	root      string
	calls     int
	made      int
}

// callSite is what the names and attributes inside a function stand for at one call of it.
type callSite struct {
	prefix string            // of the names of its own values, "" outside of functions
	names  map[string]string // of its inputs and outputs
	attrs  map[string]*pb.AttributeProto
	depth  int
}

func (c *callSite) name(s string) string {
	if s == "" || c.prefix == "" {
		return s
	}
	if given, ok := c.names[s]; ok {
		return given
	}
	return c.prefix + s
}

func (c *callSite) all(list []string) []string {
	named := make([]string, len(list))
	for i, s := range list {
		named[i] = c.name(s)
	}
	return named
}

// nodes are those of a list, calls of functions replaced by theirs.
func (x *expander) nodes(list []*pb.NodeProto, at *callSite) ([]*pb.NodeProto, error) {
	var out []*pb.NodeProto
	for _, n := range list {
		if x.made++; x.made > mostExpanded {
			return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("functions of more than %d nodes", mostExpanded)}
		}
		c := &pb.NodeProto{
			Name: n.Name, OpType: n.OpType, Domain: n.Domain, Overload: n.Overload, DocString: n.DocString, Input: at.all(n.GetInput()), Output: at.all(n.GetOutput()),
		}
		for _, a := range n.GetAttribute() {
			a, err := x.attribute(a, at)
			if err != nil {
				return nil, err
			}
			if a != nil {
				c.Attribute = append(c.Attribute, a)
			}
		}
		f := x.functions[onnx.CallOf(n)]
		if f == nil {
			out = append(out, c)
			continue
		}
		inner, err := x.call(c, f, at.depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, inner...)
	}
	return out, nil
}

// attribute is a as it stands at a call, nil where the call does not give it.
func (x *expander) attribute(a *pb.AttributeProto, at *callSite) (*pb.AttributeProto, error) {
	if ref := a.GetRefAttrName(); ref != "" {
		given := at.attrs[ref]
		if given == nil {
			return nil, nil
		}
		return &pb.AttributeProto{
			Name: a.Name, Type: given.Type, F: given.F, I: given.I, S: given.S, T: given.T, G: given.G,
			Floats: given.Floats, Ints: given.Ints, Strings: given.Strings, Tensors: given.Tensors,
		}, nil
	}
	if a.GetG() == nil {
		return a, nil
	}
	g := a.GetG()
	nodes, err := x.nodes(g.GetNode(), at)
	if err != nil {
		return nil, err
	}
	body := &pb.GraphProto{Name: g.Name, Node: nodes, SparseInitializer: g.GetSparseInitializer()}
	for _, t := range g.GetInitializer() {
		named := proto.CloneOf(t)
		named.Name = proto.String(at.name(t.GetName()))
		body.Initializer = append(body.Initializer, named)
	}
	named := func(list []*pb.ValueInfoProto) (out []*pb.ValueInfoProto) {
		for _, v := range list {
			out = append(out, &pb.ValueInfoProto{Name: proto.String(at.name(v.GetName())), Type: v.Type})
		}
		return out
	}
	body.Input, body.Output = named(g.GetInput()), named(g.GetOutput())
	return &pb.AttributeProto{Name: a.Name, Type: a.Type, G: body}, nil
}

// call is the nodes of f at a call.
func (x *expander) call(n *pb.NodeProto, f *pb.FunctionProto, depth int) ([]*pb.NodeProto, error) {
	if depth > mostCalls {
		return nil, &onnx.UnsupportedError{Op: n.GetOpType(), Domain: n.GetDomain(), Why: fmt.Sprintf("node %q: functions are more than %d deep", nameOf(n), mostCalls)}
	}
	x.calls++
	at := &callSite{prefix: fmt.Sprintf("%s %d ", x.root, x.calls), names: map[string]string{}, attrs: map[string]*pb.AttributeProto{}, depth: depth}
	for i, name := range f.GetInput() {
		if at.names[name] = ""; i < len(n.GetInput()) {
			at.names[name] = n.GetInput()[i]
		}
	}
	var through []*pb.NodeProto // inputs that are outputs
	for i, name := range f.GetOutput() {
		if i >= len(n.GetOutput()) || n.GetOutput()[i] == "" {
			continue
		}
		if given, isInput := at.names[name]; isInput {
			through = append(through, &pb.NodeProto{OpType: proto.String("Identity"), Input: []string{given}, Output: []string{n.GetOutput()[i]}})
			continue
		}
		at.names[name] = n.GetOutput()[i]
	}
	for _, a := range f.GetAttributeProto() {
		at.attrs[a.GetName()] = a
	}
	for _, a := range n.GetAttribute() {
		at.attrs[a.GetName()] = a
	}
	nodes, err := x.nodes(f.GetNode(), at)
	return append(nodes, through...), err
}
