package reference

import (
	"fmt"
	"slices"
)

// opMicrosoftBiasAdd is X + bias + skip, the bias along the last axis. ONNX Runtime's
// com.microsoft BiasAdd, which has no kernel for CPUs.
var opMicrosoftBiasAdd = operator{
	name: "BiasAdd", domain: microsoft,
	eval: single(func(c *call) *Value {
		x, skip := c.in[0], c.in[2]
		bias := c.biasOf(1, x)
		if !slices.Equal(skip.Dims, x.Dims) {
			fail(fmt.Errorf("skip of shape %v for %v", skip.Dims, x.Dims))
		}
		f := c.format(x)
		return c.mapIndexed(x, x.Dims, func(i int) number { return f.add(f.add(x.at(i), bias.at(i%bias.Len())), skip.at(i)) })
	}),
}

// opMicrosoftBiasSplitGelu adds a bias along the last axis to X, and is the first half
// of that axis times Gelu of the second. ONNX Runtime's com.microsoft BiasSplitGelu,
// which has no kernel for CPUs.
var opMicrosoftBiasSplitGelu = operator{
	name: "BiasSplitGelu", domain: microsoft,
	eval: single(func(c *call) *Value {
		x := c.in[0]
		bias := c.biasOf(1, x)
		last := len(x.Dims) - 1
		if x.Dims[last]%2 != 0 {
			fail(fmt.Errorf("%s has no halves", x))
		}
		dims := slices.Clone(x.Dims)
		dims[last] /= 2
		half, f := dims[last], c.format(x)
		biased := func(i int) number { return f.add(x.at(i), bias.at(i%bias.Len())) }
		gelu := c.gelu()
		return c.mapIndexed(x, dims, func(i int) number {
			at := i/half*2*half + i%half
			return f.mul(biased(at), gelu(biased(at+half)))
		})
	}),
}

// opMicrosoftBiasSoftmax is Softmax of data + bias, over the axes from attribute axis
// on as one. The bias stretches to the data. ONNX Runtime's com.microsoft BiasSoftmax,
// which has no kernel for CPUs.
var opMicrosoftBiasSoftmax = operator{
	name: "BiasSoftmax", domain: microsoft,
	eval: single(func(c *call) *Value {
		x, bias := c.in[0], c.in[1]
		axis := c.axis("axis", len(x.Dims))
		if got, err := broadcast(bias.Dims, x.Dims); err != nil || !slices.Equal(got, x.Dims) {
			fail(fmt.Errorf("bias of shape %v does not stretch to %v", bias.Dims, x.Dims))
		}
		out := c.numbers(x.Type, x.Dims...)
		f, n, stretch := c.format(x), size(x.Dims[axis:]), newStretch(bias.Dims, x.Dims)
		terms := make([]number, n)
		for at := 0; at < out.Len(); at += n {
			for k := range terms {
				terms[k] = f.add(x.at(at+k), bias.at(stretch.index(at+k)))
			}
			e, sum := f.exponentials(terms)
			for k := range terms {
				out.set(at+k, f.ratio(e[k], sum))
			}
		}
		return out
	}),
}

// mapIndexed makes a tensor of the type of x of the numbers that f gives.
func (c *call) mapIndexed(x *Value, dims []int, f func(i int) number) *Value {
	out := c.numbers(x.Type, dims...)
	for i := range out.Len() {
		out.set(i, f(i))
	}
	return out
}
