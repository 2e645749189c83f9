package gorgonnx

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// profile returns nil where stock onnx-go v0.5.0 is known to compute a model rightly, and otherwise an *onnx.UnsupportedError for
// every reason why not. Without inputs it judges what holds for all shapes, with inputs what holds for theirs.
//
// It lists what is right, not what is wrong: whatever has not been tried is refused. The faults that the reasons name were found
// by running ONNX's own tests and small models on the library, twice each, and by reading it.
func profile(m *onnx.Model, inputs []*onnx.Tensor) error {
	p := &profiler{graph: m.Proto.GetGraph(), opset: m.Opset(), types: typesOf(m.Proto, inputs), exact: inputs != nil}
	p.model(m.Proto)
	p.ends()
	for _, n := range p.graph.GetNode() {
		p.node(n)
	}
	p.inPlace()
	return errors.Join(p.reasons...)
}

type profiler struct {
	graph   *pb.GraphProto
	opset   int64
	types   map[string]onnx.Type
	exact   bool // the shapes of the inputs are known
	reasons []error
}

// typesOf are the types of all values, with the inputs' own dimensions in place of the declared ones where there are inputs.
func typesOf(m *pb.ModelProto, inputs []*onnx.Tensor) map[string]onnx.Type {
	if inputs != nil {
		m = proto.CloneOf(m)
		for _, v := range m.GetGraph().GetInput() {
			i := slices.IndexFunc(inputs, func(t *onnx.Tensor) bool { return t.Name == v.GetName() })
			if i < 0 {
				continue // the child says what is missing
			}
			t := onnx.Type{Elem: inputs[i].Type(), Dims: []onnx.Dim{}}
			for _, d := range inputs[i].Dims {
				t.Dims = append(t.Dims, onnx.Fixed(int64(d)))
			}
			v.Type = t.Proto()
		}
		m.Graph.ValueInfo = nil // declared for other sizes, perhaps
	}
	types, _ := infer.Types(m) // what it finds wrong is for others to say
	return types
}

// refuse adds a reason, about a node or, without one, about the model.
func (p *profiler) refuse(n *pb.NodeProto, format string, args ...any) {
	e := &onnx.UnsupportedError{Why: "stock onnx-go: " + fmt.Sprintf(format, args...)}
	if n != nil {
		name := n.GetName()
		if name == "" && len(n.GetOutput()) > 0 {
			name = n.GetOutput()[0]
		}
		e.Op, e.Domain, e.Opset = n.GetOpType(), n.GetDomain(), p.opset
		e.Why = fmt.Sprintf("node %q: %s", name, e.Why)
	}
	p.reasons = append(p.reasons, e)
}

func (p *profiler) model(m *pb.ModelProto) {
	if len(m.GetFunctions()) > 0 {
		p.refuse(nil, "does not support functions in the model")
	}
	if len(p.graph.GetSparseInitializer()) > 0 {
		p.refuse(nil, "does not support sparse initializers")
	}
	if len(p.graph.GetNode()) == 0 {
		p.refuse(nil, "takes a graph without nodes for an error")
	}
}

// ends compares the inputs and outputs of the graph with what the library does with them.
func (p *profiler) ends() {
	read := map[string]bool{}
	for _, n := range p.graph.GetNode() {
		for _, in := range n.GetInput() {
			read[in] = true
		}
	}
	made := map[string]bool{}
	for _, n := range p.graph.GetNode() {
		for _, out := range n.GetOutput() {
			made[out] = true
		}
	}
	for _, out := range p.graph.GetOutput() {
		if name := out.GetName(); read[name] && made[name] {
			p.refuse(nil, "output %q is read inside the graph too, and comes back as zeros", name)
		}
	}
	for _, t := range p.graph.GetInitializer() {
		if slices.Contains(t.GetDims(), 0) {
			p.refuse(nil, "has no empty tensors, as initializer %q is", t.GetName())
		}
	}
}

// rule says under which conditions an operator is computed rightly. The conditions on shapes are those of the concrete shapes.
type rule func(p *profiler, n *pb.NodeProto)

