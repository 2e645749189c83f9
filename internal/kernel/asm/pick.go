package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// picks emits the packing of panels from images.
func picks(g *gen) {
	g.pick(8, "pick8", g.YMM)
	g.pick(16, "pick16", g.ZMM)
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
