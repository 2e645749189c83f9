package kernel

import "math"

// RoundFloat16 writes x into y, elementwise over len(y), rounded to the nearest
// number that IEEE 754's binary16 holds, ties to even: what is beyond the largest
// becomes infinite, and NaN stays NaN. y may be x. All paths give the same bits.
func RoundFloat16(y, x []float32) { round16("round to float16", opFloat16, y, x) }

// RoundBFloat16 is RoundFloat16 for bfloat16.
func RoundBFloat16(y, x []float32) { round16("round to bfloat16", opBFloat16, y, x) }

func round16(fn string, op operation, y, x []float32) {
	need(fn, "x", len(x), len(y))
	vectors{op: op, y: y, a: x[:len(y)]}.run()
}

func roundFloat16(y, x []float32) {
	for i, v := range x {
		bits := math.Float32bits(v)
		abs := bits &^ (1 << 31)
		switch {
		case abs < 0x38800000: // subnormal: multiples of 2^-24, the last place of sums from 1/2 to 1
			sum := math.Float32frombits(abs) + 0.75
			abs = math.Float32bits(sum - 0.75)
		case abs > 0x7f800000:
			abs = (abs | 1<<22) &^ 0x1fff
		case abs >= 0x477ff000: // half a step above the largest
			abs = 0x7f800000
		default:
			abs = (abs + 0xfff + abs>>13&1) &^ 0x1fff
		}
		y[i] = math.Float32frombits(abs | bits&(1<<31))
	}
}

func roundBFloat16(y, x []float32) {
	for i, v := range x {
		bits := math.Float32bits(v)
		if v != v {
			bits = (bits | 1<<22) &^ 0xffff
		} else {
			bits = (bits + 0x7fff + bits>>16&1) &^ 0xffff
		}
		y[i] = math.Float32frombits(bits)
	}
}
