package kernel

import "math"

// Quantize writes x in steps of scale around zero into y, elementwise over len(y):
// x / scale rounded to the nearest integer, ties to even, plus zero, and no less
// than lo and no more than hi, as ONNX's QuantizeLinear does; lo for NaN. zero, lo
// and hi are integers that 16 bits hold. y may be x. All paths give the same bits.
func Quantize(y, x []float32, scale, zero, lo, hi float32) {
	need("quantize", "x", len(x), len(y))
	vectors{op: opQuantize, y: y, a: x[:len(y)], s: [4]float32{scale, zero, lo, hi}}.run()
}

// Dequantize is the way back, (x - zero) scale, as ONNX's DequantizeLinear.
func Dequantize(y, x []float32, scale, zero float32) {
	need("dequantize", "x", len(x), len(y))
	vectors{op: opDequantize, y: y, a: x[:len(y)], s: [4]float32{scale, zero}}.run()
}

func quantize(y, x []float32, scale, zero, lo, hi float32) {
	for i, v := range x {
		v = float32(math.RoundToEven(float64(v/scale))) + zero
		if !(v > lo) {
			v = lo
		}
		y[i] = min(v, hi)
	}
}

func dequantize(y, x []float32, scale, zero float32) {
	for i, v := range x {
		y[i] = (v - zero) * scale
	}
}
