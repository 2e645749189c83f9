package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// memoryLimit bounds the values of one graph, in bytes: a few nodes can ask for any amount.
const memoryLimit = 4 << 30

// value is what a name of the model stands for while a graph is built.
type value struct {
	dims []int // none is a scalar
	elem pb.TensorProto_DataType

	// node holds float32 or float64 elements, those of other types as whole numbers. It has the shape dims, or (1) for a scalar.
	node *G.Node
	// fixed is the value of a constant, which needs no node until arithmetic is done with it.
	fixed *onnx.Tensor
	// constant: not only for this graph, but for all of the model.
	constant bool
	// list is a sequence, or an optional that is there; empty says of an optional that it is not.
	list  []*onnx.Tensor
	kind  op.Kind // SequenceKind or OptionalKind for these
	empty bool
}

// given reports whether a value is one, not an input that is left out.
func (v value) given() bool { return v.node != nil || v.fixed != nil || v.kind != op.UnknownKind }

// builder makes the graph of a segment for one set of input shapes, or carries out operations one by one.
type builder struct {
	*segment
	*running
	g      *G.ExprGraph
	values map[string]value
	leaves map[string]value // nodes that constants have become
	done   map[int]bool     // operations that were fused into an earlier one
	alone  bool             // the operation at hand has nothing but constants, and is computed at once
	wide   bool             // floats of 16 bits are held in ones of 32
	bytes  int64
	names  map[string]bool

	outer *builder       // of the graph around, in a run by steps
	left  map[string]int // how often each value will still be read there
}

// program is a graph that is ready to run, for one set of input shapes, one run at a time.
type program struct {
	machine *gop.Machine // nil where no output needs arithmetic
	inputs  []*onnx.Tensor
	lend    []func([]float32) // of each input, nil where it is copied
	outputs []output
}

// shaped holds the graphs of one set of input shapes that are not running at the moment.
type shaped struct {
	key   string
	free  []*program
	stuck int   // the operation that cannot be part of a graph of these shapes,
	err   error // and why
}

const (
	shapesKept = 4 // per segment; graphs of the shape that was used longest ago are dropped
	graphsKept = 8 // per shape; more only run when more runs are going on at once
)

// output is a value that runs return.
type output struct {
	name string
	value
	// redirect has the next run write the elements to other storage, where that can be: it saves copying them.
	redirect func([]float32)
}

// run computes the outputs of a segment from its inputs. An *onnx.UnsupportedError says that it cannot be one graph for these, and
// because of which operation. The outputs are fresh tensors, or into, unless that is nil.
func (s *segment) run(ctx context.Context, inputs, into []*onnx.Tensor) (outputs []*onnx.Tensor, stuck int, err error) {
	p, e, err := s.take(ctx, inputs)
	if err != nil {
		return nil, e.stuck, err
	}
	if outputs, err = p.run(inputs, into); err != nil {
		return nil, -1, err // p may be in any state: it is not used again
	}
	s.putBack(p, e)
	return outputs, -1, nil
}

// take hands out a graph for the shapes of the inputs, and for the values of those that are part of it, building it if none is free.
func (s *segment) take(ctx context.Context, inputs []*onnx.Tensor) (*program, *shaped, error) {
	var room [128]byte
	key := room[:0]
	for i, t := range inputs {
		key = binary.AppendUvarint(key, uint64(len(t.Dims)))
		for _, d := range t.Dims {
			key = binary.AppendUvarint(key, uint64(d))
		}
		if s.fixed(i, t) { // a constant of the graph, such as a shape
			if text, ok := t.Data.(onnx.Slice[string]); ok {
				for _, v := range text {
					key = binary.AppendUvarint(key, uint64(len(v)))
					key = append(key, v...)
				}
				continue
			}
			key = append(key, t.Proto().GetRawData()...)
		}
	}
	s.cache.Lock()
	e := (*shaped)(nil)
	if i := slices.IndexFunc(s.kept, func(e *shaped) bool { return e.key == string(key) }); i >= 0 {
		e = s.kept[i]
		copy(s.kept[1:i+1], s.kept[:i])
		s.kept[0] = e
	} else {
		e = &shaped{key: string(key)}
		s.kept = slices.Insert(s.kept, 0, e)
		s.kept = s.kept[:min(len(s.kept), shapesKept)]
	}
	if err := e.err; err != nil {
		s.cache.Unlock()
		return nil, e, err
	}
	if n := len(e.free); n > 0 {
		p := e.free[n-1]
		e.free = e.free[:n-1]
		s.cache.Unlock()
		return p, e, nil
	}
	s.cache.Unlock()

	p, stuck, err := s.build(ctx, inputs)
	if err != nil {
		at := &shaped{stuck: stuck}
		if _, unsupported := errors.AsType[*onnx.UnsupportedError](err); unsupported {
			s.cache.Lock()
			e.stuck, e.err = stuck, err
			s.cache.Unlock()
		}
		return nil, at, err
	}
	return p, e, nil
}

