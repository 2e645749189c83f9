package reference

// opAveragePool is the mean under a sliding kernel, without the padding unless
// count_include_pad is set. ONNX AveragePool, opset 1, 7, 10, 11, 19, 22.
var opAveragePool = operator{
	name: "AveragePool",
	eval: single(func(c *call) *Value {
		f, padded := c.format(c.in[0]), c.int("count_include_pad") != 0
		return c.poolNumbers(func(w window, out *Value, at int, terms []number) {
			n := len(terms)
			if padded {
				n = w.padded(at % size(w.out))
			}
			if n == 0 {
				c.undefined(out, at, paddingOnly)
				return
			}
			out.set(at, f.meanOf(terms, n))
		})
	}),
}

// poolNumbers makes an output of what is under the sliding kernel, without the padding.
func (c *call) poolNumbers(store func(w window, out *Value, at int, terms []number)) *Value {
	x := c.in[0]
	w, dims := c.poolWindow(x)
	out := c.numbers(x.Type, dims...)
	area := size(w.in)
	c.pool(w, size(x.Dims[:2]), func(channel, at int, patch []int) {
		terms := make([]number, 0, len(patch))
		for _, p := range patch {
			if p >= 0 {
				terms = append(terms, x.at(channel*area+p))
			}
		}
		store(w, out, at, terms)
	})
	return out
}

// padded counts the taps of output position p within the input and its padding:
// what ceil_mode adds beyond the padding is not part of either.
func (w window) padded(p int) int {
	at := make([]int, len(w.out))
	unravel(p, w.out, at)
	n := 1
	for i := range at {
		inside := 0
		for k := range w.kernel[i] {
			if at[i]*w.stride[i]+k*w.dilation[i] < w.begin[i]+w.in[i]+w.end[i] {
				inside++
			}
		}
		n *= inside
	}
	return n
}
