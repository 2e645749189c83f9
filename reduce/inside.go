package reduce

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/verify"
)

// inside makes less of functions, branches and loops. Where the failure is there without them, too, their nodes are written
// out and take part as all others do; where it is not, nodes are left out within.
func (s *search) inside() {
	if !s.compound() {
		return
	}
	m, err := modelOf(s.best.model)
	if err != nil {
		return
	}
	if flat := verify.Unrolled(s.ctx, m, valuesOf(s.best.inputs), s.o.Verify); flat != nil {
		c := newCutter(&state{flat.Proto, s.best.inputs}, nil)
		if s.fails(&state{flat.Proto, s.best.inputs}) || s.fails(c.of(flat.Proto.GetGraph().GetNode(), false)) {
			s.firstWrong()
			s.nodes()
			return
		}
	}
	for i := 0; ; i++ { // the graphs are found again each time: the best is another one
		base := s.best
		all := bodiesOf(base.model)
		if i >= len(all) {
			return
		}
		minimize(numbered(all[i].size), func(kept []int) bool { return s.fails(base.within(i, kept)) })
	}
}

// compound reports whether a node of the best holds a graph or calls a function.
func (s *search) compound() bool {
	if len(s.best.model.GetFunctions()) > 0 {
		return true
	}
	return slices.ContainsFunc(s.best.model.GetGraph().GetNode(), func(n *pb.NodeProto) bool {
		return slices.ContainsFunc(n.GetAttribute(), func(a *pb.AttributeProto) bool { return len(bodies(a)) > 0 })
	})
}

func numbered(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// A body is the nodes of a graph within a node, or of a function.
type body struct {
	graph    *pb.GraphProto
	function *pb.FunctionProto
	size     int
}

// bodiesOf lists the bodies in a model, always in the same order.
func bodiesOf(m *pb.ModelProto) []body {
	var all []body
	within := func(nodes []*pb.NodeProto) {
		for n := range onnx.Nodes(nodes) {
			for _, a := range n.GetAttribute() {
				for _, g := range bodies(a) {
					all = append(all, body{graph: g, size: len(g.GetNode())})
				}
			}
		}
	}
	within(m.GetGraph().GetNode())
	for _, f := range m.GetFunctions() {
		all = append(all, body{function: f, size: len(f.GetNode())})
		within(f.GetNode())
	}
	return all
}

// within is the state with those nodes alone, by their numbers, in body i: who reads the result of another one is given an
// input of that, of the same type where types are known, or zeros.
func (c *state) within(i int, kept []int) *state {
	m := proto.CloneOf(c.model)
	b := bodiesOf(m)[i]
	known := map[string]onnx.Type{}
	var nodes *[]*pb.NodeProto
	if b.graph != nil {
		nodes = &b.graph.Node
		r := infer.Model(m, infer.Budget{})
		known = r.Inner[b.graph]
		for name, t := range r.Types { // of the main graph, which it may read
			if _, own := known[name]; !own && known != nil {
				known[name] = t
			}
		}
	} else {
		nodes = &b.function.Node
	}
	stand := map[string]string{}
	var rest []*pb.NodeProto
	for k, n := range *nodes {
		rename(n, stand)
		if slices.Contains(kept, k) {
			rest = append(rest, n)
			continue
		}
		for _, out := range n.GetOutput() {
			if out == "" {
				continue
			}
			name, zeros := substitute(n, out, known)
			if zeros != nil && b.graph != nil {
				b.graph.Initializer = append(b.graph.Initializer, zeros)
			} else if name == "" {
				return nil
			} else {
				stand[out] = name
			}
		}
	}
	*nodes = rest
	if b.graph != nil {
		for _, o := range b.graph.GetOutput() {
			if name, ok := stand[o.GetName()]; ok { // which may be a value of the graph around
				b.graph.Node = append(b.graph.Node, identity(name, o.GetName()))
			}
		}
	} else {
		for _, o := range b.function.GetOutput() {
			if name, ok := stand[o]; ok {
				b.function.Node = append(b.function.Node, identity(name, o))
			}
		}
	}
	// What the body no longer reads, the graph need not give it.
	less := &state{m, c.inputs}
	return cmp.Or(newCutter(less, nil).of(m.GetGraph().GetNode(), false), less)
}

func identity(from, to string) *pb.NodeProto {
	return &pb.NodeProto{OpType: proto.String("Identity"), Input: []string{from}, Output: []string{to}}
}

// rename gives what a node reads, also within, the names that stand for it.
func rename(n *pb.NodeProto, stand map[string]string) {
	for k, in := range n.GetInput() {
		if name, ok := stand[in]; ok {
			n.Input[k] = name
		}
	}
	for _, a := range n.GetAttribute() {
		for _, g := range bodies(a) {
			for _, inner := range g.GetNode() {
				rename(inner, stand)
			}
			for _, o := range g.GetOutput() {
				if name, ok := stand[o.GetName()]; ok {
					o.Name = proto.String(name)
				}
			}
		}
	}
}

// substitute finds what may stand for an output of a node: one of its inputs, or zeros.
func substitute(n *pb.NodeProto, out string, known map[string]onnx.Type) (name string, zeros *pb.TensorProto) {
	want, ok := known[out]
	for _, in := range n.GetInput() {
		if t, there := known[in]; in != "" && (!ok || there && t.String() == want.String()) {
			return in, nil
		}
	}
	if !ok || want.Dims == nil {
		return "", nil
	}
	n64, dims := int64(1), make([]int, len(want.Dims))
	for i, d := range want.Dims {
		if !d.Known() || d.Size > 1<<20 {
			return "", nil
		}
		dims[i] = int(d.Size)
		if n64 *= d.Size; n64 > 1<<20 {
			return "", nil
		}
	}
	data, ok := onnx.MakeData(want.Elem, int(n64))
	if !ok {
		return "", nil
	}
	return "", (&onnx.Tensor{Name: out, Dims: dims, Data: data}).Proto()
}
