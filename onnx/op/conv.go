package op

import (
	"cmp"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
)

func convolutions() map[string]Rule {
	return map[string]Rule{
		"CausalConvWithState": ruleCausalConv,
		"Col2Im":              ruleCol2Im,
		"Conv":                ruleConv,
		"ConvInteger":         ruleConvInteger,
		"ConvTranspose":       ruleConvTranspose,
		"DeformConv":          ruleDeformConv,
		"QLinearConv":         ruleQLinearConv,
	}
}

// A window is how a convolution or pooling goes over the spatial axes.
type window struct {
	kernel, strides, dilations []int64
	pads                       []int64 // all begins, then all ends
	auto                       string
}

// window reads the attributes for rank spatial axes. The kernel may be nil when
// the weights say it.
func (n *Node) window(rank int) (window, bool) {
	ones := func(k int, v int64) []int64 { return slices.Repeat([]int64{v}, k) }
	w := window{strides: ones(rank, 1), dilations: ones(rank, 1), pads: ones(2*rank, 0), auto: cmp.Or(n.string("auto_pad"), "NOTSET")}
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
		if !ok {
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
	if v, ok := n.ints("pads"); ok && len(v) > 0 && w.auto != "NOTSET" {
		n.wrong("either-or", "attribute \"pads\" is given, and \"auto_pad\" is %s", w.auto)
		return w, false
	}
	return w, true
}

// out is the length of spatial axis i after the window went over it. ceil lets
// the last window hang over the end.
func (w window) out(n *Node, i int, in onnx.Dim, ceil bool) onnx.Dim {
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
	if ceil {
		end := in.Size - w.pads[len(w.strides)+i] // where the padding at the end begins
		if (in.Size-reach)%w.strides[i] != 0 {
			steps++
		}
		if steps > 0 && steps*w.strides[i] >= end { // no window begins in the padding
			steps--
		}
	}
	return onnx.Fixed(steps + 1)
}

func ruleConv(n *Node) { n.conv(1, 2) }

func ruleConvInteger(n *Node) {
	n.perChannel(1, 3)
	n.conv(1, noInput)
}

func ruleQLinearConv(n *Node) {
	n.perChannel(3, 4)
	n.perChannel(3, 5)
	n.conv(3, 8)
}

// perChannel sees that input s has one element, or one for each output channel of
// the weights.
func (n *Node) perChannel(weights, s int) {
	if d, w := n.dims(s), n.dims(weights); len(d) == 1 && d[0] != onnx.Fixed(1) && len(w) > 0 {
		n.like(s, w[0])
	}
}

// ruleDeformConv is a convolution whose taps move by offsets.
func ruleDeformConv(n *Node) {
	x, weights := n.dims(0), n.dims(1)
	n.conv(1, 3)
	if n.failed || x == nil || weights == nil || len(n.out) == 0 || n.out[0].Dims == nil {
		return
	}
	groups, taps := n.int("offset_group"), int64(1)
	for _, d := range weights[2:] {
		if !d.Known() {
			return
		}
		taps = sat.Mul(taps, d.Size)
	}
	if x[1].Known() && x[1].Size%groups != 0 {
		n.wrong("shape-mismatch", "%d groups of offsets do not divide the %v channels", groups, x[1])
		return
	}
	spatial := n.out[0].Dims[2:]
	n.like(2, join([]onnx.Dim{x[0], onnx.Fixed(sat.Mul(sat.Mul(groups, taps), int64(len(spatial))))}, spatial)...)
	n.like(4, join([]onnx.Dim{x[0], onnx.Fixed(sat.Mul(groups, taps))}, spatial)...)
}

// conv is a convolution of input 0 with the weights wi and the bias bi.
func (n *Node) conv(wi, bi int) {
	x, weights := n.dims(0), n.dims(wi)
	if x == nil {
		return
	}
	if !n.rank(0, 3, anyRank) || weights != nil && !n.rank(wi, len(x), len(x)) {
		return
	}
	spatial := len(x) - 2
	w, ok := n.window(spatial)
	if !ok {
		return
	}
	group := n.int("group")
	if weights == nil {
		return
	}
	channels := weights[1]
	if channels.Known() {
		channels.Size = sat.Mul(channels.Size, group)
	} else if group != 1 {
		channels = onnx.Unknown()
	}
	n.equal(x[1], channels, "the channels of %v and of the weights %v in %d groups differ", n.arg(0), n.arg(wi), group)
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
	n.host.Spend(sat.Mul(LeastElements(dims), LeastElements(weights[1:])))
}

// kernelOf compares kernel_shape with the weights, or takes it from them. It
// leaves the kernel nil when nothing says it.
func (n *Node) kernelOf(w *window, weights []onnx.Dim) bool {
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

func ruleConvTranspose(n *Node) { n.convTranspose(2, func(*window) bool { return true }) }

// convTranspose is a transposed convolution with its bias in an input. pads says whether those of the window are
// known, after it filled them in where they are not the attribute.
func (n *Node) convTranspose(bias int, pads func(*window) bool) {
	x, weights := n.dims(0), n.dims(1)
	if x == nil || !n.rank(0, 3, anyRank) || weights != nil && !n.rank(1, len(x), len(x)) {
		return
	}
	spatial := len(x) - 2
	w, ok := n.window(spatial)
	group := n.int("group")
	if !ok || weights == nil {
		return
	}
	if x[1].Known() && x[1].Size%group != 0 {
		n.wrong("shape-mismatch", "%d groups do not divide the %v channels", group, x[1])
	}
	n.equal(x[1], weights[0], "the channels of %v and of the weights %v differ", n.arg(0), n.arg(1))
	if !n.kernelOf(&w, weights[2:]) {
		return
	}
	known := pads(&w)
	channels := onnx.Unknown()
	if weights[1].Known() {
		channels = onnx.Fixed(sat.Mul(weights[1].Size, group))
	}
	if b := n.dims(bias); b != nil && n.given(bias) && n.rank(bias, 1, 1) {
		n.equal(b[0], channels, "the bias and the output channels differ")
	}
	extra := slices.Repeat([]int64{0}, spatial)
	if v, ok := n.ints("output_padding"); ok && len(v) > 0 {
		if len(v) != spatial || slices.Min(v) < 0 {
			n.wrong("attribute-range", "attribute \"output_padding\" is %s for %d spatial axes", onnx.Few(v), spatial)
			return
		}
		for i := range v {
			if most := max(w.strides[i], w.dilations[i]); v[i] >= most {
				n.wrong("attribute-range", "attribute \"output_padding\" is %s, want less than %d, the stride or dilation, on spatial axis %d", onnx.Few(v), most, i)
				return
			}
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
		case !d.Known() || w.kernel == nil || !known:
			dims = append(dims, onnx.Unknown())
		case w.auto == "SAME_UPPER" || w.auto == "SAME_LOWER":
			dims = append(dims, onnx.Fixed(sat.Mul(d.Size, w.strides[i])))
		default:
			pads := w.pads[i] + w.pads[spatial+i]
			if w.auto == "VALID" {
				pads = 0
			}
			size := spread(d.Size, w.strides[i], extra[i]+(w.kernel[i]-1)*w.dilations[i]+1) - pads
			if size < 0 {
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
	n.host.Spend(sat.Mul(LeastElements(x), LeastElements(weights[1:])))
}

func ruleCol2Im(n *Node) {
	d := n.dims(0)
	if d == nil || !n.rank(0, 3, 3) {
		return
	}
	image, ok := n.shapeInput(1)
	block, known := n.knownInts(2)
	if !ok {
		return
	}
	for _, a := range []struct {
		name string
		each int
	}{{"strides", 1}, {"dilations", 1}, {"pads", 2}} {
		if v, ok := n.ints(a.name); ok && len(v) != a.each*len(image) {
			n.wrong("attribute-range", "attribute %q has %d entries for %d spatial axes", a.name, len(v), len(image))
			return
		}
	}
	if known && len(block) != len(image) {
		n.wrong("shape-mismatch", "blocks of %d axes for an image of %d", len(block), len(image))
		return
	}
	channels := onnx.Unknown()
	if known {
		taps := int64(1)
		for _, b := range block {
			taps = sat.Mul(taps, max(b, 1))
		}
		if d[1].Known() && d[1].Size%taps != 0 {
			n.wrong("shape-mismatch", "blocks of %d elements do not divide the %v rows", taps, d[1])
			return
		}
		if d[1].Known() {
			channels = onnx.Fixed(d[1].Size / taps)
		}
	}
	n.shape(0, append([]onnx.Dim{d[0], channels}, image...))
}

// ruleCausalConv keeps the shape, and hands on as many elements as the kernel reaches
// back.
func ruleCausalConv(n *Node) {
	x, w := n.dims(0), n.dims(1)
	if x == nil || w == nil || !n.rank(0, 3, 3) || !n.rank(1, 3, 3) {
		n.shape(0, x)
		return
	}
	channels := n.equal(x[1], w[0], "channels and kernels")
	n.equal(w[1], onnx.Fixed(1), "the middle axis of the kernels")
	reach := onnx.Unknown()
	if w[2].Known() {
		if reach = onnx.Fixed(w[2].Size - 1); w[2].Size < 1 {
			n.wrong("shape-mismatch", "kernels without an element, %v", n.arg(1))
			return
		}
	}
	n.like(2, channels)
	n.like(3, x[0], channels, reach)
	n.shape(0, []onnx.Dim{x[0], channels, x[2]})
	n.shape(1, []onnx.Dim{x[0], channels, reach})
}
