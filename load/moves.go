package load

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
)

// take gives an output the elements of x that m wants, under dims; filler is a constant of one element, or nil for zero.
func (b *builder) take(name string, x value, m gop.Moves, filler *onnx.Tensor, dims []int) error {
	if err := b.account(name, dims, 8); err != nil {
		return err
	}
	for _, d := range dims {
		if d == 0 && x.fixed == nil {
			return &onnx.UnsupportedError{Why: fmt.Sprintf("%s: an empty tensor of dims %v", name, dims)}
		}
	}
	if x.fixed != nil {
		t, err := moveTensor(x.fixed, m, filler, dims)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return b.setFixed(name, t, nil)
	}
	f := 0.0
	if filler != nil {
		r, ok := reals(filler)
		if !ok || len(r) != 1 {
			return fmt.Errorf("%s: a filler of type %v and dims %v", name, filler.Type(), filler.Dims)
		}
		f = r[0]
	}
	n, err := gop.Take(name, x.node, m, f)
	if err != nil {
		return err
	}
	if !slices.Equal([]int(n.Shape()), nodeShape(dims)) {
		if n, err = gop.Reshape(name, n, nodeShape(dims)...); err != nil {
			return err
		}
	}
	b.values[name] = value{dims: dims, elem: x.elem, node: n}
	return nil
}

func transpose(b *builder, c call) error {
	from := c.in[0].dims
	list, err := attribute[[]int64](c.op, "perm", nil)
	if err != nil {
		return err
	}
	perm := make([]int, 0, len(from))
	for _, p := range list {
		if p < 0 || p >= int64(len(from)) {
			return fmt.Errorf("%s: perm %v of %d axes", c.name(), list, len(from))
		}
		perm = append(perm, int(p))
	}
	if list == nil {
		for i := range from {
			perm = append(perm, len(from)-1-i)
		}
	}
	m, err := gop.Transposed(from, perm)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name(), err)
	}
	return b.take(c.name(), c.in[0], m, nil, m.Shape)
}

// expand repeats axes of length 1 until the value has the shape that is asked for, or more.
func expand(b *builder, c call) error {
	shape, err := c.ints(1)
	if err != nil {
		return err
	}
	want, err := lengths(c.name(), shape)
	if err != nil {
		return err
	}
	dims, err := gop.BroadcastShape(c.in[0].dims, want)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name(), err)
	}
	if err := b.account(c.name(), dims, 8); err != nil {
		return err
	}
	m, err := expansion(c.in[0].dims, dims)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name(), err)
	}
	return b.take(c.name(), c.in[0], m, nil, dims)
}

// lengths are those of axes, which must not be negative.
func lengths(name string, list []int64) ([]int, error) {
	dims := make([]int, len(list))
	for i, d := range list {
		if d < 0 || d > math.MaxInt32 {
			return nil, fmt.Errorf("%s: %v is no shape", name, list)
		}
		dims[i] = int(d)
	}
	return dims, nil
}

func tile(b *builder, c call) error {
	list, err := c.ints(1)
	if err != nil {
		return err
	}
	repeats, err := lengths(c.name(), list)
	if err != nil {
		return err
	}
	from := c.in[0].dims
	if len(repeats) != len(from) {
		return fmt.Errorf("%s: %v repeats of %d axes", c.name(), repeats, len(from))
	}
	steps := gop.Strides(from)
	m := gop.Moves{Shape: make([]int, len(from)), Offsets: make([][]int, len(from))}
	for i, n := range from {
		if n > 0 && repeats[i] > math.MaxInt32/n {
			return b.tooLarge(c.name(), repeats)
		}
		m.Shape[i] = n * repeats[i]
	}
	if err := b.account(c.name(), m.Shape, 8); err != nil {
		return err
	}
	for i, n := range from {
		m.Offsets[i] = slices.Repeat(gop.Every(n, steps[i]), repeats[i])
	}
	return b.take(c.name(), c.in[0], m, nil, m.Shape)
}

