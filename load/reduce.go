package load

import (
	"math"

	"github.com/petrify-ml/petrify/internal/gop"
)

var reductions = map[string]gop.Reduction{
	"ReduceL1":        gop.ReduceL1,
	"ReduceL2":        gop.ReduceL2,
	"ReduceLogSum":    gop.ReduceLogSum,
	"ReduceLogSumExp": gop.ReduceLogSumExp,
	"ReduceMax":       gop.ReduceMax,
	"ReduceMean":      gop.ReduceMean,
	"ReduceMin":       gop.ReduceMin,
	"ReduceProd":      gop.ReduceProd,
	"ReduceSum":       gop.ReduceSum,
	"ReduceSumSquare": gop.ReduceSumSquare,
}

func reduction(b *builder, c call) {
	x := c.in[0]
	axes := axesOf(c, len(x.dims))
	keep := c.int("keepdims")
	if len(axes) == 0 {
		nothing := c.int("noop_with_empty_axes")
		for i := range x.dims {
			if nothing == 0 { // else each element is reduced by itself: ReduceL1 is its magnitude
				axes = append(axes, i)
			}
		}
	}
	dims := c.dims(0)
	c.real(0)
	n := b.node(c, 0)
	if len(x.dims) == 0 {
		axes = []int{0} // of the node, which has one
	}
	b.account(c.name(), x.dims, 8)
	b.set(c.name(), must(gop.Reduce(c.name(), reductions[c.op.name], n, axes, keep == 1 && len(x.dims) > 0)), dims...)
}

// argument is the place of the largest or smallest element along an axis.
func argument(b *builder, c call) {
	x := c.in[0]
	axis := c.axis(len(x.dims))
	keep := c.int("keepdims")
	last := c.int("select_last_index")
	f := gop.FirstMax
	switch {
	case c.op.name == "ArgMax" && last != 0:
		f = gop.LastMax
	case c.op.name == "ArgMin" && last != 0:
		f = gop.LastMin
	case c.op.name == "ArgMin":
		f = gop.FirstMin
	}
	if x.dims[axis] > 1<<24 {
		fail(c.unsupported("an axis of %d elements, places are kept in float32", x.dims[axis]))
	}
	n := b.node(c, 0)
	b.account(c.name(), x.dims, 8)
	dims := c.dims(0)
	b.setAs(c.name(), c.elem(0), must(gop.Reduce(c.name(), f, n, []int{axis}, keep == 1)), dims...)
}

// softmax goes along one axis; before opset 13 along all from one axis on.
func softmax(b *builder, c call) {
	dims := c.in[0].dims
	a := c.int("axis")
	x := b.node(c, 0)
	rank := len(dims)
	if rank == 0 {
		b.set(c.name(), must(gop.Softmax(c.name(), x, 1, 1, c.op.name == "LogSoftmax")))
		return
	}
	if b.opset < 13 && a == int64(rank) {
		b.set(c.name(), must(gop.Softmax(c.name(), x, 1, 1, c.op.name == "LogSoftmax")), dims...)
		return
	}
	axis := axisOf(c.name(), a, rank)
	n, inner := dims[axis], 1
	for _, d := range dims[axis+1:] {
		if b.opset < 13 {
			n *= d
		} else {
			inner *= d
		}
	}
	b.set(c.name(), must(gop.Softmax(c.name(), x, n, inner, c.op.name == "LogSoftmax")), dims...)
}

// globalPool takes all of each channel together.
func globalPool(f gop.Reduction) func(*builder, call) {
	return func(b *builder, c call) {
		dims := c.dims(0)
		var axes []int
		for i := 2; i < len(dims); i++ {
			axes = append(axes, i)
		}
		x := b.node(c, 0)
		b.account(c.name(), c.in[0].dims, 8)
		b.set(c.name(), must(gop.Reduce(c.name(), f, x, axes, true)), dims...)
	}
}

// pool takes windows together.
func pool(b *builder, c call) {
	if len(c.op.out) > 1 && c.op.out[1] != "" {
		fail(c.unsupported("the places of the largest elements"))
	}
	dims := c.in[0].dims
	outs := c.dims(0)
	ws := c.op.schema.Windows(c.op.node, dims[2:], nil)
	f := gop.ReduceMax
	padding := int64(0)
	if c.op.name == "AveragePool" {
		f = gop.ReduceSum
		padding = c.int("count_include_pad")
	}
	taken := int64(1)
	windows, counts := make([][][]int, len(ws)), []float64{1}
	for k, w := range ws {
		n := outs[2+k]
		taken *= int64(n) * int64(w.Kernel)
		if taken > b.limit/8 || taken > math.MaxInt32 {
			fail(b.tooLarge(c.name(), outs))
		}
		var sizes []float64
		for i := range n {
			var inside []int
			counted := 0
			for t := range w.Kernel {
				at := i*w.Stride - w.Before + t*w.Dilation
				if at >= 0 && at < w.In {
					inside = append(inside, at)
				}
				if padding != 0 && at < w.In+w.After {
					counted++
				}
			}
			if padding == 0 {
				counted = len(inside)
			}
			windows[k] = append(windows[k], inside)
			sizes = append(sizes, float64(counted))
		}
		var both []float64
		for _, a := range counts {
			for _, s := range sizes {
				both = append(both, a*s)
			}
		}
		counts = both
	}
	b.account(c.name(), []int{int(taken)}, 8)
	x := b.node(c, 0)
	if f == gop.ReduceMax {
		counts = nil
	}
	b.set(c.name(), must(gop.Pool(c.name(), f, x, windows, counts)), outs...)
}
