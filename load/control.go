package load

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// inside runs the graph in an attribute on inputs.
func (b *builder) inside(c call, attr string, inputs ...value) []value {
	body := c.op.bodies[attr]
	if body == nil {
		fail(fmt.Errorf("%s: no graph %s", c.name(), attr))
	}
	try(b.pace())
	return must(body.run(b.running, inputs, b))
}

// yield gives an output what a graph inside has given.
func (b *builder) yield(c call, k int, v value) {
	if k >= len(c.op.out) || c.op.out[k] == "" {
		return
	}
	v.constant = false
	b.values[c.op.out[k]] = v
}

// only is the one flag or number of an input.
func only[T onnx.Element](c call, k int) (x T) {
	x, ok := onlyElement[T](c.in[k])
	if !ok {
		fail(fault{fmt.Errorf("%s: %q is %v of dims %v, want one %T", c.name(), c.op.in[k], c.in[k].elem, c.in[k].dims, x)})
	}
	return x
}

// branch runs one of two graphs.
func branch(b *builder, c call) {
	yes := only[bool](c, 0)
	name := "else_branch"
	if yes {
		name = "then_branch"
	}
	out := b.inside(c, name)
	if len(out) != len(c.op.out) {
		fail(fmt.Errorf("%s: the branch gives %d values, want %d", c.name(), len(out), len(c.op.out)))
	}
	for k, v := range out {
		b.yield(c, k, v)
	}
}

// loop runs a graph again and again: it is given the number of the round, the condition and what it carries on, and gives the
// condition, what it carries on and what is collected.
func loop(b *builder, c call) {
	most, going := int64(math.MaxInt64), true
	if c.has(0) {
		most = only[int64](c, 0)
	}
	if c.has(1) {
		going = only[bool](c, 1)
	}
	carried := slices.Clone(c.in[2:])
	if len(carried) > len(c.op.out) {
		fail(fmt.Errorf("%s: %d values are carried, and %d come out", c.name(), len(carried), len(c.op.out)))
	}
	collected := make([][]*onnx.Tensor, len(c.op.out)-len(carried))
	kept := int64(0)
	defer func() { b.live -= kept }()
	for i := int64(0); i < most && going; i++ {
		number, flag := &onnx.Tensor{Data: onnx.Slice[int64]{i}}, &onnx.Tensor{Data: onnx.Slice[bool]{going}}
		inputs := append([]value{ofTensor(number), ofTensor(flag)}, carried...)
		out := b.inside(c, "body", inputs...)
		if len(out) != 1+len(c.op.out) {
			fail(fmt.Errorf("%s: the body gives %d values, want %d", c.name(), len(out), 1+len(c.op.out)))
		}
		ok := false
		if going, ok = onlyElement[bool](out[0]); !ok {
			fail(fault{fmt.Errorf("%s: the body gives no condition", c.name())})
		}
		copy(carried, out[1:])
		for k := range collected {
			t := out[1+len(carried)+k].fixed
			if t == nil {
				fail(c.unsupported("a sequence is collected"))
			}
			collected[k] = append(collected[k], t)
			kept += sizeOf(t)
			b.live += sizeOf(t)
		}
		if b.bytes = b.live; b.live > b.limit {
			fail(b.tooLarge(c.name(), []int{int(i) + 1}))
		}
	}
	for k, v := range carried {
		b.yield(c, k, v)
	}
	for k, list := range collected {
		if at := len(carried) + k; c.op.out[at] != "" {
			b.setFixed(c.op.out[at], b.stackOf(c, 1+at, list, 0))
		}
	}
}

func ofTensor(t *onnx.Tensor) value { return value{dims: t.Dims, elem: t.Type(), fixed: t} }

// stackOf is what output number from of the body has given in turn, along a new axis. Of no round it is empty, of the shape that the graph
// says; a length that it does not say is 0.
func (b *builder) stackOf(c call, from int, list []*onnx.Tensor, axis int64) *onnx.Tensor {
	if len(list) > 0 {
		return b.stacked(c, list, axisOf(c.name(), axis, len(list[0].Dims)+1))
	}
	body := c.op.bodies["body"]
	t, ok := body.types[body.outputs[from]]
	data, held := onnx.MakeData(t.Elem, 0)
	if !ok || !held {
		fail(c.unsupported("nothing is collected, of a type that is not known"))
	}
	dims := make([]int, len(t.Dims))
	for i, d := range t.Dims {
		dims[i] = int(max(d.Size, 0))
	}
	dims = slices.Insert(dims, axisOf(c.name(), axis, len(dims)+1), 0)
	return must(onnx.TensorOf("", data, dims...))
}

