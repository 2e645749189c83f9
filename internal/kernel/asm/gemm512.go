package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// wideRows is the height of the full AVX-512 tile: 14 rows of 2 vectors take 28
// of the 32 registers, and read 16 vectors from memory for 28 multiply-adds.
const wideRows = 14

func gemm512(g *gen) {
	for rows := wideRows; rows > 0; rows-- {
		g.wideTile(rows, 2)
		g.wideTile(rows, 1)
	}
	g.packWide()
	g.packColumns(32)
}

// wideTile emits the micro-kernel tile for registers of 16 elements. Masks make
// whole and partial panels one and the same.
func (g *gen) wideTile(rows, vectors int) {
	name := fmt.Sprintf("wide%dx%d", rows, vectors)
	doc := fmt.Sprintf("%s is wide%dx2 with tiles of %d by %d elements.", name, wideRows, rows, 16*vectors)
	if rows == wideRows && vectors == 2 {
		doc = name + " is tile6 with AVX-512: tiles of 14 by 32 elements, of which it touches the first cols columns."
	}
	g.function(name, "func(tiles, k int, a *float32, ars, acs, ats int, b *float32, brs int, c *float32, ldc int, init *float32, ldi, its int, bias *float32, act int, alpha float32, cols int)", wrap(doc)...)

	masks := g.columnMasks(vectors)
	ars, acs, brs := g.arg("ars"), g.arg("acs"), g.arg("brs")
	c, ldc, start := g.arg("c"), g.arg("ldc"), g.arg("init")
	// steps[r] reaches row r of 7 from the base.
	steps := make([]func(base reg.Register) operand.Mem, 7)
	ars3, ars5 := ars, ars
	if rows > 3 {
		ars3 = g.GP64()
		g.LEAQ(atIndex(ars, ars, 2), ars3)
	}
	if rows > 5 {
		ars5 = g.GP64()
		g.LEAQ(atIndex(ars, ars, 4), ars5)
	}
	for r, s := range []struct {
		index reg.Register
		scale uint8
	}{{}, {ars, 1}, {ars, 2}, {ars3, 1}, {ars, 4}, {ars5, 1}, {ars3, 2}} {
		steps[r] = func(base reg.Register) operand.Mem {
			if s.index == nil {
				return at(base, 0)
			}
			return atIndex(base, s.index, s.scale)
		}
	}

	acc := make([][]reg.VecVirtual, rows)
	for r := range acc {
		for range vectors {
			acc[r] = append(acc[r], g.ZMM())
		}
	}
	g.Label("tile")
	p, ldi := g.GP64(), g.GP64()
	g.MOVQ(start, p)
	g.MOVQ(g.argMem("ldi"), ldi)
	for r, v := range acc {
		for i, x := range v {
			g.VMOVUPS_Z(at(p, 64*i), masks[i], x)
		}
		if r < rows-1 {
			g.ADDQ(ldi, p)
		}
	}

	a, a7, b, k := g.GP64(), g.GP64(), g.GP64(), g.GP64()
	g.MOVQ(g.argMem("a"), a)
	if rows > 7 {
		g.LEAQ(atIndex(ars, ars3, 2), a7)
		g.ADDQ(a, a7)
	}
	g.MOVQ(g.argMem("b"), b)
	g.MOVQ(g.argMem("k"), k)
	step := func(row operand.Mem) {
		var bv []reg.VecVirtual
		for i := range vectors {
			bv = append(bv, g.ZMM())
			g.VMOVUPS(row.Offset(64*i), bv[i])
		}
		for r, v := range acc {
			x, base := g.ZMM(), a
			if r >= 7 {
				base = a7
			}
			g.VBROADCASTSS(steps[r%7](base), x)
			for i := range v {
				g.VFMADD231PS(bv[i], x, v[i])
			}
		}
		g.ADDQ(acs, a)
		if rows > 7 {
			g.ADDQ(acs, a7)
		}
	}
	g.SUBQ(imm(2), k)
	g.JLT(operand.LabelRef("rest"))
	g.Label("loop")
	step(at(b, 0))
	step(atIndex(b, brs, 1))
	g.LEAQ(atIndex(b, brs, 2), b)
	g.SUBQ(imm(2), k)
	g.JGE(operand.LabelRef("loop"))
	g.Label("rest")
	g.ADDQ(imm(2), k)
	g.JZ(operand.LabelRef("sum"))
	step(at(b, 0))
	g.Label("sum")

	bias := g.GP64()
	g.MOVQ(g.argMem("bias"), bias)
	for i := range vectors {
		x := g.ZMM()
		g.VMOVUPS_Z(at(bias, 64*i), masks[i], x)
		for _, v := range acc {
			g.VADDPS(x, v[i], v[i])
		}
	}

	g.CMPQ(g.argMem("act"), imm(1))
	g.JLT(operand.LabelRef("store"))
	g.JGT(operand.LabelRef("relu"))
	alpha, sign := g.ZMM(), g.K()
	g.VBROADCASTSS(g.argMem("alpha"), alpha)
	for _, v := range acc {
		for _, x := range v {
			g.VPMOVD2M(x, sign)
			g.VMULPS(alpha, x, sign, x)
		}
	}
	g.JMP(operand.LabelRef("store"))
	g.Label("relu")
	zero := g.ZMM()
	g.VPXORD(zero, zero, zero)
	for _, v := range acc {
		for _, x := range v {
			g.VMAXPS(x, zero, x) // the operand written first wins where it is NaN
		}
	}
	g.Label("store")
	for _, v := range acc {
		for i, x := range v {
			g.VMOVUPS(x, masks[i], at(c, 64*i))
		}
		g.ADDQ(ldc, c)
	}

	// The arguments are the function's own.
	next := g.GP64()
	g.MOVQ(g.argMem("ats"), next)
	g.ADDQ(next, g.argMem("a"))
	g.ADDQ(g.argMem("its"), start)
	g.DECQ(g.argMem("tiles"))
	g.JNZ(operand.LabelRef("tile"))
	g.end()
}

