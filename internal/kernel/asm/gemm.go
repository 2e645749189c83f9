package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// tileRows is the height of the full tile: 6 rows of 2 vectors take 12
// registers, which leaves 2 for a row of B and 2 for elements of A, and gives
// the two FMA units 12 independent sums where they need 10 to stay busy.
const tileRows = 6

func gemm(g *gen) {
	for rows := tileRows; rows > 0; rows-- {
		g.tile(rows, false)
		g.tile(rows, true)
	}
	g.row()
	g.dots()
	g.packRows(false)
	g.packRows(true)
	g.packColumns(16)
	g.packTile()
	g.packTiles()
}

// tile emits a micro-kernel: tiles of rows by 16 elements of C, one below the
// other, against one packed panel of B.
func (g *gen) tile(rows int, edge bool) {
	name := fmt.Sprintf("tile%d", rows)
	sig := "tiles, k int, a *float32, ars, acs, ats int, b *float32, brs int, c *float32, ldc int, init *float32, ldi, its int, bias *float32, act int, alpha float32"
	doc := fmt.Sprintf("%s is tile%d with tiles of %d rows.", name, tileRows, rows)
	if rows == tileRows {
		doc = name + " computes tiles of 6 by 16 elements of C, one below the other: " +
			"c = act(init + a b + bias) with k products to each sum, added to init in order by " +
			"fused multiply-add, and then the row bias. b is 16 columns wide. The strides are in bytes: ars and acs from " +
			"row to row and from column to column of a, brs, ldc and ldi from row to row, " +
			"ats and its from tile to tile. act is 0 for the identity, " +
			"1 for a leaky rectifier of slope alpha, 2 for a rectifier."
	}
	if edge {
		name += "Edge"
		sig += ", cols int"
		doc = fmt.Sprintf("%s is tile%d for a last panel: it touches the first cols columns of C only, 0 < cols < 16.", name, rows)
	}
	g.function(name, "func("+sig+")", wrap(doc)...)

	aBase, ars, acs, brs := g.arg("a"), g.arg("ars"), g.arg("acs"), g.arg("brs")
	c, ldc, start := g.arg("c"), g.arg("ldc"), g.arg("init")

	var acc [][2]reg.VecVirtual
	for range rows {
		acc = append(acc, [2]reg.VecVirtual{g.YMM(), g.YMM()})
	}

	g.Label("tile")
	p, ldi := g.GP64(), g.GP64()
	g.MOVQ(start, p)
	g.MOVQ(g.argMem("ldi"), ldi)
	var lo, hi reg.VecVirtual
	if edge {
		lo, hi = g.masks16()
	}
	for r, v := range acc {
		if edge {
			g.VMASKMOVPS(at(p, 0), lo, v[0])
			g.VMASKMOVPS(at(p, 32), hi, v[1])
		} else {
			g.VMOVUPS(at(p, 0), v[0])
			g.VMOVUPS(at(p, 32), v[1])
		}
		if r < rows-1 {
			g.ADDQ(ldi, p)
		}
	}

	a, a3, b, brs3, k := g.GP64(), g.GP64(), g.GP64(), g.GP64(), g.GP64()
	g.MOVQ(aBase, a)
	if rows > 3 {
		g.LEAQ(atIndex(ars, ars, 2), a3)
		g.ADDQ(a, a3)
	}
	g.MOVQ(g.argMem("b"), b)
	g.LEAQ(atIndex(brs, brs, 2), brs3)
	g.MOVQ(g.argMem("k"), k)
	step := func(row operand.Mem) {
		b0, b1 := g.YMM(), g.YMM()
		g.VMOVUPS(row, b0)
		g.VMOVUPS(row.Offset(32), b1)
		for r, v := range acc {
			x := g.YMM()
			from := a
			if r >= 3 {
				from = a3
			}
			switch r % 3 {
			case 0:
				g.VBROADCASTSS(at(from, 0), x)
			default:
				g.VBROADCASTSS(atIndex(from, ars, uint8(r%3)), x)
			}
			g.VFMADD231PS(b0, x, v[0])
			g.VFMADD231PS(b1, x, v[1])
		}
		g.ADDQ(acs, a)
		if rows > 3 {
			g.ADDQ(acs, a3)
		}
	}
	g.SUBQ(imm(4), k)
	g.JLT(operand.LabelRef("rest"))
	g.Label("loop")
	step(at(b, 0))
	step(atIndex(b, brs, 1))
	step(atIndex(b, brs, 2))
	step(atIndex(b, brs3, 1))
	g.LEAQ(atIndex(b, brs, 4), b)
	g.SUBQ(imm(4), k)
	g.JGE(operand.LabelRef("loop"))
	g.Label("rest")
	g.ADDQ(imm(4), k)
	g.JZ(operand.LabelRef("sum"))
	g.Label("single")
	step(at(b, 0))
	g.ADDQ(brs, b)
	g.DECQ(k)
	g.JNZ(operand.LabelRef("single"))
	g.Label("sum")

	bias, bl, bh := g.GP64(), g.YMM(), g.YMM()
	g.MOVQ(g.argMem("bias"), bias)
	if edge {
		lo, hi = g.masks16()
		g.VMASKMOVPS(at(bias, 0), lo, bl)
		g.VMASKMOVPS(at(bias, 32), hi, bh)
	} else {
		g.VMOVUPS(at(bias, 0), bl)
		g.VMOVUPS(at(bias, 32), bh)
	}
	for _, v := range acc {
		g.VADDPS(bl, v[0], v[0])
		g.VADDPS(bh, v[1], v[1])
	}

	g.CMPQ(g.argMem("act"), imm(1))
	g.JLT(operand.LabelRef("store"))
	g.JGT(operand.LabelRef("relu"))
	alpha := g.argVector("alpha")
	for _, v := range acc {
		for _, x := range v {
			t := g.YMM()
			g.VMULPS(alpha, x, t)
			g.VBLENDVPS(x, t, x, x) // by the sign of x
		}
	}
	g.JMP(operand.LabelRef("store"))
	g.Label("relu")
	zero := g.YMM()
	g.VXORPS(zero, zero, zero)
	for _, v := range acc {
		for _, x := range v {
			g.VMAXPS(x, zero, x) // the operand written first wins where it is NaN
		}
	}
	g.Label("store")
	for r, v := range acc {
		if edge {
			g.storePart(r, c, v)
		} else {
			g.VMOVUPS(v[0], at(c, 0))
			g.VMOVUPS(v[1], at(c, 32))
		}
		g.ADDQ(ldc, c)
	}

	g.ADDQ(g.argMem("ats"), aBase)
	g.ADDQ(g.argMem("its"), start)
	g.DECQ(g.argMem("tiles")) // the arguments are the function's own
	g.JNZ(operand.LabelRef("tile"))
	g.end()
}

