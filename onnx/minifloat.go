package onnx

import (
	"math"
	"sort"
	"sync"
)

// Floats of 8 bits and fewer hold their bits, one number a byte. FN has no
// infinities; UZ has one zero, and its NaN in the place of minus zero (Micikevicius
// et al., FP8 Formats for Deep Learning, arXiv:2209.05433; Noune et al., 8-bit
// Numerical Formats for Deep Neural Networks, arXiv:2206.02915). The last two are
// the element and the scale of a block (OCP Microscaling Formats, version 1.0).
type (
	Float8E4M3FN   uint8 // 4 bits of exponent, 3 of fraction, up to 448
	Float8E4M3FNUZ uint8 // up to 240
	Float8E5M2     uint8 // up to 57344, with infinities
	Float8E5M2FNUZ uint8 // up to 57344
	Float8E8M0     uint8 // the powers of two from 2^-127 to 2^127, without a sign
	Float4E2M1     uint8 // up to 6, in the low four bits; no infinities, no NaN
)

// Float32 returns the value of f, exactly.
func (f Float8E4M3FN) Float32() float32 { return e4m3fn().value(uint8(f)) }

// Float32 returns the value of f, exactly.
func (f Float8E4M3FNUZ) Float32() float32 { return e4m3fnuz().value(uint8(f)) }

// Float32 returns the value of f, exactly.
func (f Float8E5M2) Float32() float32 { return e5m2().value(uint8(f)) }

// Float32 returns the value of f, exactly.
func (f Float8E5M2FNUZ) Float32() float32 { return e5m2fnuz().value(uint8(f)) }

// Float32 returns the value of f, exactly.
func (f Float8E8M0) Float32() float32 { return e8m0().value(uint8(f)) }

// Float32 returns the value of f, exactly.
func (f Float4E2M1) Float32() float32 { return e2m1().value(uint8(f & 0xf)) }

// NewFloat8E4M3FN rounds v to the nearest Float8E4M3FN, ties to even. What is
// beyond the largest one becomes NaN, as NaN does.
func NewFloat8E4M3FN(v float64) Float8E4M3FN { return Float8E4M3FN(e4m3fn().nearest(v)) }

// NewFloat8E4M3FNUZ is NewFloat8E4M3FN for its type; minus zero becomes zero.
func NewFloat8E4M3FNUZ(v float64) Float8E4M3FNUZ { return Float8E4M3FNUZ(e4m3fnuz().nearest(v)) }

// NewFloat8E5M2 rounds v to the nearest Float8E5M2, ties to even. What is beyond the
// largest one becomes infinite; NaN stays NaN.
func NewFloat8E5M2(v float64) Float8E5M2 { return Float8E5M2(e5m2().nearest(v)) }

// NewFloat8E5M2FNUZ is NewFloat8E4M3FN for its type; minus zero becomes zero.
func NewFloat8E5M2FNUZ(v float64) Float8E5M2FNUZ { return Float8E5M2FNUZ(e5m2fnuz().nearest(v)) }

// NewFloat8E8M0 rounds v to the nearest power of two, ties up. What is not
// positive, or beyond the largest one, becomes NaN, as NaN does.
func NewFloat8E8M0(v float64) Float8E8M0 { return Float8E8M0(e8m0().nearest(v)) }

// NewFloat4E2M1 rounds v to the nearest Float4E2M1, ties to even. What is beyond the
// largest one becomes the largest one, as NaN does, which the type lacks.
func NewFloat4E2M1(v float64) Float4E2M1 { return Float4E2M1(e2m1().nearest(v)) }

// A minifloat is a type of floats of at most 8 bits, each of which is looked up.
type minifloat struct {
	values   [256]float32 // by bits; NaN where they mean none
	ascend   []float64    // the finite values from zero on, whose bits count up
	sign     uint8        // the bit of the sign, 0 without one
	over     uint8        // what is beyond the largest value, except for its sign
	nan      uint8        // except for its sign
	oneZero  bool         // minus zero is NaN
	tiesUp   bool
	noneLess bool // no zero: what is not positive is NaN
}

