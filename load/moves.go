package load

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/op"
)

// take gives an output the elements of x that m wants, under dims; filler is a constant of one element, or nil for zero.
func (b *builder) take(name string, x value, m gop.Moves, filler *onnx.Tensor, dims []int) {
	b.account(name, dims, 8)
	for _, d := range dims {
		if d == 0 && x.fixed == nil {
			fail(&onnx.UnsupportedError{Why: fmt.Sprintf("%s: an empty tensor of dims %v", name, dims)})
		}
	}
	if x.fixed != nil {
		t, err := moveTensor(x.fixed, m, filler, dims)
		if err != nil {
			fail(fmt.Errorf("%s: %w", name, err))
		}
		b.setFixed(name, t)
		return
	}
	f := 0.0
	if filler != nil {
		r, ok := reals(filler)
		if !ok || len(r) != 1 {
			fail(fmt.Errorf("%s: a filler of type %v and dims %v", name, filler.Type(), filler.Dims))
		}
		f = r[0]
	}
	n := must(gop.Take(name, x.node, m, f))
	if !slices.Equal([]int(n.Shape()), nodeShape(dims)) {
		n = must(gop.Reshape(name, n, nodeShape(dims)...))
	}
	b.values[name] = value{dims: dims, elem: x.elem, node: n}
}

func transpose(b *builder, c call) {
	from := c.in[0].dims
	list := c.ints("perm")
	perm := make([]int, 0, len(from))
	for _, p := range list {
		perm = append(perm, int(p))
	}
	if list == nil {
		for i := range from {
			perm = append(perm, len(from)-1-i)
		}
	}
	m, err := gop.Transposed(from, perm)
	if err != nil {
		fail(fmt.Errorf("%s: %w", c.name(), err))
	}
	b.take(c.name(), c.in[0], m, nil, m.Shape)
}

// expand repeats axes of length 1 until the value has the shape requested, or more.
func expand(b *builder, c call) {
	dims := c.dims(0)
	b.account(c.name(), dims, 8)
	m, err := expansion(c.in[0].dims, dims)
	if err != nil {
		fail(fmt.Errorf("%s: %w", c.name(), err))
	}
	b.take(c.name(), c.in[0], m, nil, dims)
}

func tile(b *builder, c call) {
	dims := c.dims(0)
	b.account(c.name(), dims, 8)
	m := everything(c.in[0].dims)
	for i, n := range c.in[0].dims {
		if m.Shape[i] = dims[i]; n > 0 {
			m.Offsets[i] = slices.Repeat(m.Offsets[i], dims[i]/n)
		}
	}
	b.take(c.name(), c.in[0], m, nil, m.Shape)
}

// slice takes every step-th element between a start and an end of some axes, all of them attributes before opset 10.
func slice(b *builder, c call) {
	var parts [4][]int64 // starts, ends, axes, steps
	for i, name := range []string{"starts", "ends", "axes", "steps"} {
		if b.opset >= 10 {
			if c.has(i + 1) {
				parts[i] = c.list(i + 1)
			}
		} else {
			parts[i] = c.ints(name)
		}
	}
	starts, ends, axes, by := parts[0], parts[1], parts[2], parts[3]
	from := c.in[0].dims
	if axes == nil {
		for i := range starts {
			axes = append(axes, int64(i))
		}
	}
	dims := c.dims(0)
	m := everything(from)
	for i, a := range axes {
		axis := axisOf(c.name(), a, len(from))
		step := int64(1)
		if by != nil {
			step = by[i]
		}
		first, _ := op.SliceRange(starts[i], ends[i], step, int64(from[axis]))
		some := make([]int, dims[axis])
		for k := range some {
			some[k] = m.Offsets[axis][first+int64(k)*step]
		}
		m.Offsets[axis], m.Shape[axis] = some, len(some)
	}
	b.take(c.name(), c.in[0], m, nil, m.Shape)
}

// everything is the moves that change nothing.
func everything(shape []int) gop.Moves {
	m := gop.Moves{Shape: slices.Clone(shape), Offsets: make([][]int, len(shape))}
	steps := gop.Strides(shape)
	for i, n := range shape {
		m.Offsets[i] = gop.Every(n, steps[i])
	}
	return m
}