// masks16 loads the masks of the first cols of 16 lanes.
func (g *gen) masks16() (lo, hi reg.VecVirtual) {
	n, eight, zero := g.GP64(), g.GP64(), g.GP64()
	g.Load(g.Param("cols"), n)
	g.MOVQ(imm(8), eight)
	g.CMPQ(n, eight)
	g.CMOVQLT(n, eight)
	lo = g.mask(eight)
	g.XORQ(zero, zero)
	g.SUBQ(imm(8), n)
	g.CMOVQLT(zero, n)
	hi = g.mask(n)
	return lo, hi
}

// storePart stores the first cols elements of a row by the binary digits of
// cols: masked stores of a part take AMD's cores ten times as long.
func (g *gen) storePart(row int, c reg.Register, v [2]reg.VecVirtual) {
	p, x := g.GP64(), v[0]
	g.MOVQ(c, p)
	for _, digit := range []int{8, 4, 2, 1} {
		skip := fmt.Sprintf("row%dno%d", row, digit)
		g.TESTQ(imm(digit), g.argMem("cols"))
		g.JZ(operand.LabelRef(skip))
		switch digit {
		case 8:
			g.VMOVUPS(x, at(p, 0))
			g.VMOVAPS(v[1], x)
			g.ADDQ(imm(32), p)
		case 4:
			g.VMOVUPS(x.AsX(), at(p, 0))
			g.VEXTRACTF128(operand.U8(1), x, x.AsX())
			g.ADDQ(imm(16), p)
		case 2:
			g.VMOVLPS(x.AsX(), at(p, 0))
			g.VPERMILPS(operand.U8(0xEE), x.AsX(), x.AsX())
			g.ADDQ(imm(8), p)
		case 1:
			g.VMOVSS(x.AsX(), at(p, 0))
		}
		g.Label(skip)
	}
}

