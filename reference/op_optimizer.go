package reference

import (
	"errors"
	"fmt"
	"slices"
)

const trainingDomain = "ai.onnx.preview.training"

// opMomentum is gradient descent with momentum: V = alpha V + beta G, where beta
// is 1 in the first step, and X - R V, or, in mode nesterov, X - R (G + alpha V).
// ONNX ai.onnx.preview.training Momentum, opset 1.
var opMomentum = optimizer("Momentum", 1,
	func(c *call, f format, r number, t float64, x, g number, state []number) (number, []number) {
		alpha, beta := exact(c.float("alpha")), exact(c.float("beta"))
		if t <= 0 {
			beta = exact(1)
		}
		g = c.regularised(f, x, g)
		v := f.add(f.mul(alpha, state[0]), f.mul(beta, g))
		step := v
		if c.text("mode") == "nesterov" {
			step = f.add(g, f.mul(alpha, v))
		}
		return f.sub(x, f.mul(r, step)), []number{v}
	})

// opAdagrad divides by the root of the sum of squared gradients: H = H + G²,
// X - R / (1 + T decay) G / (sqrt H + epsilon). ONNX ai.onnx.preview.training
// Adagrad, opset 1.
var opAdagrad = optimizer("Adagrad", 1,
	func(c *call, f format, r number, t float64, x, g number, state []number) (number, []number) {
		rate := f.div(r, f.add(exact(1), f.mul(exact(t), exact(c.float("decay_factor")))))
		g = c.regularised(f, x, g)
		h := f.add(state[0], f.mul(g, g))
		root := f.add(sqrtFunction.at(f, h), exact(c.float("epsilon")))
		return f.sub(x, f.ratio(f.mul(rate, g), root)), []number{h}
	})

// opAdam is Adam (Kingma and Ba 2015): V = alpha V + (1 - alpha) G, H = beta H +
// (1 - beta) G², X - R' V / (sqrt H + epsilon), where R' = R sqrt(1 - beta^T) /
// (1 - alpha^T) from the second step on. ONNX ai.onnx.preview.training Adam, opset
// 1.
var opAdam = optimizer("Adam", 2,
	func(c *call, f format, r number, t float64, x, g number, state []number) (number, []number) {
		alpha, beta := exact(c.float("alpha")), exact(c.float("beta"))
		one := exact(1)
		g = c.regularised(f, x, g)
		v := f.add(f.mul(alpha, state[0]), f.mul(f.sub(one, alpha), g))
		h := f.add(f.mul(beta, state[1]), f.mul(f.sub(one, beta), f.mul(g, g)))
		if t > 0 {
			bias := f.ratio(sqrtFunction.at(f, f.sub(one, f.pow(beta, exact(t)))), f.sub(one, f.pow(alpha, exact(t))))
			r = f.mul(r, bias)
		}
		root := f.add(sqrtFunction.at(f, h), exact(c.float("epsilon")))
		y := f.sub(x, f.ratio(f.mul(r, v), root))
		if post := c.float("norm_coefficient_post"); post != 0 {
			y = f.mul(f.sub(one, exact(post)), y)
		}
		return y, []number{v, h}
	})

// regularised is the gradient with that of the squared norm.
func (c *call) regularised(f format, x, g number) number {
	if k := c.float("norm_coefficient"); k != 0 {
		return f.add(f.mul(exact(k), x), g)
	}
	return g
}

// optimizer is an operator that moves any number of tensors: R, T, then all X, all
// gradients, and so many lists of states; it returns the X and the states.
func optimizer(name string, states int, move func(c *call, f format, r number, t float64, x, g number, state []number) (number, []number)) operator {
	return operator{
		name: name, domain: trainingDomain,
		eval: func(c *call) []*Value {
			lists := 2 + states
			values := c.in[2:len(c.step.in)]
			n := len(values) / lists
			if slices.Contains(values, nil) {
				fail(errors.New("a tensor is left out"))
			}
			if c.in[0].Len() != 1 || c.in[1].Len() != 1 || n*lists != len(values) {
				fail(fmt.Errorf("rate %s, step %s and %d tensors, want two scalars and %d lists of equal length", c.in[0], c.in[1], len(values), lists))
			}
			outputs := make([]*Value, n*(1+states))
			for k := range n {
				x := values[k]
				var own []*Value // gradient and states
				for l := 1; l < lists; l++ {
					v := values[l*n+k]
					if !slices.Equal(v.Dims, x.Dims) {
						fail(fmt.Errorf("tensor %d of shape %v belongs to one of shape %v", l*n+k, v.Dims, x.Dims))
					}
					own = append(own, v)
				}
				for s := range 1 + states {
					out := c.numbers(x.Type, x.Dims...)
					outputs[s*n+k] = out
				}
				for i := range x.Len() {
					state := convert(own[1:], func(v *Value) number { return v.at(i) })
					y, next := move(c, c.format(x), c.in[0].at(0), c.in[1].Float(0), x.at(i), own[0].at(i), state)
					outputs[k].set(i, y)
					for s, v := range next {
						outputs[(1+s)*n+k].set(i, v)
					}
				}
			}
			return outputs
		},
	}
}
