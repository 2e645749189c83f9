package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// runs emits the sums over the stretch of memory that one channel of one image
// is.
func runs(g *gen) {
	g.sums("runSums", "adds up a, and a (x - mean)", []string{"a", "x"}, 2, func(v []reg.VecVirtual, mask reg.Register, mean reg.VecVirtual, acc []reg.VecVirtual) {
		g.VADDPS(v[0], acc[0], acc[0])
		g.VSUBPS(mean, v[1], v[1])
		g.VFMADD231PS(v[0], v[1], acc[1])
	})
	g.sums("runSquares", "adds up (x - mean)^2", []string{"x"}, 1, func(v []reg.VecVirtual, mask reg.Register, mean reg.VecVirtual, acc []reg.VecVirtual) {
		g.VSUBPS(mean, v[0], v[0])
		if mask != nil {
			g.VANDPS(mask, v[0], v[0])
		}
		g.VFMADD231PS(v[0], v[0], acc[0])
	})
}

// sums emits sums over n elements, in 16 lanes of float32 and then in float64.
func (g *gen) sums(name, doc string, in []string, results int, body func(v []reg.VecVirtual, mask reg.Register, mean reg.VecVirtual, acc []reg.VecVirtual)) {
	sig := "func(n int, "
	for _, p := range in {
		sig += p + " *float32, "
	}
	g.function(name, sig+"mean float32, sums *float64)", wrap(name+" "+doc+" over n > 0 elements, in 16 lanes that are added up in float64.")...)
	n := g.arg("n")
	var ptr []reg.GPVirtual
	for _, p := range in {
		ptr = append(ptr, g.arg(p))
	}
	mean, out := g.argVector("mean"), g.arg("sums")
	acc := [2][]reg.VecVirtual{}
	for h := range acc {
		for range results {
			v := g.YMM()
			g.VXORPS(v, v, v)
			acc[h] = append(acc[h], v)
		}
	}
	pass := func(half int, mask reg.Register) {
		var v []reg.VecVirtual
		for _, p := range ptr {
			x := g.YMM()
			if mask != nil {
				g.VMASKMOVPS(at(p, 0), mask, x)
			} else {
				g.VMOVUPS(at(p, 32*half), x)
			}
			v = append(v, x)
		}
		body(v, mask, mean, acc[half])
	}
	advance := func(vectors int) {
		for _, p := range ptr {
			g.ADDQ(imm(32*vectors), p)
		}
	}
	g.SUBQ(imm(16), n)
	g.JLT(operand.LabelRef("fewer"))
	g.Label("two")
	pass(0, nil)
	pass(1, nil)
	advance(2)
	g.SUBQ(imm(16), n)
	g.JGE(operand.LabelRef("two"))
	g.Label("fewer")
	g.ADDQ(imm(8), n)
	g.JLT(operand.LabelRef("tail"))
	pass(0, nil)
	advance(1)
	g.SUBQ(imm(8), n)
	g.Label("tail")
	g.ADDQ(imm(8), n)
	g.JZ(operand.LabelRef("done"))
	pass(1, g.mask(n))
	g.Label("done")
	for i := range results {
		total := g.YMM()
		for h := range acc {
			v := acc[h][i]
			low, high, quarter := g.YMM(), g.YMM(), g.XMM()
			g.VCVTPS2PD(v.AsX(), low)
			g.VEXTRACTF128(operand.U8(1), v, quarter)
			g.VCVTPS2PD(quarter, high)
			g.VADDPD(low, high, high)
			if h == 0 {
				g.VMOVAPD(high, total)
			} else {
				g.VADDPD(high, total, total)
			}
		}
		upper := g.XMM()
		g.VEXTRACTF128(operand.U8(1), total, upper)
		g.VADDPD(upper, total.AsX(), upper)
		g.VHADDPD(upper, upper, upper)
		g.VMOVSD(upper, at(out, 8*i))
	}
	g.end()
}
