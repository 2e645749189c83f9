package reference

// opMicrosoftFusedGemm is Gemm with an activation. ONNX Runtime's com.microsoft FusedGemm.
var opMicrosoftFusedGemm = operator{
	name: "FusedGemm", domain: microsoft, in: []port{lacking(integers), lacking(integers), lacking(integers)},
	eval: single(func(c *call) (*Value, error) {
		y, err := first(opGemm.eval)(c)
		if err != nil {
			return nil, err
		}
		return c.activated(y, nil, c.gemmActivation)
	}),
}