func (s *segment) putBack(p *program, e *shaped) {
	s.cache.Lock()
	defer s.cache.Unlock()
	if len(e.free) < graphsKept {
		e.free = append(e.free, p)
	}
}

func (s *segment) build(ctx context.Context, inputs []*onnx.Tensor) (p *program, stuck int, err error) {
	stuck = -1
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("building the graph: panic: %v", r)
		}
	}()
	b := &builder{
		segment: s, running: &running{ctx: ctx}, g: G.NewGraph(),
		values: map[string]value{}, leaves: map[string]value{}, done: map[int]bool{}, names: map[string]bool{}, wide: true,
	}
	p = &program{}
	for i, t := range inputs {
		name := s.inputs[i]
		if s.fixed(i, t) {
			own := t.Clone()
			p.inputs = append(p.inputs, nil)
			b.values[name] = value{dims: own.Dims, elem: own.Type(), fixed: own}
			continue
		}
		own := &onnx.Tensor{Name: name, Dims: slices.Clone(t.Dims)}
		if own.Data = t.Data.Make(t.Len()); !isFloat(t.Type()) { // see asFloats
			own.Data = make(onnx.Slice[float32], t.Len())
		}
		v, err := b.leaf(own)
		if err != nil {
			return nil, -1, err
		}
		if v.elem = t.Type(); isHalf(v.elem) {
			v.elem = pb.TensorProto_FLOAT
		}
		p.inputs = append(p.inputs, own)
		b.values[name] = v
	}
	for name := range s.users {
		if t := s.constants[name]; t != nil {
			if b.values[name], err = b.widenedOnce(name, t); err != nil {
				return nil, -1, err
			}
		}
	}
	for i := range s.ops {
		if b.done[i] { // fused
			continue
		}
		if err := b.apply(i); err != nil {
			return nil, i, err
		}
	}

	var wanted []*G.Node
	owners := map[*G.Node]int{}
	for _, out := range s.outputs {
		v, ok := b.lookup(out)
		switch {
		case !ok:
			return nil, -1, fmt.Errorf("output %q is not computed", out)
		case v.kind != op.UnknownKind:
			return nil, -1, &onnx.UnsupportedError{Why: fmt.Sprintf("output %q is not a tensor", out)}
		}
		if elem := s.elem(out); isHalf(elem) {
			if v.elem = elem; v.fixed != nil {
				if v.fixed, err = cast(v.fixed, elem); err != nil {
					return nil, -1, err
				}
			}
		}
		p.outputs = append(p.outputs, output{name: out, value: v})
		if v.node != nil && v.node.Op() != nil {
			wanted = append(wanted, v.node)
			owners[gop.Owner(v.node)]++
		}
	}
	if len(wanted) > 0 {
		if p.machine, err = gop.NewMachine(wanted...); err != nil {
			return nil, -1, err
		}
	}
	p.lend = make([]func([]float32), len(inputs))
	for i, t := range inputs {
		n := b.values[s.inputs[i]].node
		handedOn := slices.ContainsFunc(p.outputs, func(o output) bool { return o.node != nil && gop.Owner(o.node) == n })
		if n != nil && t.Type() == pb.TensorProto_FLOAT && !handedOn {
			p.lend[i] = gop.Lend[float32](n)
		}
	}
	for i := range p.outputs {
		if n := p.outputs[i].node; n != nil && isFloat(p.outputs[i].elem) && owners[gop.Owner(n)] == 1 {
			p.outputs[i].redirect = gop.Redirect[float32](n)
		}
	}
	return p, -1, nil
}

// widenedOnce is a constant of the model in a graph: floats of 16 bits become ones of 32, once for all graphs.
func (r *region) widenedOnce(name string, t *onnx.Tensor) (value, error) {
	if isHalf(t.Type()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		key := name + "\x00widened"
		if r.folded[key] == nil {
			w, err := cast(t, pb.TensorProto_FLOAT)
			if err != nil {
				return value{}, err
			}
			w.Name = name
			r.folded[key] = w
		}
		t = r.folded[key]
	}
	return value{dims: t.Dims, elem: t.Type(), fixed: t, constant: true}, nil
}

