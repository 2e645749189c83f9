package reference

import (
	"fmt"
)

// opInstanceNormalization is (x - mean) / sqrt(var + epsilon) scale + B with the
// statistics of every channel of every instance. ONNX InstanceNormalization,
// opset 1, 6, 22.
var opInstanceNormalization = operator{
	name: "InstanceNormalization",
	eval: single(func(c *call) *Value {
		x := c.in[0]
		if len(x.Dims) < 2 {
			fail(fmt.Errorf("input of shape %v, want batch and channels", x.Dims))
		}
		channels := x.Dims[1]
		for i := 1; i <= 2; i++ {
			if c.in[i].Len() != channels {
				fail(fmt.Errorf("input %d of shape %v, want [%d]", i, c.in[i].Dims, channels))
			}
		}
		one := func(_, ch int) (number, number) { return c.in[1].at(ch), c.in[2].at(ch) }
		return c.normalizeGroups(c.format(x), nil, x, x.Dims[0]*channels, one, func(group, _ int) int { return group % channels })
	}),
}

// normalizeGroups normalises runs of elements, each group by its own mean and
// variance, and applies the scale and bias of the channel of each element, in the
// format last unless that is nil.
func (c *call) normalizeGroups(f format, last *format, x *Value, groups int, params func(group, channel int) (scale, bias number), channel func(group, k int) int) *Value {
	out := c.numbers(x.Type, x.Dims...)
	if x.Len() == 0 {
		return out
	}
	f.own = ownInNormalisation
	epsilon := exact(c.float("epsilon"))
	n := x.Len() / groups
	factors := make([]float64, x.Len())
	c.each(groups, 4*n, func(g int) {
		terms := make([]number, n)
		for k := range terms {
			terms[k] = x.at(g*n + k)
		}
		mean, variance := f.moments(terms)
		std := sqrtFunction.at(f, f.add(variance, epsilon))
		for k, t := range terms {
			scale, bias := params(g, channel(g, k))
			factors[g*n+k] = scale.v / std.v
			if last == nil {
				out.set(g*n+k, f.affine(t, mean, f.ratio(scale, std), bias))
				continue
			}
			out.set(g*n+k, last.add(last.mul(last.rounded(f.ratio(f.sub(t, mean), std), 1), scale), bias))
		}
	})
	out.origin = passed(x, out, c.format(out).u, func(i int) float64 { return factors[i] * x.Spread[i] })
	return out
}
