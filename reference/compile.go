package reference

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/infer"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
	"google.golang.org/protobuf/proto"
)

const (
	deepest = 64      // graphs within graphs, functions within functions
	longest = 1 << 20 // nodes, after every call of a function was written out
)

// Compile prepares a model for evaluation. It returns an *onnx.UnsupportedError that names every
// operator, attribute and element type that it does not support, and an *onnx.FormatError if the
// graph contradicts itself.
func Compile(m *onnx.Model, o Options) (*Program, error) {
	c := &compiler{functions: map[string]*pb.FunctionProto{}, opsets: map[string]int64{}}
	inferred := infer.Model(m.Proto, infer.Budget{})
	c.bodies = inferred.Bodies
	if products := inferred.Work / 2; products > o.withDefaults().Work {
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("a run of %.2g products, beyond the budget of %.2g", float64(products), float64(o.withDefaults().Work))}
	}
	c.meter = &meter{ctx: context.Background(), memory: o.withDefaults().Memory, work: 1 << 62}
	for _, imp := range m.Proto.GetOpsetImport() {
		c.opsets[domainName(imp.GetDomain())] = imp.GetVersion()
	}
	for _, f := range m.Proto.GetFunctions() {
		c.functions[functionKey(f.GetDomain(), f.GetName(), f.GetOverload())] = f
	}
	if m.Proto.GetGraph() == nil {
		return nil, &onnx.FormatError{File: m.Path, Offset: -1, Where: "model", What: "has no graph"}
	}
	b, err := c.graph(m.Proto.GetGraph(), nil, nil, 0)
	if err != nil {
		return nil, err
	}
	if len(c.unknown) > 0 {
		return nil, c.unsupported()
	}
	p := &Program{options: o.withDefaults(), graph: b}
	p.options.Memory -= c.meter.live
	for _, vi := range m.Proto.GetGraph().GetInput() {
		in := Input{Name: vi.GetName(), Optional: b.constants[vi.GetName()] != nil}
		switch t := vi.GetType(); {
		case t.GetSequenceType() != nil:
			in.Kind = Sequence
		case t.GetOptionalType() != nil:
			in.Kind = Optional
		case t.GetMapType() != nil:
			in.Kind = Map
		default:
			in.Type, _ = onnx.TypeOf(t)
		}
		p.inputs = append(p.inputs, in)
	}
	return p, nil
}

func domainName(d string) string {
	if d == "ai.onnx" {
		return ""
	}
	return d
}

func functionKey(domain, name, overload string) string {
	return domainName(domain) + "\x00" + name + "\x00" + overload
}

type compiler struct {
	*meter
	opsets    map[string]int64
	functions map[string]*pb.FunctionProto
	nodes     int
	unknown   []*onnx.UnsupportedError
	bodies    map[*pb.GraphProto][]onnx.Type // see infer.Result
}

// unsupported puts everything that is unknown into one error.
func (c *compiler) unsupported() error {
	first := *c.unknown[0]
	var others []string
	for _, u := range c.unknown[1:] {
		name := u.Op
		if u.Domain != "" {
			name = u.Domain + "." + u.Op
		}
		if u.Why != "" {
			name += " (" + u.Why + ")"
		}
		if u.Op != first.Op && !slices.Contains(others, name) {
			others = append(others, name)
		}
	}
	if len(others) > 0 {
		if first.Why != "" {
			first.Why += "; "
		}
		first.Why += "also " + strings.Join(others, ", ")
	}
	return &first
}

