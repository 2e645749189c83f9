package reference

import (
	"fmt"
	"slices"
)

// opSwiGLU is Swish of the gate, input 0, times input 1. ONNX SwiGLU, opset 28.
var opSwiGLU = operator{
	name: "SwiGLU",
	eval: single(func(c *call) *Value {
		gate, x := c.in[0], c.in[1]
		if !slices.Equal(gate.Dims, x.Dims) {
			fail(fmt.Errorf("gate of shape %v, input of shape %v", gate.Dims, x.Dims))
		}
		alpha, f := exact(c.float("alpha")), c.format(gate)
		return c.zipNumbers(gate, x, func(g, y number) number { return f.mul(f.swish(g, alpha), y) })
	}),
}
