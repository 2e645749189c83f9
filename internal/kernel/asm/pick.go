package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// picks emits the packing of panels from images.
func picks(g *gen) {
	g.pick(8, "pick8", g.YMM)
	g.pick(16, "pick16", g.ZMM)
	g.pickRuns()
	g.scatter()
	g.transpose()
	g.unzip()
}

// pickRuns emits the packing of 16 columns that are neighbours in x, except for one
// gap: two loads in place of a gather.
func (g *gen) pickRuns() {
	g.function("pickRuns", "func(steps int, table *int32, lanes *int32, x *float32, first, other int, second uint32, height int, width int, dst *float32, stride int)",
		wrap("pickRuns is pick16 for lanes whose offsets are first plus the lane, except for those in the mask second, "+
			"which are other plus the lane.")...)
	steps, table, lanes, x, dst, stride := g.arg("steps"), g.arg("table"), g.arg("lanes"), g.arg("x"), g.arg("dst"), g.arg("stride")
	x0, x1 := g.GP64(), g.arg("other") // where lane 0 would be; no pointers of Go's, since they may be outside of x
	g.Load(g.Param("first"), x0)
	g.LEAQ(operand.Mem{Base: x, Index: x0, Scale: 4}, x0)
	g.LEAQ(operand.Mem{Base: x, Index: x1, Scale: 4}, x1)
	row, col, height, width := g.ZMM(), g.ZMM(), g.ZMM(), g.ZMM()
	g.VMOVUPS(at(lanes, 128), row)
	g.VMOVUPS(at(lanes, 256), col)
	g.VPBROADCASTD(g.argMem("height"), height)
	g.VPBROADCASTD(g.argMem("width"), width)
	mask, first, second := g.GP32(), g.K(), g.K()
	g.Load(g.Param("second"), mask)
	g.KMOVW(mask, second)
	g.KNOTW(second, first)
	const less = 1
	g.Label("step")
	at0 := g.GP64()
	g.MOVLQSX(at(table, 0), at0)
	r, c, y, in, of := g.ZMM(), g.ZMM(), g.ZMM(), g.K(), g.K()
	g.VPADDD_BCST(at(table, 4), row, r)
	g.VPADDD_BCST(at(table, 8), col, c)
	g.VPCMPUD(operand.U8(less), height, r, in)
	g.VPCMPUD(operand.U8(less), width, c, in, in)
	g.KANDW(in, first, of)
	g.VMOVUPS_Z(operand.Mem{Base: x0, Index: at0, Scale: 4}, of, y)
	g.KANDW(in, second, of)
	g.VMOVUPS(operand.Mem{Base: x1, Index: at0, Scale: 4}, of, y)
	g.VMOVUPS(y, at(dst, 0))
	g.ADDQ(operand.U8(12), table)
	g.ADDQ(stride, dst)
	g.DECQ(steps)
	g.JNZ(operand.LabelRef("step"))
	g.end()
}

// scatter emits the way back of 16 columns.
func (g *gen) scatter() {
	g.function("scatter16", "func(rows int, c *float32, ldc int, y *float32, ldy int, to *int32, mask uint32)",
		wrap("scatter16 writes the columns in the mask, of 16, of rows of c to where to says in rows of y. The rows lie ldc and ldy bytes apart.")...)
	rows, c, ldc, y, ldy, to := g.arg("rows"), g.arg("c"), g.arg("ldc"), g.arg("y"), g.arg("ldy"), g.arg("to")
	index, mask, all := g.ZMM(), g.GP32(), g.K()
	g.VMOVUPS(at(to, 0), index)
	g.Load(g.Param("mask"), mask)
	g.KMOVW(mask, all)
	g.Label("row")
	v, k := g.ZMM(), g.K()
	g.VMOVUPS(at(c, 0), v)
	g.KMOVW(all, k) // a scatter clears its mask
	g.VSCATTERDPS(v, k, operand.Mem{Base: y, Index: index, Scale: 4})
	g.ADDQ(ldc, c)
	g.ADDQ(ldy, y)
	g.DECQ(rows)
	g.JNZ(operand.LabelRef("row"))
	g.end()
}

