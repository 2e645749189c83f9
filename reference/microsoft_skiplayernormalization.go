package reference

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftSkipLayerNormalization is layer normalization, over the last axis, of
// input + skip + bias: (s - mean) / sqrt(var + epsilon) gamma + beta. The sum s is
// output 3. Skip has the shape of the input, or lacks its batch. ONNX Runtime's
// com.microsoft SkipLayerNormalization.
var opMicrosoftSkipLayerNormalization = operator{
	name: "SkipLayerNormalization", domain: microsoft,
	eval: func(c *call) []*Value {
		sum := c.skipSum(4)
		return c.normalized(sum, c.in[2], c.in[3], func(f format, terms []number) (mean, inverse number) {
			mean, variance := f.moments(terms)
			return mean, f.div(exact(1), sqrtFunction.at(f, f.add(variance, exact(c.float("epsilon")))))
		})
	},
}

// opMicrosoftSkipSimplifiedLayerNormalization is s / sqrt(mean of s² + epsilon)
// gamma of s = input + skip + bias, over the last axis. The sum s is output 3. ONNX
// Runtime's com.microsoft SkipSimplifiedLayerNormalization.
var opMicrosoftSkipSimplifiedLayerNormalization = operator{
	name: "SkipSimplifiedLayerNormalization", domain: microsoft,
	eval: func(c *call) []*Value {
		sum := c.skipSum(3)
		return c.normalized(sum, c.in[2], nil, func(f format, terms []number) (mean, inverse number) {
			return exact(0), f.inverseRMS(terms, c.float("epsilon"))
		})
	},
}

// skipSum adds up input 0, input 1, whose shape ends as that of input 0 does, and
// the bias in an input, where it is given. What it gives is not rounded to the type
// of the graph.
func (c *call) skipSum(biasAt int) *Value {
	x, skip := c.in[0], c.in[1]
	if rank := len(x.Dims); rank != 2 && rank != 3 {
		fail(fmt.Errorf("input of shape %v, want two or three axes", x.Dims))
	}
	if got, err := broadcast(skip.Dims, x.Dims); err != nil || !slices.Equal(got, x.Dims) || len(skip.Dims) < 2 || size(skip.Dims[len(skip.Dims)-2:]) != size(x.Dims[len(x.Dims)-2:]) {
		fail(fmt.Errorf("skip of shape %v for an input of %v", skip.Dims, x.Dims))
	}
	bias := c.biasOf(biasAt, x)
	sum := c.numbers(x.Type, x.Dims...)
	sum.stored = nil
	f, stretch := c.format(x), newStretch(skip.Dims, x.Dims)
	for i := range sum.Len() {
		s := f.add(x.at(i), skip.at(stretch.index(i)))
		if bias != nil {
			s = f.add(s, bias.at(i%bias.Len()))
		}
		sum.set(i, s)
	}
	sum.origin = joined(x, skip, sum)
	return sum
}

// normalized gives the outputs of a normalization over the last axis of a sum: the result, what statistics returns for each
// row, in float32 and with a last axis of 1, and the sum.
func (c *call) normalized(sum, gamma, beta *Value, statistics func(f format, terms []number) (mean, inverse number)) []*Value {
	dims := slices.Clone(sum.Dims)
	dims[len(dims)-1] = 1
	saved := []*Value{c.numbers(pb.TensorProto_FLOAT, dims...), c.numbers(pb.TensorProto_FLOAT, dims...)}
	row := 0
	y, rounded := c.normalizedRows(sum, gamma, beta, func(f format, terms []number) (mean, inverse number) {
		mean, inverse = statistics(f, terms)
		saved[0].set(row, mean)
		saved[1].set(row, inverse)
		row++
		return mean, inverse
	})
	return []*Value{y, saved[0], saved[1], rounded}
}

// normalizedRows is the result of a normalization over the last axis of a sum, and the sum
// as an output: what statistics returns for a row is subtracted and multiplied, then come
// gamma and beta. Everything is in the format that the type is computed in, results are
// rounded once.
func (c *call) normalizedRows(sum, gamma, beta *Value, statistics func(f format, terms []number) (mean, inverse number)) (y, rounded *Value) {
	n := sum.Dims[len(sum.Dims)-1]
	for _, v := range []*Value{gamma, beta} {
		if v != nil && (len(v.Dims) != 1 || v.Dims[0] != n) {
			fail(fmt.Errorf("gamma or beta of shape %v for rows of %d", v.Dims, n))
		}
	}
	y = c.numbers(sum.Type, sum.Dims...)
	rounded = c.numbers(sum.Type, sum.Dims...)
	f := c.format(sum)
	f.own = ownInNormalisation
	terms := make([]number, n)
	inverses := make([]float64, sum.Len()/max(n, 1))
	for r := range sum.Len() / max(n, 1) {
		for k := range terms {
			terms[k] = sum.at(r*n + k)
			rounded.set(r*n+k, terms[k])
		}
		mean, inverse := statistics(f, terms)
		inverses[r] = inverse.v
		for k, t := range terms {
			b := exact(0)
			if beta != nil {
				b = beta.at(k)
			}
			// Runtimes divide by the root or multiply by its reciprocal, before or
			// after gamma: a rounding more.
			y.set(r*n+k, f.affine(t, mean, f.rounded(f.mul(inverse, gamma.at(k)), 1), b))
		}
	}
	y.origin = passed(sum, y, c.format(y).u, func(i int) float64 { return inverses[i/n] * gamma.Float(i%n) * sum.Spread[i] })
	rounded.origin = sum.origin
	return y, rounded
}
