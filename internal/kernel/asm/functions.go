package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The polynomials are minimax fits in the relative error of the function that
// they serve, with coefficients rounded to float32 one after the other, from
// the lowest, and the rest fitted again. Behind each stands its largest error
// in units of 2^-24, in exact arithmetic.
var (
	// (e^r - 1 - r) / r^2 over |r| <= log(2)/2, for e^r - 1: 0.008
	polyExp = []uint32{0x3f000000, 0x3e2aaaaa, 0x3d2aaa7c, 0x3c08896b, 0x3ab69d2f, 0x394f3bf7}
	// log(1 + t) / t over [0, 1]: 0.09
	polyLog1p = []uint32{0x3f800000, 0xbeffffe9, 0x3eaaa6ea, 0xbe7f924f, 0x3e49a886, 0xbe1d2cbd, 0x3dda8599, 0xbd6bc5a3, 0x3ca5124f, 0xbb58b27f}
)

// log(2) in two parts. The first has 16 bits, so that its products with an
// exponent are exact.
const (
	lnHigh = 0x1.62e4p-1
	lnLow  = math.Ln2 - lnHigh
)

// float8 is a float32 constant as a vector operand.
func (g *gen) float8(name string, v float64) operand.Mem {
	return g.word8(name, math.Float32bits(float32(v)))
}

// fma puts x*y + z into x, as z is in memory or a register.
func (g *gen) fma(x, y reg.Register, z operand.Op) { g.VFMADD213PS(z, y, x) }

// horner evaluates a polynomial in x by fused multiply-add.
func (g *gen) horner(name string, c []uint32, x reg.Register) reg.VecVirtual {
	p := g.YMM()
	last := len(c) - 1
	g.VMOVUPS(g.word8(fmt.Sprintf("%s%d", name, last), c[last]), p)
	for i := last - 1; i >= 0; i-- {
		g.fma(p, x, g.word8(fmt.Sprintf("%s%d", name, i), c[i]))
	}
	return p
}

// reduced is an exponent split as x = n log(2) + r with |r| <= log(2)/2.
type reduced struct {
	shifted reg.VecVirtual // 1.5 * 2^23 + n, whose low bits are n
	n       reg.VecVirtual
	m       reg.VecVirtual // e^r - 1
}

// reduce splits x and evaluates e^r - 1. Adding 1.5 * 2^23 rounds to an integer
// and leaves it in the low bits. NaN passes into m.
func (g *gen) reduce(x reg.Register) reduced {
	magic := g.float8("magic", 0x1.8p23)
	e := reduced{shifted: g.YMM(), n: g.YMM()}
	g.VMOVUPS(g.float8("log2e", math.Log2E), e.shifted)
	g.fma(e.shifted, x, magic)
	g.VSUBPS(magic, e.shifted, e.n)
	r := g.YMM()
	g.VMOVAPS(x, r)
	g.VFNMADD231PS(g.float8("ln2high", lnHigh), e.n, r)
	g.VFNMADD231PS(g.float8("ln2low", lnLow), e.n, r)
	e.m = g.horner("exp", polyExp, r)
	g.VMULPS(r, e.m, e.m)
	g.fma(e.m, r, r) // r + r^2 q
	return e
}

// power is 2^(n+bias), from the low bits of the rounded exponent, without
// checks.
func (g *gen) power(shifted reg.Register, bias int) reg.VecVirtual {
	p := g.YMM()
	g.VPSLLD(operand.U8(23), shifted, p)
	g.VPADDD(g.word8(fmt.Sprintf("power%d", bias), uint32(127+bias)<<23), p, p)
	return p
}

// clamp limits x to [lo, hi]. The minimum and the maximum return what is
// written first where one operand is NaN: hence the order.
func (g *gen) clamp(x reg.Register, lo, hi operand.Mem) reg.VecVirtual {
	y, limit := g.YMM(), g.YMM()
	g.VMOVUPS(lo, limit)
	g.VMAXPS(x, limit, y)
	g.VMOVUPS(hi, limit)
	g.VMINPS(y, limit, y)
	return y
}

// expOf is e^x over the whole range: two factors carry the power of two, so that
// results below the normal range are rounded once.
func (g *gen) expOf(x reg.VecVirtual) reg.VecVirtual {
	e := g.reduce(g.clamp(x, g.float8("expLow", -104), g.float8("expHigh", 89)))
	y, n, half := g.YMM(), g.YMM(), g.YMM()
	g.VADDPS(g.float8("one", 1), e.m, y)
	g.VPSUBD(g.float8("magic", 0x1.8p23), e.shifted, n)
	g.VPSRAD(operand.U8(1), n, half)
	g.VPSUBD(half, n, n)
	g.VMULPS(g.power(half, 0), y, y)
	g.VMULPS(g.power(n, 0), y, y)
	return y
}

// decay is e^-|x|. A power of two too small for a normal number is applied in
// two factors.
func (g *gen) decay(x reg.VecVirtual) reg.VecVirtual {
	t, lo := g.YMM(), g.YMM()
	g.VORPS(g.word8("sign", 1<<31), x, t)
	g.VMOVUPS(g.float8("expLow", -104), lo)
	g.VMAXPS(t, lo, t)
	e := g.reduce(t)
	y := g.YMM()
	g.VADDPS(g.float8("one", 1), e.m, y)
	g.VMULPS(g.power(e.shifted, 64), y, y)
	g.VMULPS(g.float8("tiny", 0x1p-64), y, y)
	return y
}