// split cuts an axis into parts of given lengths, or into equal ones, the last of which may be shorter.
func split(b *builder, c call) {
	from := c.in[0].dims
	axis := c.axis(len(from))
	at := 0
	for i := range c.op.out {
		dims := c.dims(i)
		m, size := everything(from), dims[axis]
		m.Offsets[axis], m.Shape[axis] = m.Offsets[axis][at:at+size], size
		at += size
		if c.op.out[i] == "" {
			continue
		}
		b.take(c.op.out[i], c.in[0], m, nil, m.Shape)
	}
}

// pad surrounds a value, or cuts where a number is negative.
func pad(b *builder, c call) {
	from := c.in[0].dims
	rank := len(from)
	mode := c.text("mode")
	list := c.ints("pads")
	var filler *onnx.Tensor
	if b.opset < 11 {
		v := c.float("value")
		filler = must(fromReals(c.in[0].elem, []float64{v}, nil))
	} else {
		list = c.list(1)
		if c.has(2) {
			filler = c.in[2].fixed
		}
	}
	axes := make([]int64, rank)
	for i := range axes {
		axes[i] = int64(i)
	}
	if c.has(3) {
		axes = c.list(3)
	}
	dims := c.dims(0)
	b.account(c.name(), dims, 8)
	m := everything(from)
	for i, a := range axes {
		axis := axisOf(c.name(), a, rank)
		m.Shape[axis] = dims[axis]
		table := make([]int, dims[axis])
		for k := range table {
			at, err := padded(mode, k-int(list[i]), from[axis])
			if err != nil {
				fail(fmt.Errorf("%s: %w", c.name(), err))
			}
			table[k] = gop.Outside
			if at >= 0 {
				table[k] = m.Offsets[axis][at]
			}
		}
		m.Offsets[axis] = table
	}
	if filler == nil && c.has(2) {
		b.padComputed(c, m)
		return
	}
	b.take(c.name(), c.in[0], m, filler, m.Shape)
}

// padComputed pads with a value that is not known yet: it is chosen where a constant of ones that is padded with zeros is zero.
func (b *builder) padComputed(c call, m gop.Moves) {
	dt := dtypeOf(c.in[0].elem)
	one := must(fromReals(elemOfType(dt), []float64{1}, nil))
	one = must(expanded(one, c.in[0].dims))
	inside := must(moveTensor(one, m, nil, m.Shape))
	inside.Name = c.name() + ".inside"
	leaf := must(b.leaf(inside))
	x := b.nodeOf(c.name()+".x", c.in[0], dt)
	x = must(gop.Take(c.name()+".padded", x, m, 0))
	v := b.nodeOf(c.name()+".value", c.in[2], dt)
	v = b.expandedNode(c.name()+".values", v, c.in[2].dims, m.Shape)
	b.setAs(c.name(), c.in[0].elem, must(gop.Select(c.name(), leaf.node, x, v)), m.Shape...)
}

// padded is the place among n that place i, which may lie outside, takes its element from, or -1.
func padded(mode string, i, n int) (int, error) {
	if i >= 0 && i < n {
		return i, nil
	}
	switch {
	case mode == "constant":
		return -1, nil
	case n == 0:
		return 0, fmt.Errorf("nothing to pad with in mode %s", mode)
	case mode == "edge":
		return min(max(i, 0), n-1), nil
	case mode == "wrap":
		return (i%n + n) % n, nil
	case mode == "reflect" && n == 1:
		return 0, nil
	case mode == "reflect":
		period := 2 * (n - 1)
		i = (i%period + period) % period
		return min(i, period-i), nil
	}
	return 0, fmt.Errorf("attribute mode is %q", mode)
}

