package op

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

// Opset 1 had experimental operators, which ONNX dropped without a word in its change logs. Models that Core ML's
// converter and Caffe2 wrote until 2019 have them, and ONNX Runtime runs those below up to opset 9; their schemas are
// ONNX Runtime's. Two of them became operators of ONNX later, with other attributes: MeanVarianceNormalization and
// ThresholdedRelu, which are with their families.
func experiments() map[string]Rule {
	return map[string]Rule{
		"Affine":             ruleSame,
		"Crop":               ruleCrop,
		"DynamicSlice":       ruleSlice,
		"ImageScaler":        ruleImageScaler,
		"ParametricSoftplus": ruleSame,
		"Scale":              ruleSame,
		"ScaledTanh":         ruleSame,
	}
}

// undescribed are the experimental operators that the ONNX checker passes.
var undescribed = []string{
	"ATen", "Affine", "ConstantFill", "Crop", "DynamicSlice", "GRUUnit", "GivenTensorFill", "ImageScaler", "ParametricSoftplus", "Scale", "ScaledTanh",
}

// Undescribed reports whether an operator is one of the experimental ones that
// the ONNX checker passes, although no specification describes them.
func Undescribed(domain, name string) bool {
	return onnx.Domain(domain) == "" && slices.Contains(undescribed, name)
}

// ruleCrop cuts borders from images, left, top, right and bottom; or takes scale, a height and a width, from the left
// and top borders on.
func ruleCrop(n *Node) {
	border, _ := n.ints("border")
	scale, scaled := n.ints("scale")
	switch x := n.dims(0); {
	case len(border) != 4 || slices.ContainsFunc(border, func(b int64) bool { return b < 0 }):
		n.wrong("attribute-range", "attribute \"border\" is %s, want four lengths: left, top, right, bottom", onnx.Few(border))
	case scaled && (len(scale) != 2 || scale[0] < 0 || scale[1] < 0):
		n.wrong("attribute-range", "attribute \"scale\" is %s, want a height and a width", onnx.Few(scale))
	case x != nil && n.rank(0, 4, 4):
		left, top, right, bottom := border[0], border[1], border[2], border[3]
		height, width := n.cropped(x[2], top, bottom), n.cropped(x[3], left, right)
		if scaled && !n.failed {
			n.cropped(x[2], top, scale[0])
			n.cropped(x[3], left, scale[1])
			height, width = onnx.Fixed(scale[0]), onnx.Fixed(scale[1])
		}
		n.shape(0, []onnx.Dim{x[0], x[1], height, width})
	}
}

// cropped is a side of an image without a border at either end.
func (n *Node) cropped(side onnx.Dim, before, after int64) onnx.Dim {
	if !side.Known() {
		return onnx.Unknown()
	}
	if before > side.Size || after > side.Size-before {
		n.wrong("shape-mismatch", "%d and %d elements of a side of %d", before, after, side.Size)
		return onnx.Unknown()
	}
	return onnx.Fixed(side.Size - before - after)
}

// ruleImageScaler has a bias for each channel.
func ruleImageScaler(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	if x != nil && n.rank(0, 4, 4) {
		n.equal(onnx.Fixed(int64(len(n.attr("bias").GetFloats()))), x[1], "attribute \"bias\" has not one number for each channel")
	}
}
