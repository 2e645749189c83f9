package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opArgMax is the index of the largest element along an axis, the first of them
// or, with select_last_index, the last. ONNX ArgMax, opset 1, 11, 12, 13.
var opArgMax = argOperator("ArgMax", func(x *Value, i, j int) bool { return x.compare(i, j) > 0 })

// opArgMin is the index of the smallest element along an axis. ONNX ArgMin,
// opset 1, 11, 12, 13.
var opArgMin = argOperator("ArgMin", func(x *Value, i, j int) bool {
	if math.IsNaN(x.Float(i)) || math.IsNaN(x.Float(j)) {
		return x.compare(i, j) > 0 // NaN is not a number, and wins either way
	}
	return x.compare(j, i) > 0
})

func argOperator(name string, beats func(x *Value, i, j int) bool) operator {
	return operator{
		name: name,
		eval: single(func(c *call) *Value {
			x := c.in[0]
			axis := c.axis("axis", len(x.Dims))
			outer, n, inner := split(x.Dims, axis)
			if n == 0 {
				fail(fmt.Errorf("axis %d of shape %v is empty", axis, x.Dims))
			}
			dims := slices.Concat(x.Dims[:axis], []int{1}, x.Dims[axis+1:])
			if c.int("keepdims") != 1 {
				dims = slices.Concat(x.Dims[:axis], x.Dims[axis+1:])
			}
			out := c.zeros(pb.TensorProto_INT64, x.Sound != nil, dims...)
			last := c.int("select_last_index") != 0
			for o := range outer {
				for i := range inner {
					at := func(k int) int { return (o*n+k)*inner + i }
					best := 0
					for k := range n {
						if beats(x, at(k), at(best)) || last && !beats(x, at(best), at(k)) {
							best = k
						}
					}
					elems[int64](out)[o*inner+i] = int64(best)
					if out.Sound != nil {
						out.setFigures(o*inner+i, rivals(x, at, best, n))
					}
					if math.IsNaN(x.Float(at(best))) {
						c.undefined(out, o*inner+i, orderOfNaN)
					}
				}
			}
			return out
		}),
	}
}

// rivals gives the figures of an index: how far off it is if errors let another
// element win.
func rivals(x *Value, at func(k int) int, best, n int) number {
	var out number
	for k := range n {
		if k == best {
			continue
		}
		f := flips(x.at(at(best)), x.at(at(k)))
		d := math.Abs(float64(k - best))
		out.sound = max(out.sound, f.sound*d)
		out.declared = max(out.declared, f.declared*d)
	}
	return out
}
