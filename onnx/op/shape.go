package op

import (
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func shapes() map[string]Rule {
	return map[string]Rule{
		"Concat":       ruleConcat,
		"DepthToSpace": ruleDepthToSpace,
		"Expand":       ruleExpand,
		"Flatten":      ruleFlatten,
		"Pad":          rulePad,
		"Reshape":      ruleReshape,
		"Shape":        ruleShape,
		"Size":         ruleSize,
		"Slice":        ruleSlice,
		"SpaceToDepth": ruleSpaceToDepth,
		"Split":        ruleSplit,
		"Squeeze":      ruleSqueeze,
		"Tile":         ruleTile,
		"Transpose":    ruleTranspose,
		"Unsqueeze":    ruleUnsqueeze,
	}
}

func ruleShape(n *Node) {
	d := n.dims(0)
	if d == nil {
		n.set(0, pb.TensorProto_INT64, unknownDims(1))
		return
	}
	clamp := func(v int64) int {
		if v < 0 {
			v += int64(len(d))
		}
		return int(min(max(v, 0), int64(len(d))))
	}
	from, to := clamp(n.int("start")), clamp(n.int("end", int64(len(d))))
	part := d[from:max(from, to)]
	n.set(0, pb.TensorProto_INT64, []onnx.Dim{onnx.Fixed(int64(len(part)))})
	ints := make([]Number, len(part))
	for i, e := range part {
		ints[i] = numberOf(e)
	}
	n.keepInts(ints)
}

func ruleSize(n *Node) {
	n.set(0, pb.TensorProto_INT64, []onnx.Dim{})
	if p := productOf(n.dims(0)); n.dims(0) != nil && !p.open && len(p.symbols) == 0 {
		n.keepInts([]Number{Known(p.count)})
	}
}

func ruleReshape(n *Node) {
	var target []Number
	if shape, ok := n.ints("shape"); ok && n.Since < 5 {
		target = numbers(shape)
	} else if target = n.arg(1).Ints; target == nil {
		if d, ok := n.shapeInput(1); ok {
			n.shape(0, d)
		}
		return
	}
	if len(n.dims(1)) == 0 && n.given(1) && n.dims(1) != nil {
		n.wrong("shape-mismatch", "the new shape is a scalar, want one axis")
		return
	}
	n.reshape(target, n.flag("allowzero"))
}

// reshape brings input 0 into another shape: 0 keeps the length of its axis
// unless zero is allowed, -1 once takes what is left.
func (n *Node) reshape(target []Number, allowZero bool) {
	in := n.dims(0)
	dims := make([]onnx.Dim, len(target))
	open := -1
	for i, t := range target {
		dims[i] = t.dim()
		switch {
		case !t.Known:
		case t.Value == -1 && open >= 0:
			n.wrong("attribute-range", "the new shape has -1 twice")
			return
		case t.Value == -1:
			open = i
		case t.Value < -1:
			n.wrong("attribute-range", "the new shape has the length %d", t.Value)
			return
		case t.Value == 0 && !allowZero:
			switch {
			case in == nil:
				dims[i] = onnx.Unknown()
			case i >= len(in):
				n.wrong("shape-mismatch", "the new shape keeps axis %d of %v, which has none", i, n.arg(0))
				return
			default:
				dims[i] = in[i]
			}
		}
	}
	if allowZero && open >= 0 && slices.Contains(target, Known(0)) {
		n.wrong("either-or", "the new shape has 0 and -1, and attribute \"allowzero\" is 1")
		return
	}
	if in == nil {
		n.shape(0, dims)
		return
	}
	all := productOf(in)
	if open >= 0 {
		others := productOf(join(dims[:open], dims[open+1:]))
		if others.count == 0 {
			n.wrong("shape-mismatch", "-1 stands for any length in the shape %v, which has no elements", onnx.Type{Elem: n.arg(0).Elem, Dims: dims})
			return
		}
		if !all.open && !others.open && slices.Equal(all.symbols, others.symbols) && others.count > 0 && all.count%others.count != 0 {
			n.wrong("shape-mismatch", "%v does not go into the shape %v: %d does not divide %d", n.arg(0), onnx.Type{Elem: n.arg(0).Elem, Dims: dims}, others.count, all.count)
			return
		}
		dims[open] = all.over(others)
	} else if p := productOf(dims); !all.open && !p.open && slices.Equal(all.symbols, p.symbols) && all.count != p.count {
		n.wrong("shape-mismatch", "%v does not go into the shape %v: %d elements and %d", n.arg(0), onnx.Type{Elem: n.arg(0).Elem, Dims: dims}, all.count, p.count)
		return
	}
	n.shape(0, dims)
	if len(dims) <= 1 {
		n.keepInts(n.arg(0).Ints)
	}
}

func ruleFlatten(n *Node) {
	d := n.dims(0)
	if d == nil {
		n.shape(0, unknownDims(2))
		return
	}
	axis := n.int("axis")
	if axis < 0 && n.Since >= 11 {
		axis += int64(len(d))
	}
	if axis < 0 || axis > int64(len(d)) {
		n.wrong("attribute-range", "axis %d of a value with %d axes", n.int("axis"), len(d))
		return
	}
	one := productOf(nil)
	n.shape(0, []onnx.Dim{productOf(d[:axis]).over(one), productOf(d[axis:]).over(one)})
}

func ruleSqueeze(n *Node) {
	d := n.dims(0)
	axes, given, ok := n.axesOf("axes")
	if d == nil || !ok {
		return
	}
	drop := make([]bool, len(d))
	if given {
		set, ok := n.axisSet(axes, len(d))
		if !ok {
			return
		}
		for _, a := range set {
			if d[a].Known() && d[a].Size != 1 {
				n.wrong("shape-mismatch", "axis %d of %v is squeezed, but does not have length 1", a, n.arg(0))
				return
			}
			drop[a] = true
		}
	} else {
		for i, e := range d {
			if !e.Known() {
				return // it may be 1
			}
			drop[i] = e.Size == 1
		}
	}
	dims := []onnx.Dim{}
	for i, e := range d {
		if !drop[i] {
			dims = append(dims, e)
		}
	}
	n.shape(0, dims)
	n.keepInts(n.arg(0).Ints)
}

func ruleUnsqueeze(n *Node) {
	d := n.dims(0)
	axes, given, ok := n.axesOf("axes")
	if d == nil || !ok || !given {
		return
	}
	if len(axes) > 64 {
		n.wrong("attribute-range", "%d axes are inserted", len(axes))
		return
	}
	set, ok := n.axisSet(axes, len(d)+len(axes))
	if !ok {
		return
	}
	dims := slices.Clone(d)
	for _, a := range set {
		dims = slices.Insert(dims, a, onnx.Fixed(1))
	}
	n.shape(0, dims)
	n.keepInts(n.arg(0).Ints)
}

func ruleTranspose(n *Node) {
	d := n.dims(0)
	perm, given := n.ints("perm")
	if d == nil {
		if given && len(perm) > 0 {
			n.shape(0, unknownDims(min(len(perm), 64)))
		}
		return
	}
	if !given {
		out := slices.Clone(d)
		slices.Reverse(out)
		n.shape(0, out)
		return
	}
	if !isPermutation(perm, len(d)) {
		n.wrong("attribute-range", "attribute \"perm\" is %s, which is not a permutation of the %d axes", onnx.Few(perm), len(d))
		return
	}
	n.shape(0, permuted(d, perm))
}

func ruleExpand(n *Node) {
	target, ok := n.shapeInput(1)
	if !ok {
		return
	}
	dims, ok := Broadcast(n.dims(0), target)
	if !ok {
		n.wrong("shape-mismatch", "%v does not broadcast to %v", n.arg(0), onnx.Type{Elem: n.arg(0).Elem, Dims: target})
		return
	}
	n.shape(0, dims)
}

func ruleConcat(n *Node) {
	if len(n.in) == 0 {
		return
	}
	var dims []onnx.Dim
	parts := make([]onnx.Dim, 0, len(n.in))
	axis := 0
	for i := range n.in {
		d := n.dims(i)
		if d == nil {
			return
		}
		if i == 0 {
			a, ok := n.axis(n.int("axis", 1), len(d))
			if !ok {
				return
			}
			axis, dims = a, slices.Clone(d)
		} else if len(d) != len(dims) {
			n.wrong("shape-mismatch", "input %d, %s, is %v, and input 0 is %v", i, onnx.Quote(n.proto.Input[i]), n.arg(i), n.arg(0))
			return
		}
		for j := range d {
			if j != axis {
				dims[j] = n.equal(dims[j], d[j], "axis %d of input %d, %s, and of those before it differ", j, i, onnx.Quote(n.proto.Input[i]))
			}
		}
		parts = append(parts, d[axis])
	}
	if n.failed {
		return
	}
	dims[axis] = sum(parts...)
	n.shape(0, dims)
	n.concatInts()
}

// concatInts follows the elements of shapes that are put together.
func (n *Node) concatInts() {
	var ints []Number
	for _, v := range n.in {
		if v.Ints == nil || len(v.Dims) != 1 || len(ints) > mostKnown {
			return
		}
		ints = append(ints, v.Ints...)
	}
	n.keepInts(ints)
}

func ruleSplit(n *Node) {
	d := n.dims(0)
	if d == nil || len(n.out) == 0 {
		return
	}
	axis, ok := n.axis(n.int("axis"), len(d))
	if !ok {
		return
	}
	count := int64(len(n.out))
	n.length(1, len(n.out))
	if a := n.attr("num_outputs"); a != nil && a.GetI() != count {
		n.wrong("attribute-range", "attribute \"num_outputs\" is %d, and there are %d outputs", a.GetI(), count)
		return
	}
	sizes := unknownDims(len(n.out))
	lengths, given, ok := n.axesOf("split")
	switch {
	case given && ok:
		total := int64(0)
		if int64(len(lengths)) != count {
			n.wrong("attribute-range", "the split %s has %d parts, and there are %d outputs", onnx.Few(lengths), len(lengths), count)
			return
		}
		for i, v := range lengths {
			if v < 0 {
				n.wrong("attribute-range", "the split %s has a negative length", onnx.Few(lengths))
				return
			}
			sizes[i], total = onnx.Fixed(v), sat.Add(total, v)
		}
		if d[axis].Known() && total != d[axis].Size {
			n.wrong("shape-mismatch", "the split %s comes to %d, axis %d of %v does not", onnx.Few(lengths), total, axis, n.arg(0))
			return
		}
	case !given && d[axis].Known():
		part := (d[axis].Size + count - 1) / count
		if n.Since < 18 && d[axis].Size%count != 0 {
			n.wrong("shape-mismatch", "axis %d of %v does not split into %d equal parts", axis, n.arg(0), count)
			return
		}
		left := d[axis].Size
		for i := range sizes {
			sizes[i] = onnx.Fixed(min(part, left))
			left -= sizes[i].Size
		}
	}
	for i := range n.out {
		dims := slices.Clone(d)
		dims[axis] = sizes[i]
		n.shape(i, dims)
	}
}

func ruleSlice(n *Node) {
	d := n.dims(0)
	if d == nil {
		return
	}
	starts, okStarts := n.ints("starts")
	ends, okEnds := n.ints("ends")
	axes, okAxes := n.ints("axes")
	var steps []int64
	hasAxes, hasSteps := okAxes, false
	if n.Since >= 10 || n.Name == "DynamicSlice" {
		if s := n.dims(1); len(s) == 1 && s[0].Known() && s[0].Size <= mostKnown {
			for i := 2; i < 5; i++ {
				n.length(i, int(s[0].Size))
			}
			if n.failed {
				return
			}
		}
		starts, okStarts = n.knownInts(1)
		ends, okEnds = n.knownInts(2)
		hasAxes, hasSteps = n.given(3), n.given(4)
		axes, okAxes = n.knownInts(3)
		var okSteps bool
		if steps, okSteps = n.knownInts(4); hasSteps && !okSteps {
			n.shape(0, unknownDims(len(d)))
			return
		}
	}
	dims := slices.Clone(d)
	if hasAxes && !okAxes {
		n.shape(0, unknownDims(len(d)))
		return
	}
	if !okStarts || !okEnds {
		if !hasAxes {
			n.shape(0, unknownDims(len(d)))
			return
		}
		for _, v := range axes {
			a, ok := n.axis(v, len(d))
			if !ok {
				return
			}
			dims[a] = onnx.Unknown()
		}
		n.shape(0, dims)
		return
	}
	if !hasAxes {
		for i := range starts {
			axes = append(axes, int64(i))
		}
	}
	if !hasSteps {
		steps = slices.Repeat([]int64{1}, len(starts))
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || len(steps) != len(starts) {
		n.wrong("shape-mismatch", "%d starts, %d ends, %d axes, %d steps", len(starts), len(ends), len(axes), len(steps))
		return
	}
	if _, ok := n.axisSet(axes, len(d)); !ok {
		return
	}
	for i, v := range axes {
		a, ok := n.axis(v, len(d))
		if !ok {
			return
		}
		if steps[i] == 0 {
			n.wrong("attribute-range", "a step of 0 on axis %d", a)
			return
		}
		if !d[a].Known() {
			if starts[i] != 0 || ends[i] < math.MaxInt32 || steps[i] != 1 {
				dims[a] = onnx.Unknown()
			}
			continue
		}
		from, to := SliceRange(starts[i], ends[i], steps[i], d[a].Size)
		dims[a] = onnx.Fixed(sliceLength(from, to, steps[i]))
		if ints := n.arg(0).Ints; len(d) == 1 && int64(len(ints)) == d[0].Size && ints != nil {
			part := []Number{}
			for j := range dims[0].Size {
				part = append(part, ints[from+j*steps[i]])
			}
			n.shape(0, dims)
			n.keepInts(part)
			return
		}
	}
	n.shape(0, dims)
}

func rulePad(n *Node) {
	d := n.dims(0)
	if d == nil {
		return
	}
	pads, ok := n.ints("pads")
	if !ok {
		pads, ok = n.ints("paddings") // opset 1
	}
	asInput := n.Since >= 11 || n.Domain == "com.microsoft"
	if asInput {
		pads, ok = n.knownInts(1)
	}
	if !n.given(3) && asInput {
		n.length(1, 2*len(d))
	}
	if !ok || n.failed {
		n.shape(0, unknownDims(len(d)))
		return
	}
	axes := make([]int64, len(d))
	for i := range axes {
		axes[i] = int64(i)
	}
	if n.given(3) {
		if axes, ok = n.knownInts(3); !ok {
			n.shape(0, unknownDims(len(d)))
			return
		}
	}
	if len(pads) != 2*len(axes) {
		n.wrong("shape-mismatch", "%d pads for %d axes, want %d", len(pads), len(axes), 2*len(axes))
		return
	}
	if _, ok := n.axisSet(axes, len(d)); !ok {
		return
	}
	dims := slices.Clone(d)
	for i, v := range axes {
		a, ok := n.axis(v, len(d))
		if !ok {
			return
		}
		before, after := pads[i], pads[len(axes)+i]
		if max(before, after) > 1<<40 || min(before, after) < -(1<<40) {
			n.wrong("attribute-range", "pads of %d and %d on axis %d", before, after, a)
			return
		}
		switch {
		case before+after == 0:
		case !d[a].Known():
			dims[a] = onnx.Unknown()
			n.host.AtLeast(before + after)
		case d[a].Size+before+after < 0:
			n.wrong("shape-mismatch", "pads of %d and %d leave nothing of axis %d of %v", before, after, a, n.arg(0))
			return
		default:
			dims[a] = onnx.Fixed(sat.Add(d[a].Size, max(before+after, -d[a].Size)))
			if before+after < 0 {
				dims[a] = onnx.Fixed(d[a].Size + before + after)
			}
		}
	}
	n.shape(0, dims)
}

func ruleTile(n *Node) {
	d := n.dims(0)
	if d == nil || n.Since < 6 {
		return
	}
	n.length(1, len(d))
	repeats, ok := n.knownInts(1)
	if !ok {
		n.shape(0, unknownDims(len(d)))
		return
	}
	if len(repeats) != len(d) {
		n.wrong("shape-mismatch", "%d repeats for the %d axes of %v", len(repeats), len(d), n.arg(0))
		return
	}
	dims := slices.Clone(d)
	least := int64(1)
	for i, r := range repeats {
		least = sat.Mul(least, sat.Mul(max(r, 0), LeastElements(d[i:i+1])))
		switch {
		case r < 0:
			n.wrong("attribute-range", "repeats are %s, want none negative", onnx.Few(repeats))
			return
		case d[i].Known():
			dims[i] = onnx.Fixed(sat.Mul(d[i].Size, r))
		case r != 1:
			dims[i] = onnx.Unknown()
		}
	}
	n.host.AtLeast(least)
	n.shape(0, dims)
}

// blocks are the axes of input 0 (N, C, H, W) and the width of the square blocks that channels become, or the reverse.
func (n *Node) blocks() (d []onnx.Dim, b int64, ok bool) {
	if d = n.dims(0); d == nil || !n.rank(0, 4, 4) {
		return nil, 0, false
	}
	if b = n.int("blocksize", 1); b < 1 || b > 1<<20 {
		n.wrong("attribute-range", "attribute \"blocksize\" is %d, want 1 or more", b)
		return nil, 0, false
	}
	return d, b, true
}

func ruleDepthToSpace(n *Node) {
	d, b, ok := n.blocks()
	if !ok {
		return
	}
	if d[1].Known() && d[1].Size%(b*b) != 0 {
		n.wrong("shape-mismatch", "blocks of %d by %d do not divide the %v channels", b, b, d[1])
		return
	}
	n.shape(0, []onnx.Dim{d[0], scaled(d[1], 1, b*b), scaled(d[2], b, 1), scaled(d[3], b, 1)})
}

func ruleSpaceToDepth(n *Node) {
	d, b, ok := n.blocks()
	if !ok {
		return
	}
	if d[2].Known() && d[2].Size%b != 0 || d[3].Known() && d[3].Size%b != 0 {
		n.wrong("shape-mismatch", "blocks of %d by %d do not divide %v", b, b, n.arg(0))
		return
	}
	n.shape(0, []onnx.Dim{d[0], scaled(d[1], b*b, 1), scaled(d[2], 1, b), scaled(d[3], 1, b)})
}
