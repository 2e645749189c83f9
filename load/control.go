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
func (b *builder) inside(c call, attr string, inputs ...value) ([]value, error) {
	body := c.op.bodies[attr]
	if body == nil {
		return nil, fmt.Errorf("%s: no graph %s", c.name(), attr)
	}
	if err := b.pace(); err != nil {
		return nil, err
	}
	return body.run(b.running, inputs, b)
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
func only[T onnx.Element](c call, k int) (x T, err error) {
	x, ok := onlyElement[T](c.in[k])
	if !ok {
		return x, fault{fmt.Errorf("%s: %q is %v of dims %v, want one %T", c.name(), c.op.in[k], c.in[k].elem, c.in[k].dims, x)}
	}
	return x, nil
}

// branch runs one of two graphs.
func branch(b *builder, c call) error {
	yes, err := only[bool](c, 0)
	if err != nil {
		return err
	}
	name := "else_branch"
	if yes {
		name = "then_branch"
	}
	out, err := b.inside(c, name)
	if err != nil {
		return err
	}
	if len(out) != len(c.op.out) {
		return fmt.Errorf("%s: the branch gives %d values, want %d", c.name(), len(out), len(c.op.out))
	}
	for k, v := range out {
		b.yield(c, k, v)
	}
	return nil
}

// loop runs a graph again and again: it is given the number of the round, the condition and what it carries on, and gives the
// condition, what it carries on and what is collected.
func loop(b *builder, c call) error {
	most, going := int64(math.MaxInt64), true
	var err error
	if c.has(0) {
		if most, err = only[int64](c, 0); err != nil {
			return err
		}
	}
	if c.has(1) {
		if going, err = only[bool](c, 1); err != nil {
			return err
		}
	}
	carried := slices.Clone(c.in[2:])
	if len(carried) > len(c.op.out) {
		return fmt.Errorf("%s: %d values are carried, and %d come out", c.name(), len(carried), len(c.op.out))
	}
	collected := make([][]*onnx.Tensor, len(c.op.out)-len(carried))
	kept := int64(0)
	defer func() { b.live -= kept }()
	for i := int64(0); i < most && going; i++ {
		number, flag := &onnx.Tensor{Data: onnx.Slice[int64]{i}}, &onnx.Tensor{Data: onnx.Slice[bool]{going}}
		inputs := append([]value{ofTensor(number), ofTensor(flag)}, carried...)
		out, err := b.inside(c, "body", inputs...)
		if err != nil {
			return err
		}
		if len(out) != 1+len(c.op.out) {
			return fmt.Errorf("%s: the body gives %d values, want %d", c.name(), len(out), 1+len(c.op.out))
		}
		ok := false
		if going, ok = onlyElement[bool](out[0]); !ok {
			return fault{fmt.Errorf("%s: the body gives no condition", c.name())}
		}
		copy(carried, out[1:])
		for k := range collected {
			t := out[1+len(carried)+k].fixed
			if t == nil {
				return c.unsupported("a sequence is collected")
			}
			collected[k] = append(collected[k], t)
			kept += sizeOf(t)
			b.live += sizeOf(t)
		}
		if b.bytes = b.live; b.live > b.limit {
			return b.tooLarge(c.name(), []int{int(i) + 1})
		}
	}
	for k, v := range carried {
		b.yield(c, k, v)
	}
	for k, list := range collected {
		if err := b.gathered(c, "body", 1+len(carried)+k, len(carried)+k, list, 0, false); err != nil {
			return err
		}
	}
	return nil
}

func ofTensor(t *onnx.Tensor) value { return value{dims: t.Dims, elem: t.Type(), fixed: t} }

// gathered gives output k the tensors that output number from of a graph has given in turn, along a new axis.
func (b *builder) gathered(c call, attr string, from, k int, list []*onnx.Tensor, axis int, turned bool) error {
	if k >= len(c.op.out) || c.op.out[k] == "" {
		return nil
	}
	if len(list) == 0 {
		body := c.op.bodies[attr]
		t, ok := body.types[body.outputs[from]]
		data, held := onnx.MakeData(t.Elem, 0)
		if !ok || !held {
			return c.unsupported("nothing is collected, of a type that is not known")
		}
		dims := []int{0}
		for _, d := range t.Dims {
			dims = append(dims, int(max(d.Size, 0)))
		}
		empty, err := onnx.TensorOf("", data, dims...)
		return b.setFixed(c.op.out[k], empty, err)
	}
	if turned {
		slices.Reverse(list)
	}
	t, err := b.stacked(c, list, axis)
	return b.setFixed(c.op.out[k], t, err)
}

// stacked puts tensors of one shape together along a new axis.
func (b *builder) stacked(c call, list []*onnx.Tensor, axis int) (*onnx.Tensor, error) {
	for _, t := range list[1:] {
		if !slices.Equal(t.Dims, list[0].Dims) {
			return nil, fault{fmt.Errorf("%s: values of dims %v and %v are put together", c.name(), list[0].Dims, t.Dims)}
		}
	}
	dims := slices.Insert(slices.Clone(list[0].Dims), axis, len(list))
	if err := b.account(c.name(), dims, 16); err != nil {
		return nil, err
	}
	return joined(list, dims, product(dims[:axis]))
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
func scan(b *builder, c call) error {
	a := c.arguments()
	scanned := int(a.int("num_scan_inputs", 0))
	first := 0
	if b.opset < 9 {
		first = 1 // the lengths of the sequences
	}
	state := len(c.in) - first - scanned
	if scanned < 1 || state < 0 || state > len(c.op.out) || a.err != nil {
		return cmpOr(a.err, fmt.Errorf("%s: %d of %d inputs are scanned", c.name(), scanned, len(c.in)))
	}
	if b.opset < 9 {
		return b.scanBatch(c, state, a)
	}
	out, err := b.scanOnce(c, c.in[:state], c.in[state:], a)
	if err != nil {
		return err
	}
	for k, v := range out {
		b.yield(c, k, v)
	}
	return nil
}

// scanBatch is the scan of opset 8: all inputs have a batch in front, whose elements are scanned one after the other.
func (b *builder) scanBatch(c call, state int, a *arguments) error {
	if c.has(0) {
		return c.unsupported("sequence_lens")
	}
	batch := c.in[1].dims
	if len(batch) == 0 {
		return fmt.Errorf("%s: %q has no batch", c.name(), c.op.in[1])
	}
	all := make([][]*onnx.Tensor, len(c.op.out))
	for i := range batch[0] {
		in := make([]value, len(c.in)-1)
		for k, v := range c.in[1:] {
			if v.fixed == nil || len(v.dims) == 0 || v.dims[0] != batch[0] {
				return fmt.Errorf("%s: input %d has dims %v, want a batch of %d", c.name(), k+1, v.dims, batch[0])
			}
			t, err := sliced(v.fixed, 0, i)
			if err != nil {
				return err
			}
			in[k] = ofTensor(t)
		}
		out, err := b.scanOnce(c, in[:state], in[state:], a)
		if err != nil {
			return err
		}
		for k, v := range out {
			if v.fixed == nil {
				return c.unsupported("values that are no tensors")
			}
			all[k] = append(all[k], v.fixed)
		}
	}
	for k, list := range all {
		if len(list) == 0 {
			return c.unsupported("a batch of nothing")
		}
		if c.op.out[k] == "" {
			continue
		}
		t, err := b.stacked(c, list, 0)
		if err := b.setFixed(c.op.out[k], t, err); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) scanOnce(c call, state, scanned []value, a *arguments) ([]value, error) {
	way := a.ints("scan_input_directions")
	if b.opset < 9 {
		way = a.ints("directions")
	}
	axes, outAxes, outWay := a.ints("scan_input_axes"), a.ints("scan_output_axes"), a.ints("scan_output_directions")
	if a.err != nil {
		return nil, a.err
	}
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
			return nil, c.unsupported("a scan over what is no tensor")
		}
		axis, err := axisOf(c.name(), at(axes, k), len(v.dims))
		if err != nil {
			return nil, err
		}
		if along[k] = axis; rounds >= 0 && rounds != v.dims[axis] {
			return nil, fault{fmt.Errorf("%s: scans over %d and %d places", c.name(), rounds, v.dims[axis])}
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
			t, err := sliced(v.fixed, along[k], p)
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, ofTensor(t))
		}
		out, err := b.inside(c, "body", inputs...)
		if err != nil {
			return nil, err
		}
		if len(out) != len(c.op.out) {
			return nil, fmt.Errorf("%s: the body gives %d values, want %d", c.name(), len(out), len(c.op.out))
		}
		copy(carried, out)
		for k := range collected {
			t := out[len(carried)+k].fixed
			if t == nil {
				return nil, c.unsupported("a sequence is collected")
			}
			collected[k] = append(collected[k], t)
			kept += sizeOf(t)
			b.live += sizeOf(t)
		}
		if b.bytes = b.live; b.live > b.limit {
			return nil, b.tooLarge(c.name(), []int{i + 1})
		}
	}
	for k, list := range collected {
		if len(list) == 0 {
			return nil, c.unsupported("a scan over nothing")
		}
		if at(outWay, k) != 0 {
			slices.Reverse(list)
		}
		axis, err := axisOf(c.name(), at(outAxes, k), len(list[0].Dims)+1)
		if err != nil {
			return nil, err
		}
		t, err := b.stacked(c, list, axis)
		if err != nil {
			return nil, err
		}
		carried = append(carried, ofTensor(t))
	}
	return carried, nil
}

