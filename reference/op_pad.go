package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

// opPad pads with a constant, the edge, a reflection without the edge, or by
// wrapping round; negative numbers cut. The numbers are an attribute until
// opset 10, input 1 from opset 11 on. ONNX Pad, opset 1, 2, 11, 13, 18, 19, 21.
var opPad = operator{
	name: "Pad",
	in:   []port{moves, sizing, moves, sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		rank := len(x.Dims)
		begin, end := c.padding(rank)
		dims := make([]int, rank)
		for i, d := range x.Dims {
			if dims[i] = d + begin[i] + end[i]; dims[i] < 0 {
				fail(fmt.Errorf("pads %v and %v leave nothing of shape %v", begin, end, x.Dims))
			}
		}
		source := padSource(c.text("mode"))
		if c.text("mode") != "constant" && x.Len() == 0 && size(dims) > 0 {
			fail(fmt.Errorf("nothing in shape %v to pad with", x.Dims))
		}
		own, at := strides(x.Dims), make([]int, rank)
		out := c.pick(x, dims, func(i int) int {
			unravel(i, dims, at)
			for a := range at {
				if at[a] = source(at[a]-begin[a], x.Dims[a]); at[a] < 0 {
					return -1
				}
			}
			return ravel(at, own)
		})
		if c.text("mode") != "constant" {
			return out
		}
		c.padConstant(out, x, dims, begin)
		return out
	}),
}

// padding returns how much to add before and after every axis.
func (c *call) padding(rank int) (begin, end []int) {
	begin, end = make([]int, rank), make([]int, rank)
	pads, ok := c.intInput(1)
	if !ok {
		if pads = c.intList("pads"); c.has("paddings") {
			pads = c.intList("paddings")
		}
	}
	axes, ok := c.intInput(3)
	if !ok {
		for i := range rank {
			axes = append(axes, i)
		}
	}
	axes = axesOf(axes, rank)
	if len(pads) != 2*len(axes) {
		fail(fmt.Errorf("pads are %v, want two numbers for each of %d axes", pads, len(axes)))
	}
	for i, a := range axes {
		begin[a], end[a] = pads[i], pads[len(axes)+i]
		if min(begin[a], end[a]) < -math.MaxInt32 || max(begin[a], end[a]) > math.MaxInt32 {
			fail(fmt.Errorf("pads are %v, want numbers below 2^31", pads))
		}
	}
	return begin, end
}

// padSource returns where coordinate x of a padded axis of length n comes from,
// -1 for the constant.
func padSource(mode string) func(x, n int) int {
	modulo := func(x, n int) int { return ((x % n) + n) % n }
	switch mode {
	case "constant":
		return func(x, n int) int {
			if x < 0 || x >= n {
				return -1
			}
			return x
		}
	case "edge":
		return func(x, n int) int { return min(max(x, 0), n-1) }
	case "wrap":
		return modulo
	case "reflect":
		return func(x, n int) int {
			if n == 1 {
				return 0
			}
			x = modulo(x, 2*n-2)
			return min(x, 2*n-2-x)
		}
	}
	panic(failure{fmt.Errorf("attribute mode is %q", mode)})
}

// padConstant fills what lies outside of x with the constant.
func (c *call) padConstant(out, x *Value, dims, begin []int) {
	value := exact(c.float("value"))
	if c.given(2) {
		if c.in[2].Len() != 1 {
			fail(fmt.Errorf("input 2 is %s, want a scalar", c.in[2]))
		}
	} else if value.v == 0 {
		return
	}
	at := make([]int, len(dims))
	index := slices.Repeat([]int{-1}, out.Len())
	for i := range index {
		unravel(i, dims, at)
		for a := range at {
			if k := at[a] - begin[a]; k < 0 || k >= x.Dims[a] {
				index[i] = 0
			}
		}
	}
	if c.given(2) {
		c.copyInto(out, c.in[2], index)
		return
	}
	data, ok := out.Data.(onnx.Slice[float64])
	if !ok {
		fail(fmt.Errorf("a constant of %v for %s", value.v, x))
	}
	move(data, []float64{value.v}, index)
}