// slice takes every step-th element between a start and an end of some axes, all of them attributes before opset 10.
func slice(b *builder, c call) error {
	var parts [4][]int64 // starts, ends, axes, steps
	for i, name := range []string{"starts", "ends", "axes", "steps"} {
		var err error
		if b.opset >= 10 {
			if c.has(i + 1) {
				parts[i], err = c.ints(i + 1)
			}
		} else {
			parts[i], err = attribute[[]int64](c.op, name, nil)
		}
		if err != nil {
			return err
		}
	}
	starts, ends, axes, by := parts[0], parts[1], parts[2], parts[3]
	from := c.in[0].dims
	if axes == nil {
		for i := range starts {
			axes = append(axes, int64(i))
		}
	}
	if by == nil {
		by = slices.Repeat([]int64{1}, len(axes))
	}
	if len(starts) != len(axes) || len(ends) != len(axes) || len(by) != len(axes) {
		return fmt.Errorf("%s: slice with %d starts, %d ends, %d axes, %d steps", c.name(), len(starts), len(ends), len(axes), len(by))
	}
	m := everything(from)
	seen := make([]bool, len(from))
	for i, a := range axes {
		axis, err := axisOf(c.name(), a, len(from))
		if err != nil {
			return err
		}
		if seen[axis] {
			return fmt.Errorf("%s: axis %d comes twice in %v", c.name(), axis, axes)
		}
		seen[axis] = true
		all := m.Offsets[axis]
		first, end, step := starts[i], ends[i], by[i]
		n := int64(len(all))
		if first < 0 {
			first += n
		}
		if end < 0 && end >= math.MinInt64+n {
			end += n
		}
		var some []int
		switch {
		case step > 0:
			for k := min(max(first, 0), n); k < min(end, n); k += min(step, n) {
				some = append(some, all[k])
			}
		case step < 0:
			for k := min(max(first, -1), n-1); k > max(end, -1); k += max(step, -n) {
				some = append(some, all[k])
			}
		default:
			return fmt.Errorf("%s: slice with a step of 0", c.name())
		}
		m.Offsets[axis], m.Shape[axis] = some, len(some)
	}
	return b.take(c.name(), c.in[0], m, nil, m.Shape)
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
func split(b *builder, c call) error {
	from := c.in[0].dims
	a, err := attribute[int64](c.op, "axis", 0)
	if err != nil {
		return err
	}
	axis, err := axisOf(c.name(), a, len(from))
	if err != nil {
		return err
	}
	list, err := attribute[[]int64](c.op, "split", nil)
	if err != nil {
		return err
	}
	if c.has(1) {
		if list, err = c.ints(1); err != nil {
			return err
		}
	}
	n, parts := from[axis], len(c.op.out)
	if list == nil {
		each := (n + parts - 1) / parts
		for i := range parts {
			list = append(list, int64(max(0, min(each, n-i*each))))
		}
	}
	sizes, err := lengths(c.name(), list)
	if err != nil {
		return err
	}
	total := 0
	for _, s := range sizes {
		total += s
	}
	if len(sizes) != parts || total != n {
		return fmt.Errorf("%s: split of %d into %v for %d outputs", c.name(), n, sizes, parts)
	}
	at := 0
	for i, size := range sizes {
		m := everything(from)
		m.Offsets[axis], m.Shape[axis] = m.Offsets[axis][at:at+size], size
		at += size
		if c.op.out[i] == "" {
			continue
		}
		if err := b.take(c.op.out[i], c.in[0], m, nil, m.Shape); err != nil {
			return err
		}
	}
	return nil
}

// pad surrounds a value, or cuts where a number is negative.
func pad(b *builder, c call) error {
	from := c.in[0].dims
	rank := len(from)
	mode, err := attribute(c.op, "mode", "constant")
	if err != nil {
		return err
	}
	list, err := attribute[[]int64](c.op, "pads", nil)
	if err != nil {
		return err
	}
	var filler *onnx.Tensor
	if b.opset < 11 {
		v, err := attribute[float32](c.op, "value", 0)
		if err != nil {
			return err
		}
		if filler, err = fromReals(c.in[0].elem, []float64{float64(v)}, nil); err != nil {
			return err
		}
	} else {
		if !c.has(1) {
			return fmt.Errorf("%s: pad without pads", c.name())
		}
		if list, err = c.ints(1); err != nil {
			return err
		}
		if c.has(2) {
			filler = c.in[2].fixed
		}
	}
	axes := make([]int64, rank)
	for i := range axes {
		axes[i] = int64(i)
	}
	if c.has(3) {
		if axes, err = c.ints(3); err != nil {
			return err
		}
	}
	if len(list) != 2*len(axes) {
		return fmt.Errorf("%s: %d pads for %d axes", c.name(), len(list), len(axes))
	}
	m := everything(from)
	for i, a := range axes {
		axis, err := axisOf(c.name(), a, rank)
		if err != nil {
			return err
		}
		before, after := list[i], list[len(axes)+i]
		n := int64(from[axis])
		if before < -math.MaxInt32 || after < -math.MaxInt32 || before > math.MaxInt32 || after > math.MaxInt32 || before+n+after < 0 {
			return fmt.Errorf("%s: pads %d and %d of %d", c.name(), before, after, n)
		}
		m.Shape[axis] = int(before + n + after)
		if err := b.account(c.name(), m.Shape, 8); err != nil {
			return err
		}
		table := make([]int, m.Shape[axis])
		for k := range table {
			at, err := padded(mode, k-int(before), int(n))
			if err != nil {
				return fmt.Errorf("%s: %w", c.name(), err)
			}
			table[k] = gop.Outside
			if at >= 0 {
				table[k] = m.Offsets[axis][at]
			}
		}
		m.Offsets[axis] = table
	}
	if filler == nil && c.has(2) {
		return b.padComputed(c, m)
	}
	return b.take(c.name(), c.in[0], m, filler, m.Shape)
}

// padComputed pads with a value that is not known yet: it is chosen where a constant of ones that is padded with zeros is zero.
func (b *builder) padComputed(c call, m gop.Moves) error {
	dt := dtypeOf(c.in[0].elem)
	one, err := fromReals(elemOfType(dt), []float64{1}, nil)
	if err != nil {
		return err
	}
	if one, err = expanded(one, c.in[0].dims); err != nil {
		return err
	}
	inside, err := moveTensor(one, m, nil, m.Shape)
	if err != nil {
		return err
	}
	inside.Name = c.name() + ".inside"
	leaf, err := b.leaf(inside)
	if err != nil {
		return err
	}
	x, err := b.nodeOf(c.name()+".x", c.in[0], dt)
	if err != nil {
		return err
	}
	if x, err = gop.Take(c.name()+".padded", x, m, 0); err != nil {
		return err
	}
	v, err := b.nodeOf(c.name()+".value", c.in[2], dt)
	if err != nil {
		return err
	}
	if v, err = b.expandedNode(c.name()+".values", v, c.in[2].dims, m.Shape); err != nil {
		return err
	}
	y, err := gop.Select(c.name(), leaf.node, x, v)
	return b.setAs(c.name(), c.in[0].elem, y, err, m.Shape...)
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

// gather takes elements along an axis by their numbers, which are known when the graph is built.
func gather(b *builder, c call) error {
	from := c.in[0].dims
	a, err := attribute[int64](c.op, "axis", 0)
	if err != nil {
		return err
	}
	axis, err := axisOf(c.name(), a, len(from))
	if err != nil {
		return err
	}
	if c.in[1].fixed == nil {
		return c.unsupported("%q depends on the inputs' floats, load wants numbers that are given", c.op.in[1])
	}
	numbers, ok := wide(c.in[1].fixed)
	if !ok {
		return fmt.Errorf("%s: gather by %v", c.name(), c.in[1].elem)
	}
	m := everything(from)
	table := make([]int, len(numbers))
	for i, k := range numbers {
		n := int64(from[axis])
		if k < -n || k >= n {
			return fmt.Errorf("%s: gather of number %d of %d", c.name(), k, n)
		}
		if k < 0 {
			k += n
		}
		table[i] = m.Offsets[axis][k]
	}
	m.Offsets[axis], m.Shape[axis] = table, len(table)
	dims := slices.Concat(from[:axis], c.in[1].dims, from[axis+1:])
	return b.take(c.name(), c.in[0], m, nil, dims)
}

// rearrange is a transposition of a value seen in a shape of more axes.
func (b *builder) rearrange(c call, inner, perm, dims []int) error {
	m, err := gop.Transposed(inner, perm)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name(), err)
	}
	return b.take(c.name(), c.in[0], m, nil, dims)
}

