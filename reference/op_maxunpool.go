package reference

import (
	"fmt"
	"math"
	"slices"
)

// opMaxUnpool puts every element where MaxPool found it, and zeros elsewhere.
// ONNX MaxUnpool, opset 9, 11, 22.
var opMaxUnpool = operator{
	name: "MaxUnpool",
	in:   []port{derived, derived, sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		rank := len(x.Dims) - 2
		if rank < 1 || !slices.Equal(x.Dims, c.in[1].Dims) {
			fail(fmt.Errorf("input of shape %v and indices of shape %v, want equal shapes of rank 3 on", x.Dims, c.in[1].Dims))
		}
		natural := c.unpooled(x.Dims)
		dims := natural
		if shape, ok := c.intInput(2); ok {
			dims = shape
		}
		if len(dims) != len(x.Dims) || !slices.Equal(dims[:2], x.Dims[:2]) {
			fail(fmt.Errorf("output_shape is %v for an input of shape %v", dims, x.Dims))
		}
		index, _ := c.intInput(1)
		out := c.zeros(x.Type, x.Sound != nil, dims...)
		total := size(natural)
		from, to, at := strides(natural), strides(dims), make([]int, len(dims))
		for i, j := range index {
			if j < 0 || j >= total {
				fail(fmt.Errorf("index %d is %d, want one of shape %v", i, j, natural))
			}
			for a := range at {
				at[a] = j / from[a] % natural[a]
				if at[a] >= dims[a] {
					fail(fmt.Errorf("index %d of shape %v lies outside of shape %v", j, natural, dims))
				}
			}
			c.copyOne(out, ravel(at, to), x, i)
		}
		return out
	}),
}

// unpooled is the shape that a pooling with these attributes makes dims of.
func (c *call) unpooled(dims []int) []int {
	rank := len(dims) - 2
	kernel := c.intList("kernel_shape")
	stride := c.perAxis("strides", rank)
	pads := c.intList("pads")
	if !c.has("pads") {
		pads = make([]int, 2*rank)
	}
	if len(kernel) != rank || len(pads) != 2*rank {
		fail(fmt.Errorf("kernel %v and pads %v for %d spatial axes", kernel, pads, rank))
	}
	out := slices.Clone(dims)
	for i := range rank {
		if kernel[i] < 1 || kernel[i] > math.MaxInt32 || min(pads[i], pads[rank+i]) < 0 || max(pads[i], pads[rank+i]) > math.MaxInt32 {
			fail(fmt.Errorf("kernel %v and pads %v", kernel, pads))
		}
		out[2+i] = (dims[2+i]-1)*stride[i] + kernel[i] - pads[i] - pads[rank+i]
	}
	must(product(out)) // within what can be addressed
	return out
}
