package reference

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// Options bound what a program may use, and say what it judges. A zero field means the default.
type Options struct {
	// Memory is the largest number of 8-byte numbers alive at once; the default is 2^28, that is 2
	// GiB. An element with figures takes four.
	Memory int64
	// Work is the largest number of elementary steps in one run; the default is 2^40.
	Work int64
	// Profile is the arithmetic of the runtimes to be judged.
	Profile Profile
	// Sound asks for sound limits however wide they are. Without it, products of a value whose sound limits are all a thousand
	// times as wide as its screens have none (an infinite one): they would prove nothing that the screens do not show, and
	// take a third of the time.
	Sound bool
}

func (o Options) withDefaults() Options {
	if o.Memory == 0 {
		o.Memory = 1 << 28
	}
	if o.Work == 0 {
		o.Work = 1 << 40
	}
	return o
}

// newestOpset is the newest operator set whose changes the table knows.
const newestOpset = 28

// A Program is a compiled model, which can be evaluated any number of times, also concurrently.
type Program struct {
	options Options
	graph   *block
	inputs  []Input
}

// An Input describes one input of a program.
type Input struct {
	Name     string
	Type     onnx.Type // of a tensor
	Kind     Kind
	Optional bool // an initializer is the default
}

// A Result is the result of a run.
type Result struct {
	Outputs []*Value // in the order of the graph's outputs
	Notes   []string // where and why figures became infinite for lack of a rule
	Drawn   []string // labels of the nodes that drew random numbers
}

// Run evaluates the model with the default Options.
func Run(m *onnx.Model, inputs []*onnx.Tensor) ([]*Value, error) {
	p, err := Compile(m, Options{})
	if err != nil {
		return nil, err
	}
	r, err := p.RunTensors(context.Background(), inputs)
	if err != nil {
		return nil, err
	}
	return r.Outputs, nil
}

// Inputs returns the inputs of the main graph, in order.
func (p *Program) Inputs() []Input { return slices.Clone(p.inputs) }

// RunTensors is Run for onnx tensors.
func (p *Program) RunTensors(ctx context.Context, inputs []*onnx.Tensor) (*Result, error) {
	values := make([]*Value, len(inputs))
	for i, t := range inputs {
		v, err := FromTensor(t)
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", t.Name, err)
		}
		values[i] = v
	}
	return p.Run(ctx, values)
}

// Run evaluates the program. Inputs are matched by name; all problems with them are reported
// together.
func (p *Program) Run(ctx context.Context, inputs []*Value) (*Result, error) {
	return p.Watch(ctx, inputs, nil)
}

// Watch is Run with a callback for every value computed by a node of the main graph.
func (p *Program) Watch(ctx context.Context, inputs []*Value, seen func(*Value)) (*Result, error) {
	m := p.meter(ctx)
	m.seen = seen
	return p.run(m, inputs)
}

func (p *Program) run(m *meter, inputs []*Value) (*Result, error) {
	s := &scope{values: map[string]*Value{}}
	if err := p.bind(s, m, inputs); err != nil {
		return nil, err
	}
	outputs, err := p.graph.run(m, s)
	if err != nil {
		return nil, err
	}
	return &Result{Outputs: outputs, Notes: m.notes, Drawn: m.drawn}, nil
}

func (p *Program) meter(ctx context.Context) *meter {
	return &meter{ctx: ctx, memory: p.options.Memory, work: p.options.Work, profile: p.options.Profile, sound: p.options.Sound}
}

// bind checks the inputs and puts them into the scope.
func (p *Program) bind(s *scope, m *meter, inputs []*Value) error {
	var problems []error
	symbols := map[string]int{}
	for _, v := range inputs {
		i := slices.IndexFunc(p.inputs, func(in Input) bool { return in.Name == v.Name })
		if i < 0 {
			problems = append(problems, fmt.Errorf("input %q: the graph has no such input, it has %s", v.Name, p.inputNames()))
			continue
		}
		if s.values[v.Name] != nil {
			problems = append(problems, fmt.Errorf("input %q: given twice", v.Name))
			continue
		}
		if err := p.inputs[i].accept(v, symbols); err != nil {
			problems = append(problems, fmt.Errorf("input %q: %w", v.Name, err))
			continue
		}
		if err := m.take(cost(v)); err != nil {
			return fmt.Errorf("input %q: %w", v.Name, err)
		}
		s.values[v.Name] = v
	}
	for _, in := range p.inputs {
		if !in.Optional && !slices.ContainsFunc(inputs, func(v *Value) bool { return v.Name == in.Name }) {
			problems = append(problems, fmt.Errorf("input %q: missing, want %s", in.Name, in))
		}
	}
	return errors.Join(problems...)
}

