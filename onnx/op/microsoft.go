package op

// The domain com.microsoft is ONNX Runtime's own. Its operators are all of version
// 1 and change in place, by further optional inputs, outputs and attributes; the
// schemas are those of ONNX Runtime 1.30. Those of transformers are here, those
// that are quantised or fused in microsoft_quantize.
//
// An operator of the domain is its schema in the text of a family, a rule for its
// shapes, its evaluation in a file reference/microsoft_NAME.go with a line in
// reference/table.go, and a row of the table in verify/microsoft_test.go, which
// draws nodes of it and holds ONNX Runtime against the reference.
func microsoft() map[string]Rule {
	return map[string]Rule{
		"BiasGelu":  ruleBiasedLast,
		"FastGelu":  ruleBiasedLast,
		"Gelu":      ruleSame,
		"QuickGelu": ruleSame,

		"SkipLayerNormalization":           ruleSkipNorm,
		"SkipSimplifiedLayerNormalization": ruleSkipNorm,
	}
}

// ruleBiasedLast takes X and, along its last axis, a bias.
func ruleBiasedLast(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	if x != nil && n.given(1) && n.rank(0, 1, anyRank) {
		n.like(1, x[len(x)-1])
	}
}

// ruleSkipNorm takes X with axes (batch, length, width) or (tokens, width), what is
// added to it, which may lack the batch, and scale and biases along the last axis.
func ruleSkipNorm(n *Node) {
	x := n.dims(0)
	n.shape(0, x)
	n.shape(3, x)
	if x == nil || !n.rank(0, 2, 3) {
		return
	}
	if skip := n.dims(1); skip != nil && n.rank(1, 2, 3) {
		n.fits(1, x)
		rows := len(skip) - 2
		n.equal(skip[rows], x[len(x)-2], "the lengths of input and skip differ")
		n.equal(skip[rows+1], x[len(x)-1], "the widths of input and skip differ")
	}
	for i := 2; i < len(n.Schema.In); i++ {
		n.like(i, x[len(x)-1])
	}
}
