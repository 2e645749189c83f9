package reference

import (
	"fmt"
	"slices"
)

// opMicrosoftQLinearAveragePool is AveragePool on bytes; channels_last says that the channels
// are the last axis. Where padding counts, all of the kernel does, also what
// ceil_mode adds. ONNX Runtime's com.microsoft QLinearAveragePool.
var opMicrosoftQLinearAveragePool = operator{
	name: "QLinearAveragePool", domain: microsoft, in: []port{moves},
	eval: single(func(c *call) *Value {
		return c.imagesOfBytes(func(c *call) *Value {
			w, dims := c.poolWindow(c.in[0])
			return c.meansOfBytes(w, dims)
		})
	}),
}

// opMicrosoftQLinearGlobalAveragePool is GlobalAveragePool on bytes. ONNX Runtime's
// com.microsoft QLinearGlobalAveragePool.
var opMicrosoftQLinearGlobalAveragePool = operator{
	name: "QLinearGlobalAveragePool", domain: microsoft, in: []port{moves},
	eval: single(func(c *call) *Value {
		return c.imagesOfBytes(func(c *call) *Value {
			x := c.in[0]
			if len(x.Dims) < 2 {
				fail(fmt.Errorf("input of shape %v, want batch and channels", x.Dims))
			}
			if len(x.Dims) == 2 { // without spatial axes each element is its own mean
				flat := slices.Concat(x.Dims, []int{1})
				inner := *c
				inner.in = slices.Clone(c.in)
				inner.in[0] = reshaped(x, flat)
				y := inner.meansOfBytes(window{in: []int{1}, out: []int{1}, kernel: []int{1}, stride: []int{1}, dilation: []int{1}, begin: []int{0}, end: []int{0}}, flat)
				return reshaped(y, x.Dims)
			}
			spatial := x.Dims[2:]
			ones, zeros := slices.Repeat([]int{1}, len(spatial)), make([]int, len(spatial))
			w := window{in: spatial, out: ones, kernel: spatial, stride: ones, dilation: ones, begin: zeros, end: zeros}
			return c.meansOfBytes(w, slices.Concat(x.Dims[:2], ones))
		})
	}),
}

// imagesOfBytes evaluates an operator on images that may have their channels last.
func (c *call) imagesOfBytes(eval func(c *call) *Value) *Value {
	if c.int("channels_last") != 0 {
		return c.withImages([]int{0}, eval)
	}
	return eval(c)
}

// meansOfBytes is the mean under a sliding kernel.
func (c *call) meansOfBytes(w window, dims []int) *Value {
	x := c.in[0]
	from, to := c.scalings(1, 3)
	out := c.zeros(x.Type, true, dims...)
	f := c.format(c.in[1])
	area := size(w.in)
	c.pool(w, size(x.Dims[:2]), func(channel, at int, patch []int) {
		terms := make([]number, 0, len(patch))
		for _, p := range patch {
			if p >= 0 {
				terms = append(terms, from.number(f, x, channel*area+p))
			}
		}
		n := len(terms)
		if c.int("count_include_pad") != 0 {
			n = w.taps()
		}
		if n == 0 {
			c.undefined(out, at, paddingOnly)
			return
		}
		c.store(out, at, f, f.over(f.meanOfBytes(terms, n), to.scale), to.zero)
	})
	return out
}
