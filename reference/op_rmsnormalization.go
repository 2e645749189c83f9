package reference

import (
	"fmt"
	"slices"
)

// opRMSNormalization is x / sqrt(mean of x² + epsilon) scale, with the mean over
// the axes from attribute axis on. ONNX RMSNormalization, opset 23.
var opRMSNormalization = operator{
	name: "RMSNormalization",
	eval: single(func(c *call) (*Value, error) {
		x, scale := c.in[0], c.in[1]
		axis, err := c.axis("axis", -1, len(x.Dims))
		if err != nil {
			return nil, err
		}
		rows, n := size(x.Dims[:axis]), size(x.Dims[axis:])
		if got, err := broadcast(scale.Dims, x.Dims); err != nil || !slices.Equal(got, x.Dims) {
			return nil, fmt.Errorf("scale of shape %v does not stretch to %v", scale.Dims, x.Dims)
		}
		out, err := c.numbers(x.Type, x.Dims...)
		if err != nil {
			return nil, err
		}
		f, last := c.stash(), c.affineFormat(x)
		epsilon := exact(c.float("epsilon"))
		stretch := newStretch(scale.Dims, x.Dims)
		squares := make([]number, n)
		for r := range rows {
			if n == 0 {
				break
			}
			for k := range squares {
				y := x.at(r*n + k)
				squares[k] = f.mul(y, y)
			}
			root := sqrtFunction.at(f, f.add(f.meanOf(squares, n), epsilon))
			for k := range n {
				normal, s := f.ratio(x.at(r*n+k), root), scale.at(stretch.index(r*n+k))
				if last == nil {
					out.set(r*n+k, f.mul(normal, s))
				} else {
					out.set(r*n+k, last.mul(last.rounded(normal, 1), s))
				}
			}
		}
		return out, nil
	}),
}
