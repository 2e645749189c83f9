package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The functions of the normal distribution. They are evaluated without fused
// multiply-add, operation for operation as the portable path does: see
// normalPair in package kernel, which has the same tables.
var (
	// (log(1 + f) - f + f^2/2) / f^3 over [sqrt(1/2)-1, sqrt(2)-1], for log(1 + f): 0.1
	polyLog = []uint32{0x3eaaaaaa, 0xbe800113, 0x3e4cd00d, 0xbe2a3944, 0x3e116cb7, 0xbe06c152, 0x3e02ae74, 0xbd9c6153}
	// (sin(t) - t) / t^3 in t^2 over |t| <= pi/4, for sin(t): 0.07
	polySin = []uint32{0xbe2aaaa3, 0x3c0883bc, 0xb94caa04}
	// (cos(t) - 1 + t^2/2) / t^4 in t^2 over |t| <= pi/4, for cos(t): 0.002
	polyCos = []uint32{0x3d2aaaa5, 0xbab60615, 0x37ccf48a}
)

func random(g *gen) {
	g.draws("uniforms", "numbers uniform in [0, 1), from the upper 24 bits of a word", func(w [4]reg.VecVirtual) {
		for _, x := range w {
			g.VPSRLD(operand.U8(8), x, x)
			g.VCVTDQ2PS(x, x)
			g.VMULPS(g.float8("ulp", 0x1p-24), x, x)
		}
	})
	g.draws("normals", "standard normal numbers, two from two words", func(w [4]reg.VecVirtual) {
		g.normalPair(w[0], w[1])
		g.normalPair(w[2], w[3])
	})
}

// draws emits a generator of 32 numbers at a time. Eight blocks of Philox
// 4x32-10 run side by side, four to a set of registers, each word in the lower
// half of 64 bits, since that is what the multiplier takes.
func (g *gen) draws(name, what string, transform func(w [4]reg.VecVirtual)) {
	g.function(name, "func(groups int, dst *float32, block uint64, keys *uint32, high0, high1 uint32)",
		wrap(name+" writes groups times 32 "+what+", groups > 0, for the blocks from block. keys are the two keys of each of the ten rounds; high0 and high1 the upper half of the counter.")...)
	groups, dst, keys := g.arg("groups"), g.arg("dst"), g.arg("keys")
	index := [2]reg.VecVirtual{g.YMM(), g.YMM()}
	first := g.YMM()
	g.VPBROADCASTQ(g.argMem("block"), first)
	g.VPADDQ(g.words("even", 0, 0, 2, 0, 4, 0, 6, 0), first, index[0])
	g.VPADDQ(g.words("odd", 1, 0, 3, 0, 5, 0, 7, 0), first, index[1])

	g.Label("loop")
	var x [2][4]reg.VecVirtual
	for i := range x {
		for j := range x[i] {
			x[i][j] = g.YMM()
		}
		g.VMOVDQA(index[i], x[i][0])
		g.VPSRLQ(operand.U8(32), index[i], x[i][1])
		g.VBROADCASTSS(g.argMem("high0"), x[i][2])
		g.VBROADCASTSS(g.argMem("high1"), x[i][3])
		g.VPADDQ(g.words("eight", 8, 0, 8, 0, 8, 0, 8, 0), index[i], index[i])
	}
	m0, m1 := g.word8("philox0", 0xD2511F53), g.word8("philox1", 0xCD9E8D57)
	for round := range 10 {
		k0, k1 := g.YMM(), g.YMM()
		g.VPBROADCASTD(at(keys, 8*round), k0)
		g.VPBROADCASTD(at(keys, 8*round+4), k1)
		for i, s := range x {
			p0, p1 := g.YMM(), g.YMM()
			g.VPMULUDQ(m0, s[0], p0)
			g.VPMULUDQ(m1, s[2], p1)
			g.VPXOR(k0, s[1], s[1])
			g.VPXOR(k1, s[3], s[3])
			g.VPSRLQ(operand.U8(32), p1, s[0])
			g.VPSRLQ(operand.U8(32), p0, s[2])
			g.VPXOR(s[1], s[0], s[0])
			g.VPXOR(s[3], s[2], s[2])
			x[i] = [4]reg.VecVirtual{s[0], p1, s[2], p0}
		}
	}
	var w [4]reg.VecVirtual
	for j := range w {
		w[j] = g.YMM()
		g.VPSLLQ(operand.U8(32), x[1][j], w[j])
		g.VPBLENDD(operand.U8(0xAA), w[j], x[0][j], w[j])
	}
	transform(w)

	// From four vectors by word to eight blocks of four.
	var t, o [4]reg.VecVirtual
	for i := range t {
		t[i], o[i] = g.YMM(), g.YMM()
	}
	g.VUNPCKLPS(w[1], w[0], t[0])
	g.VUNPCKHPS(w[1], w[0], t[1])
	g.VUNPCKLPS(w[3], w[2], t[2])
	g.VUNPCKHPS(w[3], w[2], t[3])
	g.VUNPCKLPD(t[2], t[0], o[0])
	g.VUNPCKHPD(t[2], t[0], o[1])
	g.VUNPCKLPD(t[3], t[1], o[2])
	g.VUNPCKHPD(t[3], t[1], o[3])
	for i, halves := range []uint8{0x20, 0x20, 0x31, 0x31} {
		r := g.YMM()
		g.VPERM2F128(operand.U8(halves), o[i%2*2+1], o[i%2*2], r)
		g.VMOVUPS(r, at(dst, 32*i))
	}
	g.ADDQ(imm(128), dst)
	g.DECQ(groups)
	g.JNZ(operand.LabelRef("loop"))
	g.end()
}

