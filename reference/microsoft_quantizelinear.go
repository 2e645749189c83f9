package reference

// opMicrosoftQuantizeLinear is QuantizeLinear by tensor or along an axis, also to 16
// and 4 bits. ONNX Runtime's com.microsoft QuantizeLinear.
var opMicrosoftQuantizeLinear = operator{
	name: "QuantizeLinear", domain: microsoft, eval: opQuantizeLinear.eval,
}

// opMicrosoftDequantizeLinear is DequantizeLinear by tensor or along an axis, also
// from 16 and 4 bits. ONNX Runtime's com.microsoft DequantizeLinear.
var opMicrosoftDequantizeLinear = operator{
	name: "DequantizeLinear", domain: microsoft, in: opDequantizeLinear.in, eval: opDequantizeLinear.eval,
}
