package reference

import (
	"fmt"
	"slices"
)

// opRMSNormalization is x / sqrt(mean of x² + epsilon) scale, with the mean over
// the axes from attribute axis on. ONNX RMSNormalization, opset 23.
var opRMSNormalization = operator{
	name: "RMSNormalization",
	eval: func(c *call) []*Value {
		y, _ := c.rmsNormalization()
		return []*Value{y}
	},
}

// opSimplifiedLayerNormalization is RMSNormalization; 1/sqrt(mean of x² + epsilon)
// is a second output. ONNX Runtime has it in ONNX's domain, of opset 1.
var opSimplifiedLayerNormalization = operator{
	name: "SimplifiedLayerNormalization",
	eval: func(c *call) []*Value {
		y, inverse := c.rmsNormalization()
		return []*Value{y, inverse}
	},
}

// rmsNormalization returns the normalised and scaled input 0, and what it was
// normalised by.
func (c *call) rmsNormalization() (out, inverse *Value) {
	x, scale := c.in[0], c.in[1]
	axis := c.axis("axis", len(x.Dims))
	rows, n := size(x.Dims[:axis]), size(x.Dims[axis:])
	if got, err := broadcast(scale.Dims, x.Dims); err != nil || !slices.Equal(got, x.Dims) {
		fail(fmt.Errorf("scale of shape %v does not stretch to %v", scale.Dims, x.Dims))
	}
	out = c.numbers(scale.Type, x.Dims...)
	small := slices.Clone(x.Dims)
	for a := axis; a < len(small); a++ {
		small[a] = 1
	}
	inverse = c.floatResult(c.stashType(), small)
	f, last := c.stash(), c.affineFormat(x, scale)
	f.own = ownInNormalisation
	epsilon := exact(c.float("epsilon"))
	stretch := newStretch(scale.Dims, x.Dims)
	squares := make([]number, n)
	for r := range rows {
		if n == 0 {
			if len(c.step.out) > 1 {
				c.undefined(inverse, r, emptyMean)
			}
			continue
		}
		for k := range squares {
			y := x.at(r*n + k)
			squares[k] = f.mul(y, y)
		}
		root := sqrtFunction.at(f, f.add(f.meanOf(squares, n), epsilon))
		inverse.set(r, f.div(exact(1), root))
		for k := range n {
			normal, s := f.ratio(x.at(r*n+k), root), scale.at(stretch.index(r*n+k))
			if last == nil {
				out.set(r*n+k, f.mul(normal, s))
			} else {
				out.set(r*n+k, last.mul(last.rounded(normal, 1), s))
			}
		}
	}
	out.origin = passed(x, out, c.format(out).u, func(i int) float64 { return inverse.Float(i/n) * scale.Float(stretch.index(i)) * x.Spread[i] })
	return out, inverse
}
