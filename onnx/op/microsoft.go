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