func (m *minifloat) value(bits uint8) float32 { return m.values[bits] }

// nearest rounds v; halves go to even bits, and of the type without a fraction up.
func (m *minifloat) nearest(v float64) uint8 {
	switch {
	case math.IsNaN(v) && m.oneZero, m.noneLess && !(v > 0):
		return m.nan
	case math.IsNaN(v):
		return m.signed(v, m.nan)
	}
	a, last := math.Abs(v), len(m.ascend)-1
	above := sort.SearchFloat64s(m.ascend, a) // the first that is no less
	var below, next float64
	switch {
	case above == 0:
		return m.signed(v, 0)
	case above > last: // the next number, if the type went on
		below, next = m.ascend[last], 2*m.ascend[last]-m.ascend[last-1]
		if m.noneLess {
			next = 2 * below
		}
	default:
		below, next = m.ascend[above-1], m.ascend[above]
	}
	half := below + (next-below)/2
	code := uint8(above) - 1
	up := a > half || a == half && (m.tiesUp || code&1 == 1)
	switch {
	case up && above > last:
		return m.signed(v, m.over)
	case up:
		code++
	}
	return m.signed(v, code)
}

func (m *minifloat) signed(v float64, bits uint8) uint8 {
	if math.Signbit(v) && !(m.oneZero && bits == 0) {
		return bits | m.sign
	}
	return bits
}

// newMinifloat returns a type with bits for a sign, an exponent and a fraction, those
// from special on without a finite value.
func newMinifloat(exponent, fraction, bias int, special uint8) *minifloat {
	m := &minifloat{sign: 1 << (exponent + fraction)}
	for bits := range 256 {
		m.values[bits] = float32(math.NaN())
	}
	for bits := range int(special) {
		e, f := bits>>fraction, float64(bits&(1<<fraction-1))
		v := math.Ldexp(f, 1-bias-fraction) // subnormal
		if e > 0 {
			v = math.Ldexp(f+float64(int(1)<<fraction), e-bias-fraction)
		}
		m.ascend = append(m.ascend, v)
		m.values[bits], m.values[bits|int(m.sign)] = float32(v), float32(math.Copysign(v, -1))
	}
	return m
}

var (
	e4m3fn = sync.OnceValue(func() *minifloat {
		m := newMinifloat(4, 3, 7, 0x7f)
		m.over, m.nan = 0x7f, 0x7f
		return m
	})
	e4m3fnuz = sync.OnceValue(func() *minifloat { return withOneZero(newMinifloat(4, 3, 8, 0x80)) })
	e5m2     = sync.OnceValue(func() *minifloat {
		m := newMinifloat(5, 2, 15, 0x7c)
		m.over, m.nan = 0x7c, 0x7e
		m.values[0x7c], m.values[0xfc] = float32(math.Inf(1)), float32(math.Inf(-1))
		return m
	})
	e5m2fnuz = sync.OnceValue(func() *minifloat { return withOneZero(newMinifloat(5, 2, 16, 0x80)) })
	e2m1     = sync.OnceValue(func() *minifloat {
		m := newMinifloat(2, 1, 1, 8)
		m.over, m.nan = 7, 7
		return m
	})
	e8m0 = sync.OnceValue(func() *minifloat {
		m := &minifloat{over: 0xff, nan: 0xff, tiesUp: true, noneLess: true}
		for bits := range 255 {
			v := math.Ldexp(1, bits-127)
			m.ascend = append(m.ascend, v)
			m.values[bits] = float32(v)
		}
		m.values[255] = float32(math.NaN())
		return m
	})
)

func withOneZero(m *minifloat) *minifloat {
	m.over, m.nan, m.sign, m.oneZero = 0x80, 0x80, 0x80, true
	m.values[0x80] = float32(math.NaN())
	return m
}

// Integers of 4 and 2 bits, one number a byte; what their types cannot hold is cut
// to its last bits.
type (
	Int4  int8  // -8 to 7
	UInt4 uint8 // 0 to 15
	Int2  int8  // -2 to 1
	UInt2 uint8 // 0 to 3
)