func (p *Program) inputNames() string {
	names := convert(p.inputs, func(in Input) string { return fmt.Sprintf("%q", in.Name) })
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// String describes the input, as in "float32[N,100]".
func (in Input) String() string {
	switch in.Kind {
	case Sequence:
		return "a sequence"
	case Optional:
		return "an optional"
	case Map:
		return "a map"
	}
	if in.Type.Dims == nil {
		return typeName(in.Type.Elem) + "[...]"
	}
	return typeName(in.Type.Elem) + "[" + strings.Join(convert(in.Type.Dims, onnx.Dim.String), ",") + "]"
}

// accept compares v with the declared type, and equal symbols with equal
// lengths.
func (in Input) accept(v *Value, symbols map[string]int) error {
	if v.Kind != in.Kind {
		return fmt.Errorf("got %s, want %s", v, in)
	}
	if in.Kind != Tensor || in.Type.Elem == pb.TensorProto_UNDEFINED {
		return nil
	}
	if v.Type != in.Type.Elem {
		return fmt.Errorf("got %s, want %s", v, in)
	}
	if in.Type.Dims == nil {
		return nil
	}
	if len(v.Dims) != len(in.Type.Dims) {
		return fmt.Errorf("got %s of rank %d, want %s of rank %d", v, len(v.Dims), in, len(in.Type.Dims))
	}
	for i, d := range in.Type.Dims {
		if d.Known() && int64(v.Dims[i]) != d.Size {
			return fmt.Errorf("got %s, want %s: axis %d differs", v, in, i)
		}
		if d.Symbol == "" || d.Known() {
			continue
		}
		if n, ok := symbols[d.Symbol]; ok && n != v.Dims[i] {
			return fmt.Errorf("got %s, want %s: %s is %d elsewhere", v, in, d.Symbol, n)
		}
		symbols[d.Symbol] = v.Dims[i]
	}
	return nil
}

// A Node is one node of the main graph, for judging node by node.
type Node struct {
	Label   string // the node's name, or operator and first output
	Op      string
	Inputs  []string // names of the values it reads, including those read by its subgraphs
	Outputs []string
	// Composite says that the node is a function or contains subgraphs, so that many roundings lie
	// between its inputs and outputs.
	Composite bool
	// Random says that the operator draws its result, so that any is right.
	Random bool
}

// Nodes returns the nodes of the main graph in the order of evaluation.
func (p *Program) Nodes() []Node {
	nodes := make([]Node, len(p.graph.steps))
	for i, st := range p.graph.steps {
		nodes[i] = Node{Label: st.label, Op: st.op.name, Inputs: slices.Clone(st.reads), Outputs: slices.Clone(st.out), Composite: st.body != nil || len(st.blocks) > 0, Random: st.op.drawn}
	}
	return nodes
}

// Constant returns an initializer of the main graph by name, or nil.
func (p *Program) Constant(name string) *Value {
	v, ok := p.graph.constants[name]
	if !ok {
		return nil
	}
	if v.file != nil {
		v, _ = decoded(v.file) // which the compiler knows to have no error
	}
	return v
}

// RunNode evaluates only node i of the main graph. values holds the values that it reads, by name,
// except initializers; the figures of the result take theirs into account.
func (p *Program) RunNode(ctx context.Context, i int, values map[string]*Value) (*Result, error) {
	return p.runNode(p.meter(ctx), i, values)
}

// ReorderNode is RunNode with spreads that hold for all of the usual orders of summation, whatever
// the terms. It takes several times as long.
func (p *Program) ReorderNode(ctx context.Context, i int, values map[string]*Value) (*Result, error) {
	m := p.meter(ctx)
	m.reordered = true
	return p.runNode(m, i, values)
}

func (p *Program) runNode(m *meter, i int, values map[string]*Value) (*Result, error) {
	s := &scope{values: values, outer: &scope{values: p.graph.constants}}
	outputs, err := p.graph.steps[i].run(m, s)
	if err != nil {
		return nil, err
	}
	return &Result{Outputs: outputs, Notes: m.notes}, nil
}

// A scope holds the values that are visible by name, and what is around it.
type scope struct {
	values map[string]*Value
	outer  *scope
}

func (s *scope) find(name string) *Value {
	for ; s != nil; s = s.outer {
		if v := s.values[name]; v != nil {
			return v
		}
	}
	return nil
}

// A block is a graph, or the body of a function, ready to be evaluated.
type block struct {
	inputs    []string
	constants map[string]*Value
	steps     []*step
	outputs   []string
	outTypes  []onnx.Type    // as declared, of tensors
	last      map[string]int // the last step that reads a value
}

// A step is a node, ready to be evaluated.
type step struct {
	op        *operator
	schema    *op.Schema // nil for a function
	label     string
	opset     int64
	attrs     map[string]*pb.AttributeProto
	blocks    map[string]*block // graph attributes
	body      *block            // of a function; op has nothing but its name then
	shadows   bool              // the function has the name of a standard operator
	in        []string
	out       []string
	reads     []string // in, and what the blocks read from around them
	statistic bool     // a mean that normalises what it is taken of: see markStatistics
}

// run evaluates the block in the scope s, which holds its inputs.
func (b *block) run(m *meter, s *scope) ([]*Value, error) {
	inner := &scope{values: s.values, outer: &scope{values: b.constants, outer: s.outer}}
	start := m.live
	seen := m.seen
	m.seen = nil // blocks within this one are not watched
	for i, st := range b.steps {
		if m.trace != nil {
			m.trace.position = i
		}
		outputs, err := st.run(m, inner)
		if err != nil {
			return nil, err
		}
		for k, v := range outputs {
			if st.out[k] != "" && v != nil {
				inner.values[st.out[k]] = v
				if seen != nil {
					seen(v)
				}
			}
		}
		for _, name := range append(slices.Clone(st.reads), st.out...) {
			if last, ok := b.last[name]; ok && last <= i {
				m.live -= cost(inner.values[name])
				delete(inner.values, name)
			}
		}
	}
	outputs := make([]*Value, len(b.outputs))
	total := int64(0)
	for i, name := range b.outputs {
		v, err := m.whole(inner.find(name))
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", name, err)
		}
		if v == nil {
			return nil, &onnx.FormatError{Offset: -1, Where: fmt.Sprintf("output %q", name), What: "no node computes it"}
		}
		named := *v
		named.Name = name
		outputs[i] = &named
		total += cost(v)
	}
	m.live = start + total
	return outputs, nil
}

