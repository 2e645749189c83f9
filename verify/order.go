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
// has none, where it follows from such an input's, or from the elements of a sequence.
func withoutOpenShapes(m *pb.ModelProto, findings []rule.Finding) (left []rule.Finding, notes []string) {
	var open []string // ports
	for _, v := range m.GetGraph().GetInput() {
		if t := v.GetType().GetTensorType(); t != nil && t.Shape == nil {
			open = append(open, "input "+onnx.Quote(v.GetName()))
		}
	}
	if len(open) > 0 || slices.ContainsFunc(m.GetGraph().GetInput(), func(v *pb.ValueInfoProto) bool { return v.GetType().GetSequenceType() != nil }) {
		for _, v := range m.GetGraph().GetOutput() {
			if t := v.GetType().GetTensorType(); t != nil && t.Shape == nil {
				open = append(open, "output "+onnx.Quote(v.GetName()))
			}
		}
	}
	left = slices.DeleteFunc(findings, func(f rule.Finding) bool {
		return f.Code == "required-field-missing" && f.Message == "the type has no shape" && slices.Contains(open, f.Where)
	})
	for _, where := range open {
		notes = append(notes, where+" has no shape (required-field-missing), which ONNX does not allow; judged as ONNX Runtime runs it")
	}
	return left, notes
}

// shape gives inputs without a shape the number of axes that they have in the data sets, and outputs what follows from that, since not
// every runtime takes a graph without.
func (j *job) shape() error {
	shaped := shallow(j.model.Proto)
	shaped.Graph = shallow(shaped.GetGraph())
	shaped.Graph.Input = slices.Clone(shaped.Graph.GetInput())
	some := false
	for i, v := range shaped.Graph.Input {
		t := v.GetType().GetTensorType()
		rank, ok := j.rank(v.GetName())
		if t == nil || t.Shape != nil || !ok {
			continue
		}
		some = true
		shaped.Graph.Input[i] = shallow(v)
		shaped.Graph.Input[i].Type = onnx.Type{Elem: pb.TensorProto_DataType(t.GetElemType()), Dims: slices.Repeat([]onnx.Dim{onnx.Unknown()}, rank)}.Proto()
	}
	if !some {
		return nil
	}
	shaped, _ = withShapes(shaped)
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

// rank is how many axes an input has in the data sets, where it has as many in all.
func (j *job) rank(input string) (n int, ok bool) {
	for _, d := range j.sets {
		for _, v := range d.values {
			switch {
			case v.Name != input:
			case ok && n != len(v.Dims):
				return 0, false
			default:
				n, ok = len(v.Dims), true
			}
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