// gather takes elements along an axis by their numbers.
func gather(b *builder, c call) {
	from := c.in[0].dims
	axis := c.axis(len(from))
	if c.in[1].fixed == nil {
		b.gatherComputed(c, axis)
		return
	}
	numbers, ok := wide(c.in[1].fixed)
	if !ok {
		fail(fmt.Errorf("%s: gather by %v", c.name(), c.in[1].elem))
	}
	m := everything(from)
	table := make([]int, len(numbers))
	for i, k := range numbers {
		n := int64(from[axis])
		if k < -n || k >= n {
			fail(fault{fmt.Errorf("%s: gather of number %d of %d", c.name(), k, n)})
		}
		if k < 0 {
			k += n
		}
		table[i] = m.Offsets[axis][k]
	}
	m.Offsets[axis], m.Shape[axis] = table, len(table)
	dims := c.dims(0)
	b.take(c.name(), c.in[0], m, nil, dims)
}

// gatherComputed is gather by numbers that are another in each run of the graph.
func (b *builder) gatherComputed(c call, axis int) {
	dims := c.dims(0)
	if !isFloat(c.in[0].elem) || len(c.in[0].dims) == 0 || c.in[0].dims[axis] > gop.MostRows {
		fail(c.unsupported("rows of elements of type %v and dims %v by numbers that depend on the inputs", c.in[0].elem, c.in[0].dims))
	}
	x := b.node(c, 0)
	n := must(gop.Rows(c.name(), axis, x, b.nodeOf(c.op.in[1], c.in[1], x.Dtype())))
	if !slices.Equal([]int(n.Shape()), nodeShape(dims)) {
		n = must(gop.Reshape(c.name(), n, nodeShape(dims)...)) // by one number
	}
	b.setAs(c.name(), c.in[0].elem, n, dims...)
}

// blocks is a depth-to-space or back: the input seen with an axis for each of both edges of a block.
func blocks(inner func(mode string, n, ch, h, w, k int) (inner, perm []int)) func(*builder, call) {
	return func(b *builder, c call) {
		size := c.int("blocksize")
		mode := c.text("mode")
		dims := c.dims(0)
		d := c.in[0].dims
		shape, perm := inner(mode, d[0], d[1], d[2], d[3], int(size))
		m, err := gop.Transposed(shape, perm)
		if err != nil {
			fail(fmt.Errorf("%s: %w", c.name(), err))
		}
		b.take(c.name(), c.in[0], m, nil, dims)
	}
}

func depthToSpace(mode string, n, ch, h, w, k int) (inner, perm []int) {
	if mode == "CRD" {
		return []int{n, ch / k / k, k, k, h, w}, []int{0, 1, 4, 2, 5, 3}
	}
	return []int{n, k, k, ch / k / k, h, w}, []int{0, 3, 4, 1, 5, 2}
}

func spaceToDepth(_ string, n, ch, h, w, k int) (inner, perm []int) {
	return []int{n, ch, h / k, k, w / k, k}, []int{0, 3, 5, 1, 2, 4}
}

func concat(b *builder, c call) {
	dims := c.dims(0)
	along := c.axis(len(dims), 1) // the default of opset 1, by its text
	var parts []*onnx.Tensor
	for _, v := range c.in {
		if v.fixed != nil {
			parts = append(parts, v.fixed)
		}
	}
	if len(parts) == len(c.in) {
		b.account(c.name(), dims, 8)
		rows := 1
		for _, d := range dims[:along] {
			rows *= d
		}
		b.setFixed(c.name(), must(joined(parts, dims, rows)))
		return
	}
	var in []*G.Node
	for _, v := range c.in {
		if v.fixed != nil && v.fixed.Len() == 0 {
			continue
		}
		n := b.nodeOf(c.name()+".constant", v, dtypeOf(v.elem))
		in = append(in, n)
	}
	b.setAs(c.name(), c.in[0].elem, must(gop.Concat(c.name(), along, in...)), dims...)
}

// joined puts tensors together row by row.
func joined(parts []*onnx.Tensor, dims []int, rows int) (*onnx.Tensor, error) {
	n := 0
	for _, p := range parts {
		if p.Type() != parts[0].Type() {
			return nil, fmt.Errorf("joining %v and %v", parts[0].Type(), p.Type())
		}
		n += p.Len()
	}
	data, at := parts[0].Data.Make(n), 0
	for r := range rows {
		for _, p := range parts {
			n := p.Len() / rows
			data.Copy(at, p.Data, r*n, n)
			at += n
		}
	}
	return onnx.TensorOf("", data, dims...)
}