// stacked puts tensors of one shape together along a new axis.
func (b *builder) stacked(c call, list []*onnx.Tensor, axis int) *onnx.Tensor {
	for _, t := range list[1:] {
		if !slices.Equal(t.Dims, list[0].Dims) {
			fail(fault{fmt.Errorf("%s: values of dims %v and %v are put together", c.name(), list[0].Dims, t.Dims)})
		}
	}
	dims := slices.Insert(slices.Clone(list[0].Dims), axis, len(list))
	b.account(c.name(), dims, 16)
	return must(joined(list, dims, product(dims[:axis])))
}

// sliced is the elements at one place of an axis.
func sliced(t *onnx.Tensor, axis, at int) (*onnx.Tensor, error) {
	outer, n, inner := lines(t.Dims, axis)
	data := t.Data.Make(outer * inner)
	for o := range outer {
		data.Copy(o*inner, t.Data, (o*n+at)*inner, inner)
	}
	return onnx.TensorOf("", data, slices.Delete(slices.Clone(t.Dims), axis, axis+1)...)
}

// scan runs a graph for every place of an axis of some inputs, carries values on, and puts what else comes along an axis.
func scan(b *builder, c call) {
	scanned := int(c.int("num_scan_inputs"))
	first := 0
	if b.opset < 9 {
		first = 1 // the lengths of the sequences
	}
	state := len(c.in) - first - scanned
	if scanned < 1 || state < 0 || state > len(c.op.out) {
		fail(fmt.Errorf("%s: %d of %d inputs are scanned", c.name(), scanned, len(c.in)))
	}
	if b.opset < 9 {
		b.scanBatch(c, state)
		return
	}
	out := b.scanOnce(c, c.in[:state], c.in[state:])
	for k, v := range out {
		b.yield(c, k, v)
	}
}

// scanBatch is the scan of opset 8: all inputs have a batch in front, whose elements are scanned one after the other.
func (b *builder) scanBatch(c call, state int) {
	if c.has(0) {
		fail(c.unsupported("sequence_lens"))
	}
	batch := c.in[1].dims
	if len(batch) == 0 {
		fail(fmt.Errorf("%s: %q has no batch", c.name(), c.op.in[1]))
	}
	all := make([][]*onnx.Tensor, len(c.op.out))
	for i := range batch[0] {
		in := make([]value, len(c.in)-1)
		for k, v := range c.in[1:] {
			if v.fixed == nil || len(v.dims) == 0 || v.dims[0] != batch[0] {
				fail(fmt.Errorf("%s: input %d has dims %v, want a batch of %d", c.name(), k+1, v.dims, batch[0]))
			}
			t := must(sliced(v.fixed, 0, i))
			in[k] = ofTensor(t)
		}
		out := b.scanOnce(c, in[:state], in[state:])
		for k, v := range out {
			if v.fixed == nil {
				fail(c.unsupported("values that are not tensors"))
			}
			all[k] = append(all[k], v.fixed)
		}
	}
	for k, list := range all {
		if len(list) == 0 {
			fail(c.unsupported("a batch of nothing"))
		}
		if c.op.out[k] == "" {
			continue
		}
		b.setFixed(c.op.out[k], b.stacked(c, list, 0))
	}
}

