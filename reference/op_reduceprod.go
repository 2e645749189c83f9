package reference

// opReduceProd is the product along axes. ONNX ReduceProd, opset 1, 11, 13, 18.
var opReduceProd = reducer(reduction{
	name: "ReduceProd",
	number: func(f format, x []number) number {
		p := x[0]
		for _, n := range x[1:] {
			p = f.mul(p, n)
		}
		return p
	},
	ints: productOf[int64], uints: productOf[uint64],
	empty: one,
})

func productOf[T integer](x []T) T {
	p := T(1)
	for _, v := range x {
		p *= v
	}
	return p
}
