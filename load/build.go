package load

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
)

// memoryLimit bounds the values of one graph, in bytes: a few nodes can ask for any amount.
const memoryLimit = 4 << 30

// value is what a name of the model stands for while a graph is built.
type value struct {
	dims []int // none is a scalar

	// node holds float32 or float64 elements. It has the shape dims, or (1) for a scalar.
	node *G.Node
	// fixed is the value of a constant, which needs no node until arithmetic is done with it.
	fixed *onnx.Tensor
}

// builder makes the graph for one set of input shapes.
type builder struct {
	*model
	g      *G.ExprGraph
	values map[string]value
	done   map[int]bool // operations that were fused into an earlier one
	bytes  int64
	names  map[string]bool
}

// program is a graph that is ready to run, for one set of input shapes, one run at a time.
type program struct {
	key     string
	machine *gop.Machine // nil where no output needs arithmetic
	inputs  []*onnx.Tensor
	outputs []output
}

// output is a value that runs return.
type output struct {
	name string
	value
	// redirect has the next run write the elements to other storage, where that can be: it saves copying them.
	redirect func([]float32)
}

func (m *model) build(inputs []*onnx.Tensor) (p *program, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("building the graph: panic: %v", r)
		}
	}()
	b := &builder{model: m, g: G.NewGraph(), values: map[string]value{}, done: map[int]bool{}, names: map[string]bool{}}
	p = &program{}
	for _, t := range inputs {
		own, err := onnx.FromProto(t.Proto())
		if err != nil {
			return nil, err
		}
		p.inputs = append(p.inputs, own)
		if !isFloat(t.Type()) {
			b.values[t.Name] = value{dims: own.Dims, fixed: own}
			continue
		}
		v, err := b.leaf(own)
		if err != nil {
			return nil, err
		}
		b.values[t.Name] = v
	}
	for name, t := range m.constants {
		b.values[name] = value{dims: t.Dims, fixed: t}
	}
	for i := range m.ops {
		if b.done[i] {
			continue
		}
		if err := b.apply(i); err != nil {
			return nil, err
		}
	}

	var wanted []*G.Node
	owners := map[*G.Node]int{}
	for _, out := range m.graph.GetOutput() {
		v, ok := b.values[out.GetName()]
		if !ok {
			return nil, fmt.Errorf("output %q is not computed", out.GetName())
		}
		p.outputs = append(p.outputs, output{name: out.GetName(), value: v})
		if v.node != nil && v.node.Op() != nil {
			wanted = append(wanted, v.node)
			owners[gop.Owner(v.node)]++
		}
	}
	if len(wanted) > 0 {
		if p.machine, err = gop.NewMachine(wanted...); err != nil {
			return nil, err
		}
	}
	for i := range p.outputs {
		if n := p.outputs[i].node; n != nil && owners[gop.Owner(n)] == 1 {
			p.outputs[i].redirect = gop.Redirect[float32](n)
		}
	}
	return p, nil
}

// apply adds operation i to the graph.
func (b *builder) apply(i int) error {
	op := &b.ops[i]
	in := make([]value, len(op.in))
	for k, name := range op.in {
		if name == "" {
			continue // left out
		}
		v, ok := b.values[name]
		if !ok {
			return fmt.Errorf("%s: input %q is not computed before it is used", op.out[0], name)
		}
		in[k] = v
	}
	o := operators[op.name]
	if len(in) < o.min || len(in) > o.max {
		return fmt.Errorf("%s: %s of %d inputs, want %d to %d", op.out[0], op.name, len(in), o.min, o.max)
	}
	for k := range o.min {
		if in[k].node == nil && in[k].fixed == nil {
			return fmt.Errorf("%s: input %d of %s is left out", op.out[0], k, op.name)
		}
	}
	return o.build(b, call{op: op, index: i, in: in})
}

// call is an operation with the values of its inputs.
type call struct {
	op    *operation
	index int
	in    []value
}

// has reports whether optional input k is given.
func (c call) has(k int) bool { return k < len(c.in) && (c.in[k].node != nil || c.in[k].fixed != nil) }

func (c call) name() string { return c.op.out[0] }

func (c call) unsupported(format string, args ...any) error {
	return &onnx.UnsupportedError{Op: c.op.name, Why: fmt.Sprintf("%s: %s", c.name(), fmt.Sprintf(format, args...))}
}

// leaf is a node over the storage of t, outside of any operator.
func (b *builder) leaf(t *onnx.Tensor) (value, error) {
	shape := nodeShape(t.Dims)
	var dt tensor.Dtype
	switch t.Data.(type) {
	case []float32:
		dt = tensor.Float32
	case []float64:
		dt = tensor.Float64
	default:
		return value{}, &onnx.UnsupportedError{Why: fmt.Sprintf("%s: arithmetic on elements of type %v", t.Name, t.Type())}
	}
	if t.Len() == 0 {
		return value{}, &onnx.UnsupportedError{Why: fmt.Sprintf("%s: an empty tensor of dims %v", t.Name, t.Dims)}
	}
	d := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(t.Data))
	n := G.NewTensor(b.g, dt, len(shape), G.WithShape(shape...), G.WithName(b.unique(t.Name)), G.WithValue(d))
	return value{dims: t.Dims, node: n}, nil
}

