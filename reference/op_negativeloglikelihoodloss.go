package reference

import (
	"fmt"
	"slices"
)

// opNegativeLogLikelihoodLoss is -weight[t] x[t] at the class t of every target,
// summed, averaged over the weights, or as it is. x is (N, C, D1...), the targets
// are (N, D1...), the weights (C). ONNX NegativeLogLikelihoodLoss, opset 12, 13,
// 22.
var opNegativeLogLikelihoodLoss = operator{
	name: "NegativeLogLikelihoodLoss",
	eval: single(func(c *call) *Value { return c.likelihoodLoss(c.in[0]) }),
}

// opSoftmaxCrossEntropyLoss is NegativeLogLikelihoodLoss of LogSoftmax, which is
// output 1. ONNX SoftmaxCrossEntropyLoss, opset 12, 13.
var opSoftmaxCrossEntropyLoss = operator{
	name: "SoftmaxCrossEntropyLoss",
	eval: func(c *call) []*Value {
		x := c.in[0]
		if len(x.Dims) < 2 {
			fail(fmt.Errorf("scores of shape %v, want batch and classes", x.Dims))
		}
		logs := c.numbers(x.Type, x.Dims...)
		outer, n, inner := split(x.Dims, 1)
		if n == 0 {
			fail(fmt.Errorf("scores of shape %v, want classes", x.Dims))
		}
		terms := make([]number, n)
		for o := range outer {
			for i := range inner {
				for k := range terms {
					terms[k] = x.at((o*n+k)*inner + i)
				}
				for k, y := range c.format(x).logSoftmax(terms) {
					logs.set((o*n+k)*inner+i, y)
				}
			}
		}
		loss := c.likelihoodLoss(logs)
		return []*Value{loss, logs}
	},
}

func (c *call) likelihoodLoss(x *Value) *Value {
	target, weight := c.in[1], c.in[2]
	if len(x.Dims) < 2 || !slices.Equal(target.Dims, slices.Delete(slices.Clone(x.Dims), 1, 2)) {
		fail(fmt.Errorf("targets of shape %v for scores of shape %v", target.Dims, x.Dims))
	}
	classes, ok := target.ints()
	if !ok {
		fail(fmt.Errorf("targets are %s, want integers that fit an int", target))
	}
	_, n, inner := split(x.Dims, 1)
	if weight != nil && weight.Len() != n {
		fail(fmt.Errorf("%d weights for %d classes", weight.Len(), n))
	}
	f := c.format(x)
	losses, weights := make([]number, len(classes)), make([]number, len(classes))
	for i, t := range classes {
		if c.has("ignore_index") && t == c.int("ignore_index") {
			continue
		}
		if t < 0 || t >= n {
			fail(fmt.Errorf("target %d is %d of %d classes", i, t, n))
		}
		losses[i], weights[i] = neg(x.at((i/inner*n+t)*inner+i%inner)), exact(1)
		if weight != nil {
			weights[i] = weight.at(t)
			losses[i] = f.mul(losses[i], weights[i])
		}
	}
	how := c.text("reduction")
	if how == "none" {
		out := c.numbers(x.Type, target.Dims...)
		for i := range losses {
			out.set(i, losses[i])
		}
		return out
	}
	out := c.numbers(x.Type)
	out.Dims = []int{} // a scalar
	switch how {
	case "sum":
		out.set(0, f.sumOf(losses, 0))
	case "mean":
		out.set(0, f.div(f.sumOf(losses, 0), f.sumOf(weights, 0)))
	default:
		fail(fmt.Errorf("attribute reduction is %q", how))
	}
	return out
}