// apply adds operation i to the graph, or carries it out where all of its inputs are known. In a graph, floats of 16 bits are ones of 32
// that are rounded to 16.
func (b *builder) apply(i int) error {
	if err := b.applyAsItIs(i); err != nil || !b.wide {
		return err
	}
	for _, out := range b.ops[i].out { // what has been rounded to 16 bits
		v := b.values[out]
		if !isHalf(v.elem) {
			continue
		}
		if v.elem = pb.TensorProto_FLOAT; v.fixed != nil {
			var err error
			if v.fixed, err = cast(v.fixed, v.elem); err != nil {
				return err
			}
			v.fixed.Name = out
		}
		b.values[out] = v
	}
	return nil
}

func (b *builder) applyAsItIs(i int) error {
	o := &b.ops[i]
	in := make([]value, len(o.in))
	for k, name := range o.in {
		if name == "" {
			continue // left out
		}
		v, ok := b.lookup(name)
		if !ok {
			return fmt.Errorf("%s: input %q is not computed before it is used", o.out[0], name)
		}
		in[k] = v
	}
	out := make([]op.Fact, len(o.out))
	if o.bodies == nil {
		var err error
		if out, err = b.infer(o, in); err != nil {
			return err
		}
	}
	c := call{op: o, index: i, in: in, out: out}
	b.alone, c.constant = true, true
	for k := range in {
		if c.has(k) {
			b.alone = b.alone && in[k].node == nil
			c.constant = c.constant && in[k].constant
		}
	}
	c.constant = c.constant && o.bodies == nil && !operators[o.name].random
	if build := operators[o.name].build; !b.alone {
		if build == nil {
			return c.unsupported("it depends on what is computed")
		}
		return c.lacking(b.attempt(build, c))
	}
	if c.constant && b.recall(o) {
		return nil
	}
	if err := b.evaluate(c); err != nil {
		return c.lacking(err)
	}
	return b.settle(c)
}

// evaluate carries out an operation on tensors, also on such as have no elements.
func (b *builder) evaluate(c call) error {
	before := b.bytes
	err := b.carryOut(c)
	if _, unsupported := errors.AsType[*onnx.UnsupportedError](c.lacking(err)); unsupported && c.givesNothing() {
		b.bytes = before
		return b.attempt((*builder).nothing, c)
	}
	return err
}

// givesNothing reports whether the rule of an operator says that no output has elements: then there is nothing to compute.
func (c call) givesNothing() bool {
	for k, v := range c.out {
		if _, ok := onnx.MakeData(v.Elem, 0); c.op.out[k] != "" && (v.Kind != op.TensorKind || !ok || op.LeastElements(v.Dims) != 0) {
			return false
		}
	}
	return len(c.in) > 0 && c.op.bodies == nil
}

// nothing gives the outputs of an operation their shapes.
func (b *builder) nothing(c call) {
	for k := range c.out {
		if c.op.out[k] != "" {
			data, _ := onnx.MakeData(c.elem(k), 0)
			b.put(c, k, data, c.dims(k)...)
		}
	}
}

// carryOut carries out an operation as it is built, where that takes the elements, or else by its own evaluation.
func (b *builder) carryOut(c call) error {
	o := operators[c.op.name]
	elem := pb.TensorProto_UNDEFINED
	if len(c.in) > 0 {
		elem = c.in[0].elem
	}
	switch {
	case o.build == nil:
		return b.directly(o, c)
	case len(c.in) == 0 || o.takes.has(elem):
		before := b.bytes
		err := b.immediately(o, c)
		_, unsupported := errors.AsType[*onnx.UnsupportedError](c.lacking(err))
		switch {
		case unsupported && o.eval != nil:
			b.bytes = before
			return b.directly(o, c)
		case unsupported && isHalf(elem):
			b.bytes = before
			return b.widened(o, c)
		}
		return err
	case o.eval != nil:
		return b.directly(o, c)
	}
	return b.widened(o, c)
}

// directly carries out an operation by its own evaluation.
func (b *builder) directly(o operator, c call) error {
	return b.attempt(func(b *builder, c call) {
		b.room(c)
		o.eval(b, c)
	}, c)
}

