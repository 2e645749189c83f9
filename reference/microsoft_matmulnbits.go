package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftMatMulNBits is A W' + bias. W is (N, K), in blocks along K of numbers of
// 2, 4 or 8 bits: (q - zero point) scale, each with a scale for its block or, with
// g_idx, for the block that its column names. Bits are packed from the lowest on.
// accuracy_level allows a runtime to make A less accurate before it multiplies: see
// lessAccurate. ONNX Runtime's com.microsoft MatMulNBits; its kernel for CPUs, of 1.30,
// ignores packed zero points where there is g_idx, and is different.
var opMicrosoftMatMulNBits = operator{
	name: "MatMulNBits", domain: microsoft,
	eval: single(func(c *call) *Value {
		w := c.newNBits()
		level := c.int("accuracy_level")
		a := c.lessAccurate(c.in[0], level, w.block)
		weights := w.weights(c, level == 4)
		return c.timesWeights(a, weights, c.in[5], 2, a == c.in[0])
	}),
}

// An nBits is a matrix of n rows and k columns in blocks of numbers of few bits.
type nBits struct {
	n, k, block, blocks, bits int
	packed                    []uint64 // bytes, those of each block together
	scales                    *Value
	zeros                     func(row, block int) number
	group                     func(column int) int // the block whose scale a column has
}

func (c *call) newNBits() *nBits {
	w := &nBits{n: c.int("N"), k: c.int("K"), block: c.int("block_size"), bits: c.int("bits"), packed: elems[uint64](c.in[1]), scales: c.in[2]}
	unsupported := func(why string) {
		fail(&onnx.UnsupportedError{Op: c.step.op.name, Domain: microsoft, Opset: c.opset, Why: why})
	}
	switch {
	case c.int("weight_prepacked") != 0:
		unsupported("weights packed for one kind of GPU")
	case w.bits != 2 && w.bits != 4 && w.bits != 8:
		unsupported(fmt.Sprintf("%d bits", w.bits))
	case w.block < 16 || w.block > 1<<20 || w.block&(w.block-1) != 0:
		fail(fmt.Errorf("blocks of %d, want a power of two from 16 on", w.block))
	case w.n < 0 || w.k < 1 || w.k > math.MaxInt-w.block:
		fail(fmt.Errorf("weights of %d rows and %d columns", w.n, w.k))
	}
	w.blocks = (w.k + w.block - 1) / w.block
	if want := []int{w.n, w.blocks, w.block * w.bits / 8}; !slices.Equal(c.in[1].Dims, want) {
		fail(fmt.Errorf("weights of shape %v, want %v", c.in[1].Dims, want))
	}
	if w.scales.Len() != w.n*w.blocks {
		fail(fmt.Errorf("%d scales for %d blocks in each of %d rows", w.scales.Len(), w.blocks, w.n))
	}
	w.zeros = func(int, int) number { return exact(float64(int(1) << (w.bits - 1))) }
	if z := c.in[3]; z != nil {
		row := w.blocks
		if bytes, ok := z.Data.(onnx.Slice[uint64]); ok {
			row = (w.blocks*w.bits + 7) / 8
			w.zeros = func(i, b int) number { return exact(float64(bitsOf(bytes[i*row:], b, w.bits))) }
		} else {
			w.zeros = func(i, b int) number { return z.at(i*row + b) }
		}
		if z.Len() != w.n*row {
			fail(fmt.Errorf("%d zero points of %s for %d blocks in each of %d rows", z.Len(), z, w.blocks, w.n))
		}
	}
	w.group = func(column int) int { return column / w.block }
	if groups, ok := c.intInput(4); ok {
		if len(groups) != w.k && len(groups) != w.blocks*w.block {
			fail(fmt.Errorf("groups of %d columns, want %d", len(groups), w.k))
		}
		for _, g := range groups {
			if g < 0 || g >= w.blocks {
				fail(fmt.Errorf("group %d of %d", g, w.blocks))
			}
		}
		w.group = func(column int) int { return groups[column] }
	}
	return w
}

// bitsOf is number i of a list that is packed into bytes from the lowest bit on.
func bitsOf(bytes []uint64, i, bits int) uint64 {
	at := i * bits
	return bytes[at/8] >> (at % 8) & (1<<bits - 1)
}

