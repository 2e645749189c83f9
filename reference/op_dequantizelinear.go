package reference

import "github.com/petrify-ml/petrify/onnx/pb"

// opDequantizeLinear is (x - zero point) scale. ONNX DequantizeLinear, opset 10,
// 13, 19, 21, 23, 24, 25, 28.
var opDequantizeLinear = operator{
	name: "DequantizeLinear",
	in:   []port{moves},
	eval: single(func(c *call) *Value {
		x, scale, zero := c.in[0], c.in[1], c.in[2]
		at := c.blocks(x, scale, zero)
		t := scale.Type
		if to := c.int("output_dtype"); to != 0 {
			t = pb.TensorProto_DataType(to)
		}
		out := c.floatResult(t, x.Dims)
		f := c.format(out)
		c.each(out.Len(), 1, func(i int) {
			k := at(i)
			n := x.at(i)
			n.v -= zeroPoint(zero, k)
			out.set(i, f.scale(n, scale.at(k)))
		})
		return out
	}),
}