// immediately builds an operation in a graph of its own.
func (b *builder) immediately(o operator, c call) error {
	if b.g == nil {
		defer func() { b.g, b.leaves, b.names = nil, nil, nil }()
		b.g, b.leaves, b.names = G.NewGraph(), map[string]value{}, map[string]bool{}
	}
	return b.attempt(o.build, c)
}

// widened builds an operation on floats of 16 bits for those of 32, and rounds what comes out.
func (b *builder) widened(o operator, c call) error {
	elem := c.in[0].elem
	if !isHalf(elem) {
		return c.unsupported("elements of type %v", elem)
	}
	c.in = slices.Clone(c.in)
	for k, v := range c.in {
		if v.fixed == nil || v.elem != elem {
			continue
		}
		t, err := cast(v.fixed, pb.TensorProto_FLOAT)
		if err != nil {
			return err
		}
		c.in[k] = value{dims: t.Dims, elem: t.Type(), fixed: t, constant: v.constant}
	}
	if err := b.immediately(o, c); err != nil {
		return err
	}
	for k, name := range c.op.out {
		v, ok := b.values[name]
		if !ok || name == "" || c.out[k].Elem != elem {
			continue
		}
		if v.fixed == nil {
			t, err := evaluate(name, v.node, v.dims, v.elem)
			if err != nil {
				return err
			}
			v.fixed = t
		}
		t, err := cast(v.fixed, elem)
		if err != nil {
			return err
		}
		b.setFixed(name, t)
	}
	return nil
}

// recall takes the outputs of an operation from an earlier graph of the model.
func (b *builder) recall(op *operation) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, out := range op.out {
		if b.folded[b.key(out)] == nil && out != "" {
			return false
		}
	}
	for _, out := range op.out {
		if t := b.folded[b.key(out)]; t != nil {
			b.values[out] = value{dims: t.Dims, elem: t.Type(), fixed: t, constant: true}
		}
	}
	return true
}

// key is the name under which a constant that is computed is kept: as floats of 32 bits, or as it is.
func (b *builder) key(name string) string {
	if b.wide {
		return name + "\x00wide"
	}
	return name
}

// settle computes what an operation on constants has built, so that it is a constant too.
func (b *builder) settle(c call) error {
	for _, out := range c.op.out {
		v, ok := b.values[out]
		if !ok {
			continue
		}
		if v.node != nil {
			t, err := evaluate(out, v.node, v.dims, v.elem)
			if err != nil {
				return err
			}
			v = value{dims: v.dims, elem: v.elem, fixed: t}
		}
		v.constant = c.constant
		b.values[out] = v
		if c.constant && v.fixed != nil {
			b.mu.Lock()
			b.folded[b.key(out)] = v.fixed
			b.mu.Unlock()
		}
	}
	return nil
}

// evaluate computes a node at once.
func evaluate(name string, n *G.Node, dims []int, elem pb.TensorProto_DataType) (*onnx.Tensor, error) {
	m, err := gop.NewMachine(n)
	if err != nil {
		return nil, err
	}
	if err := m.RunAll(); err != nil {
		return nil, err
	}
	return value{dims: dims, elem: elem, node: n}.copy(name)
}

// call is an operation with the values of its inputs.
type call struct {
	op    *operation
	index int
	in    []value
	out   []op.Fact // what the rule of the operator says of the outputs
	// constant: all inputs are, for all of the model.
	constant bool
}

// has reports whether optional input k is given.
func (c call) has(k int) bool { return k < len(c.in) && c.in[k].given() }

func (c call) name() string { return c.op.out[0] }

func (c call) unsupported(format string, args ...any) error {
	return &onnx.UnsupportedError{Op: c.op.name, Why: fmt.Sprintf("%s: %s", c.name(), fmt.Sprintf(format, args...))}
}

// What fails while an operation is built or carried out stops it: try, must and fail panic with a failure, which attempt catches.
type failure struct{ error }

func fail(err error) { panic(failure{err}) }

func try(err error) {
	if err != nil {
		fail(err)
	}
}

func must[T any](v T, err error) T {
	try(err)
	return v
}

// attempt builds an operation or carries it out, and returns why it could not.
func (b *builder) attempt(f func(*builder, call), c call) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.error
		default:
			panic(r)
		}
	}()
	f(b, c)
	return nil
}

// A fault is wrong with the values, or with this package: nothing that load lacks.
type fault struct{ error }

func (f fault) Unwrap() error { return f.error }

