package reference

// opMin is the smallest of its inputs, element by element. ONNX Min, opset 1, 6,
// 8, 12, 13.
var opMin = variadic("Min", folded(smaller), minOf, minOf)

func minOf[T integer](x, y T) T { return min(x, y) }
