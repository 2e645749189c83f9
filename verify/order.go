package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
	"github.com/petrify-ml/petrify/reference"
)

// admit checks the model, and passes over three faults where nothing else keeps it from being evaluated, since ONNX Runtime ignores
// them and files that have them are deployed. ONNX wants a node after those whose outputs it reads: nodes are put into order. It
// wants an output of the graph to have a shape: it gets the one that follows from the graph. It wants an input to have one: that may
// be given. admit says what it did.
func admit(m *onnx.Model) (notes []string, err error) {
	hindering := hinders(m.Proto)
	if len(hindering) == 0 {
		return nil, nil
	}
	mended := m.Proto
	if i := slices.IndexFunc(hindering, func(f rule.Finding) bool { return f.Code == "node-order" }); i >= 0 {
		sorted := shallow(mended)
		sorted.Graph, _ = inOrder(mended.GetGraph())
		mended = sorted
		notes = append(notes, fmt.Sprintf("%s stands before a node that it reads (node-order), which ONNX does not allow; judged with its nodes in order, as ONNX Runtime puts them", hindering[i].Where))
	}
	if whole, names := withShapes(mended); len(names) > 0 {
		mended = whole
		notes = append(notes, fmt.Sprintf("output %s has no shape (required-field-missing), which ONNX does not allow; judged with the one that follows from the graph", strings.Join(names, ", ")))
	}
	left, more := withoutOpenShapes(mended, hinders(mended))
	notes = append(notes, more...)
	if len(notes) > 0 && len(left) == 0 {
		if m.Bytes, err = onnx.Marshal(mended); err != nil {
			return nil, err
		}
		m.Proto = mended
		return notes, nil
	}
	broken := make([]string, len(hindering))
	for i, f := range hindering {
		broken[i] = fmt.Sprintf("%s: %s (%s)", f.Where, f.Message, f.Code)
	}
	return nil, fmt.Errorf("%w: %s", errInvalid, strings.Join(broken, "; "))
}

// withShapes gives the outputs of the graph that have no type, or one without a shape, those that follow from it, and returns
// their names.
func withShapes(m *pb.ModelProto) (whole *pb.ModelProto, names []string) {
	lacks := func(v *pb.ValueInfoProto) bool {
		t := v.GetType().GetTensorType()
		return v.GetType().GetValue() == nil || t != nil && t.Shape == nil
	}
	if !slices.ContainsFunc(m.GetGraph().GetOutput(), lacks) {
		return m, nil
	}
	types := infer.Model(m, infer.Budget{}).Types
	whole = shallow(m)
	whole.Graph = shallow(m.GetGraph())
	whole.Graph.Output = slices.Clone(m.GetGraph().GetOutput())
	for i, v := range whole.Graph.Output {
		t, ok := types[v.GetName()]
		declared := pb.TensorProto_DataType(v.GetType().GetTensorType().GetElemType())
		if !lacks(v) || !ok || t.Dims == nil || declared != pb.TensorProto_UNDEFINED && declared != t.Elem {
			continue
		}
		v = shallow(v)
		v.Type = t.Proto()
		whole.Graph.Output[i] = v
		names = append(names, onnx.Quote(v.GetName()))
	}
	return whole, names
}

// withoutOpenShapes leaves out of the findings that an input has no shape, which --shape or --input may give, and that an output
// has none that follows from the graph: only a run may tell it.
func withoutOpenShapes(m *pb.ModelProto, findings []rule.Finding) (left []rule.Finding, notes []string) {
	var open []string // ports
	for kind, ports := range map[string][]*pb.ValueInfoProto{"input ": m.GetGraph().GetInput(), "output ": m.GetGraph().GetOutput()} {
		for _, v := range ports {
			if t := v.GetType().GetTensorType(); t != nil && t.Shape == nil {
				open = append(open, kind+onnx.Quote(v.GetName()))
			}
		}
	}
	slices.Sort(open)
	left = slices.DeleteFunc(findings, func(f rule.Finding) bool {
		return f.Code == "required-field-missing" && f.Message == "the type has no shape" && slices.Contains(open, f.Where)
	})
	for _, where := range open {
		notes = append(notes, where+" has no shape (required-field-missing), which ONNX does not allow; judged as ONNX Runtime runs it")
	}
	return left, notes
}

