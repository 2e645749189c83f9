package reference

import "math"

// opParametricSoftplus is alpha softplus(beta x). An experimental operator of ONNX's opset
// 1, which ONNX Runtime has up to opset 9.
var opParametricSoftplus = withAlphaAndBeta("ParametricSoftplus")

// opScaledTanh is alpha tanh(beta x). An experimental operator of ONNX's opset 1, which
// ONNX Runtime has up to opset 9.
var opScaledTanh = withAlphaAndBeta("ScaledTanh")

// withAlphaAndBeta is an operator that recurrences and fused products have as an
// activation, too.
func withAlphaAndBeta(name string) operator {
	return operator{
		name: name,
		eval: single(func(c *call) *Value {
			act, _ := activationOf(c.format(c.in[0]), name)
			alpha, beta := exact(c.float("alpha")), exact(c.float("beta"))
			return c.mapNumbers(c.in[0], func(x number) number { return act(x, alpha, beta, number{}) })
		}),
	}
}

// softplusAsWritten is log(1 + exp(x)) where 1 is added to a rounded exponential: the error
// is of the size of u however small the result, where Softplus itself is accurate.
func (f format) softplusAsWritten(x number) number {
	y, one := softplusFunction.at(f, x), f.rounded(exact(1), 1)
	y.sound += one.sound
	y.spread = math.Hypot(y.spread, one.spread)
	return y
}
