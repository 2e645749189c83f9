package onnx

import "math"

// Float16 holds the bits of an IEEE 754 binary16 number.
type Float16 uint16

// BFloat16 holds the upper half of the bits of an IEEE 754 binary32 number.
type BFloat16 uint16

// Float32 returns the value of f, exactly.
func (f Float16) Float32() float32 {
	sign := uint32(f>>15) << 31
	exp := uint32(f>>10) & 0x1f
	frac := uint32(f) & 0x3ff
	switch {
	case exp == 0x1f: // infinity, or NaN with its payload
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	case exp != 0:
		return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
	}
	v := float32(frac) * (1.0 / (1 << 24)) // zero or subnormal, in units of 2^-24
	return math.Float32frombits(sign | math.Float32bits(v))
}

// NewFloat16 rounds v to the nearest Float16, ties to even. What is beyond the
// largest one becomes infinite; NaN stays NaN.
func NewFloat16(v float32) Float16 {
	bits := math.Float32bits(v)
	sign := Float16(bits>>16) & 0x8000
	abs := bits &^ (1 << 31)
	switch {
	case abs > 0x7f800000:
		return sign | 0x7e00 | Float16(abs>>13)&0x3ff
	case abs >= 0x477ff000: // 65520, half a step above the largest
		return sign | 0x7c00
	case abs < 0x38800000: // below 2^-14: subnormal
		// Scaled by 2^24 the result is an integer below 2^10, and float64
		// holds the product exactly.
		return sign | Float16(math.RoundToEven(float64(math.Float32frombits(abs))*(1<<24)))
	}
	abs -= (127 - 15) << 23
	abs += 0xfff + abs>>13&1
	return sign | Float16(abs>>13)
}

// Float32 returns the value of f, exactly.
func (f BFloat16) Float32() float32 { return math.Float32frombits(uint32(f) << 16) }

// NewBFloat16 rounds v to the nearest BFloat16, ties to even. NaN stays NaN.
func NewBFloat16(v float32) BFloat16 {
	bits := math.Float32bits(v)
	if bits&^(1<<31) > 0x7f800000 {
		return BFloat16(bits>>16) | 0x40
	}
	return BFloat16((bits + 0x7fff + bits>>16&1) >> 16)
}
