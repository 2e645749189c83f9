package reference

import (
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opNonZero lists the coordinates of the elements other than zero, one column
// each. ONNX NonZero, opset 9, 13.
var opNonZero = operator{
	name: "NonZero", in: []port{sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		var found []int
		for i := range x.Len() {
			if s, ok := x.Data.(onnx.Slice[string]); ok && s[i] != "" || !ok && x.Float(i) != 0 {
				found = append(found, i)
			}
		}
		rank := max(len(x.Dims), 1)
		out := c.zeros(pb.TensorProto_INT64, false, rank, len(found))
		at := make([]int, len(x.Dims))
		for k, i := range found {
			unravel(i, x.Dims, at)
			for a, v := range at {
				elems[int64](out)[a*len(found)+k] = int64(v)
			}
		}
		return out
	}),
}