// hornerApart evaluates a polynomial in x, product and sum rounded apart.
func (g *gen) hornerApart(name string, c []uint32, x reg.Register) reg.VecVirtual {
	p := g.YMM()
	last := len(c) - 1
	g.VMOVUPS(g.word8(name+string(rune('0'+last)), c[last]), p)
	for i := last - 1; i >= 0; i-- {
		g.VMULPS(x, p, p)
		g.VADDPS(g.word8(name+string(rune('0'+i)), c[i]), p, p)
	}
	return p
}

// normalPair turns two vectors of words into two of normal numbers by the
// method of Box and Muller.
func (g *gen) normalPair(w0, w1 reg.VecVirtual) {
	// r = sqrt(-2 log(u))
	u, e, f, z := g.YMM(), g.YMM(), g.YMM(), g.YMM()
	g.VPSRLD(operand.U8(1), w0, u)
	g.VCVTDQ2PS(u, u)
	g.VADDPS(g.float8("half", 0.5), u, u)
	g.VMULPS(g.float8("uniform31", 0x1p-31), u, u)
	g.VPSUBD(g.word8("rootHalf", 0x3f3504f3), u, e)
	g.VPSRAD(operand.U8(23), e, e)
	g.VPSLLD(operand.U8(23), e, f)
	g.VPSUBD(f, u, f)
	g.VCVTDQ2PS(e, e)
	g.VSUBPS(g.float8("one", 1), f, f)
	g.VMULPS(f, f, z)
	p := g.hornerApart("log", polyLog, f)
	t := g.YMM()
	g.VMULPS(z, f, t)
	g.VMULPS(t, p, p)
	g.VMULPS(g.float8("ln2low", lnLow), e, t)
	g.VADDPS(t, p, p)
	g.VMULPS(g.float8("half", 0.5), z, z)
	g.VSUBPS(z, p, p)
	g.VADDPS(f, p, p)
	g.VMULPS(g.float8("ln2high", lnHigh), e, t)
	g.VADDPS(t, p, p)
	g.VMULPS(g.float8("minusTwo", -2), p, p)
	r := g.YMM()
	g.VSQRTPS(p, r)

	// The angle is a quarter turn times the upper two bits of s, plus a.
	s, a := g.YMM(), g.YMM()
	eighth := g.word8("eighth", 1<<29)
	g.VPADDD(eighth, w1, s)
	g.VPAND(g.word8("quarterMask", 1<<30-1), s, a)
	g.VPSUBD(eighth, a, a)
	g.VCVTDQ2PS(a, a)
	g.VMULPS(g.float8("quarter", math.Pi/2*0x1p-30), a, a)
	g.VMULPS(a, a, z)
	sin := g.hornerApart("sin", polySin, z)
	g.VMULPS(z, a, t)
	g.VMULPS(t, sin, sin)
	g.VADDPS(a, sin, sin)
	cos := g.hornerApart("cos", polyCos, z)
	g.VMULPS(z, z, t)
	g.VMULPS(t, cos, cos)
	g.VMULPS(g.float8("half", 0.5), z, z)
	g.VSUBPS(z, cos, cos)
	g.VADDPS(g.float8("one", 1), cos, cos)

	// An odd number of quarter turns exchanges them; signs follow.
	odd, sign := g.YMM(), g.word8("sign", 1<<31)
	g.VPADDD(s, s, odd)
	g.VBLENDVPS(odd, sin, cos, w0)
	g.VBLENDVPS(odd, cos, sin, w1)
	g.VPADDD(g.word8("quarterTurn", 1<<30), s, t)
	g.VPAND(sign, t, t)
	g.VPXOR(t, w0, w0)
	g.VPAND(sign, s, s)
	g.VPXOR(s, w1, w1)
	g.VMULPS(r, w0, w0)
	g.VMULPS(r, w1, w1)
}
