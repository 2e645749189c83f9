package reference

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftBiasGelu is Gelu of A + B, B a bias along the last axis of A. ONNX
// Runtime's com.microsoft BiasGelu.
var opMicrosoftBiasGelu = operator{
	name: "BiasGelu", domain: microsoft,
	eval: single(func(c *call) *Value { return c.mapBiased(c.gelu()) }),
}

// opMicrosoftFastGelu is Gelu of X, plus a bias if there is one, by the
// approximation with tanh. ONNX Runtime's com.microsoft FastGelu.
var opMicrosoftFastGelu = operator{
	name: "FastGelu", domain: microsoft,
	eval: single(func(c *call) *Value {
		if c.in[0].Type == pb.TensorProto_DOUBLE { // which ONNX Runtime computes as it documents it, with six digits
			return c.mapBiased(c.geluBy(0.797885, 0.035677/0.797885))
		}
		return c.mapBiased(c.geluByTanh())
	}),
}

// mapBiased applies a function to input 0 plus, along the last axis, input 1 where
// that is given.
func (c *call) mapBiased(fn func(number) number) *Value {
	x := c.in[0]
	if !c.given(1) {
		return c.mapNumbers(x, fn)
	}
	bias := c.biasOf(1, x)
	y := c.numbers(x.Type, x.Dims...)
	f := c.format(x)
	for i := range y.Len() {
		y.set(i, fn(f.add(x.at(i), bias.at(i%bias.Len()))))
	}
	return y
}

// biasOf is input i as a list along the last axis of x, nil where it is not given.
func (c *call) biasOf(i int, x *Value) *Value {
	if !c.given(i) {
		return nil
	}
	b := c.in[i]
	if len(x.Dims) == 0 || len(b.Dims) != 1 || b.Dims[0] != x.Dims[len(x.Dims)-1] {
		fail(fmt.Errorf("input %d of shape %v along the last axis of %v", i, b.Dims, x.Dims))
	}
	return b
}