// transpose emits the exchange of rows and columns, in blocks of 16 by 16.
func (g *gen) transpose() {
	g.function("transpose16", "func(cols int, x *float32, ldx int, y *float32, ldy int, mask uint32)",
		wrap("transpose16 writes the columns of 16 rows of x, ldx bytes apart, to rows of y, ldy bytes apart, of which it touches the elements in the mask: "+
			"16 rows at a time, of which the last ones may be more than there are columns.")...)
	cols, x, ldx, y, ldy := g.arg("cols"), g.arg("x"), g.arg("ldx"), g.arg("y"), g.arg("ldy")
	bits, mask := g.GP32(), g.K()
	g.Load(g.Param("mask"), bits)
	g.KMOVW(bits, mask)
	g.Label("block")
	from := g.GP64()
	g.MOVQ(x, from)
	var v [16]reg.VecVirtual
	for i := range v {
		v[i] = g.ZMM()
		g.VMOVUPS(at(from, 0), v[i])
		g.ADDQ(ldx, from)
	}
	// pair replaces rows i and j by the lower and the upper halves of both.
	pair := func(i, j int, low, high func(a, b, to reg.VecVirtual)) {
		l, h := g.ZMM(), g.ZMM()
		low(v[i], v[j], l)
		high(v[i], v[j], h)
		v[i], v[j] = l, h
	}
	for i := 0; i < 16; i += 2 {
		pair(i, i+1,
			func(a, b, to reg.VecVirtual) { g.VUNPCKLPS(b, a, to) },
			func(a, b, to reg.VecVirtual) { g.VUNPCKHPS(b, a, to) })
	}
	for i := 0; i < 16; i += 4 {
		for j := i; j < i+2; j++ {
			pair(j, j+2,
				func(a, b, to reg.VecVirtual) { g.VUNPCKLPD(b, a, to) },
				func(a, b, to reg.VecVirtual) { g.VUNPCKHPD(b, a, to) })
		}
	}
	// Row 4 i + r holds, of rows 4 i to 4 i + 3, column order[r] in its first quarter, that column and 4 in its second.
	order := [4]int{0, 2, 1, 3}
	even := func(a, b, to reg.VecVirtual) { g.VSHUFF32X4(operand.U8(0x88), b, a, to) }
	odd := func(a, b, to reg.VecVirtual) { g.VSHUFF32X4(operand.U8(0xdd), b, a, to) }
	for r := range 4 {
		pair(r, r+4, even, odd)
		pair(r+8, r+12, even, odd)
		pair(r, r+8, even, odd)
		pair(r+4, r+12, even, odd)
	}
	var rows [16]reg.VecVirtual
	for r, c := range order {
		rows[c], rows[c+4], rows[c+8], rows[c+12] = v[r], v[r+4], v[r+8], v[r+12]
	}
	for _, row := range rows {
		g.VMOVUPS(row, mask, at(y, 0))
		g.ADDQ(ldy, y)
	}
	g.ADDQ(imm(64), x)
	g.SUBQ(imm(16), cols)
	g.JG(operand.LabelRef("block"))
	g.end()
}

