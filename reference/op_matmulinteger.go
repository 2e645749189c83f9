package reference

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMatMulInteger is the product of A - a and B - b for zero points a, of A or its
// rows, and b, of B or its columns. ONNX MatMulInteger, opset 10.
var opMatMulInteger = operator{
	name: "MatMulInteger",
	eval: single(func(c *call) (*Value, error) {
		p, err := c.shiftedProduct(c.in[0], c.in[2], c.in[1], c.in[3])
		if err != nil {
			return nil, err
		}
		return c.cast(p, pb.TensorProto_INT32)
	}),
}

// shiftedProduct is the product of integers less their zero points, exactly, as
// int64.
func (c *call) shiftedProduct(a, zeroA, b, zeroB *Value) (*Value, error) {
	left, err := c.shifted(a, zeroA, len(a.Dims)-2)
	if err != nil {
		return nil, err
	}
	right, err := c.shifted(b, zeroB, len(b.Dims)-1)
	if err != nil {
		return nil, err
	}
	p, err := c.matMul(left, right)
	if err != nil {
		return nil, err
	}
	return p, c.addLost(p, a, b)
}

// shifted is x less a zero point, which is one for all or one for each place
// along an axis, as int64.
func (c *call) shifted(x, zero *Value, axis int) (*Value, error) {
	out, err := c.cast(x, pb.TensorProto_INT64)
	if err != nil || zero == nil {
		return out, err
	}
	n, inner := 1, 1
	if zero.Len() != 1 {
		if axis < 0 || axis >= len(x.Dims) || zero.Len() != x.Dims[axis] {
			return nil, fmt.Errorf("zero point of shape %v for shape %v", zero.Dims, x.Dims)
		}
		_, n, inner = split(x.Dims, axis)
	}
	d := out.Data.([]int64)
	for i := range d {
		d[i] -= int64(zero.Float(i / inner % n))
	}
	return out, nil
}
