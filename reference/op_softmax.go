package reference

import "math"

// opSoftmax is exp(x) over the sum of exp(x) along an axis. Before opset 13 the
// axes from attribute axis on count as one. ONNX Softmax, opset 1, 11, 13.
var opSoftmax = softmaxLike("Softmax", func(f format, x []number) []number {
	e, sum := f.exponentials(x)
	for i := range e {
		e[i] = f.ratio(e[i], sum)
	}
	if bounded(x) {
		for i, p := range e { // which is between 0 and 1 in every runtime
			most := max(p.v, 1-p.v) + f.u
			e[i] = number{p.v, min(p.sound, most), min(p.spread, most), min(p.declared, most)}
		}
	}
	return e
})

// bounded reports whether a runtime has finite numbers, or an infinity below zero, and
// one finite number at least.
func bounded(x []number) bool {
	some := false
	for _, n := range x {
		if n == exact(math.Inf(-1)) {
			continue
		}
		if math.IsInf(n.v, 0) || math.IsNaN(n.v) || math.IsInf(n.sound, 1) {
			return false
		}
		some = true
	}
	return some
}

// opLogSoftmax is the logarithm of Softmax. ONNX LogSoftmax, opset 1, 11, 13.
var opLogSoftmax = softmaxLike("LogSoftmax", format.logSoftmax)

func (f format) logSoftmax(x []number) []number {
	_, sum := f.exponentials(x)
	l, m := logFunction.at(f, sum), maximum(x)
	out := make([]number, len(x))
	for i := range x {
		out[i] = f.sub(f.sub(x[i], m), l)
	}
	return out
}

// opHardmax is 1 for the first largest element along an axis and 0 elsewhere.
// ONNX Hardmax, opset 1, 11, 13.
var opHardmax = softmaxLike("Hardmax", func(_ format, x []number) []number {
	out := make([]number, len(x))
	best := 0
	for i := range x {
		if compareNumbers(x[i].v, x[best].v) > 0 {
			best = i
		}
	}
	out[best].v = 1
	for i := range x {
		if math.IsNaN(x[best].v) {
			out[i] = unknown(out[i].v)
			continue
		}
		if i == best {
			continue
		}
		n := flips(x[best], x[i])
		out[i].sound, out[i].declared = n.sound, n.declared
		out[best].sound, out[best].declared = max(out[best].sound, n.sound), max(out[best].declared, n.declared)
	}
	return out
})

func maximum(x []number) number {
	m := x[0]
	for _, n := range x[1:] {
		m = larger(m, n)
	}
	return m
}

// exponentials returns exp(x - max x) and their sum. A runtime that does not
// subtract the maximum has smaller errors, as long as it does not overflow.
func (f format) exponentials(x []number) ([]number, number) { return f.exponentialsIn(nil, x) }

// exponentialsIn is exponentials where a runtime may round x and what it computes from it to
// another format, each exponential and their sum included.
func (f format) exponentialsIn(to *format, x []number) ([]number, number) {
	m := to.kept(maximum(x))
	e := make([]number, len(x))
	for i := range x {
		e[i] = to.kept(expFunction.at(f, to.kept(f.sub(to.kept(x[i]), m))))
	}
	return e, to.kept(f.sumOf(e, 0))
}

func softmaxLike(name string, rule func(f format, x []number) []number) operator {
	return operator{
		name: name,
		eval: single(func(c *call) *Value {
			x := c.in[0]
			outer, n, inner := c.softmaxAxis(x.Dims)
			out := c.numbers(x.Type, x.Dims...)
			if n == 0 {
				return out
			}
			f := c.format(x)
			c.each(outer*inner, 4*n, func(row int) {
				o, i := row/inner, row%inner
				terms := make([]number, n)
				for k := range terms {
					terms[k] = x.at((o*n+k)*inner + i)
				}
				for k, y := range rule(f, terms) {
					out.set((o*n+k)*inner+i, y)
					if name == "Hardmax" && math.IsInf(y.sound, 1) && hasNaN(terms) {
						c.undefined(out, (o*n+k)*inner+i, orderOfNaN)
					}
				}
			})
			return out
		}),
	}
}

func (c *call) softmaxAxis(dims []int) (outer, n, inner int) {
	axis := c.axis("axis", len(dims))
	if c.opset < 13 {
		return size(dims[:axis]), size(dims[axis:]), 1
	}
	return split(dims, axis)
}
