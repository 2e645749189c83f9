package reference

import (
	"fmt"
	"math"
	"slices"
)

// What ONNX Runtime's com.microsoft has of operators that ONNX has, too, some of them
// since later. GatherND is that of opset 11, with indices of int32 as well; Pad that of
// opset 11; GridSample that of opset 16; Trilu that of opset 14.
var (
	opMicrosoftGatherND   = operator{name: "GatherND", domain: microsoft, in: opGatherND.in, eval: opGatherND.eval}
	opMicrosoftGridSample = operator{name: "GridSample", domain: microsoft, eval: opGridSample.eval}
	opMicrosoftPad        = operator{name: "Pad", domain: microsoft, in: opPad.in[:3], eval: opPad.eval}
	opMicrosoftTrilu      = operator{name: "Trilu", domain: microsoft, in: opTrilu.in, eval: opTrilu.eval}
)

// opMicrosoftSampleOp is what comes in. ONNX Runtime's com.microsoft SampleOp.
var opMicrosoftSampleOp = operator{name: "SampleOp", domain: microsoft, in: opIdentity.in, eval: opIdentity.eval}

// opMicrosoftRange is Range, whose step may be left out. ONNX Runtime's com.microsoft
// Range.
var opMicrosoftRange = operator{
	name: "Range", domain: microsoft, in: opRange.in,
	eval: func(c *call) []*Value {
		if c.in[2] == nil {
			one := c.zeros(c.in[0].Type, false)
			one.setFloat(0, 1)
			c.in[2] = one
		}
		return opRange.eval(c)
	},
}

// opMicrosoftUnique is the different elements of a list, as they appear first; which one
// every element is, and how often each occurs. ONNX Runtime's com.microsoft Unique.
var opMicrosoftUnique = operator{
	name: "Unique", domain: microsoft, in: opUnique.in,
	eval: func(c *call) []*Value {
		if len(c.in[0].Dims) != 1 {
			fail(fmt.Errorf("input of shape %v, want one axis", c.in[0].Dims))
		}
		all := c.unique(false)
		return []*Value{all[0], all[2], all[3]}
	},
}

// opMicrosoftExpandDims inserts an axis of length 1 before another, or before the end.
// ONNX Runtime's com.microsoft ExpandDims.
var opMicrosoftExpandDims = operator{
	name: "ExpandDims", domain: microsoft, in: []port{moves, sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		axis := axisOf(c.intScalar(1), len(x.Dims)+1)
		return reshaped(x, slices.Insert(slices.Clone(x.Dims), axis, 1))
	}),
}

// opMicrosoftUnfoldTensor is the windows of a size along axis dim, step apart, in a
// further axis at the end. ONNX Runtime's com.microsoft UnfoldTensor.
var opMicrosoftUnfoldTensor = operator{
	name: "UnfoldTensor", domain: microsoft, in: []port{moves},
	eval: single(func(c *call) *Value {
		x, width, step := c.in[0], c.int("size"), c.int("step")
		axis := c.axis("dim", len(x.Dims))
		if width < 1 || step < 1 || width > x.Dims[axis] {
			fail(fmt.Errorf("windows of %d in steps of %d along an axis of %d", width, step, x.Dims[axis]))
		}
		dims := append(slices.Clone(x.Dims), width)
		dims[axis] = (x.Dims[axis]-width)/step + 1
		at, steps := make([]int, len(dims)), strides(x.Dims)
		return c.pick(x, dims, func(i int) int {
			unravel(i, dims, at)
			return ravel(at[:len(x.Dims)], steps) + (at[axis]*(step-1)+at[len(at)-1])*steps[axis]
		})
	}),
}