// graph compiles a graph whose nodes may read the names in outer.
// refs holds the attributes of the function call around it, if any.
func (c *compiler) graph(g *pb.GraphProto, outer map[string]bool, refs map[string]*pb.AttributeProto, depth int) (*block, error) {
	if depth > deepest {
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("graphs nested deeper than %d", deepest)}
	}
	where := func(format string, args ...any) string {
		return fmt.Sprintf("graph %q: ", g.GetName()) + fmt.Sprintf(format, args...)
	}
	b := &block{constants: map[string]*Value{}}
	known := maps.Clone(outer)
	if known == nil {
		known = map[string]bool{}
	}
	own := map[string]bool{}
	define := func(name, what string) error {
		if own[name] {
			return &onnx.FormatError{Offset: -1, Where: where("%s %q", what, name), What: "the name is taken"}
		}
		own[name], known[name] = true, true
		return nil
	}
	for _, in := range g.GetInput() {
		if err := define(in.GetName(), "input"); err != nil {
			return nil, err
		}
		b.inputs = append(b.inputs, in.GetName())
	}
	initializers := g.GetInitializer()
	for _, p := range g.GetSparseInitializer() {
		t, err := onnx.Dense(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where("initializer %q", p.GetValues().GetName()), err)
		}
		initializers = append(slices.Clip(initializers), t.Proto())
	}
	for _, p := range initializers {
		name := p.GetName()
		if !slices.Contains(b.inputs, name) { // an input may have a default
			if err := define(name, "initializer"); err != nil {
				return nil, err
			}
		}
		v, err := c.constant(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where("initializer %q", name), err)
		}
		b.constants[name] = v
	}
	if err := c.nodesOf(b, g.GetNode(), known, define, refs, depth); err != nil {
		return nil, err
	}
	for _, out := range g.GetOutput() {
		if !known[out.GetName()] {
			return nil, &onnx.FormatError{Offset: -1, Where: where("output %q", out.GetName()), What: "no node computes it"}
		}
		declared, _ := onnx.TypeOf(out.GetType())
		if depth > 0 {
			declared = c.completed(declared, g, len(b.outputs))
		}
		b.outputs, b.outTypes = append(b.outputs, out.GetName()), append(b.outTypes, declared)
	}
	b.settleLast(own)
	b.markStatistics()
	return b, nil
}

// completed is the declared type of an output of a graph that a node holds, with
// what is left open there as inference has it. A loop without an iteration has
// nothing else to go by.
func (c *compiler) completed(declared onnx.Type, g *pb.GraphProto, i int) onnx.Type {
	open := func(d onnx.Dim) bool { return !d.Known() }
	if declared.Elem != pb.TensorProto_UNDEFINED && declared.Dims != nil && !slices.ContainsFunc(declared.Dims, open) {
		return declared
	}
	outputs := c.bodies[g]
	if i >= len(outputs) {
		return declared
	}
	inferred := outputs[i]
	switch {
	case declared.Elem == pb.TensorProto_UNDEFINED:
		return inferred
	case len(declared.Dims) != len(inferred.Dims):
		if declared.Dims == nil {
			declared.Dims = inferred.Dims
		}
		return declared
	}
	declared.Dims = slices.Clone(declared.Dims)
	for a, d := range declared.Dims {
		if open(d) {
			declared.Dims[a] = inferred.Dims[a]
		}
	}
	return declared
}

// settleLast finds the last step that reads each value of the block's own.
// Values that nothing reads die with the step that makes them.
func (b *block) settleLast(own map[string]bool) {
	b.last = map[string]int{}
	for i, st := range b.steps {
		for _, name := range st.out {
			if name != "" {
				b.last[name] = i
			}
		}
		for _, name := range st.reads {
			if own[name] {
				b.last[name] = i
			}
		}
	}
	for _, name := range slices.Concat(b.outputs, b.inputs) {
		delete(b.last, name) // inputs belong to the caller
	}
	for name := range b.constants {
		delete(b.last, name)
	}
}

func (c *compiler) nodesOf(b *block, nodes []*pb.NodeProto, known map[string]bool, define func(name, what string) error, refs map[string]*pb.AttributeProto, depth int) error {
	for i, n := range nodes {
		if c.nodes++; c.nodes > longest {
			return &onnx.UnsupportedError{Why: fmt.Sprintf("more than %d nodes", longest)}
		}
		label := label(n, i)
		for k, name := range n.GetInput() {
			if name != "" && !known[name] {
				return &onnx.FormatError{Offset: -1, Where: label, What: fmt.Sprintf("input %d: no node before it computes %q", k, name)}
			}
		}
		st, err := c.node(n, label, known, refs, depth)
		if err != nil {
			return err
		}
		for _, name := range n.GetOutput() {
			if name == "" {
				continue
			}
			if err := define(name, "output of "+label); err != nil {
				return err
			}
		}
		if st != nil {
			b.steps = append(b.steps, st)
		}
	}
	return nil
}

