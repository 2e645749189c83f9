package reference

// opMicrosoftFusedGemm is Gemm with an activation. ONNX Runtime's com.microsoft FusedGemm.
var opMicrosoftFusedGemm = operator{
	name: "FusedGemm", domain: microsoft, in: []port{lacking(integers), lacking(integers), lacking(integers)},
	eval: single(func(c *call) *Value {
		return c.activated(first(opGemm.eval)(c), nil, c.gemmActivation)
	}),
}
