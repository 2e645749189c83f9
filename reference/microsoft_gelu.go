package reference

// opMicrosoftGelu is x/2 (1 + erf(x/sqrt 2)). ONNX Runtime's com.microsoft Gelu.
var opMicrosoftGelu = operator{
	name: "Gelu", domain: microsoft,
	eval: single(func(c *call) *Value { return c.mapNumbers(c.in[0], c.gelu()) }),
}

// microsoft is the domain of ONNX Runtime's own operators, as its page of
// contributed operators (docs/ContribOperators.md in its repository) and its
// kernels for CPUs define them.
const microsoft = "com.microsoft"