// sequence gives an output a sequence.
func (b *builder) sequence(c call, k int, elem pb.TensorProto_DataType, list []*onnx.Tensor) error {
	if k < len(c.op.out) && c.op.out[k] != "" {
		b.values[c.op.out[k]] = value{kind: op.SequenceKind, elem: elem, list: list}
	}
	return nil
}

// items are the elements of input k, a sequence.
func (c call) items(k int) ([]*onnx.Tensor, error) {
	if c.in[k].kind != op.SequenceKind {
		return nil, c.unsupported("%q is not a sequence of tensors", c.op.in[k])
	}
	return c.in[k].list, nil
}

// position is an element of a sequence of n, or its end where that is allowed.
func (c call) position(k, n int, end bool) (int, error) {
	list, err := c.integers(k)
	if err != nil {
		return 0, err
	}
	most := int64(n) - 1
	if end {
		most++
	}
	if len(list) != 1 || list[0] < -int64(n) || list[0] > most {
		return 0, fault{fmt.Errorf("%s: position %v in a sequence of %d", c.name(), list, n)}
	}
	if list[0] < 0 {
		list[0] += int64(n)
	}
	return int(list[0]), nil
}

func sequenceEmpty(b *builder, c call) error {
	a := c.arguments()
	elem := pb.TensorProto_DataType(a.int("dtype", int64(pb.TensorProto_FLOAT)))
	return cmpOr(a.err, b.sequence(c, 0, elem, nil))
}

