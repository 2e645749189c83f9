package reference

// opMicrosoftQLinearConv is QLinearConv; channels_last says that the channels of x
// and y are the last axis. ONNX Runtime's com.microsoft QLinearConv.
var opMicrosoftQLinearConv = operator{
	name: "QLinearConv", domain: microsoft,
	eval: single(func(c *call) *Value { return c.imagesOfBytes(first(opQLinearConv.eval)) }),
}

// opMicrosoftNhwcMaxPool is MaxPool of bytes with the channels last. ONNX Runtime's
// com.microsoft NhwcMaxPool.
var opMicrosoftNhwcMaxPool = operator{
	name: "NhwcMaxPool", domain: microsoft,
	eval: single(func(c *call) *Value { return c.withImages([]int{0}, first(opMaxPool.eval)) }),
}
