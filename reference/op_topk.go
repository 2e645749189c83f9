package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opTopK is the k largest or smallest elements along an axis, and their indices;
// of equal elements the one with the lower index comes first. k is an attribute
// until opset 9. ONNX TopK, opset 1, 10, 11, 24.
var opTopK = operator{
	name: "TopK",
	in:   []port{derived, sizing},
	eval: func(c *call) []*Value {
		x := c.in[0]
		axis := c.axis("axis", len(x.Dims))
		k := c.int("k")
		if c.given(1) {
			k = c.intScalar(1)
		}
		outer, n, inner := split(x.Dims, axis)
		if k < 0 || k > n {
			fail(fmt.Errorf("k is %d of %d elements", k, n))
		}
		largest := c.int("largest") != 0
		dims := slices.Clone(x.Dims)
		dims[axis] = k
		index := make([]int, size(dims))
		order := make([]int, n)
		for o := range outer {
			for i := range inner {
				for j := range order {
					order[j] = (o*n+j)*inner + i
				}
				slices.SortStableFunc(order, func(a, b int) int {
					if !largest {
						a, b = b, a
					}
					switch {
					case x.compare(a, b) > 0:
						return -1
					case x.compare(b, a) > 0:
						return 1
					}
					return 0
				})
				for j := range k {
					index[(o*k+j)*inner+i] = order[j]
				}
			}
		}
		values := c.pick(x, dims, func(i int) int { return index[i] })
		where := c.zeros(pb.TensorProto_INT64, x.Sound != nil, dims...)
		for i, j := range index {
			elems[int64](where)[i] = int64(j / inner % n)
		}
		c.rankErrors(x, axis, values, where, index)
		for o := range outer {
			for i := range inner {
				nan := false
				for j := range n {
					nan = nan || math.IsNaN(x.Float((o*n+j)*inner+i))
				}
				for j := range k {
					if nan {
						c.undefined(values, (o*k+j)*inner+i, orderOfNaN)
						c.undefined(where, (o*k+j)*inner+i, orderOfNaN)
					}
				}
			}
		}
		return []*Value{values, where}
	},
}

// rankErrors gives a sorted list the figures that errors of the elements make:
// the r-th largest value moves by no more than the largest error, and an index
// may be any if its element has a rival.
func (c *call) rankErrors(x *Value, axis int, values, where *Value, index []int) {
	if x.Sound == nil {
		return
	}
	_, n, inner := split(x.Dims, axis)
	for i, j := range index {
		base := j/inner/n*n*inner + j%inner
		var worst number
		rival := false
		for k := range n {
			other := base + k*inner
			e := x.figures(other)
			worst.sound, worst.spread, worst.declared = max(worst.sound, e.sound), max(worst.spread, e.spread), max(worst.declared, e.declared)
			rival = rival || other != j && flips(x.at(j), x.at(other)) != number{}
		}
		values.setFigures(i, worst)
		if rival {
			where.setFigures(i, unknown(0))
		}
	}
}
