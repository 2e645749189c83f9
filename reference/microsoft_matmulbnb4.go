package reference

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftMatMulBnb4 is A W', or A W where transB is 0. W is (N, K), flattened,
// in blocks of numbers of 4 bits, the first of two in the upper half of a byte: each
// stands for a number of a table (quant_type 0: FP4, 1: NF4), times the block's
// absmax. ONNX Runtime's com.microsoft MatMulBnb4; the tables are those of
// bitsandbytes (Dettmers et al., QLoRA, 2023, appendix E).
var opMicrosoftMatMulBnb4 = operator{
	name: "MatMulBnb4", domain: microsoft,
	eval: single(func(c *call) *Value {
		n, k, block, kind := c.int("N"), c.int("K"), c.int("block_size"), c.int("quant_type")
		if block < 16 || block > 1<<20 || block&(block-1) != 0 {
			fail(fmt.Errorf("blocks of %d, want a power of two from 16 on", block))
		}
		if n < 1 || k < 1 || n > (math.MaxInt-block)/k {
			fail(fmt.Errorf("weights of %d rows and %d columns", n, k))
		}
		if kind < 0 || kind >= len(bnb4) {
			fail(fmt.Errorf("quant_type %d, want 0 or 1", kind))
		}
		bytes, absmax := elems[uint64](c.in[1]), c.in[2]
		if len(bytes) != (n*k+1)/2 || absmax.Len() != (n*k+block-1)/block {
			fail(fmt.Errorf("%d bytes and %d scales for %d rows of %d in blocks of %d", len(bytes), absmax.Len(), n, k, block))
		}
		transposed := c.int("transB") != 0
		dims := []int{n, k}
		if !transposed {
			dims = []int{k, n}
		}
		w := c.numbers(pb.TensorProto_FLOAT, dims...)
		w.stored = nil
		for i := range n * k {
			q := bytes[i/2] & 15
			if i%2 == 0 {
				q = bytes[i/2] >> 4 & 15
			}
			at := i
			if !transposed {
				at = i%k*n + i/k
			}
			w.set(at, scaled(absmax.at(i/block), bnb4[kind][q]))
		}
		w.trim()
		return c.timesWeights(c.in[0], w, nil, 1, true)
	}),
}

// bnb4 are the numbers that 4 bits stand for, in float32: FP4 and NF4.
var bnb4 = [...][16]float64{
	float32s(0, 0.005208333333, 0.66666667, 1, 0.33333333, 0.5, 0.16666667, 0.25, 0, -0.005208333333, -0.66666667, -1, -0.33333333, -0.5, -0.16666667, -0.25),
	float32s(-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
		0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1),
}

func float32s(list ...float32) (table [16]float64) {
	for i, x := range list {
		table[i] = float64(x)
	}
	return table
}
