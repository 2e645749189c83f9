package reference

import (
	"fmt"
	"slices"
)

// opSplitToSequence cuts its input along an axis into a sequence: into pieces of
// the lengths in input 1, of one length if that is a scalar, or of length 1, which
// lose the axis if keepdims is 0. ONNX SplitToSequence, opset 11, 24.
var opSplitToSequence = operator{
	name: "SplitToSequence", in: []port{moves, sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		axis := c.axis("axis", len(x.Dims))
		n := x.Dims[axis]
		lengths, ok := c.intInput(1)
		if !ok {
			lengths = slices.Repeat([]int{1}, n)
		}
		if ok && len(c.in[1].Dims) == 0 {
			each := lengths[0]
			if each < 1 {
				fail(fmt.Errorf("pieces of length %d", each))
			}
			lengths = nil
			for from := 0; from < n; from += each {
				lengths = append(lengths, min(each, n-from))
			}
		}
		parts := c.cut(x, axis, lengths)
		if !ok && c.int("keepdims") == 0 {
			for i, p := range parts {
				parts[i] = reshaped(p, slices.Delete(slices.Clone(p.Dims), axis, axis+1))
			}
		}
		return &Value{Kind: Sequence, Elems: parts}
	}),
}
