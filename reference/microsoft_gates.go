package reference

import (
	"fmt"
	"math"
	"slices"
)

// opMicrosoftGatedAdd is X + Y gate, with one gate for each row of X and Y. The product may be rounded to
// their type before it is added. ONNX Runtime's com.microsoft GatedAdd.
var opMicrosoftGatedAdd = operator{
	name: "GatedAdd", domain: microsoft,
	eval: single(func(c *call) *Value {
		x, y, gate := c.in[0], c.in[1], c.in[2]
		rank := len(x.Dims)
		if rank < 1 || !slices.Equal(x.Dims, y.Dims) || !slices.Equal(gate.Dims, append(slices.Clone(x.Dims[:max(rank-1, 0)]), 1)) {
			fail(fmt.Errorf("shapes do not fit: X of shape %v, Y of shape %v and a gate of shape %v", x.Dims, y.Dims, gate.Dims))
		}
		f, between := c.format(x), formatOf(x.Type)
		width := x.Dims[rank-1]
		return c.mapIndexed(x, x.Dims, func(i int) number {
			p := f.mul(y.at(i), gate.at(i/width))
			if between.u > f.u {
				p = between.rounded(p, 1)
			}
			return f.add(x.at(i), p)
		})
	}),
}

// opMicrosoftGatedRMSNorm is x / sqrt(mean of x² + epsilon) scale gate sigmoid(gate). The mean is over as many elements as
// the scale has, of which a row of X holds one group or several. ONNX Runtime's com.microsoft GatedRMSNorm.
var opMicrosoftGatedRMSNorm = operator{
	name: "GatedRMSNorm", domain: microsoft,
	eval: single(func(c *call) *Value {
		x, scale, gate := c.in[0], c.in[1], c.in[2]
		n := scale.Len()
		if len(x.Dims) < 1 || n < 1 || x.Dims[len(x.Dims)-1]%n != 0 || !slices.Equal(gate.Dims, x.Dims) {
			fail(fmt.Errorf("shapes do not fit: X of shape %v, a gate of shape %v and a scale of %d", x.Dims, gate.Dims, n))
		}
		f := c.format(x)
		f.own = ownInNormalisation
		y, terms := c.numbers(x.Type, x.Dims...), make([]number, n)
		for at := 0; at < y.Len(); at += n {
			for k := range terms {
				terms[k] = x.at(at + k)
			}
			inverse := f.inverseRMS(terms, c.float("epsilon"))
			for k, t := range terms {
				normal := f.mul(f.mul(t, inverse), scale.at(k))
				y.set(at+k, f.mul(normal, f.swish(gate.at(at+k), exact(1))))
			}
		}
		return y
	}),
}

// inverseRMS is 1 / sqrt(mean of squares + epsilon).
func (f format) inverseRMS(terms []number, epsilon float64) number {
	squares := convert(terms, func(t number) number { return f.mul(t, t) })
	return f.div(exact(1), sqrtFunction.at(f, f.add(f.meanOf(squares, len(terms)), exact(epsilon))))
}

// opMicrosoftLinearAttentionGate is the logarithm of a decay, decay_scale softplus(a + dt_bias), and an update rate,
// sigmoid(b), of every head, which are along the last axis. ONNX Runtime's com.microsoft LinearAttentionGate.
var opMicrosoftLinearAttentionGate = operator{
	name: "LinearAttentionGate", domain: microsoft,
	eval: func(c *call) []*Value {
		a, bias, scale, b := c.in[0], c.in[1], c.in[2], c.in[3]
		if len(a.Dims) < 1 || bias.Len() != a.Dims[len(a.Dims)-1] || scale.Len() != bias.Len() {
			fail(fmt.Errorf("a of shape %v, a bias of shape %v and a scale of shape %v", a.Dims, bias.Dims, scale.Dims))
		}
		f := c.format(a)
		outputs := []*Value{c.mapIndexed(a, a.Dims, func(i int) number {
			h := i % bias.Len()
			return f.mul(scale.at(h), f.softplus(f.add(a.at(i), bias.at(h))))
		})}
		if len(c.step.out) > 1 && c.step.out[1] != "" {
			if b == nil || !slices.Equal(b.Dims, a.Dims) {
				fail(fmt.Errorf("beta of %s, want b as a is, %s", b, a))
			}
			outputs = append(outputs, c.mapNumbers(b, func(x number) number { return sigmoidFunction.at(f, x) }))
		}
		return outputs
	},
}