// block is the shape of the input of a depth-to-space or back, and the block's edge.
func block(c call) (n, ch, h, w, k int, err error) {
	size, err := attribute[int64](c.op, "blocksize", 0)
	if err != nil {
		return 0, 0, 0, 0, 0, err
	}
	d := c.in[0].dims
	if len(d) != 4 || size < 1 || size > math.MaxInt16 {
		return 0, 0, 0, 0, 0, fmt.Errorf("%s: %v in blocks of %d, want (N, C, H, W)", c.name(), d, size)
	}
	return d[0], d[1], d[2], d[3], int(size), nil
}

func depthToSpace(b *builder, c call) error {
	n, ch, h, w, k, err := block(c)
	if err != nil {
		return err
	}
	if ch%(k*k) != 0 {
		return fmt.Errorf("%s: %d channels in blocks of %d by %d", c.name(), ch, k, k)
	}
	mode, err := attribute(c.op, "mode", "DCR")
	if err != nil {
		return err
	}
	dims := []int{n, ch / (k * k), h * k, w * k}
	switch mode {
	case "DCR":
		return b.rearrange(c, []int{n, k, k, dims[1], h, w}, []int{0, 3, 4, 1, 5, 2}, dims)
	case "CRD":
		return b.rearrange(c, []int{n, dims[1], k, k, h, w}, []int{0, 1, 4, 2, 5, 3}, dims)
	}
	return fmt.Errorf("%s: attribute mode is %q", c.name(), mode)
}

