package reference

import (
	"fmt"
	"math"
)

// opDepthToSpace moves blocks of channels into space: depth, column, row order
// (DCR) or column, row, depth (CRD). ONNX DepthToSpace, opset 1, 11, 13.
var opDepthToSpace = operator{
	name: "DepthToSpace", in: []port{moves},
	eval: single(func(c *call) *Value {
		x, b := c.in[0], c.int("blocksize")
		if len(x.Dims) != 4 || b < 1 || b > math.MaxInt16 || x.Dims[1]%(b*b) != 0 {
			fail(fmt.Errorf("input of shape %v in blocks of %d", x.Dims, b))
		}
		n, d, h, w := x.Dims[0], x.Dims[1]/(b*b), x.Dims[2], x.Dims[3]
		var six, perm []int
		switch mode := c.text("mode"); mode {
		case "DCR":
			six, perm = []int{n, b, b, d, h, w}, []int{0, 3, 4, 1, 5, 2}
		case "CRD":
			six, perm = []int{n, d, b, b, h, w}, []int{0, 1, 4, 2, 5, 3}
		default:
			fail(fmt.Errorf("attribute mode is %q, want DCR or CRD", mode))
		}
		y := c.transpose(reshaped(x, six), perm)
		return reshaped(y, []int{n, d, h * b, w * b})
	}),
}

// opSpaceToDepth moves blocks of space into channels, in the order that
// DepthToSpace undoes. ONNX SpaceToDepth, opset 1, 13, 28.
var opSpaceToDepth = operator{
	name: "SpaceToDepth", in: []port{moves},
	eval: single(func(c *call) *Value {
		x, b := c.in[0], c.int("blocksize")
		if len(x.Dims) != 4 || b < 1 || b > math.MaxInt16 || x.Dims[2]%b != 0 || x.Dims[3]%b != 0 {
			fail(fmt.Errorf("input of shape %v in blocks of %d", x.Dims, b))
		}
		n, d, h, w := x.Dims[0], x.Dims[1], x.Dims[2]/b, x.Dims[3]/b
		perm := []int{0, 3, 5, 1, 2, 4}
		switch mode := c.text("mode"); mode {
		case "DCR":
		case "CRD":
			perm = []int{0, 1, 3, 5, 2, 4}
		default:
			fail(fmt.Errorf("attribute mode is %q, want DCR or CRD", mode))
		}
		y := c.transpose(reshaped(x, []int{n, d, h, b, w, b}), perm)
		return reshaped(y, []int{n, d * b * b, h, w})
	}),
}
