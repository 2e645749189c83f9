package load

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/onnx/rule"
)

// newest is the highest version of the default operator set whose operators have been compared with the ones here.
const newest = 26

// model is what does not depend on the shapes of the inputs.
type model struct {
	graph     *pb.GraphProto
	opset     int64
	ops       []operation
	constants map[string]*onnx.Tensor
	fillers   map[string]*onnx.Tensor // of ConstantOfShape, by output
	uses      map[string]int          // how often a value is read by nodes, or is an output of the graph
	users     map[string][]int        // the operations that read it
	makers    map[string]int          // the operation that gives it
	fixed     map[string]bool         // inputs whose values belong to the graph
	limit     int64                   // bytes that the values of a graph may take

	mu     sync.Mutex
	folded map[string]*onnx.Tensor // what depends on constants only, computed when it was first met
}

// validate refuses what is wrong by petrify's own judgement, and says all of it.
func validate(m *onnx.Model) error {
	if m == nil || m.Proto.GetGraph() == nil {
		return &onnx.FormatError{Offset: -1, What: "a model without a graph"}
	}
	var errs []error
	for _, f := range check.Model(m.Proto) {
		if f.Severity == rule.Error {
			errs = append(errs, &onnx.FormatError{Offset: -1, Where: f.Where, What: f.Code + ": " + f.Message})
		}
	}
	return errors.Join(errs...)
}

// newModel reads a graph that has been found to be supported.
func newModel(g *pb.GraphProto, opset int64) (*model, error) {
	plain := &model{
		opset: opset, constants: map[string]*onnx.Tensor{}, fillers: map[string]*onnx.Tensor{},
		uses: map[string]int{}, users: map[string][]int{}, makers: map[string]int{}, fixed: map[string]bool{}, folded: map[string]*onnx.Tensor{}, limit: memoryLimit,
	}
	for _, p := range g.GetInitializer() {
		t, err := onnx.FromProto(p)
		if err != nil {
			return nil, err
		}
		plain.constants[t.Name] = t
	}
	var err error
	if plain.graph, err = foldConstants(g, plain.constants, plain.fillers); err != nil {
		return nil, err
	}
	if len(plain.graph.GetNode()) > 0 { // onnx-go takes a graph without nodes for an error
		if plain.ops, err = decode(plain.graph, plain.constants); err != nil {
			return nil, err
		}
	}
	plain.index()
	for _, pass := range passes {
		pass(plain)
	}
	for _, v := range plain.graph.GetInput() {
		if elem := pb.TensorProto_DataType(v.GetType().GetTensorType().GetElemType()); !isFloat(elem) || plain.onlySets(v.GetName()) {
			plain.fixed[v.GetName()] = true
		}
	}
	return plain, nil
}

// onlySets reports whether a value is read as a setting, and as nothing else.
func (m *model) onlySets(name string) bool {
	if m.uses[name] != len(m.users[name]) {
		return false // it is an output
	}
	for _, i := range m.users[name] {
		for k, in := range m.ops[i].in {
			if in == name && !slices.Contains(settings[m.ops[i].name], k) {
				return false
			}
		}
	}
	return len(m.users[name]) > 0
}

// supported names all that is lacking, node by node.
func supported(m *onnx.Model) error {
	var errs []error
	lack := func(n *pb.NodeProto, format string, args ...any) {
		errs = append(errs, &onnx.UnsupportedError{
			Op: n.GetOpType(), Domain: n.GetDomain(), Opset: m.Opset(),
			Why: fmt.Sprintf("node %q: %s", nameOf(n), fmt.Sprintf(format, args...)),
		})
	}
	if v := m.Opset(); v > newest {
		errs = append(errs, &onnx.UnsupportedError{Why: fmt.Sprintf("opset %d: the newest known here is %d", v, newest)})
	}
	if n := len(m.Proto.GetFunctions()); n > 0 {
		errs = append(errs, &onnx.UnsupportedError{Why: fmt.Sprintf("%d functions of the model's own", n)})
	}
	if n := len(m.Proto.GetGraph().GetSparseInitializer()); n > 0 {
		errs = append(errs, &onnx.UnsupportedError{Why: fmt.Sprintf("%d sparse initializers", n)})
	}
	elems := elemTypes(m.Proto.GetGraph())
	for _, n := range m.Proto.GetGraph().GetNode() {
		o, known := operators[n.GetOpType()]
		switch {
		case n.GetDomain() != "" && n.GetDomain() != "ai.onnx", !known:
			lack(n, "not among the operators that load has: %s", list())
			continue
		case m.Opset() < o.since:
			lack(n, "load has it from opset %d on", o.since)
		case axesOfKernel(m.Proto.GetGraph(), n) > 2:
			lack(n, "a kernel of %d axes, load has it for one and two", axesOfKernel(m.Proto.GetGraph(), n))
		case len(n.GetOutput()) > max(1, o.outs):
			lack(n, "%d outputs", len(n.GetOutput()))
		}
		for _, a := range n.GetAttribute() {
			if !slices.Contains(o.attrs, a.GetName()) {
				lack(n, "attribute %s", a.GetName())
			}
		}
		elem := pb.TensorProto_FLOAT
		if len(n.GetInput()) > o.of && n.GetOpType() != "ConstantOfShape" {
			elem = elems[n.GetInput()[o.of]]
		}
		if t := slices.IndexFunc(n.GetAttribute(), func(a *pb.AttributeProto) bool { return a.GetT() != nil }); t >= 0 {
			elem = pb.TensorProto_DataType(n.GetAttribute()[t].GetT().GetDataType())
		}
		if !o.takes.has(elem) {
			lack(n, "elements of type %s", strings.ToLower(elem.String()))
		}
		if o.gives != pb.TensorProto_UNDEFINED {
			elem = o.gives
		}
		if to := slices.IndexFunc(n.GetAttribute(), func(a *pb.AttributeProto) bool { return a.GetName() == "to" }); to >= 0 {
			elem = pb.TensorProto_DataType(n.GetAttribute()[to].GetI())
		}
		for _, out := range n.GetOutput() {
			elems[out] = elem
		}
	}
	return errors.Join(errs...)
}