// label says which node is meant: its name, or its operator and first output.
func label(n *pb.NodeProto, i int) string {
	if n.GetName() != "" {
		return fmt.Sprintf("node %q", n.GetName())
	}
	for _, out := range n.GetOutput() {
		if out != "" {
			return fmt.Sprintf("%s node of %q", n.GetOpType(), out)
		}
	}
	return fmt.Sprintf("%s node %d", n.GetOpType(), i)
}

// node compiles one node; nil if it is unsupported, which c remembers.
func (c *compiler) node(n *pb.NodeProto, label string, known map[string]bool, refs map[string]*pb.AttributeProto, depth int) (*step, error) {
	st := &step{label: label, in: n.GetInput(), out: n.GetOutput(), attrs: map[string]*pb.AttributeProto{}, blocks: map[string]*block{}}
	domain := domainName(n.GetDomain())
	st.opset = c.opsets[domain]
	for _, a := range n.GetAttribute() {
		name := a.GetName()
		if ref := a.GetRefAttrName(); ref != "" {
			if a = refs[ref]; a == nil {
				continue // the call leaves it out, so the operator's default holds
			}
		}
		if st.attrs[name] != nil {
			return nil, &onnx.FormatError{Offset: -1, Where: label, What: fmt.Sprintf("attribute %q twice", name)}
		}
		st.attrs[name] = a
	}
	st.reads = slices.DeleteFunc(slices.Clone(st.in), func(name string) bool { return name == "" })

	if f := c.functions[functionKey(domain, n.GetOpType(), n.GetOverload())]; f != nil {
		body, err := c.function(f, st.attrs, depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", label, err)
		}
		if len(st.in) > len(body.inputs) || len(st.out) > len(body.outputs) {
			return nil, &onnx.FormatError{Offset: -1, Where: label, What: fmt.Sprintf("%d inputs and %d outputs, function %s has %d and %d", len(st.in), len(st.out), n.GetOpType(), len(body.inputs), len(body.outputs))}
		}
		st.body, st.op = body, &operator{name: n.GetOpType(), domain: domain}
		st.shadows = op.Find(domain, n.GetOpType(), st.opset) != nil
		return st, nil
	}

	st.op, st.schema = find(domain, n.GetOpType()), schemaOf(domain, n.GetOpType(), st.opset)
	refuse := func(why string) {
		c.unknown = append(c.unknown, &onnx.UnsupportedError{Op: n.GetOpType(), Domain: domain, Opset: st.opset, Why: why})
	}
	switch {
	case st.op == nil:
		refuse(whyNot(domain, n.GetOpType()))
		return nil, nil
	case st.opset == 0:
		return nil, &onnx.FormatError{Offset: -1, Where: label, What: fmt.Sprintf("the model imports no opset of domain %q", domain)}
	case domain == "" && st.opset > newestOpset:
		refuse(fmt.Sprintf("known up to opset %d", newestOpset))
		return nil, nil
	case st.schema == nil:
		refuse(fmt.Sprintf("known from opset %d on", op.Versions(domain, n.GetOpType())[0].Since))
		return nil, nil
	}
	if err := st.checkArity(); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(st.schema.Attrs)) {
		if st.schema.Attrs[name].Required && st.attrs[name] == nil {
			return nil, &onnx.FormatError{Offset: -1, Where: label, What: "attribute " + name + " is missing"}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(st.attrs)) {
		a := st.attrs[name]
		want, ok := st.schema.Attrs[name]
		if !ok {
			refuse("attribute " + name)
			return nil, nil
		}
		// Files of IR version 1 and 2 may leave the type out.
		if got := a.GetType(); got != want.Type && got != pb.AttributeProto_UNDEFINED {
			return nil, &onnx.FormatError{Offset: -1, Where: label, What: fmt.Sprintf("attribute %s is of type %v, want %v", name, got, want.Type)}
		}
		if want.Type == pb.AttributeProto_SPARSE_TENSOR {
			t, err := onnx.Dense(a.GetSparseTensor())
			if err != nil {
				return nil, fmt.Errorf("%s: attribute %s: %w", label, name, err)
			}
			delete(st.attrs, name)
			st.attrs["value"] = &pb.AttributeProto{Name: proto.String("value"), Type: pb.AttributeProto_TENSOR.Enum(), T: t.Proto()}
			continue
		}
		if want.Type != pb.AttributeProto_GRAPH {
			continue
		}
		b, err := c.graph(a.GetG(), known, refs, depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", label, name, err)
		}
		st.blocks[name] = b
		st.reads = append(st.reads, b.free()...)
	}
	return st, nil
}