func (b *builder) scanOnce(c call, state, scanned []value) []value {
	way := c.ints("scan_input_directions")
	if b.opset < 9 {
		way = c.ints("directions")
	}
	axes, outAxes, outWay := c.ints("scan_input_axes"), c.ints("scan_output_axes"), c.ints("scan_output_directions")
	at := func(list []int64, k int) int64 {
		if k < len(list) {
			return list[k]
		}
		return 0
	}
	rounds := -1
	along := make([]int, len(scanned))
	for k, v := range scanned {
		if v.fixed == nil {
			fail(c.unsupported("a scan over what is not a tensor"))
		}
		axis := axisOf(c.name(), at(axes, k), len(v.dims))
		if along[k] = axis; rounds >= 0 && rounds != v.dims[axis] {
			fail(fault{fmt.Errorf("%s: scans over %d and %d places", c.name(), rounds, v.dims[axis])})
		}
		rounds = v.dims[axis]
	}
	carried := slices.Clone(state)
	collected := make([][]*onnx.Tensor, len(c.op.out)-len(state))
	kept := int64(0)
	defer func() { b.live -= kept }()
	for i := range rounds {
		inputs := slices.Clone(carried)
		for k, v := range scanned {
			p := i
			if at(way, k) != 0 {
				p = rounds - 1 - i
			}
			t := must(sliced(v.fixed, along[k], p))
			inputs = append(inputs, ofTensor(t))
		}
		out := b.inside(c, "body", inputs...)
		if len(out) != len(c.op.out) {
			fail(fmt.Errorf("%s: the body gives %d values, want %d", c.name(), len(out), len(c.op.out)))
		}
		copy(carried, out)
		for k := range collected {
			t := out[len(carried)+k].fixed
			if t == nil {
				fail(c.unsupported("a sequence is collected"))
			}
			collected[k] = append(collected[k], t)
			kept += sizeOf(t)
			b.live += sizeOf(t)
		}
		if b.bytes = b.live; b.live > b.limit {
			fail(b.tooLarge(c.name(), []int{i + 1}))
		}
	}
	for k, list := range collected {
		if at(outWay, k) != 0 {
			slices.Reverse(list)
		}
		carried = append(carried, ofTensor(b.stackOf(c, len(state)+k, list, at(outAxes, k))))
	}
	return carried
}

// sequence gives an output a sequence.
func (b *builder) sequence(c call, k int, elem pb.TensorProto_DataType, list []*onnx.Tensor) {
	if k < len(c.op.out) && c.op.out[k] != "" {
		b.values[c.op.out[k]] = value{kind: op.SequenceKind, elem: elem, list: list}
	}
}

// items are the elements of the first input, a sequence.
func (c call) items() []*onnx.Tensor {
	if c.in[0].kind != op.SequenceKind {
		fail(c.unsupported("%q is not a sequence of tensors", c.op.in[0]))
	}
	return c.in[0].list
}

// position is an element of a sequence of n, or its end where that is allowed.
func (c call) position(k, n int, end bool) int {
	list := c.integers(k)
	most := int64(n) - 1
	if end {
		most++
	}
	if len(list) != 1 || list[0] < -int64(n) || list[0] > most {
		fail(fault{fmt.Errorf("%s: position %v in a sequence of %d", c.name(), list, n)})
	}
	if list[0] < 0 {
		list[0] += int64(n)
	}
	return int(list[0])
}

func sequenceEmpty(b *builder, c call) {
	elem := pb.TensorProto_DataType(c.int("dtype", int64(pb.TensorProto_FLOAT))) // by the text of the operator, not its schema
	b.sequence(c, 0, elem, nil)
}

func sequenceConstruct(b *builder, c call) {
	var list []*onnx.Tensor
	for k := range c.in {
		if c.tensor(k) == nil {
			fail(c.unsupported("%q is not a tensor", c.op.in[k]))
		}
		list = append(list, c.tensor(k))
	}
	b.sequence(c, 0, c.in[0].elem, list)
}

func sequenceInsert(b *builder, c call) {
	list := c.items()
	at := len(list)
	if c.has(2) {
		at = c.position(2, len(list), true)
	}
	b.sequence(c, 0, c.in[1].elem, slices.Insert(slices.Clone(list), at, c.tensor(1)))
}

func sequenceErase(b *builder, c call) {
	list := c.items()
	at := len(list) - 1
	if c.has(1) {
		at = c.position(1, len(list), false)
	}
	if at < 0 {
		fail(fault{fmt.Errorf("%s: nothing to erase", c.name())})
	}
	b.sequence(c, 0, c.in[0].elem, slices.Delete(slices.Clone(list), at, at+1))
}

func sequenceAt(b *builder, c call) {
	list := c.items()
	at := c.position(1, len(list), false)
	named := *list[at]
	b.setFixed(c.name(), &named)
}

func sequenceLength(b *builder, c call) {
	list := c.items()
	b.putInts(c, 0, []int64{int64(len(list))})
}