func sequenceConstruct(b *builder, c call) error {
	var list []*onnx.Tensor
	for k := range c.in {
		if c.tensor(k) == nil {
			return c.unsupported("%q is not a tensor", c.op.in[k])
		}
		list = append(list, c.tensor(k))
	}
	return b.sequence(c, 0, c.in[0].elem, list)
}

func sequenceInsert(b *builder, c call) error {
	list, err := c.items(0)
	if err != nil {
		return err
	}
	at := len(list)
	if c.has(2) {
		if at, err = c.position(2, len(list), true); err != nil {
			return err
		}
	}
	return b.sequence(c, 0, c.in[1].elem, slices.Insert(slices.Clone(list), at, c.tensor(1)))
}

func sequenceErase(b *builder, c call) error {
	list, err := c.items(0)
	if err != nil {
		return err
	}
	at := len(list) - 1
	if c.has(1) {
		at, err = c.position(1, len(list), false)
	}
	if err != nil || at < 0 {
		return cmpOr(err, fault{fmt.Errorf("%s: nothing to erase", c.name())})
	}
	return b.sequence(c, 0, c.in[0].elem, slices.Delete(slices.Clone(list), at, at+1))
}

func sequenceAt(b *builder, c call) error {
	list, err := c.items(0)
	if err != nil {
		return err
	}
	at, err := c.position(1, len(list), false)
	if err != nil {
		return err
	}
	named := *list[at]
	return b.setFixed(c.name(), &named, nil)
}

func sequenceLength(b *builder, c call) error {
	list, err := c.items(0)
	if err != nil {
		return err
	}
	return b.putInts(c, 0, []int64{int64(len(list))})
}