// lacking is the error of building an operation that its rule has let pass: what is not said to be a fault is lacking here.
func (c call) lacking(err error) error {
	if err == nil {
		return nil
	}
	_, isFault := errors.AsType[fault](err)
	_, isUnsupported := errors.AsType[*onnx.UnsupportedError](err)
	_, isFormat := errors.AsType[*onnx.FormatError](err)
	if isFault || isUnsupported || isFormat {
		return err
	}
	return &onnx.UnsupportedError{Op: c.op.name, Why: err.Error()}
}

// leaf is a node over the storage of t, outside of any operator.
func (b *builder) leaf(t *onnx.Tensor) (value, error) {
	shape := nodeShape(t.Dims)
	var dt tensor.Dtype
	switch t.Type() {
	case pb.TensorProto_FLOAT:
		dt = tensor.Float32
	case pb.TensorProto_DOUBLE:
		dt = tensor.Float64
	default:
		return value{}, &onnx.UnsupportedError{Why: fmt.Sprintf("%s: arithmetic on elements of type %v", t.Name, t.Type())}
	}
	if t.Len() == 0 {
		return value{}, &onnx.UnsupportedError{Why: fmt.Sprintf("%s: an empty tensor of dims %v", t.Name, t.Dims)}
	}
	d := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(t.Data.Plain()))
	n := G.NewTensor(b.g, dt, len(shape), G.WithShape(shape...), G.WithName(b.unique(t.Name)), G.WithValue(d))
	return value{dims: t.Dims, elem: t.Type(), node: n}, nil
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

// node is the value of input k as a node of the graph.
func (b *builder) node(c call, k int) *G.Node {
	return b.nodeOf(c.op.in[k], c.in[k], dtypeOf(c.in[k].elem))
}

// nodeOf is a value as a node of a type. A constant becomes a leaf at its first use, under the name that the model has for it or
// the one given.
func (b *builder) nodeOf(name string, v value, dt tensor.Dtype) *G.Node {
	if v.node != nil {
		if v.node.Dtype() == dt {
			return v.node
		}
		return must(gop.Convert(name+" converted", v.node, dt, nil))
	}
	if v.fixed.Name != "" {
		name = v.fixed.Name
	}
	key := fmt.Sprint(name, dt)
	if known := b.leaves[key]; known.fixed == v.fixed && known.node != nil {
		return known.node
	}
	named := *v.fixed
	if named.Type() != elemOfType(dt) {
		t := must(cast(v.fixed, elemOfType(dt)))
		named = *t
	}
	named.Name = name
	leaf := must(b.leaf(&named))
	b.leaves[key] = value{node: leaf.node, fixed: v.fixed}
	return leaf.node
}

func elemOfType(dt tensor.Dtype) pb.TensorProto_DataType {
	if dt == tensor.Float64 {
		return pb.TensorProto_DOUBLE
	}
	return pb.TensorProto_FLOAT
}

func elemOf(n *G.Node) pb.TensorProto_DataType { return elemOfType(n.Dtype()) }

// nodes are all inputs as nodes.
func (b *builder) nodes(c call) []*G.Node {
	ns := make([]*G.Node, len(c.in))
	for k := range c.in {
		if !c.has(k) {
			continue
		}
		ns[k] = b.node(c, k)
	}
	return ns
}

// set gives the output of an operation its node, under the name that it goes by after fusion.
func (b *builder) set(name string, n *G.Node, dims ...int) {
	b.setAs(name, elemOf(n), n, dims...)
}

// setFixed gives the output of an operation a constant.
func (b *builder) setFixed(name string, t *onnx.Tensor) {
	t.Name = name
	b.values[name] = value{dims: t.Dims, elem: t.Type(), fixed: t}
}

// setAs is set for elements of a type that the node does not tell.
func (b *builder) setAs(name string, elem pb.TensorProto_DataType, n *G.Node, dims ...int) {
	if shape := n.Shape(); !slices.Equal([]int(shape), nodeShape(dims)) {
		fail(fault{fmt.Errorf("%s: built with shape %v, want %v", name, shape, dims)})
	}
	b.account(name, dims, int64(n.Dtype().Size()))
	if half := b.elem(name); b.wide && isHalf(half) {
		// It is a node of its own, or shows what is rounded already.
		n = must(gop.Overwrite(name+" rounded", "rounding to 16 bits", n, roundingTo(half)))
	}
	b.values[name] = value{dims: dims, elem: elem, node: n}
}