// softplus is log(1 + exp(x)) where the sum is rounded before the logarithm: what is far below one is lost in it.
func (f format) softplus(x number) number {
	e := x
	e.v = -math.Abs(x.v)
	e = expFunction.at(f, e)
	y := logFunction.at(f, f.add(exact(1), e))
	y.v = math.Log1p(e.v)
	if x.v > 0 {
		y = f.add(x, y)
	}
	return y
}

// opMicrosoftEngramGate is the values (N, L, E) times a gate of each of the streams of keys and queries (N, L, S, E):
// the sigmoid of the signed root of the product of the two, each of them normalised by the root of its mean square
// and scaled, over sqrt(E). ONNX Runtime's com.microsoft EngramGate.
var opMicrosoftEngramGate = operator{
	name: "EngramGate", domain: microsoft,
	eval: single(func(c *call) *Value {
		key, query, value := c.in[0], c.in[1], c.in[2]
		if len(query.Dims) != 4 || !slices.Equal(key.Dims, query.Dims) || !slices.Equal(value.Dims, []int{query.Dims[0], query.Dims[1], query.Dims[3]}) {
			fail(fmt.Errorf("keys of shape %v, queries of shape %v and values of shape %v", key.Dims, query.Dims, value.Dims))
		}
		for _, s := range c.in[3:5] {
			if !slices.Equal(s.Dims, query.Dims[2:]) {
				fail(fmt.Errorf("a scale of shape %v, want %v", s.Dims, query.Dims[2:]))
			}
		}
		streams, n := query.Dims[2], query.Dims[3]
		out, f := c.numbers(query.Type, query.Dims...), c.format(query)
		f.own = ownInNormalisation
		for row := range out.Len() / max(n, 1) {
			k := f.scaledRow(key, row, c.in[3], row%streams, c.float("epsilon"))
			q := f.scaledRow(query, row, c.in[4], row%streams, c.float("epsilon"))
			s := f.dot()
			for i := range k {
				s.add(k[i], q[i])
			}
			gate := sigmoidFunction.at(f, f.signedRoot(f.ratio(s.sum(f, 0), f.rounded(exact(math.Sqrt(float64(n))), 1))))
			for i := range n {
				out.set(row*n+i, f.mul(gate, value.at(row/streams*n+i)))
			}
		}
		return out
	}),
}

// scaledRow is a row of x over the root of its mean square, times a row of the scale.
func (f format) scaledRow(x *Value, row int, scale *Value, of int, epsilon float64) []number {
	n := x.Dims[len(x.Dims)-1]
	terms := make([]number, n)
	for k := range terms {
		terms[k] = x.at(row*n + k)
	}
	inverse := f.inverseRMS(terms, epsilon)
	for k, t := range terms {
		terms[k] = f.mul(f.mul(t, inverse), scale.at(of*n+k))
	}
	return terms
}

// signedRoot is the root of the magnitude of x, which counts as 1e-6 at least, with the sign of x; of zero it is zero.
func (f format) signedRoot(x number) number {
	const least = 1e-6
	size := x
	size.v = math.Abs(x.v)
	root := sqrtFunction.at(f, larger(size, f.rounded(exact(least), 1)))
	switch {
	case x.v == 0:
		root.v = 0
	case x.v < 0:
		root.v = -root.v
	}
	return jump(root, x, size.v, 2*math.Sqrt(least))
}
