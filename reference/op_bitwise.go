package reference

// opBitwiseAnd is A & B, bit by bit. ONNX BitwiseAnd, opset 18.
var opBitwiseAnd = bitwise("BitwiseAnd", func(x, y uint64) uint64 { return x & y })

// opBitwiseOr is A | B, bit by bit. ONNX BitwiseOr, opset 18.
var opBitwiseOr = bitwise("BitwiseOr", func(x, y uint64) uint64 { return x | y })

// opBitwiseXor is A ^ B, bit by bit. ONNX BitwiseXor, opset 18.
var opBitwiseXor = bitwise("BitwiseXor", func(x, y uint64) uint64 { return x ^ y })

// opBitwiseNot is the complement of every bit. ONNX BitwiseNot, opset 18.
var opBitwiseNot = operator{
	name: "BitwiseNot",
	eval: single(func(c *call) *Value {
		return c.mapInts(c.in[0], func(x int64) int64 { return ^x }, func(x uint64) uint64 { return ^x })
	}),
}

func bitwise(name string, f func(x, y uint64) uint64) operator {
	return operator{
		name: name,
		eval: single(func(c *call) *Value {
			return c.zipInts(c.in[0], c.in[1],
				func(x, y int64) int64 { return int64(f(uint64(x), uint64(y))) }, f)
		}),
	}
}
