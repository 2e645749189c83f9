package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftGatherBlockQuantized gathers along gather_axis from data that are in
// blocks along quantize_axis: (q - zero point) scale. Data of uint8 hold numbers of
// bits 2, 4 or 8, packed along the last axis from the lowest bit on; theirs is the
// zero point 2^(bits-1) where none is given, and 0 otherwise. An index that is out of
// range gives zeros. ONNX Runtime's com.microsoft GatherBlockQuantized.
var opMicrosoftGatherBlockQuantized = operator{
	name: "GatherBlockQuantized", domain: microsoft,
	in: []port{lacking(minifloats), derived, derived, lacking(minifloats)},
	eval: single(func(c *call) *Value {
		data, scales, zeros := c.in[0], c.in[2], c.in[3]
		gather := axisOf(c.int("gather_axis"), len(data.Dims))
		along := axisOf(c.int("quantize_axis"), len(data.Dims))
		block, each, last := c.int("block_size"), 1, len(data.Dims)-1
		if block < 16 || block > 1<<20 || block&(block-1) != 0 {
			fail(fmt.Errorf("blocks of %d, want a power of two from 16 on", block))
		}
		zero, bits := 0.0, c.int("bits")
		if data.Type == pb.TensorProto_UINT8 {
			if bits != 2 && bits != 4 && bits != 8 || gather != 0 {
				fail(fmt.Errorf("numbers of %d bits in uint8, gathered along axis %d, want 2, 4 or 8, and axis 0", bits, gather))
			}
			each, zero = 8/bits, math.Ldexp(1, bits-1)
		}
		dims := slices.Clone(data.Dims) // in numbers
		if dims[last] > math.MaxInt/8 {
			fail(fmt.Errorf("data of shape %v", data.Dims))
		}
		dims[last] *= each
		blocks := slices.Clone(dims)
		blocks[along] = (blocks[along] + block - 1) / block
		if !slices.Equal(scales.Dims, blocks) {
			fail(fmt.Errorf("scales of shape %v, want %v", scales.Dims, blocks))
		}
		zeroRow := blocks[last] // numbers that the last axis of the zero points has room for
		if zeros != nil {
			packed := slices.Clone(blocks)
			packed[last] = (blocks[last] + each - 1) / each
			if zeroRow = packed[last] * each; !slices.Equal(zeros.Dims, packed) {
				fail(fmt.Errorf("zero points of shape %v, want %v", zeros.Dims, packed))
			}
		}
		read := func(v *Value, i int) float64 {
			if each > 1 {
				return float64(bitsOf(elems[uint64](v), i, bits))
			}
			return v.Float(i)
		}
		indices, _ := c.intInput(1)
		outer, n, inner := split(dims, gather)
		out := c.numbers(scales.Type, slices.Concat(dims[:gather], c.in[1].Dims, dims[gather+1:])...)
		if len(indices) == 0 || outer == 0 || inner == 0 {
			return out
		}
		f := c.format(out)
		at, scaleSteps := make([]int, len(dims)), strides(blocks)
		for i := range out.Len() {
			k := indices[i/inner%len(indices)]
			if k < 0 {
				k += n
			}
			if k < 0 || k >= n {
				continue
			}
			from := (i/inner/len(indices)*n+k)*inner + i%inner
			unravel(from, dims, at)
			at[along] /= block
			s := ravel(at, scaleSteps)
			z := zero
			if zeros != nil {
				z = read(zeros, s/max(blocks[last], 1)*zeroRow+s%max(blocks[last], 1))
			}
			out.set(i, f.mul(exact(read(data, from)-z), scales.at(s)))
		}
		return out
	}),
}