// run evaluates the step with what it reads from s.
func (st *step) run(m *meter, s *scope) ([]*Value, error) {
	if err := m.ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", st.label, err)
	}
	if err := m.spend(nodeCost); err != nil {
		return nil, fmt.Errorf("%s: %w", st.label, err)
	}
	in := make([]*Value, len(st.in))
	for i, name := range st.in {
		if name == "" {
			continue
		}
		if in[i] = s.find(name); in[i] == nil && st.body == nil {
			if f, _ := op.FormalOf(st.schema.In, i); !mayLack(f) {
				return nil, fmt.Errorf("%s: input %d: no value %q", st.label, i, name)
			}
		}
	}
	before := m.live
	s, err := st.decode(m, s, in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", st.label, err)
	}
	outputs, err := st.evaluate(m, s, in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", st.label, err)
	}
	m.live = before
	for i, v := range outputs {
		if v == nil {
			continue
		}
		named := *v
		named.Name = st.out[i]
		outputs[i] = &named
		m.live += cost(v)
	}
	return outputs, nil
}

// decode decodes the inputs that the operator does not take as the file has them. Of a loop, what its graph reads from around
// it is decoded once, in the scope that is returned, unless it is much.
func (st *step) decode(m *meter, s *scope, in []*Value) (*scope, error) {
	if st.body != nil {
		return s, nil // its own steps do that
	}
	for i, v := range in {
		if slices.Contains(st.op.asStored, i) {
			if _, ok := v.numbers(); ok {
				continue
			}
		}
		var err error
		if in[i], err = m.whole(v); err != nil {
			return nil, fmt.Errorf("input %d: %w", i, err)
		}
	}
	if !st.op.loops {
		return s, nil
	}
	const much = 1 << 24
	around := &scope{values: map[string]*Value{}, outer: s}
	total := 0
	for _, name := range st.reads {
		v := s.find(name)
		if v == nil {
			continue
		}
		w, err := v, error(nil)
		if total += v.Len(); total <= much {
			w, err = m.whole(v)
		}
		if err != nil {
			return nil, err
		}
		if w != v {
			around.values[name] = w
		}
	}
	return around, nil
}

