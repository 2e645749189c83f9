package reference

// opSequenceEmpty is a sequence without elements; attribute dtype says of what.
// ONNX SequenceEmpty, opset 11.
var opSequenceEmpty = operator{
	name: "SequenceEmpty",
	eval: single(func(*call) *Value { return &Value{Kind: Sequence} }),
}
