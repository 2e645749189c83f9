package reference

// opMax is the largest of its inputs, element by element. ONNX Max, opset 1, 6,
// 8, 12, 13.
var opMax = variadic("Max", folded(larger), maxOf, maxOf)

func maxOf[T integer](x, y T) T { return max(x, y) }
