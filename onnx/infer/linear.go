package infer

import (
	"maps"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func inferMatMul(n *inferNode) { n.matmul(0, 1, 0) }

func inferQLinearMatMul(n *inferNode) { n.matmul(0, 3, 0) }

// matmul is NumPy's matmul of inputs a and b.
func (n *inferNode) matmul(a, b, out int) {
	x, y := n.dims(a), n.dims(b)
	if x == nil || y == nil || !n.rank(a, 1, anyRank) || !n.rank(b, 1, anyRank) {
		return
	}
	rows, cols := []onnx.Dim{}, []onnx.Dim{}
	if len(x) > 1 {
		rows = x[len(x)-2 : len(x)-1]
	}
	if len(y) > 1 {
		cols = y[len(y)-1:]
	}
	k := n.equal(x[len(x)-1], y[max(len(y)-2, 0)], "the inner axes of %v and %v differ", n.arg(a), n.arg(b))
	batch, ok := broadcast(x[:max(len(x)-2, 0)], y[:max(len(y)-2, 0)])
	if !ok {
		n.wrong("shape-mismatch", "the outer axes of %v and %v do not broadcast", n.arg(a), n.arg(b))
	}
	if n.failed {
		return
	}
	dims := join(batch, rows, cols)
	n.shape(out, dims)
	n.spend(sat.Mul(leastElements(dims), leastElements([]onnx.Dim{k})), n.at)
}

func inferGemm(n *inferNode) {
	a, b := n.dims(0), n.dims(1)
	if a == nil || b == nil || !n.rank(0, 2, 2) || !n.rank(1, 2, 2) {
		return
	}
	if n.flag("transA", false) {
		a = []onnx.Dim{a[1], a[0]}
	}
	if n.flag("transB", false) {
		b = []onnx.Dim{b[1], b[0]}
	}
	k := n.equal(a[1], b[0], "the inner axes of %v and %v differ", n.arg(0), n.arg(1))
	if n.failed {
		return
	}
	dims := []onnx.Dim{a[0], b[1]}
	n.shape(0, dims)
	n.spend(sat.Mul(leastElements(dims), leastElements([]onnx.Dim{k})), n.at)
	if c := n.dims(2); c != nil && n.op.Since >= 7 {
		if joined, ok := broadcast(dims, c); !ok || len(joined) > 2 {
			n.wrong("shape-mismatch", "C is %v, which does not broadcast to %v", n.arg(2), n.out[0])
		}
	}
}

func inferDet(n *inferNode) {
	d := n.dims(0)
	if d == nil || !n.rank(0, 2, anyRank) {
		return
	}
	n.equal(d[len(d)-1], d[len(d)-2], "the matrices of %v are not square", n.arg(0))
	n.shape(0, d[:len(d)-2])
}

// inferEinsum reads the equation: letters for axes, an ellipsis for any number
// of axes that broadcast.
func inferEinsum(n *inferNode) {
	equation := strings.ReplaceAll(n.string("equation", ""), " ", "")
	left, right, explicit := strings.Cut(equation, "->")
	terms := strings.Split(left, ",")
	if len(equation) > 4096 {
		n.wrong("attribute-range", "an equation of %d letters", len(equation))
		return
	}
	if len(terms) != len(n.in) {
		n.wrong("attribute-range", "equation %s has %d terms for %d inputs", onnx.Quote(equation), len(terms), len(n.in))
		return
	}
	size := make(map[byte]onnx.Dim)
	uses := make(map[byte]int)
	var rest []onnx.Dim
	for i, term := range terms {
		if n.dims(i) == nil {
			return
		}
		before, after, dots := strings.Cut(term, "...")
		d := n.dims(i)
		if few := len(before) + len(after); few > len(d) || !dots && few != len(d) {
			n.wrong("shape-mismatch", "term %s of the equation does not fit input %d, %v", onnx.Quote(term), i, n.arg(i))
			return
		}
		cut := len(d) - len(after)
		joined, ok := broadcast(rest, d[len(before):cut])
		if rest == nil {
			joined, ok = d[len(before):cut], true
		}
		if !ok {
			n.wrong("shape-mismatch", "the ellipses of equation %s do not broadcast", onnx.Quote(equation))
			return
		}
		rest = joined
		for j := range len(before) + len(after) {
			letter, axis := (before + after)[j], j
			if j >= len(before) {
				axis = cut + j - len(before)
			}
			uses[letter]++
			if have, ok := size[letter]; ok {
				joined, ok := broadcastDim(have, d[axis])
				if !ok {
					n.wrong("shape-mismatch", "axis %q of equation %s has lengths %v and %v", letter, onnx.Quote(equation), have, d[axis])
					return
				}
				size[letter] = joined
			} else {
				size[letter] = d[axis]
			}
		}
	}
	if !explicit {
		right = "..."
		for _, letter := range slices.Sorted(maps.Keys(uses)) {
			if uses[letter] == 1 {
				right += string(letter)
			}
		}
	}
	var dims []onnx.Dim
	for i := 0; i < len(right); i++ {
		if strings.HasPrefix(right[i:], "...") {
			dims = append(dims, rest...)
			i += 2
			continue
		}
		d, ok := size[right[i]]
		if !ok {
			n.wrong("attribute-range", "equation %s has axis %q in its result only", onnx.Quote(equation), right[i])
			return
		}
		dims = append(dims, d)
	}
	work := leastElements(rest)
	for _, d := range size {
		work = sat.Mul(work, leastElements([]onnx.Dim{d}))
	}
	n.spend(work, n.at)
	n.shape(0, join(dims))
}

// A window is how a convolution or pooling goes over the spatial axes.
type window struct {
	kernel, strides, dilations []int64
	pads                       []int64 // all begins, then all ends
	auto                       string
}

// window reads the attributes for rank spatial axes. The kernel may be nil when
// the weights say it.
func (n *inferNode) window(rank int) (window, bool) {
	ones := func(k int, v int64) []int64 { return slices.Repeat([]int64{v}, k) }
	w := window{strides: ones(rank, 1), dilations: ones(rank, 1), pads: ones(2*rank, 0), auto: n.string("auto_pad", "NOTSET")}
	for _, a := range []struct {
		name  string
		into  *[]int64
		count int
		least int64
	}{
		{"kernel_shape", &w.kernel, rank, 1}, {"strides", &w.strides, rank, 1},
		{"dilations", &w.dilations, rank, 1}, {"pads", &w.pads, 2 * rank, 0},
	} {
		v, ok := n.ints(a.name)
		if !ok || len(v) == 0 && a.name != "kernel_shape" {
			continue
		}
		if len(v) != a.count {
			n.wrong("attribute-range", "attribute %q has %d entries for %d spatial axes, want %d", a.name, len(v), rank, a.count)
			return w, false
		}
		for _, e := range v {
			if e < a.least || e > 1<<31 {
				n.wrong("attribute-range", "attribute %q is %s, want entries from %d on", a.name, onnx.Few(v), a.least)
				return w, false
			}
		}
		*a.into = v
	}
	switch w.auto {
	case "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER":
		return w, true
	}
	n.wrong("attribute-range", "attribute \"auto_pad\" is %s, want NOTSET, VALID, SAME_UPPER or SAME_LOWER", onnx.Quote(w.auto))
	return w, false
}

// out is the length of spatial axis i after the window went over it. ceil lets
// the last window hang over the end.
func (w window) out(n *inferNode, i int, in onnx.Dim, ceil bool) onnx.Dim {
	if !in.Known() {
		if w.auto == "NOTSET" || w.auto == "VALID" {
			rank := len(w.strides)
			padded := w.pads[i] + w.pads[rank+i]
			if w.auto == "VALID" {
				padded = 0
			}
			if w.strides[i] == 1 && padded == (w.kernel[i]-1)*w.dilations[i] {
				return in // a convolution that keeps the length, whatever it is
			}
		} else if w.strides[i] == 1 {
			return in
		}
		return onnx.Unknown()
	}
	reach := (w.kernel[i]-1)*w.dilations[i] + 1
	switch w.auto {
	case "SAME_UPPER", "SAME_LOWER":
		return onnx.Fixed((in.Size + w.strides[i] - 1) / w.strides[i])
	case "NOTSET":
		in.Size = sat.Add(in.Size, w.pads[i]+w.pads[len(w.strides)+i])
	}
	if in.Size < reach {
		n.wrong("shape-mismatch", "a window of %d on spatial axis %d of %d with its pads", reach, i, in.Size)
		return onnx.Unknown()
	}
	steps := (in.Size - reach) / w.strides[i]
	if ceil && (in.Size-reach)%w.strides[i] != 0 {
		// No window begins in the padding at the end.
		if w.auto != "NOTSET" || (steps+1)*w.strides[i] < in.Size-w.pads[len(w.strides)+i] {
			steps++
		}
	}
	return onnx.Fixed(steps + 1)
}

func inferConv(n *inferNode) { n.conv(0, 1, 2) }

func inferConvInteger(n *inferNode) { n.conv(0, 1, noInput) }

func inferQLinearConv(n *inferNode) { n.conv(0, 3, 8) }

// noInput is the place of an input that an operator does not have.
const noInput = 1 << 30

// conv is a convolution of input xi with the weights wi and the bias bi.
func (n *inferNode) conv(xi, wi, bi int) {
	x, weights := n.dims(xi), n.dims(wi)
	if x == nil {
		return
	}
	if !n.rank(xi, 3, anyRank) || weights != nil && !n.rank(wi, len(x), len(x)) {
		return
	}
	spatial := len(x) - 2
	w, ok := n.window(spatial)
	if !ok {
		return
	}
	group := n.int("group", 1)
	if group < 1 {
		n.wrong("attribute-range", "attribute \"group\" is %d, want 1 or more", group)
		return
	}
	if weights == nil {
		return
	}
	channels := weights[1]
	if channels.Known() {
		channels.Size = sat.Mul(channels.Size, group)
	} else if group != 1 {
		channels = onnx.Unknown()
	}
	n.equal(x[1], channels, "the channels of %v and of the weights %v in %d groups differ", n.arg(xi), n.arg(wi), group)
	if weights[0].Known() && weights[0].Size%group != 0 {
		n.wrong("shape-mismatch", "%d groups do not divide the %v output channels", group, weights[0])
	}
	if !n.kernelOf(&w, weights[2:]) {
		return
	}
	if b := n.dims(bi); b != nil && n.given(bi) {
		if n.rank(bi, 1, 1) {
			n.equal(b[0], weights[0], "the bias and the output channels differ")
		}
	}
	dims := []onnx.Dim{x[0], weights[0]}
	for i, d := range x[2:] {
		if w.kernel == nil {
			dims = append(dims, onnx.Unknown())
			continue
		}
		dims = append(dims, w.out(n, i, d, false))
	}
	if n.failed {
		return
	}
	n.shape(0, dims)
	n.spend(sat.Mul(leastElements(dims), leastElements(weights[1:])), n.at)
}

// kernelOf holds kernel_shape against the weights, or takes it from them. It
// leaves the kernel nil when nothing says it.
func (n *inferNode) kernelOf(w *window, weights []onnx.Dim) bool {
	if w.kernel == nil {
		for _, d := range weights {
			if !d.Known() {
				w.kernel = nil
				return true
			}
			if d.Size < 1 {
				n.wrong("shape-mismatch", "the weights have a kernel of length %v", d)
				return false
			}
			w.kernel = append(w.kernel, d.Size)
		}
		return true
	}
	for i, d := range weights {
		if d.Known() && d.Size != w.kernel[i] {
			n.wrong("shape-mismatch", "attribute \"kernel_shape\" is %v, and the weights have %v", w.kernel, weights)
			return false
		}
	}
	return true
}

func inferConvTranspose(n *inferNode) {
	x, weights := n.dims(0), n.dims(1)
	if x == nil || !n.rank(0, 3, anyRank) || weights != nil && !n.rank(1, len(x), len(x)) {
		return
	}
	spatial := len(x) - 2
	w, ok := n.window(spatial)
	group := n.int("group", 1)
	if !ok || weights == nil {
		return
	}
	if group < 1 {
		n.wrong("attribute-range", "attribute \"group\" is %d, want 1 or more", group)
		return
	}
	n.equal(x[1], weights[0], "the channels of %v and of the weights %v differ", n.arg(0), n.arg(1))
	if !n.kernelOf(&w, weights[2:]) {
		return
	}
	channels := onnx.Unknown()
	if weights[1].Known() {
		channels = onnx.Fixed(sat.Mul(weights[1].Size, group))
	}
	if b := n.dims(2); b != nil && n.given(2) && n.rank(2, 1, 1) {
		n.equal(b[0], channels, "the bias and the output channels differ")
	}
	extra := slices.Repeat([]int64{0}, spatial)
	if v, ok := n.ints("output_padding"); ok && len(v) > 0 {
		if len(v) != spatial || slices.Min(v) < 0 {
			n.wrong("attribute-range", "attribute \"output_padding\" is %s for %d spatial axes", onnx.Few(v), spatial)
			return
		}
		extra = v
	}
	asked, hasAsked := n.ints("output_shape")
	if hasAsked && len(asked) == spatial+2 {
		asked = asked[2:] // some writers give all axes
	}
	if hasAsked && (len(asked) != spatial || spatial > 0 && slices.Min(asked) < 0) {
		n.wrong("attribute-range", "attribute \"output_shape\" is %s for %d spatial axes", onnx.Few(asked), spatial)
		return
	}
	dims := []onnx.Dim{x[0], channels}
	for i, d := range x[2:] {
		switch {
		case hasAsked:
			dims = append(dims, onnx.Fixed(asked[i]))
		case !d.Known() || w.kernel == nil:
			dims = append(dims, onnx.Unknown())
		case w.auto == "SAME_UPPER" || w.auto == "SAME_LOWER":
			dims = append(dims, onnx.Fixed(sat.Mul(d.Size, w.strides[i])))
		default:
			pads := w.pads[i] + w.pads[spatial+i]
			if w.auto == "VALID" {
				pads = 0
			}
			size := sat.Add(sat.Mul(w.strides[i], max(d.Size-1, 0)), extra[i]+(w.kernel[i]-1)*w.dilations[i]+1) - pads
			if size < 1 {
				n.wrong("shape-mismatch", "spatial axis %d of %v comes out with a length of %d", i, n.arg(0), size)
				return
			}
			dims = append(dims, onnx.Fixed(size))
		}
	}
	if n.failed {
		return
	}
	n.shape(0, dims)
	n.spend(sat.Mul(leastElements(x), leastElements(weights[1:])), n.at)
}

func inferPool(n *inferNode) {
	x := n.dims(0)
	if x == nil || !n.rank(0, 3, anyRank) {
		return
	}
	w, ok := n.window(len(x) - 2)
	if !ok {
		return
	}
	if w.kernel == nil {
		n.wrong("attribute-range", "attribute \"kernel_shape\" is missing")
		return
	}
	dims := []onnx.Dim{x[0], x[1]}
	taps := int64(1)
	for i, d := range x[2:] {
		dims = append(dims, w.out(n, i, d, n.flag("ceil_mode", false)))
		taps = sat.Mul(taps, w.kernel[i])
	}
	if n.failed {
		return
	}
	n.shape(0, dims)
	n.set(1, pb.TensorProto_INT64, dims)
	n.spend(sat.Mul(leastElements(dims), taps), n.at)
}

func inferGlobalPool(n *inferNode) {
	x := n.dims(0)
	if x == nil || !n.rank(0, 2, anyRank) {
		return
	}
	dims := slices.Clone(x)
	for i := range dims[2:] {
		dims[2+i] = onnx.Fixed(1)
	}
	n.shape(0, dims)
}

func inferRoi(n *inferNode) {
	x, rois := n.dims(0), n.dims(1)
	if x == nil || rois == nil || !n.rank(0, 4, 4) || !n.rank(1, 2, 2) {
		return
	}
	h, w := n.int("output_height", 1), n.int("output_width", 1)
	if v, ok := n.ints("pooled_shape"); ok && len(v) == 2 {
		h, w = v[0], v[1]
	}
	if h < 1 || w < 1 {
		n.wrong("attribute-range", "an output of %d by %d", h, w)
		return
	}
	n.shape(0, []onnx.Dim{rois[0], x[1], onnx.Fixed(h), onnx.Fixed(w)})
}

func inferGridSample(n *inferNode) {
	x, grid := n.dims(0), n.dims(1)
	if x == nil || grid == nil || !n.rank(0, 3, anyRank) || !n.rank(1, len(x), len(x)) {
		return
	}
	n.shape(0, join([]onnx.Dim{n.equal(x[0], grid[0], "the batches of %v and %v differ", n.arg(0), n.arg(1)), x[1]}, grid[1:len(grid)-1]))
}

func inferBatchNorm(n *inferNode) {
	if all := len(n.op.Out); len(n.out) != 1 && len(n.out) != all {
		n.wrong("output-count", "%d outputs, want 1 or %d", len(n.out), all)
		return
	}
	x := n.dims(0)
	n.shape(0, x)
	if x == nil {
		return
	}
	channels := onnx.Unknown()
	if len(x) > 1 {
		channels = x[1]
	} else if len(x) == 1 {
		channels = onnx.Fixed(1)
	}
	spatial := n.flag("spatial", true)
	for i := 1; i < 5; i++ {
		d := n.dims(i)
		if d == nil || !spatial {
			continue
		}
		if !n.rank(i, 1, 1) {
			return
		}
		channels = n.equal(channels, d[0], "input %d, %s, and the channels of %v differ", i, onnx.Quote(n.proto.Input[i]), n.arg(0))
	}
	for i := 1; i < len(n.out); i++ {
		n.shape(i, []onnx.Dim{channels})
	}
}

func inferChannelNorm(n *inferNode) {
	x := n.dims(0)
	if x == nil {
		return
	}
	if !n.rank(0, 2, anyRank) {
		return
	}
	n.shape(0, x)
	perGroup := n.op.Name == "GroupNormalization"
	groups := n.int("num_groups", 1)
	if perGroup && (groups < 1 || x[1].Known() && x[1].Size%groups != 0) {
		n.wrong("attribute-range", "attribute \"num_groups\" is %d, which does not divide the %v channels", groups, x[1])
		return
	}
	for i := 1; i < 3; i++ {
		if d := n.dims(i); d != nil && n.rank(i, 1, 1) && !perGroup {
			n.equal(x[1], d[0], "input %d, %s, and the channels of %v differ", i, onnx.Quote(n.proto.Input[i]), n.arg(0))
		}
	}
}

func inferLayerNorm(n *inferNode) {
	x := n.dims(0)
	n.shape(0, x)
	if x == nil {
		return
	}
	axis, ok := n.axis(n.int("axis", -1), len(x))
	if !ok {
		return
	}
	n.scaleFits(x, axis)
	reduced := slices.Clone(x)
	for i := axis; i < len(x); i++ {
		reduced[i] = onnx.Fixed(1)
	}
	elem := n.elemAttr("stash_type", pb.TensorProto_FLOAT)
	n.set(1, elem, reduced)
	n.set(2, elem, reduced)
}

func inferRMSNorm(n *inferNode) {
	x := n.dims(0)
	n.shape(0, x)
	if x == nil {
		return
	}
	if axis, ok := n.axis(n.int("axis", -1), len(x)); ok {
		n.scaleFits(x, axis)
	}
}

// scaleFits holds scale and bias against the axes that are normalized.
func (n *inferNode) scaleFits(x []onnx.Dim, axis int) {
	for i := 1; i < len(n.in); i++ {
		joined, ok := broadcast(x[axis:], n.dims(i))
		if n.dims(i) != nil && (!ok || len(joined) > len(x)) {
			n.wrong("shape-mismatch", "input %d, %s, is %v, which does not broadcast to %v from axis %d on", i, onnx.Quote(n.proto.Input[i]), n.arg(i), n.arg(0), axis)
		}
	}
}

func inferRecurrent(n *inferNode) {
	x, w, r := n.dims(0), n.dims(1), n.dims(2)
	if x == nil || !n.rank(0, 3, 3) {
		return
	}
	directions := onnx.Fixed(1)
	switch d := n.string("direction", "forward"); d {
	case "bidirectional":
		directions = onnx.Fixed(2)
	case "forward", "reverse":
	default:
		n.wrong("attribute-range", "attribute \"direction\" is %s, want forward, reverse or bidirectional", onnx.Quote(d))
		return
	}
	hidden := onnx.Unknown()
	if h := n.int("hidden_size", 0); h > 0 {
		hidden = onnx.Fixed(h)
	}
	if r != nil && n.rank(2, 3, 3) {
		directions = n.equal(directions, r[0], "the directions and those of R differ")
		hidden = n.equal(hidden, r[2], "hidden_size and R differ")
	}
	if w != nil && n.rank(1, 3, 3) {
		n.equal(directions, w[0], "the directions and those of W differ")
		n.equal(x[2], w[2], "the input's last axis and W's differ")
	}
	if n.failed {
		return
	}
	seq, batch := x[0], x[1]
	state := []onnx.Dim{directions, batch, hidden}
	all := []onnx.Dim{seq, directions, batch, hidden}
	if n.flag("layout", false) {
		seq, batch = batch, seq
		state = []onnx.Dim{batch, directions, hidden}
		all = []onnx.Dim{batch, seq, directions, hidden}
	}
	n.shape(0, all)
	n.shape(1, state)
	n.shape(2, state)
	n.spend(sat.Mul(leastElements(all), leastElements([]onnx.Dim{x[2], hidden})), n.at)
}
