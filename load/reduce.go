package load

import (
	"math"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx/op"
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

func reduction(b *builder, c call) error {
	x := c.in[0]
	axes, _, err := axesOf(c, func(int) int { return len(x.dims) })
	if err != nil {
		return err
	}
	keep, err := attribute[int64](c.op, "keepdims", 1)
	if err != nil {
		return err
	}
	if len(axes) == 0 {
		nothing, err := attribute[int64](c.op, "noop_with_empty_axes", 0)
		if err != nil {
			return err
		}
		for i := range x.dims {
			if nothing == 0 { // else each element is reduced by itself: ReduceL1 is its magnitude
				axes = append(axes, i)
			}
		}
	}
	dims, err := c.dims(0)
	if err != nil {
		return err
	}
	if err := c.real(0); err != nil {
		return err
	}
	n, err := b.node(c, 0)
	if err != nil {
		return err
	}
	if len(x.dims) == 0 {
		axes = []int{0} // of the node, which has one
	}
	if err := b.account(c.name(), x.dims, 8); err != nil {
		return err
	}
	n, err = gop.Reduce(c.name(), reductions[c.op.name], n, axes, keep == 1 && len(x.dims) > 0)
	return b.set(c.name(), n, err, dims...)
}

// argument is the place of the largest or smallest element along an axis.
func argument(b *builder, c call) error {
	x := c.in[0]
	axis, err := c.axis(0, len(x.dims))
	if err != nil {
		return err
	}
	keep, err := attribute[int64](c.op, "keepdims", 1)
	if err != nil {
		return err
	}
	last, err := attribute[int64](c.op, "select_last_index", 0)
	if err != nil {
		return err
	}
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
		return c.unsupported("an axis of %d elements, places are kept in float32", x.dims[axis])
	}
	n, err := b.node(c, 0)
	if err != nil {
		return err
	}
	if err := b.account(c.name(), x.dims, 8); err != nil {
		return err
	}
	dims, err := c.dims(0)
	if err != nil {
		return err
	}
	n, err = gop.Reduce(c.name(), f, n, []int{axis}, keep == 1)
	return b.setAs(c.name(), c.elem(0), n, err, dims...)
}

// softmax goes along one axis; before opset 13 along all from one axis on.
func softmax(b *builder, c call) error {
	dims := c.in[0].dims
	otherwise := int64(-1)
	if b.opset < 13 {
		otherwise = 1
	}
	a, err := attribute(c.op, "axis", otherwise)
	if err != nil {
		return err
	}
	x, err := b.node(c, 0)
	if err != nil {
		return err
	}
	rank := len(dims)
	if rank == 0 {
		x, err = gop.Softmax(c.name(), x, 1, 1, c.op.name == "LogSoftmax")
		return b.set(c.name(), x, err)
	}
	if b.opset < 13 && a == int64(rank) {
		x, err = gop.Softmax(c.name(), x, 1, 1, c.op.name == "LogSoftmax")
		return b.set(c.name(), x, err, dims...)
	}
	axis, err := axisOf(c.name(), a, rank)
	if err != nil {
		return err
	}
	n, inner := dims[axis], 1
	for _, d := range dims[axis+1:] {
		if b.opset < 13 {
			n *= d
		} else {
			inner *= d
		}
	}
	x, err = gop.Softmax(c.name(), x, n, inner, c.op.name == "LogSoftmax")
	return b.set(c.name(), x, err, dims...)
}

// globalPool takes all of each channel together.
func globalPool(f gop.Reduction) func(*builder, call) error {
	return func(b *builder, c call) error {
		dims, err := c.dims(0)
		if err != nil {
			return err
		}
		var axes []int
		for i := 2; i < len(dims); i++ {
			axes = append(axes, i)
		}
		x, err := b.node(c, 0)
		if err != nil {
			return err
		}
		if err := b.account(c.name(), c.in[0].dims, 8); err != nil {
			return err
		}
		x, err = gop.Reduce(c.name(), f, x, axes, true)
		return b.set(c.name(), x, err, dims...)
	}
}

// pool takes windows together.
func pool(b *builder, c call) error {
	if len(c.op.out) > 1 && c.op.out[1] != "" {
		return c.unsupported("the places of the largest elements")
	}
	dims := c.in[0].dims
	outs, err := c.dims(0)
	if err != nil {
		return err
	}
	ws := op.Windows(c.op.node, dims[2:], nil)
	f := gop.ReduceMax
	padding := int64(0)
	if c.op.name == "AveragePool" {
		f = gop.ReduceSum
		if padding, err = attribute[int64](c.op, "count_include_pad", 0); err != nil {
			return err
		}
	}
	taken := int64(1)
	windows, counts := make([][][]int, len(ws)), []float64{1}
	for k, w := range ws {
		n := outs[2+k]
		taken *= int64(n) * int64(w.Kernel)
		if taken > b.limit/8 || taken > math.MaxInt32 {
			return b.tooLarge(c.name(), outs)
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
	if err := b.account(c.name(), []int{int(taken)}, 8); err != nil {
		return err
	}
	x, err := b.node(c, 0)
	if err != nil {
		return err
	}
	if f == gop.ReduceMax {
		counts = nil
	}
	x, err = gop.Pool(c.name(), f, x, windows, counts)
	return b.set(c.name(), x, err, outs...)
}
