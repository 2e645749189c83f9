package load

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/check"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/pass"
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

// passes make a model cheaper to run, and one that onnx-go's decoder reads: it invents inputs for Constant nodes.
var passes = []pass.Pass{pass.FixDefaults, pass.ConstantsToData, pass.FoldBatchNorm, pass.LiftOverReshaping}

// newModel reads a model that has been found to be supported.
func newModel(source *pb.ModelProto) (*model, error) {
	plain := &model{
		graph: pass.Apply(source, passes...).GetGraph(), opset: onnx.Opset(source.GetOpsetImport(), ""),
		constants: map[string]*onnx.Tensor{}, fillers: map[string]*onnx.Tensor{},
		uses: map[string]int{}, users: map[string][]int{}, fixed: map[string]bool{}, folded: map[string]*onnx.Tensor{}, limit: memoryLimit,
	}
	for _, p := range plain.graph.GetInitializer() {
		t, err := onnx.FromProto(p)
		if err != nil {
			return nil, err
		}
		plain.constants[t.Name] = t
	}
	nodes, err := plain.withoutTensors(plain.graph.GetNode())
	if err != nil {
		return nil, err
	}
	if len(nodes) > 0 { // onnx-go takes a graph without nodes for an error
		if plain.ops, err = decode(plain.graph, nodes, plain.constants); err != nil {
			return nil, err
		}
	}
	plain.index()
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
	types, _ := infer.Types(m.Proto)
	for _, n := range m.Proto.GetGraph().GetNode() {
		o, known := operators[n.GetOpType()]
		switch {
		case onnx.Domain(n.GetDomain()) != "", !known:
			lack(n, "not among the operators that load has: %s", list())
			continue
		case m.Opset() < o.since:
			lack(n, "load has it from opset %d on", o.since)
		case n.GetOpType() == "Conv" || n.GetOpType() == "ConvTranspose":
			if axes := len(types[n.GetInput()[1]].Dims) - 2; axes > 2 {
				lack(n, "a kernel of %d axes, load has it for one and two", axes)
			}
		case o.outs > 0 && len(n.GetOutput()) > o.outs:
			lack(n, "%d outputs", len(n.GetOutput()))
		}
		for _, a := range n.GetAttribute() {
			if slices.Contains(o.lacks, a.GetName()) {
				lack(n, "attribute %s", a.GetName())
			}
		}
		if len(n.GetInput()) > 0 {
			if elem := types[n.GetInput()[0]].Elem; !o.takes.has(elem) {
				lack(n, "elements of type %s", strings.ToLower(elem.String()))
			}
		}
	}
	return errors.Join(errs...)
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

// withoutTensors takes tensors out of attributes, which onnx-go misreads: those of ConstantOfShape.
func (m *model) withoutTensors(nodes []*pb.NodeProto) ([]*pb.NodeProto, error) {
	nodes = slices.Clone(nodes)
	for i, n := range nodes {
		if n.GetOpType() == "ConstantOfShape" && len(n.GetAttribute()) > 0 {
			t, err := onnx.FromProto(n.GetAttribute()[0].GetT())
			if err != nil {
				return nil, err
			}
			m.fillers[n.GetOutput()[0]] = t
			nodes[i] = &pb.NodeProto{Name: n.Name, OpType: n.OpType, Input: n.GetInput(), Output: n.GetOutput()}
		}
	}
	return nodes, nil
}

// index counts who reads each value.
func (m *model) index() {
	for i, op := range m.ops {
		for _, in := range op.in {
			m.uses[in]++
			m.users[in] = append(m.users[in], i)
		}
	}
	for _, out := range m.graph.GetOutput() {
		m.uses[out.GetName()]++
	}
}

// reader is the one operation that reads a value, if there is no other and the value is no output.
func (m *model) reader(name string) (int, *operation) {
	if m.uses[name] != 1 || len(m.users[name]) != 1 {
		return 0, nil
	}
	i := m.users[name][0]
	return i, &m.ops[i]
}
