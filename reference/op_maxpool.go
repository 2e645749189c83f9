package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMaxPool is the largest element under a sliding kernel; output 1 holds where
// it was, counted over the whole tensor, column by column if storage_order is 1.
// ONNX MaxPool, opset 1, 8, 10, 11, 12, 22.
var opMaxPool = operator{
	name: "MaxPool",
	eval: func(c *call) []*Value {
		x := c.in[0]
		w, dims := c.poolWindow(x)
		isFloat := floats&setOf(x) != 0
		out := c.zeros(x.Type, isFloat, dims...)
		where := c.zeros(pb.TensorProto_INT64, isFloat && !x.exact(), dims...)
		for _, v := range []*Value{out, where} { // for what is undefined
			if v.Sound == nil {
				c.makeRoom(v)
			}
		}
		area, reverse := size(w.in), c.int("storage_order") != 0
		c.pool(w, size(x.Dims[:2]), func(channel, at int, patch []int) {
			best := -1
			for _, p := range patch {
				if p >= 0 && (best < 0 || x.compare(channel*area+p, best) > 0) {
					best = channel*area + p
				}
			}
			if best < 0 {
				lowestOf(out, at)
				c.undefined(out, at, paddingOnly)
				c.undefined(where, at, paddingOnly)
				return
			}
			elems[int64](where)[at] = int64(columnMajor(best, x.Dims, reverse))
			if !isFloat {
				c.copyOne(out, at, x, best)
				return
			}
			y := x.at(best)
			for _, p := range patch {
				if p >= 0 && channel*area+p != best {
					y = larger(y, x.at(channel*area+p))
					if flips(x.at(best), x.at(channel*area+p)) != (number{}) {
						where.setFigures(at, unknown(0))
					}
				}
			}
			out.set(at, y)
			if math.IsNaN(y.v) {
				c.undefined(out, at, orderOfNaN)
				c.undefined(where, at, orderOfNaN)
			}
		})
		return []*Value{out, where}
	},
}

// lowestOf stores the least finite value of the type as element i, which is where
// runtimes begin to look for a maximum.
func lowestOf(v *Value, i int) {
	if d, ok := v.Data.(onnx.Slice[float64]); ok {
		d[i] = -formatOf(v.Type).max
		return
	}
	lowest.store(v, i)
}

// copyOne sets element i of out to element j of x.
func (c *call) copyOne(out *Value, i int, x *Value, j int) {
	out.Data.Copy(i, x.Data, j, 1)
	if out.Sound != nil {
		out.setFigures(i, x.figures(j))
	}
}

// columnMajor is index i, with the spatial axes counted in reverse if requested.
func columnMajor(i int, dims []int, reverse bool) int {
	if !reverse {
		return i
	}
	area := size(dims[2:])
	at := make([]int, len(dims)-2)
	unravel(i%area, dims[2:], at)
	inner := 0
	for a := len(at) - 1; a >= 0; a-- {
		inner = inner*dims[2+a] + at[a]
	}
	return i/area*area + inner
}

// poolWindow reads the geometry of a pooling, and gives the shape of its result.
func (c *call) poolWindow(x *Value) (window, []int) {
	if len(x.Dims) < 3 {
		fail(fmt.Errorf("input of shape %v, want batch, channels and at least one more axis", x.Dims))
	}
	w := c.newWindow(x.Dims[2:], c.intList("kernel_shape"), c.int("ceil_mode") != 0)
	return w, slices.Concat(x.Dims[:2], w.out)
}

// pool calls f, from several goroutines, with the patch of every output element of
// every channel.
func (c *call) pool(w window, channels int, f func(channel, at int, patch []int)) {
	taps, positions := w.taps(), size(w.out)
	c.afford(positions, taps, channels)
	c.spend(int64(positions) * int64(taps) * int64(channels))
	c.each(positions, taps*channels, func(p int) {
		patch := make([]int, taps)
		w.patch(p, patch)
		for ch := range channels {
			f(ch, ch*positions+p, patch)
		}
	})
}