// opMicrosoftNGramRepeatBlock makes minus infinity of the scores (N, words) of those
// tokens that would complete a run of ngram_size tokens that the ids (N, L) have had.
// ONNX Runtime's com.microsoft NGramRepeatBlock.
var opMicrosoftNGramRepeatBlock = operator{
	name: "NGramRepeatBlock", domain: microsoft, in: []port{blind, moves},
	eval: single(func(c *call) *Value {
		ids, scores, n := c.in[0], c.in[1], c.int("ngram_size")
		if len(ids.Dims) != 2 || len(scores.Dims) != 2 || ids.Dims[0] != scores.Dims[0] || n < 1 {
			fail(fmt.Errorf("ids of shape %v and scores of shape %v for runs of %d", ids.Dims, scores.Dims, n))
		}
		out := c.pick(scores, scores.Dims, func(i int) int { return i })
		length, words := ids.Dims[1], scores.Dims[1]
		all := elems[int64](ids)
		for row := range ids.Dims[0] {
			tokens := all[row*length : (row+1)*length]
			for from := 0; from <= length-n; from++ {
				c.spend(int64(n))
				if !slices.Equal(tokens[from:from+n-1], tokens[length-n+1:]) {
					continue
				}
				token := tokens[from+n-1]
				if token < 0 || token >= int64(words) {
					fail(fmt.Errorf("token %d of %d", token, words))
				}
				i := row*words + int(token)
				out.setFloat(i, math.Inf(-1))
				if out.Sound != nil {
					out.setFigures(i, number{})
				}
			}
		}
		return out
	}),
}

// opMicrosoftCDist is the distance of every row of A from every row of B, or its square.
// Runtimes multiply it out, as |a|² - 2ab + |b|². ONNX Runtime's com.microsoft CDist.
var opMicrosoftCDist = operator{
	name: "CDist", domain: microsoft,
	eval: single(func(c *call) *Value {
		a, b, metric := c.in[0], c.in[1], c.text("metric")
		if len(a.Dims) != 2 || len(b.Dims) != 2 || a.Dims[1] != b.Dims[1] {
			fail(fmt.Errorf("rows of shape %v and %v", a.Dims, b.Dims))
		}
		if metric != "sqeuclidean" && metric != "euclidean" {
			fail(fmt.Errorf("attribute metric is %q", metric))
		}
		out, width := c.numbers(a.Type, a.Dims[0], b.Dims[0]), a.Dims[1]
		c.afford(out.Len(), 3, width)
		f := c.products(out)
		for i := range out.Len() {
			s := f.dot()
			for k := range width {
				x, y := a.at(i/b.Dims[0]*width+k), b.at(i%b.Dims[0]*width+k)
				s.add(x, x)
				s.add(y, y)
				s.add(scaled(x, -2), y)
			}
			y := larger(s.sum(f, 1), exact(0))
			if metric == "euclidean" {
				y = sqrtFunction.at(f, y)
			}
			out.set(i, y)
		}
		return out
	}),
}

// opMicrosoftInverse is the inverse of the matrices in the last two axes, by elimination
// with the largest pivot of each column; the limits are those of this order of
// operations. ONNX Runtime's com.microsoft Inverse.
var opMicrosoftInverse = operator{
	name: "Inverse", domain: microsoft,
	eval: single(func(c *call) *Value {
		x := c.in[0]
		r := len(x.Dims)
		if r < 2 || x.Dims[r-1] != x.Dims[r-2] {
			fail(fmt.Errorf("input of shape %v, want square matrices", x.Dims))
		}
		out, n := c.numbers(x.Type, x.Dims...), x.Dims[r-1]
		for at := 0; at < out.Len(); at += n * n {
			c.spend(2 * int64(n) * int64(n) * int64(n))
			m := make([]number, 2*n*n) // beside each row one of the unit matrix
			for i := range n * n {
				m[i/n*2*n+i%n] = x.at(at + i)
			}
			for i := range n {
				m[i*2*n+n+i] = exact(1)
			}
			c.format(x).eliminate(m, n)
			for i := range n * n {
				out.set(at+i, m[i/n*2*n+n+i%n])
			}
		}
		return out
	}),
}

// eliminate makes the unit matrix of the left half of m, n rows of 2n, and its inverse of
// the right half.
func (f format) eliminate(m []number, n int) {
	wide := 2 * n
	for k := range n {
		best := k
		for i := k; i < n; i++ {
			if math.Abs(m[i*wide+k].v) > math.Abs(m[best*wide+k].v) {
				best = i
			}
		}
		for j := range wide {
			m[k*wide+j], m[best*wide+j] = m[best*wide+j], m[k*wide+j]
		}
		pivot := m[k*wide+k]
		for j := k; j < wide; j++ {
			m[k*wide+j] = f.div(m[k*wide+j], pivot)
		}
		for i := range n {
			if i == k {
				continue
			}
			factor := m[i*wide+k]
			for j := k; j < wide; j++ {
				m[i*wide+j] = f.sub(m[i*wide+j], f.mul(factor, m[k*wide+j]))
			}
		}
	}
}