// weights is the matrix as numbers. Where apart is set, a runtime may add up
// the products of q and those of zero points each on their own, as it does with
// integers: then the roundings are those of larger numbers.
func (w *nBits) weights(c *call, apart bool) *Value {
	v := c.numbers(pb.TensorProto_FLOAT, w.n, w.k)
	v.stored = nil
	f := c.formatOf(pb.TensorProto_FLOAT)
	for i := range w.n {
		for j := range w.k {
			g := w.group(j)
			q := bitsOf(w.packed[(i*w.blocks)*w.block*w.bits/8:], j, w.bits)
			scale, zero := w.scales.at(i*w.blocks+g), w.zeros(i, g)
			// The roundings are counted where the products are added up.
			n := number{v: (float64(q) - zero.v) * scale.v}
			x, y := math.Abs(scale.v), math.Abs(float64(q)-zero.v)
			n.sound = times(x, zero.sound) + times(y, scale.sound) + times(zero.sound, scale.sound)
			n.spread = times(x, zero.spread) + times(y, scale.spread)
			n.declared = times(x, zero.declared) + times(y, scale.declared)
			if apart {
				both := (float64(q) + math.Abs(zero.v)) * x
				n.sound += f.gamma(w.blocks+3) * both
				n.spread = math.Hypot(n.spread, f.u*both)
			}
			v.set(i*w.k+j, n)
		}
	}
	v.trim()
	return v
}

// lessAccurate is A with what an accuracy_level allows to be done to it. 2 and 3
// round it to float16 and bfloat16; 4 makes int8 of each block: multiples of a 127th
// of the largest magnitude, off by half of that. At 0 and 1 it stays as it is.
func (c *call) lessAccurate(a *Value, level, block int) *Value {
	if level < 2 || level > 4 || len(a.Dims) == 0 {
		return a
	}
	out := c.numbers(a.Type, a.Dims...)
	out.stored = nil
	narrow := formatOf(map[int]pb.TensorProto_DataType{2: pb.TensorProto_FLOAT16, 3: pb.TensorProto_BFLOAT16}[level])
	k := a.Dims[len(a.Dims)-1]
	f := c.format(a)
	for at := 0; at < a.Len(); {
		// A row may end within a block.
		end := at + min(block, k-at%k)
		most, reach := 0.0, 0.0
		for i := at; i < end; i++ {
			x := a.at(i)
			most, reach = max(most, math.Abs(x.v)), max(reach, math.Abs(x.v)+x.sound)
		}
		for ; at < end; at++ {
			x := a.at(at)
			size := math.Abs(x.v)
			switch {
			case x == exact(0):
			case level < 4:
				x.sound += narrow.u*(size+x.sound) + narrow.tiny
				x.spread = math.Hypot(x.spread, narrow.u*size/math.Sqrt(3))
				x.declared += narrow.tiny
			default:
				x.sound += reach/254 + 4*f.u*(size+x.sound)
				x.spread = math.Hypot(x.spread, most/127/math.Sqrt(12))
			}
			out.set(at, x)
		}
	}
	return out
}

// timesWeights is A W' + bias, where the rows of W lie along the last axis of A, with
// so many roundings of every weight. Elements have errors of their own where apart is
// set.
func (c *call) timesWeights(a, w, bias *Value, more int, apart bool) *Value {
	n, k := w.Dims[0], w.Dims[1]
	if len(a.Dims) == 0 || a.Dims[len(a.Dims)-1] != k {
		fail(fmt.Errorf("input of shape %v, want rows of %d", a.Dims, k))
	}
	if bias != nil && (len(bias.Dims) != 1 || bias.Dims[0] != n) {
		fail(fmt.Errorf("bias of shape %v for %d columns", bias.Dims, n))
	}
	out := c.numbers(a.Type, append(slices.Clone(a.Dims[:len(a.Dims)-1]), n)...)
	rows := a.Len() / max(k, 1)
	c.afford(rows, k, n)
	f := c.products(out)
	if apart {
		out.sums(k, c.format(out))
	}
	c.multiply(f, []matrixProduct{{rowsOf(a, 0, rows, k), rowsOf(w, 0, n, k), func(i, j int, s dot) {
		if bias != nil {
			s.term(bias.at(j))
		}
		out.set(i*n+j, s.sum(f, more))
	}}})
	return out
}