// columnMasks are the masks of the first cols of so many times 16 lanes,
// 0 < cols.
func (g *gen) columnMasks(vectors int) (masks []reg.Register) {
	bits, sixteen, n := g.GP64(), g.GP64(), g.GP64()
	g.Load(g.Param("cols"), n)
	g.MOVQ(operand.I32(-1), bits)
	g.MOVQ(imm(16*vectors), sixteen)
	g.CMPQ(n, sixteen)
	g.CMOVQGT(sixteen, n)
	g.SHLXQ(n, bits, bits)
	g.NOTQ(bits)
	for i := range vectors {
		m := g.K()
		if i > 0 {
			g.SHRQ(operand.U8(16), bits)
		}
		g.KMOVW(bits.As32(), m)
		masks = append(masks, m)
	}
	return masks
}

// packWide emits the packing of a panel of 32 columns.
func (g *gen) packWide() {
	g.function("packWide", "func(k int, b *float32, ldb int, dst *float32, cols int)",
		"packWide copies k rows of cols elements, ldb bytes apart, to rows of 32, the",
		"others zero. 0 < cols <= 32.")
	masks := g.columnMasks(2)
	k, b, ldb, dst := g.arg("k"), g.arg("b"), g.arg("ldb"), g.arg("dst")
	const unroll = 4
	copyRows := func(n int) {
		var v []reg.VecVirtual
		for range n {
			x, y := g.ZMM(), g.ZMM()
			g.VMOVUPS_Z(at(b, 0), masks[0], x)
			g.VMOVUPS_Z(at(b, 64), masks[1], y)
			g.ADDQ(ldb, b)
			v = append(v, x, y)
		}
		for i, x := range v {
			g.VMOVUPS(x, at(dst, 64*i))
		}
		g.ADDQ(imm(128*n), dst)
	}
	g.unrolled(k, unroll, copyRows)
	g.end()
}