// unique keeps Gorgonia from taking two inputs of one name for the same.
func (b *builder) unique(name string) string {
	for b.names[name] {
		name += "'"
	}
	b.names[name] = true
	return name
}

func nodeShape(dims []int) []int {
	if len(dims) == 0 {
		return []int{1}
	}
	return dims
}

// node is the value of input k as a node of the graph, which an initializer becomes at its first use.
func (b *builder) node(c call, k int) (*G.Node, error) {
	v := c.in[k]
	if v.node != nil {
		return v.node, nil
	}
	name := c.op.in[k]
	if known := b.values[name]; known.node != nil {
		return known.node, nil
	}
	named := *v.fixed
	named.Name = name
	leaf, err := b.leaf(&named)
	if err != nil {
		return nil, err
	}
	v.node = leaf.node
	b.values[name] = v
	return v.node, nil
}

// nodes are all inputs as nodes.
func (b *builder) nodes(c call) ([]*G.Node, error) {
	ns := make([]*G.Node, len(c.in))
	for k := range c.in {
		if !c.has(k) {
			continue
		}
		var err error
		if ns[k], err = b.node(c, k); err != nil {
			return nil, err
		}
	}
	return ns, nil
}

// set gives the output of an operation its node, under the name that it goes by after fusion.
func (b *builder) set(name string, n *G.Node, err error, dims ...int) error {
	if err != nil {
		return err
	}
	if shape := n.Shape(); !slices.Equal([]int(shape), nodeShape(dims)) {
		return fmt.Errorf("%s: built with shape %v, want %v", name, shape, dims)
	}
	if err := b.account(name, dims, int64(n.Dtype().Size())); err != nil {
		return err
	}
	b.values[name] = value{dims: dims, node: n}
	return nil
}

// account adds a value to the memory that the graph will take.
func (b *builder) account(name string, dims []int, size int64) error {
	for _, d := range dims {
		if int64(d) > b.limit/size {
			return b.tooLarge(name, dims)
		}
		size *= int64(d)
	}
	if b.bytes += size; b.bytes > b.limit {
		return b.tooLarge(name, dims)
	}
	return nil
}

func (b *builder) tooLarge(name string, dims []int) error {
	return &onnx.UnsupportedError{Why: fmt.Sprintf("%s: with dims %v the values of the graph take more than %d MiB", name, dims, b.limit>>20)}
}

// next is the only operation that reads a value, where it is one and the value is no output: the one to fuse with.
func (b *builder) next(name string) (int, *operation) {
	if b.uses[name] != 1 || len(b.users[name]) != 1 {
		return 0, nil
	}
	i := b.users[name][0]
	return i, &b.ops[i]
}

func (p *program) run(inputs []*onnx.Tensor) ([]*onnx.Tensor, error) {
	for i, t := range inputs {
		switch d := t.Data.(type) {
		case []float32:
			copy(p.inputs[i].Data.([]float32), d)
		case []float64:
			copy(p.inputs[i].Data.([]float64), d)
		}
	}
	results := make([]*onnx.Tensor, len(p.outputs))
	for i, o := range p.outputs {
		if o.redirect == nil {
			continue
		}
		fresh := make([]float32, o.node.Shape().TotalSize())
		o.redirect(fresh)
		results[i] = &onnx.Tensor{Name: o.name, Dims: slices.Clone(o.dims), Data: fresh}
	}
	if p.machine != nil {
		if err := p.machine.RunAll(); err != nil {
			return nil, err
		}
	}
	for i, o := range p.outputs {
		if results[i] != nil {
			continue
		}
		t, err := o.copy(o.name)
		if err != nil {
			return nil, err
		}
		results[i] = t
	}
	return results, nil
}

// copy is the present content of a value as a tensor of its own.
func (v value) copy(name string) (*onnx.Tensor, error) {
	if v.fixed != nil {
		t, err := onnx.FromProto(v.fixed.Proto())
		if err != nil {
			return nil, err
		}
		return &onnx.Tensor{Name: name, Dims: slices.Clone(v.dims), Data: t.Data}, nil
	}
	held := v.node.Value()
	if held == nil {
		return nil, fmt.Errorf("%s: not computed", name)
	}
	switch d := held.Data().(type) {
	case []float32:
		return onnx.NewTensor(name, slices.Clone(d), v.dims...)
	case []float64:
		return onnx.NewTensor(name, slices.Clone(d), v.dims...)
	}
	return nil, fmt.Errorf("%s: computed as %T", name, held.Data())
}
