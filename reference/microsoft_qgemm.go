package reference

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftQGemm is alpha (A' B' + C) times the scales of A and B, where A' is A
// less its zero point, or its transpose, likewise B', whose scale and zero point may
// be one for each column. The result is quantized where it has a scale. ONNX
// Runtime's com.microsoft QGemm.
var opMicrosoftQGemm = operator{
	name: "QGemm", domain: microsoft,
	eval: single(func(c *call) *Value {
		from := c.scaling(c.in[1], c.in[2])
		operands := []*Value{c.in[0], c.in[3]}
		for i, name := range []string{"transA", "transB"} {
			if len(operands[i].Dims) != 2 {
				fail(fmt.Errorf("operands of shape %v and %v, want matrices", c.in[0].Dims, c.in[3].Dims))
			}
			if c.int(name) == 0 {
				continue
			}
			operands[i] = c.transpose(operands[i], []int{1, 0})
		}
		p := c.shiftedProduct(operands[0], c.in[2], operands[1], c.in[5])
		if bias := c.in[6]; bias != nil {
			if got, err := broadcast(bias.Dims, p.Dims); err != nil || !slices.Equal(got, p.Dims) {
				fail(fmt.Errorf("input 6 of shape %v does not stretch to %v", bias.Dims, p.Dims))
			}
			d, s := elems[int64](p), newStretch(bias.Dims, p.Dims)
			for i := range d {
				d[i] = wrap(pb.TensorProto_INT32, d[i]+elems[int64](bias)[s.index(i)])
			}
		}
		f := c.format(c.in[1])
		a := f.scale(from.scale, exact(c.float("alpha")))
		if !c.given(7) {
			return c.scaledProduct(p, operands[1], a, c.in[4], nil)
		}
		if !c.given(8) {
			fail(fmt.Errorf("the result has a scale and no zero point"))
		}
		to := c.scaling(c.in[7], c.in[8])
		column := perColumn(c.in[4], operands[1])
		out := c.zeros(c.in[8].Type, true, p.Dims...)
		for i := range out.Len() {
			b := c.in[4].at(column(i, p.Dims[0], p.Dims[1]))
			c.store(out, i, f, f.scale(p.at(i), f.over(f.scale(a, b), to.scale)), to.zero)
		}
		return out
	}),
}