// schemaOf returns the version that an operator has at an opset, nil where there is
// none. One that was withdrawn means what it meant last, or first.
func schemaOf(domain, name string, opset int64) *op.Schema {
	var found *op.Schema
	for _, s := range op.Versions(domain, name) {
		if !s.Deprecated && (s.Since <= opset || found == nil && op.Find(domain, name, opset) != nil) {
			found = s
		}
	}
	return found
}

// free returns the names that the block reads from around it.
func (b *block) free() []string {
	bound := map[string]bool{}
	for _, name := range b.inputs {
		bound[name] = true
	}
	for name := range b.constants {
		bound[name] = true
	}
	var free []string
	read := func(names []string) {
		for _, name := range names {
			if !bound[name] && !slices.Contains(free, name) {
				free = append(free, name)
			}
		}
	}
	for _, st := range b.steps {
		read(st.reads)
		for _, name := range st.out {
			bound[name] = true
		}
	}
	read(b.outputs)
	return free
}

// mayLack reports whether an argument may be left out: where any number of any types
// is taken, some have no value.
func mayLack(f op.Formal) bool { return f.Optional || f.Variadic && f.Mixed }

// checkArity compares the number of inputs and outputs with the schema.
func (st *step) checkArity() error {
	wrong := func(format string, args ...any) error {
		return &onnx.FormatError{Offset: -1, Where: st.label, What: fmt.Sprintf(format, args...)}
	}
	if least, most := op.Arity(st.schema.In); len(st.in) < least || len(st.in) > most {
		return wrong("%s has %d inputs, want %d to %d", st.op.name, len(st.in), least, most)
	}
	for i, name := range st.in {
		if f, _ := op.FormalOf(st.schema.In, i); name == "" && !mayLack(f) {
			return wrong("input %d of %s is left out, and is not optional", i, st.op.name)
		}
	}
	if _, most := op.Arity(st.schema.Out); len(st.out) > most {
		return wrong("%s has %d outputs, want at most %d", st.op.name, len(st.out), most)
	}
	return nil
}

// function compiles the body of a function for one call of it.
func (c *compiler) function(f *pb.FunctionProto, call map[string]*pb.AttributeProto, depth int) (*block, error) {
	if depth > deepest {
		return nil, &onnx.UnsupportedError{Op: f.GetName(), Domain: f.GetDomain(), Why: "functions that call themselves"}
	}
	refs := maps.Clone(call)
	for _, a := range f.GetAttributeProto() {
		if refs[a.GetName()] == nil {
			refs[a.GetName()] = a
		}
	}
	outer := c.opsets
	c.opsets = map[string]int64{}
	for _, imp := range f.GetOpsetImport() {
		c.opsets[domainName(imp.GetDomain())] = imp.GetVersion()
	}
	defer func() { c.opsets = outer }()

	b := &block{constants: map[string]*Value{}, inputs: f.GetInput(), outputs: f.GetOutput()}
	known := map[string]bool{}
	define := func(name, what string) error {
		if known[name] {
			return &onnx.FormatError{Offset: -1, Where: fmt.Sprintf("function %s: %s %q", f.GetName(), what, name), What: "the name is taken"}
		}
		known[name] = true
		return nil
	}
	for _, name := range b.inputs {
		if err := define(name, "input"); err != nil {
			return nil, err
		}
	}
	if err := c.nodesOf(b, f.GetNode(), known, define, refs, depth); err != nil {
		return nil, err
	}
	for _, name := range b.outputs {
		if !known[name] {
			return nil, &onnx.FormatError{Offset: -1, Where: fmt.Sprintf("function %s: output %q", f.GetName(), name), What: "no node computes it"}
		}
	}
	b.settleLast(known)
	return b, nil
}
