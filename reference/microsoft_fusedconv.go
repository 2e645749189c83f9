package reference

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

// opMicrosoftFusedConv is an activation of Conv, to whose result Z is added before. ONNX
// Runtime's com.microsoft FusedConv.
var opMicrosoftFusedConv = operator{
	name: "FusedConv", domain: microsoft,
	eval: single((*call).fusedConv),
}

// opMicrosoftNhwcFusedConv is FusedConv of images that have their channels last, as Z and the
// result have. ONNX Runtime's com.microsoft NhwcFusedConv.
var opMicrosoftNhwcFusedConv = operator{
	name: "NhwcFusedConv", domain: microsoft,
	eval: single(func(c *call) *Value { return c.withImages([]int{0, 3}, (*call).fusedConv) }),
}

func (c *call) fusedConv() *Value {
	y := first(opConv.eval)(c)
	z := c.in[3]
	if z != nil && !slices.Equal(z.Dims, y.Dims) {
		fail(fmt.Errorf("input 3 of shape %v, want that of the result, %v", z.Dims, y.Dims))
	}
	if z == nil && !c.has("activation") {
		return y
	}
	out := c.activated(y, z, c.convActivation)
	if slices.Contains([]string{"", "Relu", "LeakyRelu", "Clip"}, c.text("activation")) {
		out.Terms, out.Unit = y.Terms, y.Unit // pieces of straight lines leave errors independent
	}
	return out
}

// convActivation is attribute activation of a fused convolution, which has its
// parameters in a list.
func (c *call) convActivation(f format) func(number) number {
	name := c.text("activation")
	if name == "" {
		return func(x number) number { return x }
	}
	act, params := activationOf(f, name)
	if act == nil {
		fail(&onnx.UnsupportedError{Op: c.step.op.name, Domain: microsoft, Why: fmt.Sprintf("activation %q", name)})
	}
	list := c.step.attrs["activation_params"].GetFloats()
	if want := bits.OnesCount(uint(params)); want > 0 && len(list) != want {
		fail(fmt.Errorf("attribute activation_params has %d entries, want %d for %s", len(list), want, name))
	}
	var p [3]number
	for i := range min(len(list), len(p)) {
		p[i] = exact(float64(list[i]))
	}
	return func(x number) number { return act(x, p[0], p[1], p[2]) }
}