// axesOfKernel is how many axes a convolution goes over, where that is written down, or 0.
func axesOfKernel(g *pb.GraphProto, n *pb.NodeProto) int {
	if n.GetOpType() != "Conv" && n.GetOpType() != "ConvTranspose" || len(n.GetInput()) < 2 {
		return 0
	}
	for _, a := range n.GetAttribute() {
		if a.GetName() == "kernel_shape" {
			return len(a.GetInts())
		}
	}
	for _, t := range g.GetInitializer() {
		if t.GetName() == n.GetInput()[1] {
			return len(t.GetDims()) - 2
		}
	}
	for _, v := range g.GetInput() {
		if v.GetName() == n.GetInput()[1] {
			return len(v.GetType().GetTensorType().GetShape().GetDim()) - 2
		}
	}
	return 0
}

// elemTypes are the element types of what is there before the first node.
func elemTypes(g *pb.GraphProto) map[string]pb.TensorProto_DataType {
	elems := map[string]pb.TensorProto_DataType{}
	for _, v := range g.GetInput() {
		elems[v.GetName()] = pb.TensorProto_DataType(v.GetType().GetTensorType().GetElemType())
	}
	for _, t := range g.GetInitializer() {
		elems[t.GetName()] = pb.TensorProto_DataType(t.GetDataType())
	}
	return elems
}

// isFloat reports whether arithmetic is done on elements of a type.
func isFloat(t pb.TensorProto_DataType) bool {
	return t == pb.TensorProto_FLOAT || t == pb.TensorProto_DOUBLE
}

func nameOf(n *pb.NodeProto) string {
	if n.GetName() == "" && len(n.GetOutput()) > 0 {
		return n.GetOutput()[0]
	}
	return n.GetName()
}

// foldConstants turns nodes that only carry a constant into initializers, because onnx-go's decoder invents an input for them,
// and takes tensors out of attributes, which it misreads.
func foldConstants(g *pb.GraphProto, constants, fillers map[string]*onnx.Tensor) (*pb.GraphProto, error) {
	folded := &pb.GraphProto{Input: g.GetInput(), Output: g.GetOutput(), Initializer: slices.Clone(g.GetInitializer())}
	for _, n := range g.GetNode() {
		if n.GetOpType() == "ConstantOfShape" && len(n.GetAttribute()) > 0 {
			t, err := onnx.FromProto(n.GetAttribute()[0].GetT())
			if err != nil {
				return nil, err
			}
			fillers[n.GetOutput()[0]] = t
			n = &pb.NodeProto{Name: n.Name, OpType: n.OpType, Input: n.GetInput(), Output: n.GetOutput()}
		}
		if n.GetOpType() != "Constant" {
			folded.Node = append(folded.Node, n)
			continue
		}
		t, err := constantOf(n)
		if err != nil {
			return nil, err
		}
		t.Name = n.GetOutput()[0]
		constants[t.Name] = t
		folded.Initializer = append(folded.Initializer, &pb.TensorProto{Name: proto.String(t.Name)})
	}
	return folded, nil
}

func constantOf(n *pb.NodeProto) (*onnx.Tensor, error) {
	if len(n.GetAttribute()) != 1 {
		return nil, &onnx.FormatError{Offset: -1, Where: fmt.Sprintf("node %q", nameOf(n)), What: fmt.Sprintf("constant with %d attributes, want 1", len(n.GetAttribute()))}
	}
	switch a := n.GetAttribute()[0]; a.GetName() {
	case "value":
		return onnx.FromProto(a.GetT())
	case "value_float":
		return onnx.NewTensor("", []float32{a.GetF()})
	case "value_int":
		return onnx.NewTensor("", []int64{a.GetI()})
	case "value_floats":
		return onnx.NewTensor("", append([]float32{}, a.GetFloats()...), len(a.GetFloats()))
	default: // value_ints: supported has seen to it
		return onnx.NewTensor("", append([]int64{}, a.GetInts()...), len(a.GetInts()))
	}
}