var rules = map[string]rule{
	// Not Exp, 40 units in the last place off at 29, and Softmax, which uses it; not Sin and Cos, which reduce angles in float.
	"Abs": elementwise, "Ceil": elementwise, "Floor": elementwise, "Identity": elementwise, "LeakyRelu": elementwise, "Log": elementwise,
	"Neg": elementwise, "Relu": elementwise, "Sigmoid": elementwise, "Sign": elementwise, "Softplus": elementwise, "Sqrt": elementwise,
	"Tanh": elementwise,
	"Add":  broadcast, "Div": broadcast, "Mul": broadcast, "Sub": broadcast,
	"Max": sameShapes, "Min": sameShapes,
	"BatchNormalization": batchNormalization,
	"Concat":             concat,
	"Conv":               conv,
	"Dropout":            dropout,
	"Flatten":            flatten,
	"Gemm":               gemm,
	"GlobalAveragePool":  images,
	"MatMul":             matMul,
	"MaxPool":            maxPool,
	"Reshape":            reshape,
	"Transpose":          transpose,
}

func (p *profiler) node(n *pb.NodeProto) {
	check, known := rules[n.GetOpType()]
	switch {
	case n.GetDomain() != "" && n.GetDomain() != "ai.onnx":
		p.refuse(n, "ignores the domain of an operator")
		return
	case !known:
		p.refuse(n, "lacks the operator, or computes it wrongly")
		return
	case len(n.GetOutput()) != 1:
		p.refuse(n, "computes one output, %d are wanted", len(n.GetOutput()))
		return
	}
	seen := map[string]bool{}
	for i, in := range n.GetInput() {
		switch {
		case in == "":
			p.refuse(n, "takes input %d, which is left out, for a value", i)
			return
		case seen[in]:
			p.refuse(n, "loses an input that comes twice: %q", in)
			return
		}
		seen[in] = true
	}
	for i, name := range slices.Concat(n.GetInput(), n.GetOutput()) {
		if n.GetOpType() == "Reshape" && i == 1 {
			continue // the shape, which its rule looks at
		}
		if !p.value(n, name) {
			return
		}
	}
	check(p, n)
}

// value compares the type of a value with what Gorgonia computes with.
func (p *profiler) value(n *pb.NodeProto, name string) bool {
	t, known := p.types[name]
	switch {
	case known && t.Elem != pb.TensorProto_FLOAT && t.Elem != pb.TensorProto_UNDEFINED:
		p.refuse(n, "computes rightly in float only, %q is %v", name, t)
	case t.Dims == nil:
		if !p.exact {
			return false // nothing more can be said before the shapes are known
		}
		p.refuse(n, "the shape of %q is not known", name)
	case len(t.Dims) == 0 && !(isArithmetic(n) && p.isInitializer(name)):
		p.refuse(n, "does not compute with scalars rightly, %q is one", name)
	case slices.ContainsFunc(t.Dims, func(d onnx.Dim) bool { return d.Size == 0 }):
		p.refuse(n, "has no empty tensors, %q is %v", name, t)
	case p.exact && slices.ContainsFunc(t.Dims, func(d onnx.Dim) bool { return !d.Known() }):
		p.refuse(n, "the shape of %q is not known: %v", name, t)
	default:
		return true
	}
	return false
}

// dims are the dimensions of an input; before the shapes are known some are negative.
func (p *profiler) dims(n *pb.NodeProto, i int) []int64 {
	if i >= len(n.GetInput()) {
		return nil
	}
	var dims []int64
	for _, d := range p.types[n.GetInput()[i]].Dims {
		dims = append(dims, d.Size)
	}
	return dims
}

func attr(n *pb.NodeProto, name string) *pb.AttributeProto {
	for _, a := range n.GetAttribute() {
		if a.GetName() == name {
			return a
		}
	}
	return nil
}

func elementwise(p *profiler, n *pb.NodeProto) {
	if len(n.GetInput()) != 1 {
		p.refuse(n, "%d inputs, want 1", len(n.GetInput()))
	}
}

func isArithmetic(n *pb.NodeProto) bool {
	return slices.Contains([]string{"Add", "Div", "Mul", "Sub"}, n.GetOpType())
}

