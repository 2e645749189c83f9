package reference

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opLayerNormalization is (x - mean) / sqrt(var + epsilon) Scale + B, with mean
// and variance over the axes from attribute axis on; mean and 1/sqrt(var +
// epsilon) are further outputs. ONNX LayerNormalization, opset 17; ONNX Runtime has it
// from opset 1 on.
var opLayerNormalization = operator{
	name: "LayerNormalization",
	eval: func(c *call) []*Value {
		x, scale, bias := c.in[0], c.in[1], c.in[2]
		axis := c.axis("axis", len(x.Dims))
		rows, n := size(x.Dims[:axis]), size(x.Dims[axis:])
		for i, v := range []*Value{scale, bias} {
			if v == nil {
				continue
			}
			if got, err := broadcast(v.Dims, x.Dims); err != nil || !slices.Equal(got, x.Dims) {
				fail(fmt.Errorf("input %d of shape %v does not stretch to %v", 1+i, v.Dims, x.Dims))
			}
		}
		y := c.numbers(scale.Type, x.Dims...)
		small := slices.Clone(x.Dims)
		for a := axis; a < len(small); a++ {
			small[a] = 1
		}
		stash := c.stashType()
		means := c.numbers(stash, small...)
		inverse := c.numbers(stash, small...)
		f, last := c.stash(), c.affineFormat(x, scale)
		f.own = ownInNormalisation
		epsilon := exact(c.float("epsilon"))
		// Scale and B broadcast to all of X, not only to the axes of the mean.
		ss, sb := newStretch(scale.Dims, x.Dims), stretch{}
		if bias != nil {
			sb = newStretch(bias.Dims, x.Dims)
		}
		c.each(rows, 4*n, func(r int) {
			if n == 0 {
				c.undefined(means, r, emptyMean)
				c.undefined(inverse, r, emptyMean)
				return
			}
			terms := make([]number, n)
			for k := range terms {
				terms[k] = x.at(r*n + k)
			}
			mean, variance := f.moments(terms)
			std := f.div(exact(1), sqrtFunction.at(f, f.add(variance, epsilon)))
			means.set(r, mean)
			inverse.set(r, std)
			for k, t := range terms {
				b := exact(0)
				if bias != nil {
					b = bias.at(sb.index(r*n + k))
				}
				if last == nil {
					y.set(r*n+k, f.affine(t, mean, f.mul(std, scale.at(ss.index(r*n+k))), b))
					continue
				}
				y.set(r*n+k, last.add(last.mul(last.rounded(f.mul(f.sub(t, mean), std), 1), scale.at(ss.index(r*n+k))), b))
			}
		})
		y.origin = passed(x, y, c.format(y).u, func(i int) float64 { return inverse.Float(i/n) * scale.Float(ss.index(i)) * x.Spread[i] })
		return []*Value{y, means, inverse}
	},
}

// stashType is the type that a normalisation keeps its statistics in: float32
// unless attribute stash_type says otherwise.
func (c *call) stashType() pb.TensorProto_DataType {
	return pb.TensorProto_DataType(c.int("stash_type"))
}

// stash is the format that a normalisation computes in, up to its scale and bias.
// It is what the file asks for, whatever the profile.
func (c *call) stash() format {
	f := formatOf(c.stashType())
	f.reordered = c.reordered
	return f
}

// affineFormat is the format of scale and bias where it is not that of the
// statistics, nil otherwise: the normalised value is then rounded to the type of x
// before it is scaled, or is not; the three roundings cover both.
func (c *call) affineFormat(x, scale *Value) *format {
	f := formatOf(x.Type)
	if g := formatOf(scale.Type); c.profile.stored(scale.Type) == nil && g.u > f.u { // the result's type, which set does not round to
		f = g
	}
	if f.u <= c.stash().u {
		return nil
	}
	return &f
}