// unzip emits the parting of elements with even and with odd numbers.
func (g *gen) unzip() {
	g.function("unzip", "func(rows, cols int, x *float32, ldx int, even, odd *float32, ldy int)",
		wrap("unzip writes the elements 0, 2, ... of rows of cols elements, cols > 0, to even and the elements 1, 3, ... to odd, with a zero at their end where there is "+
			"none. The rows lie ldx and ldy bytes apart.")...)
	var even, odd [16]uint32
	for i := range even {
		even[i], odd[i] = uint32(2*i), uint32(2*i+1)
	}
	evens, odds := g.ZMM(), g.ZMM()
	g.VMOVUPS(g.words("evens", even[:]...), evens)
	g.VMOVUPS(g.words("odds", odd[:]...), odds)
	rows, x, ldx, y0, y1, ldy := g.arg("rows"), g.arg("x"), g.arg("ldx"), g.arg("even"), g.arg("odd"), g.arg("ldy")
	from, to, left := g.GP64(), g.GP64(), g.GP64()
	ones, most := g.GP64(), g.GP64()
	g.MOVQ(operand.I32(-1), ones)
	g.MOVQ(imm(32), most)
	g.Label("row")
	g.MOVQ(x, from)
	g.XORQ(to, to)
	g.MOVQ(g.argMem("cols"), left)
	g.Label("block")
	n, bits := g.GP64(), g.GP64()
	g.MOVQ(left, n)
	g.CMPQ(n, most)
	g.CMOVQGT(most, n)
	first, second, out := g.K(), g.K(), g.K()
	g.BZHIQ(n, ones, bits)
	g.KMOVW(bits.As32(), first)
	g.SHRQ(operand.U8(16), bits)
	g.KMOVW(bits.As32(), second)
	g.INCQ(n)
	g.SHRQ(operand.U8(1), n)
	g.BZHIQ(n, ones, bits)
	g.KMOVW(bits.As32(), out)
	a, b, e := g.ZMM(), g.ZMM(), g.ZMM()
	g.VMOVUPS_Z(at(from, 0), first, a)
	g.VMOVUPS_Z(at(from, 64), second, b)
	g.VMOVAPS(a, e)
	g.VPERMT2PS(b, evens, e)
	g.VPERMT2PS(b, odds, a)
	g.VMOVUPS(e, out, atIndex(y0, to, 1))
	g.VMOVUPS(a, out, atIndex(y1, to, 1))
	g.ADDQ(imm(128), from)
	g.ADDQ(imm(64), to)
	g.SUBQ(imm(32), left)
	g.JG(operand.LabelRef("block"))
	g.ADDQ(ldx, x)
	g.ADDQ(ldy, y0)
	g.ADDQ(ldy, y1)
	g.DECQ(rows)
	g.JNZ(operand.LabelRef("row"))
	g.end()
}

// pick emits the packing of so many columns.
func (g *gen) pick(columns int, name string, vector func() reg.VecVirtual) {
	g.function(name, "func(steps int, table *int32, lanes *int32, x *float32, height int, width int, dst *float32, stride int)",
		wrap(name+" writes one vector of elements of x for each step, stride bytes apart. A step of "+
			"the table is an offset, a row and a column, and so is a lane, in three parts 128 bytes apart; "+
			"the sums of both say which element it is. It is 0 where the row or the column is outside of the image.")...)
	table, lanes, x, dst, stride := g.arg("table"), g.arg("lanes"), g.arg("x"), g.arg("dst"), g.arg("stride")
	steps := g.arg("steps")
	var lane [3]reg.VecVirtual
	for i := range lane {
		lane[i] = vector()
		g.VMOVUPS(at(lanes, 128*i), lane[i])
	}
	height, width := vector(), vector()
	g.VPBROADCASTD(g.argMem("height"), height)
	g.VPBROADCASTD(g.argMem("width"), width)
	g.Label("step")
	var sum [3]reg.VecVirtual
	for i := range sum {
		sum[i] = vector()
		g.VPBROADCASTD(at(table, 4*i), sum[i])
		g.VPADDD(lane[i], sum[i], sum[i])
	}
	y := vector()
	from := operand.Mem{Base: x, Index: sum[0], Scale: 4}
	if columns == 16 {
		const less = 1
		in := g.K()
		g.VPCMPUD(operand.U8(less), height, sum[1], in)
		g.VPCMPUD(operand.U8(less), width, sum[2], in, in)
		g.VPXORD(y, y, y)
		g.VGATHERDPS(from, in, y)
	} else {
		// Unsigned, a row is less than the height if the greater of both is not
		// the row.
		in := vector()
		g.VPMAXUD(height, sum[1], in)
		g.VPCMPEQD(in, sum[1], in)
		g.VPMAXUD(width, sum[2], y)
		g.VPCMPEQD(y, sum[2], sum[2])
		g.VPOR(sum[2], in, in)
		ones := vector()
		g.VPCMPEQD(ones, ones, ones)
		g.VPXOR(ones, in, in)
		g.VXORPS(y, y, y)
		g.VGATHERDPS(in, from, y)
	}
	g.VMOVUPS(y, at(dst, 0))
	g.ADDQ(operand.U8(12), table)
	g.ADDQ(stride, dst)
	g.DECQ(steps)
	g.JNZ(operand.LabelRef("step"))
	g.end()
}