func broadcast(p *profiler, n *pb.NodeProto) {
	a, b := p.dims(n, 0), p.dims(n, 1)
	if len(a) < len(b) {
		a, b = b, a
	}
	known := p.exact || !slices.Contains(append(slices.Clone(a), b...), -1)
	switch {
	case p.opset < 7:
		p.refuse(n, "broadcasts as from opset 7 on")
	case len(a) == len(b) && (len(a) == 2 || slices.Equal(a, b)), len(b) == 0, slices.Equal(b, []int64{1}), len(a) == 4 && len(b) == 3:
	case len(a) > 1 && len(b) == 1:
		// A list is laid along every axis of its length, of which there must be one, the last.
		switch last := len(a) - 1; {
		case !known:
		case a[last] != b[0]:
			p.refuse(n, "lays %v along the wrong axis of %v", b, a)
		case slices.Contains(a[:last], b[0]):
			p.refuse(n, "panics where it is to lay %v along the last axis of %v and another axis has that length", b, a)
		}
	case known || len(a) != len(b):
		p.refuse(n, "does not broadcast %v and %v", a, b)
	}
}

func sameShapes(p *profiler, n *pb.NodeProto) {
	for i := range n.GetInput() {
		if p.exact && !slices.Equal(p.dims(n, 0), p.dims(n, i)) {
			p.refuse(n, "broadcasts %v and %v wrongly", p.dims(n, 0), p.dims(n, i))
			return
		}
	}
}

func matMul(p *profiler, n *pb.NodeProto) {
	if len(p.dims(n, 0)) != 2 || len(p.dims(n, 1)) != 2 {
		p.refuse(n, "multiplies matrices only, not %v and %v", p.dims(n, 0), p.dims(n, 1))
	}
}

func gemm(p *profiler, n *pb.NodeProto) {
	if p.opset < 7 {
		p.refuse(n, "broadcasts as from opset 7 on")
		return
	}
	if len(n.GetInput()) != 3 {
		p.refuse(n, "wants three inputs")
		return
	}
	a, b, c := p.dims(n, 0), p.dims(n, 1), p.dims(n, 2)
	if len(a) != 2 || len(b) != 2 || len(c) == 0 {
		return // not a model that would pass a check
	}
	rows, cols := a[0], b[1]
	if attr(n, "transA").GetI() != 0 {
		rows = a[1]
	}
	if attr(n, "transB").GetI() != 0 {
		cols = b[0]
	}
	elements := int64(1)
	for _, d := range c {
		elements *= d
	}
	switch {
	case len(c) == 2 && c[0] != 1:
		p.refuse(n, "takes a third operand of several rows for one of several columns")
	case rows == 1, elements == rows*cols && p.exact:
		p.refuse(n, "writes the result into the third operand, when it has as many elements as the result, here %d", elements)
	}
}

func conv(p *profiler, n *pb.NodeProto) {
	images(p, n)
	pads := attr(n, "pads").GetInts()
	switch auto := string(attr(n, "auto_pad").GetS()); {
	case len(attr(n, "kernel_shape").GetInts()) != 2:
		p.refuse(n, "needs kernel_shape, of two axes")
	case auto != "" && auto != "NOTSET":
		p.refuse(n, "computes auto_pad wrongly")
	case attr(n, "group") != nil && attr(n, "group").GetI() != 1:
		p.refuse(n, "ignores group")
	case len(pads) > 0 && (len(pads) != 4 || slices.Min(pads) != slices.Max(pads)):
		p.refuse(n, "takes pads %v, which are top, left, bottom, right, for top, bottom, left, right", pads)
	}
}

func images(p *profiler, n *pb.NodeProto) {
	if d := p.dims(n, 0); len(d) != 4 {
		p.refuse(n, "computes with four axes only, not with %v", d)
	}
}

func maxPool(p *profiler, n *pb.NodeProto) {
	images(p, n)
	auto := string(attr(n, "auto_pad").GetS())
	pads := attr(n, "pads").GetInts()
	switch {
	case auto != "" && auto != "NOTSET", slices.ContainsFunc(pads, func(v int64) bool { return v != 0 }):
		p.refuse(n, "pads in another order, and with zeros")
	case attr(n, "ceil_mode").GetI() != 0, attr(n, "dilations") != nil, attr(n, "storage_order").GetI() != 0:
		p.refuse(n, "lacks ceil_mode, dilations and storage_order")
	}
}

