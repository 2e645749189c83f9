package reference

// opMicrosoftQLinearAdd is A + B on bytes. ONNX Runtime's com.microsoft QLinearAdd.
var opMicrosoftQLinearAdd = zipBytes("QLinearAdd", func(f format, a, b number, left, right, to scaling) number {
	// Kernels scale the bytes before they subtract zero points, and add that of the
	// result before they round.
	l, r := f.over(left.scale, to.scale), f.over(right.scale, to.scale)
	terms := [][2]number{{a, l}, {exact(-left.zero), l}, {b, r}, {exact(-right.zero), r}, {exact(to.zero), exact(1)}}
	sum, ok := f.exactly(convert(terms, func(t [2]number) number { return f.scale(t[0], t[1]) }))
	if !ok {
		s := f.dot()
		for _, t := range terms {
			s.add(t[0], t[1])
		}
		sum = s.sum(f, 0)
	}
	sum.v -= to.zero
	return sum
})

// opMicrosoftQLinearMul is A B on bytes. ONNX Runtime's com.microsoft QLinearMul.
var opMicrosoftQLinearMul = zipBytes("QLinearMul", func(f format, a, b number, left, right, to scaling) number {
	a.v -= left.zero
	b.v -= right.zero
	p := whole.mul(a, b)
	return f.withZero(f.scale(p, f.over(f.scale(left.scale, right.scale), to.scale)), to.zero)
})