func concatFromSequence(b *builder, c call) error {
	a := c.arguments()
	list, err := c.items(0)
	if err = cmpOr(a.err, err); err != nil {
		return err
	}
	if len(list) == 0 {
		return fault{fmt.Errorf("%s: an empty sequence", c.name())}
	}
	dims := slices.Clone(list[0].Dims)
	if a.on("new_axis") {
		axis := a.axis("axis", 0, len(dims)+1)
		if a.err != nil {
			return a.err
		}
		t, err := b.stacked(c, list, axis)
		return b.setFixed(c.name(), t, err)
	}
	axis := a.axis("axis", 0, len(dims))
	if a.err != nil {
		return a.err
	}
	dims[axis] = 0
	for _, t := range list {
		if len(t.Dims) != len(dims) {
			return fault{fmt.Errorf("%s: dims %v and %v", c.name(), list[0].Dims, t.Dims)}
		}
		for k, d := range t.Dims {
			if k != axis && d != dims[k] {
				return fault{fmt.Errorf("%s: dims %v and %v", c.name(), list[0].Dims, t.Dims)}
			}
		}
		dims[axis] += t.Dims[axis]
	}
	if err := b.account(c.name(), dims, 16); err != nil {
		return err
	}
	t, err := joined(list, dims, product(dims[:axis]))
	return b.setFixed(c.name(), t, err)
}

func splitToSequence(b *builder, c call) error {
	a := c.arguments()
	x := c.in[0].dims
	axis, keep := a.axis("axis", 0, len(x)), a.int("keepdims", 1) != 0
	if a.err != nil {
		return a.err
	}
	var sizes []int64
	switch {
	case !c.has(1):
		sizes = slices.Repeat([]int64{1}, x[axis])
	default:
		split, err := c.integers(1)
		if err != nil {
			return err
		}
		if sizes, keep = split, true; len(c.in[1].dims) == 0 {
			sizes = nil
			for rest := int64(x[axis]); rest > 0; rest -= split[0] {
				if split[0] < 1 {
					return fault{fmt.Errorf("%s: parts of %d", c.name(), split[0])}
				}
				sizes = append(sizes, min(split[0], rest))
			}
		}
	}
	var list []*onnx.Tensor
	at := int64(0)
	for _, n := range sizes {
		if n < 0 || at+n > int64(x[axis]) {
			return fault{fmt.Errorf("%s: parts %v of an axis of %d", c.name(), sizes, x[axis])}
		}
		m := everything(x)
		m.Offsets[axis], m.Shape[axis] = m.Offsets[axis][at:at+n], int(n)
		dims := m.Shape
		if !keep {
			dims = slices.Delete(slices.Clone(dims), axis, axis+1)
		}
		t, err := moveTensor(c.tensor(0), m, nil, dims)
		if err != nil {
			return err
		}
		list = append(list, t)
		at += n
	}
	if at != int64(x[axis]) {
		return fault{fmt.Errorf("%s: parts %v of an axis of %d", c.name(), sizes, x[axis])}
	}
	return b.sequence(c, 0, c.in[0].elem, list)
}

// sequenceMap runs a graph for every element of sequences.
func sequenceMap(b *builder, c call) error {
	first, err := c.items(0)
	if err != nil {
		return err
	}
	collected := make([][]*onnx.Tensor, len(c.op.out))
	for i := range first {
		inputs := make([]value, len(c.in))
		for k, v := range c.in {
			if inputs[k] = v; v.kind == op.SequenceKind {
				if len(v.list) != len(first) {
					return fault{fmt.Errorf("%s: sequences of %d and %d elements", c.name(), len(first), len(v.list))}
				}
				inputs[k] = ofTensor(v.list[i])
			}
		}
		out, err := b.inside(c, "body", inputs...)
		if err != nil {
			return err
		}
		if len(out) != len(collected) {
			return fmt.Errorf("%s: the body gives %d values, want %d", c.name(), len(out), len(collected))
		}
		for k, v := range out {
			if v.fixed == nil {
				return c.unsupported("a sequence of what is no tensor")
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
		if err := b.sequence(c, k, elem, list); err != nil {
			return err
		}
	}
	return nil
}

// optional is a value that may be there.
func optional(b *builder, c call) error {
	v := value{kind: op.OptionalKind, empty: true}
	if c.has(0) {
		if c.in[0].fixed == nil {
			return c.unsupported("an optional sequence")
		}
		v = value{kind: op.OptionalKind, elem: c.in[0].elem, list: []*onnx.Tensor{c.in[0].fixed}}
	}
	b.values[c.name()] = v
	return nil
}

func optionalHasElement(b *builder, c call) error {
	there := c.has(0) && !c.in[0].empty
	return b.put(c, 0, onnx.Slice[bool]{there})
}

func optionalGetElement(b *builder, c call) error {
	switch v := c.in[0]; {
	case v.kind != op.OptionalKind:
		b.yield(c, 0, v)
		return nil
	case v.empty:
		return fault{fmt.Errorf("%s: the optional is empty", c.name())}
	default:
		named := *v.list[0]
		return b.setFixed(c.name(), &named, nil)
	}
}