func batchNormalization(p *profiler, n *pb.NodeProto) {
	images(p, n)
	if attr(n, "spatial") != nil || attr(n, "training_mode").GetI() != 0 || attr(n, "is_test") != nil {
		p.refuse(n, "ignores spatial, training_mode and is_test")
	}
	for _, name := range n.GetInput()[min(1, len(n.GetInput())):] {
		if !p.isInitializer(name) {
			p.refuse(n, "wants %q to be an initializer", name)
		}
	}
}

func (p *profiler) isInitializer(name string) bool {
	return slices.ContainsFunc(p.graph.GetInitializer(), func(t *pb.TensorProto) bool { return t.GetName() == name })
}

func concat(p *profiler, n *pb.NodeProto) {
	switch a := attr(n, "axis"); {
	case a == nil:
		p.refuse(n, "wants an axis")
	case a.GetI() < 0:
		p.refuse(n, "computes negative axes wrongly")
	}
}

func dropout(p *profiler, n *pb.NodeProto) {
	if len(n.GetInput()) != 1 || p.opset < 7 {
		p.refuse(n, "supports only the form of opset 7 to 11")
	}
}

func flatten(p *profiler, n *pb.NodeProto) {
	if attr(n, "axis").GetI() < 0 {
		p.refuse(n, "computes negative axes wrongly")
	}
}

func transpose(p *profiler, n *pb.NodeProto) {
	perm := attr(n, "perm")
	if perm == nil || slices.Min(append([]int64{0}, perm.GetInts()...)) < 0 {
		p.refuse(n, "wants perm, without negative axes")
	}
}

func reshape(p *profiler, n *pb.NodeProto) {
	if len(n.GetInput()) != 2 {
		p.refuse(n, "wants the shape as an input, as from opset 5 on")
		return
	}
	i := slices.IndexFunc(p.graph.GetInitializer(), func(t *pb.TensorProto) bool { return t.GetName() == n.GetInput()[1] })
	if i < 0 {
		p.refuse(n, "wants the shape to be an initializer")
		return
	}
	t, err := onnx.FromProto(p.graph.GetInitializer()[i])
	if err != nil {
		return // a broken tensor is for others to report
	}
	shape, _ := t.Data.(onnx.Slice[int64])
	if slices.Contains(shape, -1) {
		p.refuse(n, "computes a dimension of -1 wrongly where the rank changes")
	}
	if attr(n, "allowzero").GetI() != 0 {
		p.refuse(n, "ignores allowzero")
	}
}

// views are the operators whose output shares the storage of their input.
var views = map[string]bool{"Identity": true, "Dropout": true, "Flatten": true, "Reshape": true}

// inPlace refuses operators that write over their input where that input is seen by anybody else.
func (p *profiler) inPlace() {
	storage := map[string]string{} // the value whose storage another shares
	of := func(name string) string {
		if s, ok := storage[name]; ok {
			return s
		}
		return name
	}
	readers := map[string]int{} // of a storage: nodes that compute from it, and outputs of the graph
	for _, n := range p.graph.GetNode() {
		if views[n.GetOpType()] && len(n.GetInput()) > 0 {
			for _, out := range n.GetOutput() {
				storage[out] = of(n.GetInput()[0])
			}
			continue
		}
		for _, in := range n.GetInput() {
			readers[of(in)]++
		}
	}
	for _, out := range p.graph.GetOutput() {
		readers[of(out.GetName())]++
	}
	for _, n := range p.graph.GetNode() {
		if n.GetOpType() != "LeakyRelu" && n.GetOpType() != "BatchNormalization" || len(n.GetInput()) == 0 {
			continue
		}
		switch in := of(n.GetInput()[0]); {
		case readers[in] > 1:
			p.refuse(n, "writes over its input %q, which is read elsewhere too", n.GetInput()[0])
		case p.isInitializer(in):
			p.refuse(n, "writes over the initializer %q", in)
		}
	}
}
