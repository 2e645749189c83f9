package main

import (
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func elementwise(g *gen) {
	unary := func(name, doc string, f func(x reg.VecVirtual, s []reg.VecVirtual) reg.VecVirtual, scalars ...string) {
		g.each(loop{name, doc, []string{"x"}, []string{"y"}, scalars}, func(v, s []reg.VecVirtual) []reg.VecVirtual {
			return []reg.VecVirtual{f(v[0], s)}
		})
	}
	unary("reluEach", "computes y = x where x > 0 or NaN, otherwise 0.", func(x reg.VecVirtual, _ []reg.VecVirtual) reg.VecVirtual {
		zero := g.YMM()
		g.VXORPS(zero, zero, zero)
		g.VMAXPS(x, zero, x)
		return x
	})
	unary("leakyEach", "computes y = x, or alpha x where the sign of x is set.", func(x reg.VecVirtual, s []reg.VecVirtual) reg.VecVirtual {
		t := g.YMM()
		g.VMULPS(s[0], x, t)
		g.VBLENDVPS(x, t, x, x)
		return x
	}, "alpha")
	unary("tanhEach", "computes y = tanh(x).", func(x reg.VecVirtual, _ []reg.VecVirtual) reg.VecVirtual { return g.tanhOf(x) })
	unary("sigmoidEach", "computes y = 1 / (1 + exp(-x)).", func(x reg.VecVirtual, _ []reg.VecVirtual) reg.VecVirtual { return g.sigmoidOf(x) })
	unary("softplusEach", "computes y = log(1 + exp(x)).", func(x reg.VecVirtual, _ []reg.VecVirtual) reg.VecVirtual { return g.softplusOf(x) })
	unary("expEach", "computes y = exp(x).", func(x reg.VecVirtual, _ []reg.VecVirtual) reg.VecVirtual { return g.expOf(x) })
	unary("eluEach", "computes y = x, or alpha (exp(x) - 1) where x <= 0.", func(x reg.VecVirtual, s []reg.VecVirtual) reg.VecVirtual {
		low, zero := g.YMM(), g.YMM()
		g.VMOVUPS(g.float8("expm1Low", -87), low)
		g.VXORPS(zero, zero, zero)
		g.VMAXPS(x, low, low)
		g.VMINPS(low, zero, low)
		u := g.expm1Of(low)
		g.VMULPS(s[0], u, u)
		g.VBLENDVPS(g.positive(x), x, u, u)
		return u
	}, "alpha")
	unary("float16Each", "rounds to the nearest number that 16 bits hold, with 5 of exponent; ties to even.", func(x reg.VecVirtual, _ []reg.VecVirtual) reg.VecVirtual {
		return g.float16Of(x)
	})
	unary("bfloat16Each", "is float16Each with 8 bits of exponent.", func(x reg.VecVirtual, _ []reg.VecVirtual) reg.VecVirtual {
		y := g.shortened(x, 16)
		g.VBLENDVPS(g.unordered(x), g.quieted(x, 16), y, y)
		return y
	})
	unary("quantizeEach", "computes y = x / scale + zero, rounded to an integer before the sum, within lo and hi; lo where x is NaN.", func(x reg.VecVirtual, s []reg.VecVirtual) reg.VecVirtual {
		const toEven = 8 // without an exception
		g.VDIVPS(s[0], x, x)
		g.VROUNDPS(operand.U8(toEven), x, x)
		g.VADDPS(s[1], x, x)
		g.VMAXPS(s[2], x, x) // the operand written first wins where the other is NaN
		g.VMINPS(s[3], x, x)
		return x
	}, "scale", "zero", "lo", "hi")
	unary("dequantizeEach", "computes y = (x - zero) scale.", func(x reg.VecVirtual, s []reg.VecVirtual) reg.VecVirtual {
		g.VSUBPS(s[1], x, x)
		g.VMULPS(s[0], x, x)
		return x
	}, "scale", "zero")

	slope := func(name, doc string, f func(y, dy reg.VecVirtual, s []reg.VecVirtual) reg.VecVirtual, scalars ...string) {
		g.each(loop{name, doc, []string{"y", "dy"}, []string{"dx"}, scalars}, func(v, s []reg.VecVirtual) []reg.VecVirtual {
			return []reg.VecVirtual{f(v[0], v[1], s)}
		})
	}
	slope("reluSlope", "computes dx = dy where y > 0, 0 where y <= 0, NaN where y is NaN.", func(y, dy reg.VecVirtual, _ []reg.VecVirtual) reg.VecVirtual {
		m := g.positive(y)
		g.VANDPS(dy, m, m)
		g.nanFrom(y, m)
		return m
	})
	slope("leakySlope", "computes dx = dy where y > 0, alpha dy where y <= 0, NaN where y is NaN.", func(y, dy reg.VecVirtual, s []reg.VecVirtual) reg.VecVirtual {
		a := g.YMM()
		g.VMOVUPS(g.float8("one", 1), a)
		g.VBLENDVPS(g.positive(y), a, s[0], a)
		g.nanFrom(y, a)
		g.VMULPS(dy, a, a)
		return a
	}, "alpha")
	slope("tanhSlope", "computes dx = dy (1 - y y), each operation rounded.", func(y, dy reg.VecVirtual, _ []reg.VecVirtual) reg.VecVirtual {
		one := g.YMM()
		g.VMOVUPS(g.float8("one", 1), one)
		g.VMULPS(y, y, y)
		g.VSUBPS(y, one, y)
		g.VMULPS(dy, y, y)
		return y
	})
	slope("sigmoidSlope", "computes dx = dy (y (1 - y)), each operation rounded.", func(y, dy reg.VecVirtual, _ []reg.VecVirtual) reg.VecVirtual {
		one := g.YMM()
		g.VMOVUPS(g.float8("one", 1), one)
		g.VSUBPS(y, one, one)
		g.VMULPS(one, y, y)
		g.VMULPS(dy, y, y)
		return y
	})
	slope("softplusSlope", "computes dx = dy (1 - exp(-y)) for y >= 0.", func(y, dy reg.VecVirtual, _ []reg.VecVirtual) reg.VecVirtual {
		low, t := g.YMM(), g.YMM()
		sign := g.word8("sign", 1<<31)
		g.VXORPS(sign, y, t)
		g.VMOVUPS(g.float8("expm1Low", -87), low)
		g.VMAXPS(t, low, t)
		u := g.expm1Of(t)
		g.VXORPS(sign, u, u)
		g.VMULPS(dy, u, u)
		return u
	})
	slope("eluSlope", "computes dx = dy where y > 0, dy (y + alpha) where y <= 0, NaN where y is NaN.", func(y, dy reg.VecVirtual, s []reg.VecVirtual) reg.VecVirtual {
		a, u := g.YMM(), g.YMM()
		g.VADDPS(s[0], y, u)
		g.VMOVUPS(g.float8("one", 1), a)
		g.VBLENDVPS(g.positive(y), a, u, a)
		g.nanFrom(y, a)
		g.VMULPS(dy, a, a)
		return a
	}, "alpha")

	binary := func(name, doc string, f func(a, b reg.VecVirtual)) {
		g.each(loop{name, doc, []string{"a", "b"}, []string{"y"}, nil}, func(v, _ []reg.VecVirtual) []reg.VecVirtual {
			f(v[0], v[1])
			return v[:1]
		})
	}
	binary("addEach", "computes y = a + b.", func(a, b reg.VecVirtual) { g.VADDPS(b, a, a) })
	binary("mulEach", "computes y = a b.", func(a, b reg.VecVirtual) { g.VMULPS(b, a, a) })
	g.each(loop{"aboutEach", "computes y = (x - mean) scale + shift, the product and the sum in one rounding.", []string{"x"}, []string{"y"}, []string{"mean", "scale", "shift"}},
		func(v, s []reg.VecVirtual) []reg.VecVirtual {
			g.VSUBPS(s[0], v[0], v[0])
			g.VFMADD213PS(s[2], s[1], v[0])
			return v
		})
	g.each(loop{"combineEach", "computes y = scale y + (slope (x - mean) + shift), fused.", []string{"y", "x"}, []string{"y"}, []string{"scale", "slope", "mean", "shift"}},
		func(v, s []reg.VecVirtual) []reg.VecVirtual {
			g.VSUBPS(s[2], v[1], v[1])
			g.VFMADD213PS(s[3], s[1], v[1])
			g.VFMADD213PS(v[1], s[0], v[0])
			return v[:1]
		})

	g.adam()
	g.columnSums()
	g.pixels()
	g.float16Wide()
}

// float16Wide emits the conversion to float16 and back.
func (g *gen) float16Wide() {
	g.function("float16Wide", "func(n int, y, x *float32)", "float16Wide is float16Each of n elements, n > 0, with AVX-512.")
	n, y, x := g.arg("n"), g.arg("y"), g.arg("x")
	v, half := g.ZMM(), g.YMM()
	const toEven = 0
	convert := func() {
		g.VCVTPS2PH(operand.U8(toEven), v, half)
		g.VCVTPH2PS(half, v)
	}
	g.SUBQ(imm(16), n)
	g.JLT(operand.LabelRef("rest"))
	g.Label("loop")
	g.VMOVUPS(at(x, 0), v)
	convert()
	g.VMOVUPS(v, at(y, 0))
	g.ADDQ(imm(64), x)
	g.ADDQ(imm(64), y)
	g.SUBQ(imm(16), n)
	g.JGE(operand.LabelRef("loop"))
	g.Label("rest")
	g.ADDQ(imm(16), n)
	g.JZ(operand.LabelRef("done"))
	ones, bits, mask := g.GP64(), g.GP64(), g.K()
	g.MOVQ(operand.I32(-1), ones)
	g.BZHIQ(n, ones, bits)
	g.KMOVW(bits.As32(), mask)
	g.VMOVUPS_Z(at(x, 0), mask, v)
	convert()
	g.VMOVUPS(v, mask, at(y, 0))
	g.Label("done")
	g.end()
}

// adam emits the update of the parameters. Every product and sum is rounded
// apart, as the portable path does, so that both agree to the last bit.
func (g *gen) adam() {
	// toward moves m by rate times the distance to x.
	toward := func(m, x, rate reg.VecVirtual) {
		d := g.YMM()
		g.VSUBPS(m, x, d)
		g.VMULPS(rate, d, d)
		g.VADDPS(d, m, m)
	}
	g.each(loop{"adamEach", "makes a step of Adam; b1 and b2 are 1 - beta, rate holds the bias corrections.",
		[]string{"w", "gr", "m", "v"}, []string{"w", "m", "v"}, []string{"b1", "b2", "rate", "eps"}}, func(v, s []reg.VecVirtual) []reg.VecVirtual {
		w, gr, m, sq := v[0], v[1], v[2], v[3]
		toward(m, gr, s[0])
		g.VMULPS(gr, gr, gr)
		toward(sq, gr, s[1])
		root, step := g.YMM(), g.YMM()
		g.VSQRTPS(sq, root)
		g.VADDPS(s[3], root, root)
		g.VMULPS(s[2], m, step)
		g.VDIVPS(root, step, step)
		g.VSUBPS(step, w, w)
		return []reg.VecVirtual{w, m, sq}
	})
}

// loop describes a function over rows of cols elements, ld elements apart, the
// same for all of its pointers.
type loop struct {
	name, doc string
	in, out   []string // pointers: read, written; one that is both is in both
	scalars   []string
}

// each emits a loop. The body is given the vectors of in and the scalars
// broadcast, and returns the vectors of out. It is emitted twice, for whole
// vectors and for the rest of a row under a mask, so that an element's result
// does not depend on its place.
func (g *gen) each(l loop, body func(v, s []reg.VecVirtual) []reg.VecVirtual) {
	var names []string
	for _, n := range slices.Concat(l.out, l.in) {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	sig := "func(rows, cols, ld int, " + strings.Join(names, ", ") + " *float32"
	if len(l.scalars) > 0 {
		sig += ", " + strings.Join(l.scalars, ", ") + " float32"
	}
	g.function(l.name, sig+")", wrap(l.name+" "+l.doc)...)

	rows, ld := g.arg("rows"), g.arg("ld")
	g.SHLQ(operand.U8(2), ld)
	ptr := map[string]reg.GPVirtual{}
	for _, n := range names {
		ptr[n] = g.arg(n)
	}
	var s []reg.VecVirtual
	for _, n := range l.scalars {
		s = append(s, g.argVector(n))
	}
	cols, i := g.GP64(), g.GP64()

	pass := func(mask reg.Register) {
		var v []reg.VecVirtual
		for _, n := range l.in {
			x := g.YMM()
			if mask != nil {
				g.VMASKMOVPS(atIndex(ptr[n], i, 1), mask, x)
			} else {
				g.VMOVUPS(atIndex(ptr[n], i, 1), x)
			}
			v = append(v, x)
		}
		for k, x := range body(v, s) {
			if mask != nil {
				g.VMASKMOVPS(x, mask, atIndex(ptr[l.out[k]], i, 1))
			} else {
				g.VMOVUPS(x, atIndex(ptr[l.out[k]], i, 1))
			}
		}
	}
	g.Label("row")
	g.MOVQ(g.argMem("cols"), cols)
	g.XORQ(i, i)
	g.SUBQ(imm(8), cols)
	g.JLT(operand.LabelRef("tail"))
	g.Label("loop")
	pass(nil)
	g.ADDQ(imm(32), i)
	g.SUBQ(imm(8), cols)
	g.JGE(operand.LabelRef("loop"))
	g.Label("tail")
	g.ADDQ(imm(8), cols)
	g.JZ(operand.LabelRef("next"))
	pass(g.mask(cols))
	g.Label("next")
	for _, n := range names {
		g.ADDQ(ld, ptr[n])
	}
	g.DECQ(rows)
	g.JNZ(operand.LabelRef("row"))
	g.end()
}

// columnSums emits the sums of the columns of a matrix.
func (g *gen) columnSums() {
	g.function("columnSums", "func(rows, cols int, x *float32, ld int, dst *float32)",
		"columnSums adds rows of cols elements, ld elements apart, to dst, from the first",
		"to the last.")
	cols, x, ld, dst := g.arg("cols"), g.arg("x"), g.arg("ld"), g.arg("dst")
	g.SHLQ(operand.U8(2), ld)
	p, rows := g.GP64(), g.GP64()
	sums := func(label string, vectors int, mask reg.Register) {
		acc := make([]reg.VecVirtual, vectors)
		for i := range acc {
			acc[i] = g.YMM()
			if mask != nil {
				g.VMASKMOVPS(at(dst, 32*i), mask, acc[i])
			} else {
				g.VMOVUPS(at(dst, 32*i), acc[i])
			}
		}
		g.MOVQ(x, p)
		g.MOVQ(g.argMem("rows"), rows)
		g.Label(label + "rows")
		for i, v := range acc {
			if mask != nil {
				t := g.YMM()
				g.VMASKMOVPS(at(p, 32*i), mask, t)
				g.VADDPS(t, v, v)
			} else {
				g.VADDPS(at(p, 32*i), v, v)
			}
		}
		g.ADDQ(ld, p)
		g.DECQ(rows)
		g.JNZ(operand.LabelRef(label + "rows"))
		for i, v := range acc {
			if mask != nil {
				g.VMASKMOVPS(v, mask, at(dst, 32*i))
			} else {
				g.VMOVUPS(v, at(dst, 32*i))
			}
		}
		g.ADDQ(imm(32*vectors), x)
		g.ADDQ(imm(32*vectors), dst)
	}
	for _, vectors := range []int{8, 1} {
		label := []string{"one", "eight"}[vectors/8]
		g.SUBQ(imm(8*vectors), cols)
		g.JLT(operand.LabelRef(label + "done"))
		g.Label(label)
		sums(label, vectors, nil)
		g.SUBQ(imm(8*vectors), cols)
		g.JGE(operand.LabelRef(label))
		g.Label(label + "done")
		g.ADDQ(imm(8*vectors), cols)
	}
	g.JZ(operand.LabelRef("done"))
	sums("edge", 1, g.mask(cols))
	g.Label("done")
	g.end()
}

// pixels emits the conversion of bytes.
func (g *gen) pixels() {
	g.function("pixelsEach", "func(n8 int, dst *float32, src *uint8, scale, offset float32)",
		"pixelsEach computes dst = scale src + offset for 8 n8 elements, n8 > 0, product",
		"and sum rounded apart.")
	n, dst, src := g.arg("n8"), g.arg("dst"), g.arg("src")
	scale, offset, x := g.argVector("scale"), g.argVector("offset"), g.YMM()
	g.Label("loop")
	g.VPMOVZXBD(at(src, 0), x)
	g.VCVTDQ2PS(x, x)
	g.VMULPS(scale, x, x)
	g.VADDPS(offset, x, x)
	g.VMOVUPS(x, at(dst, 0))
	g.ADDQ(imm(8), src)
	g.ADDQ(imm(32), dst)
	g.DECQ(n)
	g.JNZ(operand.LabelRef("loop"))
	g.end()
}

func pause(g *gen) {
	g.function("pause", "func(n int)", "pause tells the processor n times, n > 0, that it waits in a loop.")
	n := g.arg("n")
	g.Label("loop")
	g.PAUSE()
	g.DECQ(n)
	g.JNZ(operand.LabelRef("loop"))
	g.RET()
}

// wrap breaks a comment into lines.
func wrap(text string) (lines []string) {
	line := ""
	for _, w := range strings.Fields(text) {
		if line != "" && len(line)+1+len(w) > 77 {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}