// account adds a value to the memory that the graph will take.
func (b *builder) account(name string, dims []int, size int64) {
	for _, d := range dims {
		if int64(d) > b.limit/max(size, 8) { // also of no elements: each place of an axis takes memory where it is moved
			fail(b.tooLarge(name, dims))
		}
		size *= int64(d)
	}
	if b.bytes += size; b.bytes > b.limit {
		fail(b.tooLarge(name, dims))
	}
}

func (b *builder) tooLarge(name string, dims []int) error {
	return &onnx.UnsupportedError{Why: fmt.Sprintf("%s: with dims %v the values of the graph take more than %d MiB", name, dims, b.limit>>20)}
}

// next is the only operation that reads a value, where it is one and the value is not an output: the one to fuse with.
func (b *builder) next(name string) (int, *operation) {
	if b.alone {
		return 0, nil
	}
	i, op := b.reader(name)
	if op != nil && op.name != "Relu" && b.wide && isHalf(b.elem(name)) {
		return 0, nil // it is rounded before it is read, which a ReLU gives no other result for
	}
	return i, op
}

func (p *program) run(inputs, into []*onnx.Tensor) ([]*onnx.Tensor, error) {
	for i, t := range into {
		if o := &p.outputs[i]; o.redirect != nil {
			if err := alike(t, o.name, o.elem, o.dims); err != nil {
				return nil, err
			}
		}
	}
	for i, t := range inputs {
		own := p.inputs[i]
		lent, floats := t.Data.(onnx.Slice[float32])
		switch {
		case own == nil: // it is part of the graph
		case own.Type() != t.Type():
			asFloats(own.Data.(onnx.Slice[float32]), t.Data)
		case floats && into == nil && p.lend[i] != nil:
			p.lend[i](lent)
		default: // also where what is written might be the input
			own.Data.Copy(0, t.Data, 0, t.Len())
		}
	}
	results := into
	if into == nil {
		results = make([]*onnx.Tensor, len(p.outputs))
	}
	for i := range p.outputs {
		o := &p.outputs[i]
		if o.redirect == nil {
			continue
		}
		if into != nil {
			o.redirect(into[i].Data.(onnx.Slice[float32]))
			continue
		}
		fresh := make([]float32, product(o.dims))
		o.redirect(fresh)
		results[i] = &onnx.Tensor{Name: o.name, Dims: slices.Clone(o.dims), Data: onnx.Slice[float32](fresh)}
	}
	if p.machine != nil {
		if err := p.machine.RunAll(); err != nil {
			return nil, err
		}
	}
	for i, lend := range p.lend { // nobody keeps what was lent
		if lend != nil {
			lend(p.inputs[i].Data.(onnx.Slice[float32]))
		}
	}
	for i := range p.outputs {
		o := &p.outputs[i]
		if o.redirect != nil {
			continue
		}
		t, err := o.copy(o.name)
		if err != nil {
			return nil, err
		}
		if into == nil {
			results[i] = t
		} else if err := fill(into[i], t); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// asFloats fills x with flags, floats of 16 bits, or whole numbers: those that a float32 does not hold are rounded, to what is beyond every axis of rows.
func asFloats(x []float32, from onnx.Data) {
	switch d := from.(type) {
	case onnx.Slice[bool]:
		for k, v := range d {
			x[k] = float32(flag(v))
		}
	case onnx.Slice[onnx.Float16]:
		for k, v := range d {
			x[k] = v.Float32()
		}
	case onnx.Slice[onnx.BFloat16]:
		for k, v := range d {
			x[k] = v.Float32()
		}
	case onnx.Slice[int32]:
		for k, v := range d {
			x[k] = float32(v)
		}
	case onnx.Slice[int64]:
		for k, v := range d {
			x[k] = float32(v)
		}
	}
}

// copy is the present content of a value as a tensor of its own.
func (v value) copy(name string) (*onnx.Tensor, error) {
	if v.fixed != nil {
		t := v.fixed.Clone()
		t.Name, t.Dims = name, slices.Clone(v.dims)
		return t, nil
	}
	held := v.node.Value()
	if held == nil {
		return nil, fmt.Errorf("%s: not computed", name)
	}
	d, ok := onnx.DataOf(held.Data())
	if !ok {
		return nil, fmt.Errorf("%s: computed as %T", name, held.Data())
	}
	t := &onnx.Tensor{Name: name, Dims: slices.Clone(v.dims), Data: d}
	if d.Type() == v.elem {
		return t.Clone(), nil
	}
	t, err := cast(t, v.elem)
	if err == nil {
		t.Name = name
	}
	return t, err
}