func concatFromSequence(b *builder, c call) {
	list := c.items()
	if len(list) == 0 {
		fail(fault{fmt.Errorf("%s: an empty sequence", c.name())})
	}
	dims := slices.Clone(list[0].Dims)
	if c.on("new_axis") {
		axis := c.axis(len(dims) + 1)
		b.setFixed(c.name(), b.stacked(c, list, axis))
		return
	}
	axis := c.axis(len(dims))
	dims[axis] = 0
	for _, t := range list {
		if len(t.Dims) != len(dims) {
			fail(fault{fmt.Errorf("%s: dims %v and %v", c.name(), list[0].Dims, t.Dims)})
		}
		for k, d := range t.Dims {
			if k != axis && d != dims[k] {
				fail(fault{fmt.Errorf("%s: dims %v and %v", c.name(), list[0].Dims, t.Dims)})
			}
		}
		dims[axis] += t.Dims[axis]
	}
	b.account(c.name(), dims, 16)
	b.setFixed(c.name(), must(joined(list, dims, product(dims[:axis]))))
}

func splitToSequence(b *builder, c call) {
	x := c.in[0].dims
	axis, keep := c.axis(len(x)), c.on("keepdims")
	var sizes []int64
	switch {
	case !c.has(1):
		sizes = slices.Repeat([]int64{1}, x[axis])
	default:
		split := c.integers(1)
		if sizes, keep = split, true; len(c.in[1].dims) == 0 {
			sizes = nil
			for rest := int64(x[axis]); rest > 0; rest -= split[0] {
				if split[0] < 1 {
					fail(fault{fmt.Errorf("%s: parts of %d", c.name(), split[0])})
				}
				sizes = append(sizes, min(split[0], rest))
			}
		}
	}
	var list []*onnx.Tensor
	at := int64(0)
	for _, n := range sizes {
		if n < 0 || at+n > int64(x[axis]) {
			fail(fault{fmt.Errorf("%s: parts %v of an axis of %d", c.name(), sizes, x[axis])})
		}
		m := everything(x)
		m.Offsets[axis], m.Shape[axis] = m.Offsets[axis][at:at+n], int(n)
		dims := m.Shape
		if !keep {
			dims = slices.Delete(slices.Clone(dims), axis, axis+1)
		}
		t := must(moveTensor(c.tensor(0), m, nil, dims))
		list = append(list, t)
		at += n
	}
	if at != int64(x[axis]) {
		fail(fault{fmt.Errorf("%s: parts %v of an axis of %d", c.name(), sizes, x[axis])})
	}
	b.sequence(c, 0, c.in[0].elem, list)
}

// sequenceMap runs a graph for every element of sequences.
func sequenceMap(b *builder, c call) {
	first := c.items()
	collected := make([][]*onnx.Tensor, len(c.op.out))
	for i := range first {
		inputs := make([]value, len(c.in))
		for k, v := range c.in {
			if inputs[k] = v; v.kind == op.SequenceKind {
				if len(v.list) != len(first) {
					fail(fault{fmt.Errorf("%s: sequences of %d and %d elements", c.name(), len(first), len(v.list))})
				}
				inputs[k] = ofTensor(v.list[i])
			}
		}
		out := b.inside(c, "body", inputs...)
		if len(out) != len(collected) {
			fail(fmt.Errorf("%s: the body gives %d values, want %d", c.name(), len(out), len(collected)))
		}
		for k, v := range out {
			if v.fixed == nil {
				fail(c.unsupported("a sequence of what is not a tensor"))
			}
			collected[k] = append(collected[k], v.fixed)
		}
	}
	for k, list := range collected {
		elem := pb.TensorProto_FLOAT
		if body := c.op.bodies["body"]; body != nil && len(list) == 0 {
			elem = body.types[body.outputs[k]].Elem
		} else if len(list) > 0 {
			elem = list[0].Type()
		}
		b.sequence(c, k, elem, list)
	}
}

// optional is a value that may be there.
func optional(b *builder, c call) {
	v := value{kind: op.OptionalKind, empty: true}
	if c.has(0) {
		if c.in[0].fixed == nil {
			fail(c.unsupported("an optional sequence"))
		}
		v = value{kind: op.OptionalKind, elem: c.in[0].elem, list: []*onnx.Tensor{c.in[0].fixed}}
	}
	b.values[c.name()] = v
}

func optionalHasElement(b *builder, c call) {
	there := c.has(0) && !c.in[0].empty
	b.put(c, 0, onnx.Slice[bool]{there})
}

func optionalGetElement(b *builder, c call) {
	switch v := c.in[0]; {
	case v.kind != op.OptionalKind:
		b.yield(c, 0, v)
		return
	case v.empty:
		fail(fault{fmt.Errorf("%s: the optional is empty", c.name())})
	default:
		named := *v.list[0]
		b.setFixed(c.name(), &named)
		return
	}
}
