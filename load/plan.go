package load

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A model whose values are floats is one Gorgonia graph for each set of input shapes, and nothing in this file runs. Every other is
// cut into steps: operations on floats that lie together are such a graph, planned again when other shapes come; all others, and those
// whose shapes depend on values, are carried out one by one on tensors of any type.

// workLimit bounds what one run does: operations, and multiplications of each of them.
const workLimit = 1 << 40

// step is a segment, or operation number op of the region alone.
type step struct {
	segment *segment
	op      int
}

// plan cuts the operations into steps: as long as there are operations for the segment at hand it grows.
func (r *region) plan() {
	ops, varies, rounded := r.all.ops, r.variable(), r.thereAndBack()
	together := make([]bool, len(ops))
	waits := make([]int, len(ops)) // for how many values
	makers := map[string]int{}
	readers := make([][]int, len(ops))
	for i := range ops {
		together[i] = r.fuses(&ops[i], varies, rounded)
		for _, name := range ops[i].reads {
			if j, ok := makers[name]; ok {
				waits[i]++
				readers[j] = append(readers[j], i)
			}
		}
		for _, name := range ops[i].out {
			makers[name] = i
		}
	}
	var ready [2][]int
	put := func(i int) {
		k := 0
		if together[i] {
			k = 1
		}
		ready[k] = append(ready[k], i)
	}
	done := func(i int) {
		for _, j := range readers[i] {
			if waits[j]--; waits[j] == 0 {
				put(j)
			}
		}
	}
	for i := range ops {
		if waits[i] == 0 {
			put(i)
		}
	}
	for len(ready[0])+len(ready[1]) > 0 {
		for n := 0; n < len(ready[0]); n++ {
			r.steps = append(r.steps, step{op: ready[0][n]})
			done(ready[0][n])
		}
		ready[0] = ready[0][:0]
		var list []int
		for n := 0; n < len(ready[1]); n++ {
			list = append(list, ready[1][n])
			done(ready[1][n])
		}
		ready[1] = ready[1][:0]
		if len(list) > 0 {
			slices.Sort(list)
			r.steps = append(r.steps, r.stepOf(r.all, list))
		}
	}
}

// fuses reports whether an operation can be part of a segment: what comes from the inputs' elements must be floats, flags, numbers of rows, or
// floats that are rounded as integers.
func (r *region) fuses(o *operation, varies, rounded map[string]bool) bool {
	entry := operators[o.name]
	if o.bodies != nil || entry.random {
		return false
	}
	half := slices.ContainsFunc(o.in, func(name string) bool { return isHalf(r.elem(name)) })
	if half && slices.ContainsFunc(o.out, func(name string) bool { return name != "" && r.elem(name) == pb.TensorProto_UNDEFINED }) {
		return false // it has to be told where 16 bits are ones of 32
	}
	if o.name == "QuantizeLinear" && !rounded[o.out[0]] {
		return false
	}
	for k, name := range o.in {
		if !varies[name] || r.takesRows(o, k) || rounded[name] {
			continue
		}
		t := r.types[name]
		if entry.build == nil || !isFloat(t.Elem) && !isHalf(t.Elem) && (t.Elem != pb.TensorProto_BOOL || !entry.takes.has(t.Elem) && k == 0) {
			return false
		}
	}
	return true
}

// stepOf is the operations of a segment with the given numbers, as one step.
func (r *region) stepOf(of *segment, list []int) step {
	ops := make([]operation, len(list))
	made, inside := map[string]bool{}, map[string]int{}
	var inputs, outputs []string
	for n, i := range list {
		ops[n] = of.ops[i]
		for _, name := range ops[n].reads {
			if inside[name]++; inside[name] == 1 && !made[name] && r.constants[name] == nil {
				inputs = append(inputs, name)
			}
		}
		for _, name := range ops[n].out {
			made[name] = true
		}
	}
	for n := range ops {
		for _, name := range ops[n].out {
			if inside[name] < r.uses[name] {
				outputs = append(outputs, name)
			}
		}
	}
	return step{segment: r.segment(ops, inputs, outputs)}
}

// divide says in which steps a segment runs whose operation number at cannot be part of a graph; below 0 all run alone.
func (s *segment) divide(at int) []step {
	s.cache.Lock()
	defer s.cache.Unlock()
	if s.parts != nil {
		return s.parts
	}
	every := func(from, to int) (list []int) {
		for i := from; i < to; i++ {
			list = append(list, i)
		}
		return list
	}
	if at < 0 {
		for i := range s.ops {
			s.parts = append(s.parts, step{segment: s, op: i})
		}
		return s.parts
	}
	if at > 0 {
		s.parts = append(s.parts, s.stepOf(s, every(0, at)))
	}
	s.parts = append(s.parts, step{segment: s, op: at})
	if rest := every(at+1, len(s.ops)); len(rest) > 0 {
		s.parts = append(s.parts, s.stepOf(s, rest))
	}
	return s.parts
}

// running is one run through the steps of a model.
type running struct {
	ctx   context.Context
	live  int64 // bytes of the values that are kept
	steps int64
}

