package op

import (
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

func images() map[string]Rule {
	return map[string]Rule{
		"AffineGrid":    ruleAffineGrid,
		"CenterCropPad": ruleCenterCropPad,
		"GridSample":    ruleGridSample,
		"ImageDecoder":  ruleImageDecoder,
		"Resize":        ruleResize,
		"Upsample":      ruleResize,
	}
}

// ruleImageDecoder gives (height, width, channels), none of which the stream tells before it is decoded: one that cannot be gives an
// empty image.
func ruleImageDecoder(n *Node) {
	n.shape(0, []onnx.Dim{onnx.Unknown(), onnx.Unknown(), onnx.Unknown()})
}

// ruleResize covers Upsample too. Scales and sizes are inputs, apart from the
// scales of Upsample before opset 9.
func ruleResize(n *Node) {
	d := n.dims(0)
	if d == nil {
		return
	}
	scalesAt, sizesAt := 1, -1
	if n.Name == "Resize" && n.Since >= 11 {
		scalesAt, sizesAt = 2, 3
	}
	filled := func(i int) bool { return n.given(i) && !slices.Contains(n.dims(i), onnx.Fixed(0)) }
	scales, okScales := n.arg(scalesAt).floats()
	if a := n.attr("scales"); a != nil {
		scales, okScales = widen(a.GetFloats()), true
	}
	axes := make([]int64, len(d))
	for i := range axes {
		axes[i] = int64(i)
	}
	if v, ok := n.ints("axes"); ok {
		axes = v
	}
	if _, ok := n.axisSet(axes, len(d)); !ok {
		return
	}
	if n.string("coordinate_transformation_mode") == "tf_crop_and_resize" && n.Since >= 11 {
		n.like(1, onnx.Fixed(int64(2*len(axes))))
	}
	dims := slices.Clone(d)
	if sizesAt > 0 && len(n.dims(scalesAt)) == 1 && filled(scalesAt) && filled(sizesAt) && n.dims(scalesAt)[0].Known() {
		n.wrong("either-or", "scales and sizes are both given")
		return
	}
	if sizesAt > 0 && !filled(scalesAt) && !filled(sizesAt) && (n.dims(scalesAt) != nil || !n.given(scalesAt)) && (n.dims(sizesAt) != nil || !n.given(sizesAt)) {
		n.wrong("either-or", "neither scales nor sizes are given")
		return
	}
	if filled(scalesAt) {
		n.length(scalesAt, len(axes))
	}
	if filled(sizesAt) {
		n.length(sizesAt, len(axes))
	}
	if n.failed {
		return
	}
	if sizesAt > 0 && filled(sizesAt) {
		n.resizeTo(dims, axes, sizesAt)
		return
	}
	if !okScales || len(scales) == 0 {
		for _, v := range axes {
			if a, ok := n.axis(v, len(d)); ok {
				dims[a] = onnx.Unknown()
			}
		}
		n.shape(0, dims)
		return
	}
	if len(scales) != len(axes) {
		n.wrong("shape-mismatch", "%d scales for %d axes", len(scales), len(axes))
		return
	}
	for i, v := range axes {
		a, ok := n.axis(v, len(d))
		if !ok {
			return
		}
		s := scales[i]
		switch {
		case !(s > 0) || math.IsInf(s, 0) || s < 1 && n.Name == "Upsample":
			n.wrong("attribute-range", "a scale of %g on axis %d", s, a)
			return
		case s == 1:
		case !d[a].Known():
			dims[a] = onnx.Unknown()
			n.host.AtLeast(int64(min(s, 1<<62)))
		default:
			// In float32, as ONNX's own inference and ONNX Runtime multiply: 10 times 0.7 is 7.
			size := math.Floor(float64(float32(d[a].Size) * float32(s)))
			if size > 1<<62 {
				size = 1 << 62
			}
			dims[a] = onnx.Fixed(int64(size))
		}
	}
	n.shape(0, dims)
}

// resizeTo reads the sizes of some axes from an input.
func (n *Node) resizeTo(dims []onnx.Dim, axes []int64, sizesAt int) {
	sizes, ok := n.shapeInput(sizesAt)
	if ok && len(sizes) != len(axes) {
		n.wrong("shape-mismatch", "%d sizes for %d axes", len(sizes), len(axes))
		return
	}
	policy := n.string("keep_aspect_ratio_policy")
	for i, v := range axes {
		a, inRange := n.axis(v, len(dims))
		if !inRange {
			return
		}
		dims[a] = onnx.Unknown()
		if ok && policy == "stretch" {
			dims[a] = sizes[i]
		}
	}
	n.shape(0, dims)
}

// ruleGridSample has a grid with one coordinate for each spatial axis.
func ruleGridSample(n *Node) {
	x, grid := n.dims(0), n.dims(1)
	if x == nil || grid == nil || !n.rank(0, 3, anyRank) || !n.rank(1, len(x), len(x)) {
		return
	}
	n.equal(grid[len(grid)-1], onnx.Fixed(int64(len(x)-2)), "the last axis of the grid %v, and the spatial axes of %v", n.arg(1), n.arg(0))
	n.shape(0, join([]onnx.Dim{n.equal(x[0], grid[0], "the batches of %v and %v differ", n.arg(0), n.arg(1)), x[1]}, grid[1:len(grid)-1]))
}

func ruleAffineGrid(n *Node) {
	size, ok := n.shapeInput(1)
	if !ok || len(size) < 3 {
		return
	}
	n.shape(0, join(size[:1], size[2:], []onnx.Dim{onnx.Fixed(int64(len(size) - 2))}))
}

func ruleCenterCropPad(n *Node) {
	d := n.dims(0)
	if d == nil {
		return
	}
	target, ok := n.shapeInput(1)
	axes, given := n.ints("axes")
	if !ok {
		n.shape(0, unknownDims(len(d)))
		return
	}
	if !given {
		for i := range d {
			axes = append(axes, int64(i))
		}
	}
	if _, ok := n.axisSet(axes, len(d)); !ok {
		return
	}
	if len(axes) != len(target) {
		n.wrong("shape-mismatch", "%d lengths for %d axes", len(target), len(axes))
		return
	}
	dims := slices.Clone(d)
	for i, v := range axes {
		if a, ok := n.axis(v, len(d)); ok {
			dims[a] = target[i]
		}
	}
	n.shape(0, dims)
}