// row emits the product of one row: the sums of tile, B read where it lies.
func (g *gen) row() {
	g.function("row", "func(k, cols int, a *float32, acs int, b *float32, ldb int, c, init *float32)",
		"row computes one row of C, c = init + a b, from B as it lies: k rows of cols",
		"elements, ldb bytes apart. The elements of a are acs bytes apart. The sums are",
		"those of the tiles before the bias, bit for bit.")
	cols, acs, bBase, ldb := g.arg("cols"), g.arg("acs"), g.arg("b"), g.arg("ldb")
	c, start := g.arg("c"), g.arg("init")
	a, b, k := g.GP64(), g.GP64(), g.GP64()

	sums := func(label string, vectors int, mask reg.Register) {
		acc := make([]reg.VecVirtual, vectors)
		g.MOVQ(g.argMem("a"), a)
		g.MOVQ(g.argMem("k"), k)
		g.MOVQ(bBase, b)
		for i := range acc {
			acc[i] = g.YMM()
			if mask != nil {
				g.VMASKMOVPS(at(start, 32*i), mask, acc[i])
			} else {
				g.VMOVUPS(at(start, 32*i), acc[i])
			}
		}
		g.Label(label)
		x := g.YMM()
		g.VBROADCASTSS(at(a, 0), x)
		for i, v := range acc {
			if mask != nil {
				y := g.YMM()
				g.VMASKMOVPS(at(b, 32*i), mask, y)
				g.VFMADD231PS(y, x, v)
			} else {
				g.VFMADD231PS(at(b, 32*i), x, v)
			}
		}
		g.ADDQ(acs, a)
		g.ADDQ(ldb, b)
		g.DECQ(k)
		g.JNZ(operand.LabelRef(label))
		for i, v := range acc {
			if mask != nil {
				g.VMASKMOVPS(v, mask, at(c, 32*i))
			} else {
				g.VMOVUPS(v, at(c, 32*i))
			}
		}
		for _, p := range []reg.Register{bBase, c, start} {
			g.ADDQ(imm(32*vectors), p)
		}
	}
	for _, vectors := range []int{12, 4, 1} {
		label := fmt.Sprintf("wide%d", vectors)
		g.SUBQ(imm(8*vectors), cols)
		g.JLT(operand.LabelRef(label + "done"))
		g.Label(label)
		sums(label+"loop", vectors, nil)
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

// dots emits inner products of rows that lie along memory.
func (g *gen) dots() {
	g.function("dots", "func(rows, k int, a *float32, lda int, x, y *float32)",
		"dots computes inner products, y[i] = a[i] x with k terms: rows of a lie lda",
		"bytes apart. A sum runs in 32 lanes that are added up in a fixed order, which",
		"depends on k alone.")
	rows, aBase, lda, y := g.arg("rows"), g.arg("a"), g.arg("lda"), g.arg("y")
	a, x, k := g.GP64(), g.GP64(), g.GP64()
	acc := make([]reg.VecVirtual, 4)
	for i := range acc {
		acc[i] = g.YMM()
	}
	t := g.YMM()

	g.Label("row")
	g.MOVQ(aBase, a)
	g.MOVQ(g.argMem("x"), x)
	g.MOVQ(g.argMem("k"), k)
	for _, v := range acc {
		g.VXORPS(v, v, v)
	}
	g.SUBQ(imm(32), k)
	g.JLT(operand.LabelRef("by8"))
	g.Label("loop")
	for i, v := range acc {
		g.VMOVUPS(at(a, 32*i), t)
		g.VFMADD231PS(at(x, 32*i), t, v)
	}
	g.ADDQ(imm(128), a)
	g.ADDQ(imm(128), x)
	g.SUBQ(imm(32), k)
	g.JGE(operand.LabelRef("loop"))
	g.Label("by8")
	g.ADDQ(imm(32-8), k)
	g.JLT(operand.LabelRef("tail"))
	g.Label("loop8")
	g.VMOVUPS(at(a, 0), t)
	g.VFMADD231PS(at(x, 0), t, acc[0])
	g.ADDQ(imm(32), a)
	g.ADDQ(imm(32), x)
	g.SUBQ(imm(8), k)
	g.JGE(operand.LabelRef("loop8"))
	g.Label("tail")
	g.ADDQ(imm(8), k)
	g.JZ(operand.LabelRef("add"))
	m, u := g.mask(k), g.YMM()
	g.VMASKMOVPS(at(a, 0), m, t)
	g.VMASKMOVPS(at(x, 0), m, u)
	g.VFMADD231PS(t, u, acc[1])
	g.Label("add")
	g.VADDPS(acc[1], acc[0], acc[0])
	g.VADDPS(acc[3], acc[2], acc[2])
	g.VADDPS(acc[2], acc[0], acc[0])
	s, h := acc[0].AsX(), t.AsX()
	g.VEXTRACTF128(operand.U8(1), acc[0], h)
	g.VADDPS(h, s, s)
	g.VPERMILPS(operand.U8(0xEE), s, h)
	g.VADDPS(h, s, s)
	g.VPERMILPS(operand.U8(0x55), s, h)
	g.VADDSS(h, s, s)
	g.VMOVSS(s, at(y, 0))
	g.ADDQ(imm(4), y)
	g.ADDQ(lda, aBase)
	g.DECQ(rows)
	g.JNZ(operand.LabelRef("row"))
	g.end()
}

// packRows emits the packing of a panel of B from rows of 16 elements.
func (g *gen) packRows(edge bool) {
	name, sig, doc := "packRows", "func(k int, b *float32, ldb int, dst *float32)", []string{
		"packRows copies k rows of 16 elements, ldb bytes apart, to one block."}
	if edge {
		name, sig, doc = "packRowsEdge", "func(k int, b *float32, ldb int, dst *float32, cols int)", []string{
			"packRowsEdge is packRows where the rows have cols elements, 0 < cols < 16; the",
			"others become zero."}
	}
	g.function(name, sig, doc...)
	k, b, ldb, dst := g.arg("k"), g.arg("b"), g.arg("ldb"), g.arg("dst")
	if edge {
		lo, hi := g.masks16()
		x, y := g.YMM(), g.YMM()
		g.Label("loop")
		g.VMASKMOVPS(at(b, 0), lo, x)
		g.VMASKMOVPS(at(b, 32), hi, y)
		g.VMOVUPS(x, at(dst, 0))
		g.VMOVUPS(y, at(dst, 32))
		g.ADDQ(ldb, b)
		g.ADDQ(imm(64), dst)
		g.DECQ(k)
		g.JNZ(operand.LabelRef("loop"))
		g.end()
		return
	}
	const unroll = 4
	copyRows := func(n int) {
		var v []reg.VecVirtual
		for range n {
			x, y := g.YMM(), g.YMM()
			g.VMOVUPS(at(b, 0), x)
			g.VMOVUPS(at(b, 32), y)
			g.ADDQ(ldb, b)
			v = append(v, x, y)
		}
		for i, x := range v {
			g.VMOVUPS(x, at(dst, 32*i))
		}
		g.ADDQ(imm(64*n), dst)
	}
	g.unrolled(k, unroll, copyRows)
	g.end()
}

// unrolled emits k times body, so many at once as long as there are that many.
func (g *gen) unrolled(k reg.Register, at int, body func(n int)) {
	g.SUBQ(imm(at), k)
	g.JLT(operand.LabelRef("rest"))
	g.Label("loop")
	body(at)
	g.SUBQ(imm(at), k)
	g.JGE(operand.LabelRef("loop"))
	g.Label("rest")
	g.ADDQ(imm(at), k)
	g.JZ(operand.LabelRef("done"))
	g.Label("single")
	body(1)
	g.DECQ(k)
	g.JNZ(operand.LabelRef("single"))
	g.Label("done")
}

// packColumns emits the packing of 8 columns of a panel from a transposed
// matrix.
func (g *gen) packColumns(width int) {
	g.function(fmt.Sprintf("packColumns%d", width), "func(k, rows int, b *float32, ldb int, dst *float32)",
		"packColumns"+fmt.Sprint(width)+" transposes rows of k elements, ldb bytes apart, into the first 8",
		"of "+fmt.Sprint(width)+" columns: dst["+fmt.Sprint(width)+"p+j] = b[j][p]. 0 < rows <= 8; the columns that B lacks are",
		"filled with its last one.")
	k, b, ldb, dst, last := g.arg("k"), g.arg("b"), g.arg("ldb"), g.arg("dst"), g.arg("rows")
	g.DECQ(last)
	g.IMULQ(ldb, last)
	off := g.GP64()
	g.XORQ(off, off)
	var rows []reg.GPVirtual // pointers to the 8 rows
	for i := range 8 {
		p := g.GP64()
		g.CMPQ(off, last)
		g.CMOVQGT(last, off)
		g.LEAQ(atIndex(b, off, 1), p)
		if i < 7 {
			g.ADDQ(ldb, off)
		}
		rows = append(rows, p)
	}
	pitch := 4 * width
	at8 := g.GP64()
	g.XORQ(at8, at8)
	g.SUBQ(imm(8), k)
	g.JLT(operand.LabelRef("tail"))
	g.Label("loop")
	for half := range 2 {
		// Rows 4 apart share a register from the start: loads place halves for
		// nothing, and shuffles within them suffice.
		var v [4]reg.VecVirtual
		for i := range v {
			v[i] = g.YMM()
			g.VMOVUPS(atIndex(rows[i], at8, 1).Offset(16*half), v[i].AsX())
			g.VINSERTF128(operand.U8(1), atIndex(rows[i+4], at8, 1).Offset(16*half), v[i], v[i])
		}
		for i, x := range g.transpose4(v) {
			g.VMOVUPS(x, at(dst, pitch*(4*half+i)))
		}
	}
	g.ADDQ(imm(32), at8)
	g.ADDQ(imm(8*pitch), dst)
	g.SUBQ(imm(8), k)
	g.JGE(operand.LabelRef("loop"))
	g.Label("tail")
	g.ADDQ(imm(8), k)
	g.JZ(operand.LabelRef("done"))
	m := g.mask(k)
	var v [8]reg.VecVirtual
	for i, p := range rows {
		v[i] = g.YMM()
		g.VMASKMOVPS(atIndex(p, at8, 1), m, v[i])
	}
	for i, x := range g.transpose8(v) {
		g.VMOVUPS(x, at(dst, pitch*i))
		if i < 7 {
			g.DECQ(k)
			g.JZ(operand.LabelRef("done"))
		}
	}
	g.Label("done")
	g.end()
}

// transpose4 transposes 4 by 4 elements in each half of the registers.
func (g *gen) transpose4(v [4]reg.VecVirtual) (out [4]reg.VecVirtual) {
	var t [4]reg.VecVirtual
	for i := range t {
		t[i], out[i] = g.YMM(), g.YMM()
	}
	for i := range 2 {
		g.VUNPCKLPS(v[2*i+1], v[2*i], t[i])
		g.VUNPCKHPS(v[2*i+1], v[2*i], t[2+i])
	}
	for i := range 2 {
		g.VUNPCKLPD(t[2*i+1], t[2*i], out[2*i])
		g.VUNPCKHPD(t[2*i+1], t[2*i], out[2*i+1])
	}
	return out
}

// transpose8 transposes 8 by 8 elements.
func (g *gen) transpose8(v [8]reg.VecVirtual) (out [8]reg.VecVirtual) {
	var t, u [8]reg.VecVirtual
	for i := range 4 {
		t[2*i], t[2*i+1] = g.YMM(), g.YMM()
		g.VUNPCKLPS(v[2*i+1], v[2*i], t[2*i])
		g.VUNPCKHPS(v[2*i+1], v[2*i], t[2*i+1])
	}
	for i := range 2 {
		for j := range 2 {
			x, y := t[4*i+j], t[4*i+2+j]
			lo, hi := g.YMM(), g.YMM()
			g.VUNPCKLPD(y, x, lo)
			g.VUNPCKHPD(y, x, hi)
			u[4*i+2*j], u[4*i+2*j+1] = lo, hi
		}
	}
	for i := range 4 {
		out[i], out[4+i] = g.YMM(), g.YMM()
		g.VPERM2F128(operand.U8(0x20), u[4+i], u[i], out[i])
		g.VPERM2F128(operand.U8(0x31), u[4+i], u[i], out[4+i])
	}
	return out
}

// packTile emits the packing of one tile's rows of a transposed A.
func (g *gen) packTile() {
	g.function("packTile", "func(k int, a *float32, lda int, dst *float32, rows int)",
		"packTile copies k rows of rows elements, lda bytes apart, to 6 elements each.",
		"0 < rows <= 6. It writes two elements beyond the last.")
	k, a, lda, dst := g.arg("k"), g.arg("a"), g.arg("lda"), g.arg("dst")
	m, x := g.mask(g.arg("rows")), g.YMM()
	g.Label("loop")
	g.VMASKMOVPS(at(a, 0), m, x)
	g.VMOVUPS(x, at(dst, 0))
	g.ADDQ(lda, a)
	g.ADDQ(imm(4*tileRows), dst)
	g.DECQ(k)
	g.JNZ(operand.LabelRef("loop"))
	g.end()
}

// packTiles emits the packing of many tiles side by side. It takes whole rows
// of A, since this is for strides at which a row evicts the one before.
func (g *gen) packTiles() {
	g.function("packSixes", "func(k, tiles int, a *float32, lda int, dst *float32, ats int)",
		"packSixes copies k rows of 6 tiles elements, lda bytes apart, to tiles blocks,",
		"ats bytes apart, of 6 elements from each row.")
	k, aRow, lda, dstRow, ats := g.arg("k"), g.arg("a"), g.arg("lda"), g.arg("dst"), g.arg("ats")
	a, dst, tiles, x, y := g.GP64(), g.GP64(), g.GP64(), g.XMM(), g.XMM()
	g.Label("row")
	g.MOVQ(aRow, a)
	g.MOVQ(dstRow, dst)
	g.MOVQ(g.argMem("tiles"), tiles)
	g.Label("tile")
	g.VMOVUPS(at(a, 0), x)
	g.VMOVSD(at(a, 16), y)
	g.VMOVUPS(x, at(dst, 0))
	g.VMOVSD(y, at(dst, 16))
	g.ADDQ(imm(4*tileRows), a)
	g.ADDQ(ats, dst)
	g.DECQ(tiles)
	g.JNZ(operand.LabelRef("tile"))
	g.ADDQ(lda, aRow)
	g.ADDQ(imm(4*tileRows), dstRow)
	g.DECQ(k)
	g.JNZ(operand.LabelRef("row"))
	g.VZEROUPPER()
	g.RET()
}

// fmaLoops emits the loops that measure the machine: 12 chains of fused
// multiply-add and nothing else.
func fmaLoops(g *gen) {
	loop := func(name string, lanes int, register func() reg.VecVirtual) {
		g.function(name, "func(n int)", wrap(fmt.Sprintf(
			"%s does %d n fused multiply-adds in registers, n > 0: %d lanes of 12 chains that do not depend on each other.",
			name, 12*lanes, lanes))...)
		n, x := g.arg("n"), register()
		g.VXORPS(x.AsY(), x.AsY(), x.AsY()) // clears the wider register too
		acc := make([]reg.VecVirtual, 12)
		for i := range acc {
			acc[i] = register()
			g.VXORPS(acc[i].AsY(), acc[i].AsY(), acc[i].AsY())
		}
		g.Label("loop")
		for _, v := range acc {
			g.VFMADD231PS(x, x, v)
		}
		g.DECQ(n)
		g.JNZ(operand.LabelRef("loop"))
		g.end()
	}
	loop("fma8", 8, g.YMM)
	loop("fma16", 16, g.ZMM)
}