// run carries out the steps of r on inputs. outer are the values around it.
func (r *region) run(state *running, inputs []value, outer *builder) ([]value, error) {
	b := &builder{segment: r.all, values: make(map[string]value, len(r.uses)), outer: outer, running: state, left: make(map[string]int, len(r.uses))}
	defer b.forget()
	if len(inputs) != len(r.inputs) {
		return nil, fmt.Errorf("a graph of %d inputs is given %d", len(r.inputs), len(inputs))
	}
	for name, n := range r.uses {
		b.left[name] = n
	}
	for i, v := range inputs {
		if r.uses[r.inputs[i]] > 0 {
			v.constant = false // in the next round it is another
			b.keep(r.inputs[i], v)
		}
	}
	for _, s := range r.steps {
		if err := b.walk(s); err != nil {
			return nil, err
		}
	}
	outputs := make([]value, len(r.outputs))
	for i, name := range r.outputs {
		v, ok := b.lookup(name)
		if !ok {
			return nil, fmt.Errorf("output %q is not computed", name)
		}
		outputs[i] = v
	}
	return outputs, nil
}

// walk carries out a step.
func (b *builder) walk(s step) error {
	if err := b.pace(); err != nil {
		return err
	}
	if s.segment == nil || s.segment == b.segment {
		return b.single(s.op)
	}
	return b.several(s.segment)
}

// pace ends a run whose context has ended, or that is too long.
func (s *running) pace() error {
	if err := s.ctx.Err(); err != nil {
		return fault{context.Cause(s.ctx)}
	}
	if s.steps++; s.steps > 1<<28 {
		return &onnx.UnsupportedError{Why: fmt.Sprintf("a run of more than %d operations", 1<<28)}
	}
	return nil
}

// single carries out operation i alone.
func (b *builder) single(i int) error {
	b.bytes = b.live
	if err := b.apply(i); err != nil {
		return err
	}
	o := &b.ops[i]
	for _, name := range o.out {
		if v, ok := b.values[name]; ok {
			delete(b.values, name)
			b.keep(name, v)
		}
	}
	b.release(o.reads)
	return nil
}

// several carries out a segment.
func (b *builder) several(s *segment) error {
	tensors := make([]*onnx.Tensor, len(s.inputs))
	whole := true
	for i, name := range s.inputs {
		v, ok := b.lookup(name)
		if !ok {
			return fmt.Errorf("%q is not computed before it is used", name)
		}
		if tensors[i] = v.fixed; v.fixed == nil {
			whole = false // a sequence
		}
	}
	at := -1
	if whole {
		outputs, stuck, err := s.run(b.ctx, tensors, nil)
		if err == nil {
			for i, name := range s.outputs {
				t := outputs[i]
				b.keep(name, value{dims: t.Dims, elem: t.Type(), fixed: t})
			}
			for i := range s.ops {
				b.release(s.ops[i].reads)
			}
			return nil
		}
		if _, unsupported := errors.AsType[*onnx.UnsupportedError](err); !unsupported {
			return err
		}
		at = stuck
	}
	if len(s.ops) == 1 {
		at = -1
	}
	outer := b.segment
	defer func() { b.segment = outer }()
	for _, part := range s.divide(at) {
		b.segment = outer
		if part.segment == s {
			b.segment = s
		}
		if err := b.walk(part); err != nil {
			return err
		}
	}
	return nil
}

// lookup finds a value by its name, also in the graphs around.
func (b *builder) lookup(name string) (value, bool) {
	for ; b != nil; b = b.outer {
		if v, ok := b.values[name]; ok {
			return v, true
		}
		if t := b.constants[name]; t != nil {
			return value{dims: t.Dims, elem: t.Type(), fixed: t, constant: true}, true
		}
	}
	return value{}, false
}

// keep holds a value for those who read it.
func (b *builder) keep(name string, v value) {
	if name == "" || b.left[name] == 0 {
		return
	}
	b.values[name] = v
	b.live += v.size()
}

// release counts readings, and drops what nobody else reads.
func (b *builder) release(reads []string) {
	for _, name := range reads {
		if b.left[name]--; b.left[name] > 0 {
			continue
		}
		if v, ok := b.values[name]; ok {
			b.live -= v.size()
			delete(b.values, name)
		}
	}
}

// forget drops everything at the end of a run.
func (b *builder) forget() {
	for _, v := range b.values {
		b.live -= v.size()
	}
}

// size is the bytes that a value takes.
func (v value) size() int64 {
	n := int64(0)
	for _, t := range v.list {
		n += sizeOf(t)
	}
	if v.fixed != nil {
		n += sizeOf(v.fixed)
	}
	return n
}

func sizeOf(t *onnx.Tensor) int64 {
	if text, ok := t.Data.(onnx.Slice[string]); ok {
		n := int64(0)
		for _, s := range text {
			n += 16 + int64(len(s))
		}
		return n
	}
	n, _ := onnx.RawBytes(t.Type(), int64(t.Len()))
	return n
}

// whole reports whether all of r is one segment.
func (r *region) whole() bool {
	return len(r.steps) == 1 && r.steps[0].segment != nil && len(r.steps[0].segment.ops) == len(r.all.ops) || len(r.steps) == 0
}

// tensors is run for the graph of a model, whose inputs and outputs are tensors.
func (r *region) tensors(ctx context.Context, inputs []*onnx.Tensor) (outputs []*onnx.Tensor, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	values := make([]value, len(inputs))
	for i, t := range inputs {
		values[i] = value{dims: t.Dims, elem: t.Type(), fixed: t}
	}
	found, err := r.run(&running{ctx: ctx}, values, nil)
	if err != nil {
		return nil, err
	}
	outputs = make([]*onnx.Tensor, len(found))
	for i, v := range found {
		if v.fixed == nil {
			return nil, fmt.Errorf("output %q is not a tensor", r.outputs[i])
		}
		if outputs[i], err = v.copy(r.outputs[i]); err != nil {
			return nil, err
		}
	}
	return outputs, nil
}