func (st *step) evaluate(m *meter, s *scope, in []*Value) ([]*Value, error) {
	if st.body != nil {
		inner := &scope{values: map[string]*Value{}}
		for i, name := range st.body.inputs {
			if i < len(in) && in[i] != nil {
				inner.values[name] = in[i]
			}
		}
		outputs, err := m.within("", func() ([]*Value, error) { return st.body.run(m, inner) })
		if err != nil {
			return nil, err
		}
		outputs = outputs[:min(len(outputs), len(st.out))]
		if st.shadows {
			m.note("%s: the model's function %s has the name of a standard operator, and the standard leaves it to the runtime which of the two it uses; what follows has no limit", st.label, st.op.name)
			for i, v := range outputs {
				outputs[i] = unsure(v, false)
			}
		}
		return outputs, nil
	}
	if err := st.conform(in); err != nil {
		return nil, err
	}
	in = m.profile.operands(in)
	if m.op = st.op.name; m.imitation != nil {
		in = m.imitation.operands(in)
	}
	c := &call{meter: m, step: st, scope: s, opset: st.opset, in: in}
	for len(c.in) < st.op.width {
		c.in = append(c.in, nil)
	}
	outputs, err := attempt(st.op.eval, c)
	if err != nil {
		return nil, err
	}
	if len(outputs) < len(st.out) {
		return nil, fmt.Errorf("the node names %d outputs, the operator gives %d", len(st.out), len(outputs))
	}
	outputs = outputs[:len(st.out)]
	if m.imitation != nil {
		outputs = m.imitation.results(outputs)
	}
	st.blind(c, in, outputs)
	for _, v := range outputs {
		if v != nil {
			v.trim()
		}
	}
	if m.chance != nil {
		return m.chance.results(outputs)
	}
	return outputs, nil
}

// blind gives the outputs infinite figures if an input has errors that the
// operator has no rule for, and no certain shape if that input decides it, or has
// none itself.
func (st *step) blind(c *call, in, outputs []*Value) {
	said := false
	for i, v := range in {
		p := st.op.portOf(st.schema, i)
		shape := v.anyShape()
		if v == nil || p.handles(v) && !shape {
			continue
		}
		if !p.handles(v) && !said {
			said = true
			more := ""
			if p.sizes {
				more = "; it decides how many elements there are, so that a runtime may have others"
			}
			c.note("%s: %s has no rule for the errors of input %d (%s), so the limits of what follows are infinite%s", st.label, st.op.name, i, v, more)
		}
		for k, out := range outputs {
			outputs[k] = unsure(out, shape || p.sizes)
		}
	}
}

// conform compares the types and shapes of the inputs with the schema.
func (st *step) conform(in []*Value) error {
	same := map[string]int{} // by type variable, the first input of the type
	for i, v := range in {
		f, ok := op.FormalOf(st.schema.In, i)
		if !ok || v == nil {
			continue // arity was checked when the program was compiled
		}
		if st.op.portOf(st.schema, i).lacks&setOf(v) != 0 {
			return &onnx.UnsupportedError{Op: st.op.name, Domain: st.op.domain, Opset: st.opset, Why: fmt.Sprintf("input %d (%s) is %s", i, st.in[i], v)}
		}
		if typesOf(f.Set)&setOf(v) == 0 {
			return fmt.Errorf("input %d (%s) is %s, which %s does not take", i, st.in[i], v, st.op.name)
		}
		if v.Kind == Tensor && len(f.Shapes) > 0 && !f.Allows(convert(v.Dims, func(d int) onnx.Dim { return onnx.Fixed(int64(d)) })) {
			return fmt.Errorf("input %d (%s) is %s, want the shape %s", i, st.in[i], v, f.ShapesText())
		}
		if !f.Variable || f.Mixed {
			continue
		}
		first, ok := same[f.Type]
		if !ok {
			same[f.Type] = i
		} else if w := in[first]; setOf(w) != setOf(v) {
			return fmt.Errorf("input %d (%s) is %s, want the type of input %d, which is %s", i, st.in[i], v, first, w)
		}
	}
	return nil
}