// expm1Of is e^x - 1 for x within [-87, 88], accurate near zero too.
func (g *gen) expm1Of(x reg.VecVirtual) reg.VecVirtual {
	e := g.reduce(x)
	p, q := g.power(e.shifted, 0), g.YMM()
	g.VSUBPS(g.float8("one", 1), p, q)
	g.fma(e.m, p, q)
	return e.m
}

// tanhOf is u / (u + 2) with u = e^2|x| - 1, and the sign of x. From 9.02 on it
// is 1.
func (g *gen) tanhOf(x reg.VecVirtual) reg.VecVirtual {
	a, hi := g.YMM(), g.YMM()
	sign := g.word8("sign", 1<<31)
	g.VMOVUPS(sign, a)
	g.VANDNPS(x, a, a) // |x|
	g.VADDPS(a, a, a)
	g.VMOVUPS(g.float8("tanhHigh", 18.5), hi)
	g.VMINPS(a, hi, a)
	u := g.expm1Of(a)
	d, s := g.YMM(), g.YMM()
	g.VADDPS(g.float8("two", 2), u, d)
	g.VDIVPS(d, u, u)
	g.VANDPS(sign, x, s)
	g.VORPS(s, u, u)
	return u
}

// sigmoidOf is 1 / (1 + t) or t / (1 + t) with t = e^-|x|.
func (g *gen) sigmoidOf(x reg.VecVirtual) reg.VecVirtual {
	t := g.decay(x)
	d, one := g.YMM(), g.YMM()
	g.VMOVUPS(g.float8("one", 1), one)
	g.VADDPS(one, t, d)
	g.VBLENDVPS(x, t, one, t) // by the sign of x
	g.VDIVPS(d, t, t)
	return t
}

// softplusOf is max(x, 0) + log(1 + e^-|x|).
func (g *gen) softplusOf(x reg.VecVirtual) reg.VecVirtual {
	t := g.decay(x)
	p, zero := g.horner("log1p", polyLog1p, t), g.YMM()
	g.VXORPS(zero, zero, zero)
	g.VMAXPS(x, zero, zero)
	g.fma(p, t, zero)
	return p
}

// float16Of is x in the range and the precision of float16.
func (g *gen) float16Of(x reg.VecVirtual) reg.VecVirtual {
	sign, abs := g.YMM(), g.YMM()
	g.VANDPS(g.word8("sign", 1<<31), x, sign)
	g.VXORPS(sign, x, abs)
	y := g.shortened(abs, 13)
	// Below the normal numbers all are multiples of 2^-24, which is the last place of sums from 1/2 to 1.
	m, small := g.YMM(), g.YMM()
	g.VMOVUPS(g.word8("float16Normal", 0x38800000), m)
	g.VPCMPGTD(abs, m, m)
	g.VADDPS(g.float8("float16Subnormal", 0.75), abs, small)
	g.VSUBPS(g.float8("float16Subnormal", 0.75), small, small)
	g.VBLENDVPS(m, small, y, y)
	g.VPCMPGTD(g.word8("float16Largest", 0x477fefff), abs, m) // what is half a step above the largest, or more
	g.VBLENDVPS(m, g.word8("infinity", 0x7f800000), y, y)
	g.VBLENDVPS(g.unordered(x), g.quieted(abs, 13), y, y)
	g.VORPS(sign, y, y)
	return y
}

// shortened rounds a finite number to even without its last bits.
func (g *gen) shortened(x reg.VecVirtual, bits int) reg.VecVirtual {
	y := g.YMM()
	g.VPSLLD(operand.U8(31-bits), x, y)
	g.VPSRLD(operand.U8(31), y, y)
	g.VPADDD(x, y, y)
	g.VPADDD(g.word8(fmt.Sprintf("half%d", bits), 1<<(bits-1)-1), y, y)
	g.VPAND(g.word8(fmt.Sprintf("but%d", bits), ^uint32(0)<<bits), y, y)
	return y
}

// quieted is a NaN without its last bits.
func (g *gen) quieted(x reg.VecVirtual, bits int) reg.VecVirtual {
	y := g.YMM()
	g.VPOR(g.word8("quiet", 1<<22), x, y)
	g.VPAND(g.word8(fmt.Sprintf("but%d", bits), ^uint32(0)<<bits), y, y)
	return y
}

// unordered is the mask of NaN.
func (g *gen) unordered(x reg.VecVirtual) reg.VecVirtual {
	m := g.YMM()
	const unordered = 3
	g.VCMPPS(operand.U8(unordered), x, x, m)
	return m
}

// positive is the mask of x > 0 or NaN.
func (g *gen) positive(x reg.VecVirtual) reg.VecVirtual {
	m := g.YMM()
	g.VXORPS(m, m, m)
	const notLessOrEqual = 0x16 // unordered: true, quiet
	g.VCMPPS(operand.U8(notLessOrEqual), m, x, m)
	return m
}

// nanFrom makes those lanes of a NaN where x is.
func (g *gen) nanFrom(x, a reg.VecVirtual) {
	g.VORPS(g.unordered(x), a, a)
}
