package reference

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
)

// opBatchNormalization is (x - mean) / sqrt(var + epsilon) scale + B along axis
// 1. In training mode the statistics are the batch's own, and running ones are
// returned beside it: mean momentum + batch (1 - momentum). ONNX
// BatchNormalization, opset 1, 6, 7, 9, 14, 15.
var opBatchNormalization = operator{
	name: "BatchNormalization",
	eval: func(c *call) []*Value {
		x := c.in[0]
		if len(x.Dims) < 1 {
			fail(fmt.Errorf("input of shape %v, want a batch", x.Dims))
		}
		if c.int("spatial", 1) != 1 {
			fail(&onnx.UnsupportedError{Op: "BatchNormalization", Opset: c.opset, Why: "spatial = 0"})
		}
		channels := 1
		if len(x.Dims) > 1 {
			channels = x.Dims[1]
		}
		for i := 1; i < 5; i++ {
			if c.in[i].Len() != channels {
				fail(fmt.Errorf("input %d of shape %v, want [%d]", i, c.in[i].Dims, channels))
			}
		}
		training := c.int("training_mode") != 0
		if !training && len(c.step.out) > 1 && c.opset >= 14 {
			fail(fmt.Errorf("%d outputs outside of training mode, want 1", len(c.step.out)))
		}
		if !training && len(c.step.out) > 1 {
			fail(&onnx.UnsupportedError{Op: "BatchNormalization", Opset: c.opset, Why: "training"})
		}
		mean, variance := c.in[3], c.in[4]
		outputs := []*Value{nil, nil, nil}
		if training {
			momentum := exact(c.float("momentum"))
			mean, variance = c.batchStatistics(x, channels)
			for i, batch := range []*Value{mean, variance} {
				outputs[1+i] = c.running(c.in[3+i], batch, momentum)
			}
		}
		y := c.normalize(x, c.in[1], c.in[2], mean, variance)
		outputs[0] = y
		return outputs
	},
}

// normalize is BatchNormalization by given statistics.
func (c *call) normalize(x *Value, scale, bias, mean, variance *Value) *Value {
	out := c.numbers(x.Type, x.Dims...)
	if mean.Sound == nil && variance.Sound == nil {
		out.origin = x.origin
	}
	f := c.format(x)
	epsilon := exact(c.float("epsilon"))
	c.each(out.Len(), 2, func(i int) {
		ch := channelOf(x.Dims, i)
		k := f.ratio(scale.at(ch), sqrtFunction.at(f, f.add(variance.at(ch), epsilon)))
		out.set(i, f.affine(x.at(i), mean.at(ch), k, bias.at(ch)))
	})
	return out
}

// affine is (x - mean) k + bias, in whatever way a runtime computes it: as it
// is written, or as x k + (bias - mean k) with the second term folded. Each of
// the three terms then takes part in at most 3 roundings.
func (f format) affine(x, mean, k, bias number) number {
	var s dot
	s.add(x, k)
	s.add(neg(mean), k)
	s.term(bias)
	return s.sum(f, 1)
}

// channelOf is the coordinate of element i along axis 1.
func channelOf(dims []int, i int) int {
	if len(dims) < 2 {
		return 0
	}
	return i / size(dims[2:]) % dims[1]
}

// batchStatistics returns mean and variance of every channel.
func (c *call) batchStatistics(x *Value, channels int) (mean, variance *Value) {
	mean = c.numbers(x.Type, channels)
	variance = c.numbers(x.Type, channels)
	terms := make([][]number, channels)
	for i := range x.Len() {
		ch := channelOf(x.Dims, i)
		terms[ch] = append(terms[ch], x.at(i))
	}
	for ch, t := range terms {
		m, v := c.format(x).moments(t)
		mean.set(ch, m)
		variance.set(ch, v)
	}
	return mean, variance
}

// moments returns mean and variance (over n, not n-1). Runtimes subtract the
// mean before they square, or take the mean of the squares less the square of
// the mean: the limit covers the worse of both.
func (f format) moments(terms []number) (mean, variance number) {
	n := len(terms)
	mean = f.meanOf(terms, n)
	squares := make([]number, n)
	sum := 0.0
	for i, t := range terms {
		squares[i] = f.mul(t, t)
		sum += (t.v - mean.v) * (t.v - mean.v)
	}
	variance = f.sub(f.meanOf(squares, n), f.mul(mean, mean))
	variance.v = sum / float64(n)
	return mean, variance
}

// running mixes the statistics of the batch into the running ones.
func (c *call) running(old, batch *Value, momentum number) *Value {
	f := c.format(old)
	rest := f.sub(exact(1), momentum)
	return c.zipNumbers(old, batch, func(a, b number) number {
		return f.add(f.mul(a, momentum), f.mul(b, rest))
	})
}
