package reference

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftMatMulFpQ4 is A B. B (K, N), whose shape is input 2, is packed column by column, in blocks of 32 numbers of 4 bits, the
// last of a column filled up: a float32 scale, a byte with the zero point, which is 8 and left out if blk_quant_type is 0, and 16
// bytes, of which the lower halves are the first 16 numbers. ONNX Runtime's com.microsoft MatMulFpQ4, which needs AVX-512.
var opMicrosoftMatMulFpQ4 = operator{
	name: "MatMulFpQ4", domain: microsoft, in: []port{derived, derived, sizing},
	eval: single(func(c *call) *Value {
		shape, _ := c.intInput(2)
		if len(shape) != 2 || slices.Min(shape) < 0 || slices.Max(shape) > math.MaxInt32 {
			fail(fmt.Errorf("weights of shape %v", shape))
		}
		const block = 32
		k, n := shape[0], shape[1]
		header := 4
		if c.int("blk_quant_type") != 0 {
			header = 5
		}
		packed, blocks := elems[uint64](c.in[1]), (k+block-1)/block
		if have := int64(len(packed)); have != int64(n)*int64(blocks)*int64(header+block/2) {
			fail(fmt.Errorf("%d bytes for weights of shape %v, want %d", have, shape, int64(n)*int64(blocks)*int64(header+block/2)))
		}
		w := c.numbers(pb.TensorProto_FLOAT, n, k)
		w.stored = nil
		for i := range n * k {
			at := (i/k*blocks + i%k/block) * (header + block/2)
			scale, zero := floatOf(packed[at:at+4]), 8.0
			if header > 4 {
				zero = float64(packed[at+4])
			}
			place := i % k % block
			q := packed[at+header+place%(block/2)] >> (place / (block / 2) * 4) & 15
			w.set(i, exact((float64(q)-zero)*scale))
		}
		w.trim()
		return c.timesWeights(c.in[0], w, nil, 1, true)
	}),
}

// floatOf is a float32 of four bytes.
func floatOf(bytes []uint64) float64 {
	var b [4]byte
	for i, x := range bytes {
		b[i] = byte(x)
	}
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(b[:])))
}