// shape gives inputs without a shape the number of axes that they have in the data sets, and outputs what follows from that, or what
// the reference gives, since not every runtime takes a graph without.
func (j *job) shape() error {
	shaped := shallow(j.model.Proto)
	shaped.Graph = shallow(shaped.GetGraph())
	inputs := withRanks(shaped.Graph.GetInput(), func(_ int, name string) (int, bool) {
		return j.rank(func(d dataSet) *reference.Value {
			if i := slices.IndexFunc(d.values, func(v *reference.Value) bool { return v.Name == name }); i >= 0 {
				return d.values[i]
			}
			return nil
		})
	})
	if shaped.Graph.Input = inputs; !slices.Equal(inputs, j.model.Proto.GetGraph().GetInput()) {
		shaped, _ = withShapes(shaped)
	}
	shaped.Graph.Output = withRanks(shaped.Graph.GetOutput(), func(i int, _ string) (int, bool) {
		return j.rank(func(d dataSet) *reference.Value {
			if i < len(d.want) {
				return d.want[i]
			}
			return nil
		})
	})
	if slices.Equal(inputs, j.model.Proto.GetGraph().GetInput()) && slices.Equal(shaped.Graph.Output, j.model.Proto.GetGraph().GetOutput()) {
		return nil
	}
	b, err := onnx.Marshal(shaped)
	if err != nil {
		return err
	}
	m := *j.model
	m.Proto, m.Bytes = shaped, b
	j.model = &m
	j.program, err = reference.Compile(j.model, j.options.Reference)
	return err
}

// withRanks gives the tensors among the inputs or outputs that have no shape one of as many axes as rank knows of.
func withRanks(ports []*pb.ValueInfoProto, rank func(i int, name string) (int, bool)) []*pb.ValueInfoProto {
	ports = slices.Clone(ports)
	for i, v := range ports {
		t := v.GetType().GetTensorType()
		if t == nil || t.Shape != nil {
			continue
		}
		if n, ok := rank(i, v.GetName()); ok {
			ports[i] = shallow(v)
			ports[i].Type = onnx.Type{Elem: pb.TensorProto_DataType(t.GetElemType()), Dims: slices.Repeat([]onnx.Dim{onnx.Unknown()}, n)}.Proto()
		}
	}
	return ports
}

// rank is how many axes a value of the data sets has, where it is a tensor of as many in all.
func (j *job) rank(of func(d dataSet) *reference.Value) (n int, ok bool) {
	for _, d := range j.sets {
		v := of(d)
		switch {
		case v == nil || v.Kind != reference.Tensor:
		case ok && n != len(v.Dims):
			return 0, false
		default:
			n, ok = len(v.Dims), true
		}
	}
	return n, ok
}

func hinders(m *pb.ModelProto) []rule.Finding {
	return slices.DeleteFunc(check.Model(m), func(f rule.Finding) bool { return !f.Hinders() })
}

// inOrder returns the graph, and those within it, with each node after those that it reads, and else as they stood; and the
// names that it reads from around it. Nodes that wait for each other come last.
func inOrder(g *pb.GraphProto) (sorted *pb.GraphProto, free []string) {
	nodes := make([]*pb.NodeProto, len(g.GetNode()))
	reads := make([][]string, len(nodes))
	maker := map[string]int{}
	for i, n := range g.GetNode() {
		nodes[i], reads[i] = withinInOrder(n)
		for _, out := range n.GetOutput() {
			if _, ok := maker[out]; !ok && out != "" {
				maker[out] = i
			}
		}
	}
	sorted = shallow(g)
	sorted.Node = make([]*pb.NodeProto, 0, len(nodes))
	const (
		fresh = iota
		begun // on the path from the node to be placed
		placed
	)
	state := make([]int, len(nodes))
	var path []int
	for i := range nodes {
		path = append(path, i)
		for len(path) > 0 {
			n := path[len(path)-1]
			if state[n] == fresh {
				state[n] = begun
				for _, name := range slices.Backward(reads[n]) {
					if p, ok := maker[name]; ok && state[p] == fresh {
						path = append(path, p)
					}
				}
				continue
			}
			path = path[:len(path)-1]
			if state[n] == begun {
				state[n] = placed
				sorted.Node = append(sorted.Node, nodes[n])
			}
		}
	}
	own := map[string]bool{}
	for _, v := range g.GetInput() {
		own[v.GetName()] = true
	}
	for _, t := range g.GetInitializer() {
		own[t.GetName()] = true
	}
	for name := range maker {
		own[name] = true
	}
	for _, v := range g.GetOutput() {
		reads = append(reads, []string{v.GetName()})
	}
	for _, name := range slices.Concat(reads...) {
		if name != "" && !own[name] {
			own[name] = true
			free = append(free, name)
		}
	}
	return sorted, free
}

// withinInOrder is inOrder for the graphs that a node holds. It returns all names that the node reads.
func withinInOrder(n *pb.NodeProto) (*pb.NodeProto, []string) {
	reads := n.GetInput()
	if !slices.ContainsFunc(n.GetAttribute(), func(a *pb.AttributeProto) bool { return a.GetG() != nil }) {
		return n, reads
	}
	sorted := shallow(n)
	sorted.Attribute = slices.Clone(n.GetAttribute())
	for i, a := range sorted.Attribute {
		if a.GetG() == nil {
			continue
		}
		sorted.Attribute[i] = shallow(a)
		var free []string
		sorted.Attribute[i].G, free = inOrder(a.GetG())
		reads = slices.Concat(reads, free)
	}
	return sorted, reads
}