func spaceToDepth(b *builder, c call) error {
	n, ch, h, w, k, err := block(c)
	if err != nil {
		return err
	}
	if h%k != 0 || w%k != 0 {
		return fmt.Errorf("%s: %d by %d in blocks of %d", c.name(), h, w, k)
	}
	return b.rearrange(c, []int{n, ch, h / k, k, w / k, k}, []int{0, 3, 5, 1, 2, 4}, []int{n, ch * k * k, h / k, w / k})
}

func concat(b *builder, c call) error {
	axis, err := attribute[int64](c.op, "axis", math.MinInt64)
	if err != nil {
		return err
	}
	dims := slices.Clone(c.in[0].dims)
	along, err := axisOf(c.name(), axis, len(dims))
	if err != nil {
		return err
	}
	var parts []*onnx.Tensor
	for k, v := range c.in {
		if !c.has(k) {
			return fmt.Errorf("%s: input %d of concat is left out", c.name(), k)
		}
		if v.fixed != nil {
			parts = append(parts, v.fixed)
		}
		if k == 0 {
			continue
		}
		same := slices.Clone(v.dims)
		if len(same) == len(dims) {
			same[along] = dims[along]
		}
		if !slices.Equal(same, dims) || v.elem != c.in[0].elem {
			return fmt.Errorf("%s: concat of %v%v and %v%v", c.name(), c.in[0].elem, c.in[0].dims, v.elem, v.dims)
		}
		dims[along] += v.dims[along]
	}
	if len(parts) == len(c.in) {
		if err := b.account(c.name(), dims, 8); err != nil {
			return err
		}
		rows := 1
		for _, d := range dims[:along] {
			rows *= d
		}
		t, err := joined(parts, dims, rows)
		return b.setFixed(c.name(), t, err)
	}
	var in []*G.Node
	for _, v := range c.in {
		if v.fixed != nil && v.fixed.Len() == 0 {
			continue
		}
		n, err := b.nodeOf(c.name()+".constant", v, dtypeOf(v.elem))
		if err != nil {
			return err
		}
		in = append(in, n)
	}
	n, err := gop.Concat(c.name(), along, in...)
	return b.setAs(c.name(), c.in[0].elem, n, err, dims...)
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
