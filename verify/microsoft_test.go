package verify

import (
	"math"
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// TestONNXRuntimesOwnOperators draws nodes of each operator, all of them in one
// model because starting a process takes longer than running it.
func TestONNXRuntimesOwnOperators(t *testing.T) {
	holdRows(t, slices.Concat(transformerRows, quantizedRows, standardRows))
}

// microsoft is a row for an operator of ONNX Runtime's own domain.
func microsoft(op string, fill func(s *singleNode)) nodeRow {
	return nodeRow{op: op, domain: "com.microsoft", opset: 21, fill: fill}
}

const (
	f32 = pb.TensorProto_FLOAT
	f16 = pb.TensorProto_FLOAT16
	f64 = pb.TensorProto_DOUBLE
)

// ofONNX is a row for an operator that ONNX Runtime has in ONNX's domain.
func ofONNX(op string, opset int64, fill func(s *singleNode)) nodeRow {
	return nodeRow{op: op, opset: opset, fill: fill}
}

// transformerRows are the operators that fusions of transformers make.
var transformerRows = []nodeRow{
	microsoft("Attention", (*singleNode).projectedAttention),
	microsoft("BiasGelu", func(s *singleNode) {
		n := s.between(1, 40)
		s.give(s.float(f32, 3, 2, 3, n))
		s.constant(s.float(f32, 1, n))
	}),
	microsoft("EmbedLayerNormalization", func(s *singleNode) {
		t := one(s, f32, f32, f16)
		batch, length, width := s.between(1, 3), s.between(1, 5), s.between(3, 30)
		s.give(elements[int32](s, 0, 19, batch, length))
		parted := s.IntN(2) == 0
		if s.give(nil); parted {
			s.in[1] = elements[int32](s, 0, 1, batch, length)
		}
		s.constant(s.float(t, 1, 20, width), s.float(t, 1, 8, width), nil, s.float(t, 1, width), s.float(t, 1, width))
		if parted {
			s.in[4] = s.float(t, 1, 2, width)
		}
		s.give(one(s, nil, elements[int32](s, 0, 1, batch, length)))
		if s.IntN(3) == 0 {
			s.give(elements[int32](s, 0, 7, one(s, 1, batch), length))
		}
		s.sometimes(onnx.Float("epsilon", 0.1))
		s.outs = one(s, 2, 3)
	}),
	microsoft("FastGelu", func(s *singleNode) {
		t, n := one(s, f32, f16, f64), s.between(1, 40)
		s.give(s.float(t, 3, 2, 3, n))
		if s.IntN(2) == 0 {
			s.constant(s.float(t, 1, n))
		}
	}),
	microsoft("GatherBlockQuantized", func(s *singleNode) {
		block, bits := one(s, 16, 32), one(s, 4, 8)
		rows, width := s.between(3, 20), one(s, 32, 64, 48)
		s.constant(elements[uint8](s, 0, 255, rows, width*bits/8))
		s.give(elements[int64](s, -rows, rows-1, 2, s.between(1, 5)))
		blocks := (width + block - 1) / block
		t := one(s, f32, f16)
		s.constant(s.float(t, 0.1, rows, blocks))
		if s.IntN(2) == 0 {
			s.constant(elements[uint8](s, 0, 255, rows, (blocks*bits+7)/8))
		}
		s.attr(onnx.Int("bits", int64(bits)), onnx.Int("block_size", int64(block)), onnx.Int("quantize_axis", one[int64](s, 1, -1)))
	}),
	microsoft("Gelu", func(s *singleNode) { s.give(s.float(one(s, f32, f16), 3, 3, s.between(1, 40))) }),
	microsoft("GroupQueryAttention", (*singleNode).groupQuery),
	{op: "GroupQueryAttention", form: " of the newest ", domain: "com.microsoft", opset: 21, fill: (*singleNode).slidingQuery},
	microsoft("MatMulBnb4", func(s *singleNode) {
		n, k, block := s.between(1, 20), one(s, 16, 32, 64, 100), one(s, 16, 32, 64)
		t := one(s, f32, f32, f16)
		s.give(s.float(t, 1, 2, s.between(1, 4), k))
		s.constant(elements[uint8](s, 0, 255, (n*k+1)/2), s.of(t, []int{(n*k + block - 1) / block}, s.Float64))
		s.attr(onnx.Int("N", int64(n)), onnx.Int("K", int64(k)), onnx.Int("block_size", int64(block)), onnx.Int("quant_type", int64(s.IntN(2))))
	}),
	microsoft("MatMulNBits", func(s *singleNode) { s.nBits(one[int64](s, 0, 1, 2, 3)) }),
	{op: "MatMulNBits", form: " of int8 ", domain: "com.microsoft", opset: 21, blur: 0.2, fill: func(s *singleNode) { s.nBits(4) }},
	microsoft("MultiHeadAttention", (*singleNode).multiHead),
	{op: "MultiHeadAttention", form: " of beams ", domain: "com.microsoft", opset: 21, fill: (*singleNode).beams},
	microsoft("DecoderMaskedMultiHeadAttention", (*singleNode).decoderMasked),
	microsoft("QuickGelu", func(s *singleNode) {
		s.give(s.float(one(s, f32, f16), 3, 3, s.between(1, 40)))
		s.sometimes(onnx.Float("alpha", one[float32](s, 0.5, 1, 1.6, -1)))
	}),
	microsoft("RotaryEmbedding", func(s *singleNode) {
		t, b, l, heads, half := one(s, f32, f16), s.between(1, 3), s.between(1, 5), s.between(1, 3), one(s, 3, 4, 8, 16)
		width := 2 * half
		if s.IntN(3) == 0 {
			half /= 2
			s.attr(onnx.Int("rotary_embedding_dim", int64(2*half)), onnx.Int("num_heads", int64(heads)))
		}
		x := one(s, []int{b, l, heads * width}, []int{b, heads, l, width})
		s.give(s.float(t, 1, x...))
		s.give(one(s, elements[int64](s, 0, 10, 1), elements[int64](s, 0, 15, b, l)))
		s.constant(s.float(t, 1, 16, half), s.float(t, 1, 16, half))
		s.attr(onnx.Int("interleaved", int64(s.IntN(2))))
		s.sometimes(onnx.Float("scale", one[float32](s, 0.5, 2)))
		s.sometimes(onnx.Int("is_packed_batching", 1))
	}),
	ofONNX("LayerNormalization", 12, func(s *singleNode) {
		t, n := one(s, f32, f16, f64), s.between(3, 40)
		s.give(s.float(t, 2, 2, 3, n))
		s.constant(s.float(t, 1, n), s.float(t, 1, n)) // without a bias ONNX Runtime 1.30 crashes before opset 17
		s.attr(onnx.Int("axis", -1))
		s.sometimes(onnx.Float("epsilon", 0.01))
	}),
	ofONNX("SimplifiedLayerNormalization", 15, func(s *singleNode) {
		t, n := one(s, f32, f16, f64), s.between(3, 40)
		s.give(s.float(t, 2, 2, 3, n))
		s.constant(s.float(t, 1, n))
		s.attr(onnx.Int("axis", -1), onnx.Int("stash_type", 1))
		s.sometimes(onnx.Float("epsilon", 0.01))
	}),
	microsoft("SkipLayerNormalization", func(s *singleNode) { s.skipNorm(true) }),
	microsoft("SkipSimplifiedLayerNormalization", func(s *singleNode) { s.skipNorm(false) }),
}

// skipNorm draws a normalization of a sum, with a shift where that is beta.
func (s *singleNode) skipNorm(beta bool) {
	t := one(s, f32, f32, f16)
	b, l, n := s.between(1, 3), s.between(1, 4), s.between(2, 40)
	x := []int{b, l, n}
	s.give(s.float(t, 1, x...), s.float(t, 1, one(s, x, []int{1, l, n}, []int{l, n})...))
	s.constant(s.float(t, 1, n))
	if beta {
		s.constant(one(s, nil, s.float(t, 1, n)))
	}
	s.constant(one(s, nil, s.float(t, 1, n)))
	s.sometimes(onnx.Float("epsilon", 0.1))
	if s.outs = s.between(1, 4); s.outs == 4 {
		s.without = one(s, nil, []int{1, 2}, []int{1}, []int{2})
	}
}

// nBits draws a product with a matrix of numbers of few bits.
func (s *singleNode) nBits(level int64) {
	bits, block := one(s, 4, 4, 4, 8, 2), one(s, 16, 32, 64, 128)
	n, k := s.between(1, 40), one(s, 16, 32, 96, 128, 200)
	blocks := (k + block - 1) / block
	t := one(s, f32, f32, f16)
	s.give(s.float(t, 1, 2, s.between(1, 4), k))
	s.constant(elements[uint8](s, 0, 255, n, blocks, block*bits/8))
	shape := func(each int) []int { return one(s, []int{n * each}, []int{n, each}) }
	s.constant(s.float(t, 0.1, shape(blocks)...))
	groups := bits == 4 && s.IntN(3) == 0
	switch c := s.IntN(4); {
	case c == 0 && bits < 8: // which ONNX Runtime takes in plain blocks only
		s.constant(s.of(t, shape(blocks), func() float64 { return 8 * s.Float64() }))
	case c < 3 && !groups: // ONNX Runtime 1.30 ignores packed zero points beside groups
		s.constant(elements[uint8](s, 0, 255, shape((blocks*bits+7)/8)...))
	default:
		s.constant(nil)
	}
	if groups {
		s.constant(elements[int32](s, 0, blocks-1, k))
	} else {
		s.constant(nil)
	}
	if s.IntN(2) == 0 {
		s.constant(s.float(t, 1, n))
	}
	s.attr(onnx.Int("N", int64(n)), onnx.Int("K", int64(k)), onnx.Int("bits", int64(bits)), onnx.Int("block_size", int64(block)), onnx.Int("accuracy_level", level))
}

// keyMask draws what hides keys, in one of the forms that there are.
func (s *singleNode) keyMask(batch, rows, keys int, beginnings bool) *onnx.Tensor {
	flags := func(dims ...int) *onnx.Tensor { return elements[int32](s, 0, 1, dims...) }
	switch s.IntN(5) {
	case 0:
		return elements[int32](s, 1, keys, batch)
	case 1:
		return flags(batch, keys)
	case 2:
		return flags(batch, rows, keys)
	case 3:
		if beginnings {
			ends := elements[int32](s, 1, keys, 2*batch)
			list := ends.Data.(onnx.Slice[int32])
			for n := range batch {
				list[batch+n] = int32(s.IntN(int(list[n])))
			}
			return ends
		}
	}
	return nil
}

// bias draws what is added to scores, nil in half of the draws.
func (s *singleNode) bias(batch, heads, rows, keys int) *onnx.Tensor {
	if s.IntN(2) == 0 {
		return nil
	}
	return s.float(f32, 1, one(s, 1, batch), one(s, 1, heads), rows, keys)
}

// unidirectional hides what is ahead, or masks by the lowest number; both together would
// leave some queries nothing.
func (s *singleNode) unidirectional() {
	if s.IntN(2) == 0 {
		s.attr(onnx.Int("unidirectional", 1))
	} else {
		s.sometimes(onnx.Float("mask_filter_value", one[float32](s, -50, -math.MaxFloat32)))
	}
}

func (s *singleNode) projectedAttention() {
	batch, rows, heads, width, in := s.between(1, 2), s.between(1, 5), s.between(1, 3), one(s, 4, 8), s.between(3, 20)
	hidden, values, past := heads*width, heads*width, 0
	if s.IntN(3) == 0 {
		values = heads * one(s, 3, 5)
		s.attr(onnx.Ints("qkv_hidden_sizes", int64(hidden), int64(hidden), int64(values)))
	} else if s.IntN(2) == 0 {
		past = s.between(1, 4)
	}
	s.give(s.float(f32, 1, batch, rows, in))
	// Without a bias ONNX Runtime 1.30 crashes.
	s.constant(s.float(f32, 0.5, in, 2*hidden+values), s.float(f32, 0.5, 2*hidden+values))
	s.give(s.keyMask(batch, rows, past+rows, true), nil, nil)
	if past > 0 {
		s.in[4] = s.float(f32, 1, 2, batch, heads, past, width)
		s.outs = 2
	} else { // ONNX Runtime has no kernel for both
		s.in[5] = s.bias(batch, heads, rows, rows)
	}
	s.attr(onnx.Int("num_heads", int64(heads)))
	s.unidirectional()
	s.sometimes(onnx.Float("scale", 0.3))
}

func (s *singleNode) multiHead() {
	batch, rows, length, heads, width := s.between(1, 2), s.between(1, 5), s.between(1, 6), s.between(1, 3), one(s, 4, 8)
	wide, past := one(s, width, width, 5), 0
	s.give(s.float(f32, 1, batch, rows, heads*width))
	apart := s.IntN(4) == 0 // with an axis for the heads
	if apart {
		wide = width
		s.give(s.float(f32, 1, batch, heads, length, width), s.float(f32, 1, batch, heads, length, wide))
	} else {
		s.give(s.float(f32, 1, batch, length, heads*width), s.float(f32, 1, batch, length, heads*wide))
	}
	if s.IntN(2) == 0 && wide == width && !apart {
		past = s.between(1, 4)
	}
	s.constant(one(s, nil, s.float(f32, 1, heads*(2*width+wide))))
	if apart {
		s.in[3] = nil
	}
	s.give(s.keyMask(batch, rows, past+length, false), s.bias(batch, heads, rows, past+length))
	if past > 0 {
		s.give(s.float(f32, 1, batch, heads, past, width), s.float(f32, 1, batch, heads, past, wide))
	}
	if !apart {
		s.outs = one(s, 1, 3)
	}
	if past > 0 { // ONNX Runtime 1.30 ignores the past where the present is not an output
		if s.outs = 3; s.IntN(2) == 0 {
			s.outs, s.open = 4, []int{3}
		}
	}
	if s.attr(onnx.Int("num_heads", int64(heads))); rows == length {
		s.unidirectional()
	}
	s.sometimes(onnx.Float("scale", 0.3))
}

// biasForAll draws what is added to the scores of one query, of all sequences alike: of others ONNX Runtime 1.30 reads
// another sequence's where there are beams.
func (s *singleNode) biasForAll(heads, keys int) *onnx.Tensor {
	return one(s, nil, s.float(f32, 1, 1, one(s, 1, heads), 1, keys))
}

// held draws keys and values that lie in a buffer.
func (s *singleNode) held(batch, heads, room, width int) (keys, values *onnx.Tensor) {
	return s.float(f32, 1, batch, heads, room, width), s.float(f32, 1, batch, heads, room, width)
}

// beams draws one query for each of some beams, whose past is in a buffer.
func (s *singleNode) beams() {
	groups, beams, heads, width, valid := s.between(1, 2), s.between(1, 3), s.between(1, 3), one(s, 4, 8), s.between(1, 4)
	batch, room := groups*beams, valid+s.between(1, 3)
	token := func() *onnx.Tensor { return s.float(f32, 1, batch, 1, heads*width) }
	s.give(token(), token(), token())
	s.constant(one(s, nil, s.float(f32, 1, 3*heads*width)))
	s.give(one(s, nil, elements[int32](s, 0, 1, batch, valid+1)), s.biasForAll(heads, valid+1))
	s.give(s.held(batch, heads, room, width))
	s.constant(&onnx.Tensor{Dims: []int{1}, Data: onnx.Slice[int32]{int32(valid)}})
	s.give(elements[int32](s, 0, beams-1, groups, beams, room))
	s.attr(onnx.Int("num_heads", int64(heads)))
	s.sometimes(onnx.Float("scale", 0.3))
	if s.outs = 3; s.IntN(2) == 0 { // of scores and the usual -10000 nothing is left but that in float16
		s.outs = 4
		s.attr(onnx.Float("mask_filter_value", -5))
	}
}

func (s *singleNode) decoderMasked() {
	groups, beams, heads, width, valid := s.between(1, 2), s.between(1, 3), s.between(1, 3), one(s, 4, 8), s.between(1, 4)
	batch, room := groups*beams, valid+s.between(1, 3)
	token := func() *onnx.Tensor { return s.float(f32, 1, batch, 1, heads*width) }
	s.attr(onnx.Int("num_heads", int64(heads)))
	s.sometimes(onnx.Float("scale", 0.3))
	s.give(token())
	if s.IntN(3) == 0 { // of another sequence
		s.give(s.held(batch, heads, room, width))
		s.give(one(s, nil, elements[int32](s, 0, 1, batch, room)))
		return
	}
	s.give(token(), token())
	s.give(one(s, nil, elements[int32](s, 0, 1, batch, valid+1)), s.biasForAll(heads, valid+1))
	s.give(s.held(batch, heads, room, width))
	s.constant(&onnx.Tensor{Dims: []int{1}, Data: onnx.Slice[int32]{int32(valid)}}, nil)
	s.give(nil)
	if s.IntN(2) == 0 {
		s.in[8] = &onnx.Tensor{Dims: []int{1}, Data: onnx.Slice[int32]{int32(beams)}}
		s.in[9] = elements[int32](s, 0, beams-1, groups, beams, room)
	}
	s.constant(one(s, nil, s.float(f32, 1, 3*heads*width)))
	s.attr(onnx.Int("past_present_share_buffer", 1))
	if s.outs = 3; s.IntN(2) == 0 {
		s.attr(onnx.Int("output_qk", 1), onnx.Float("mask_filter_value", -5))
		s.outs = 4
	}
}

func (s *singleNode) groupQuery() {
	t := one(s, f32, f32, f16)
	batch, rows, fewer, each, width := s.between(1, 2), s.between(1, 5), s.between(1, 2), s.between(1, 3), one(s, 16, 32)
	heads, past, room := fewer*each, 0, 0
	if s.IntN(3) > 0 {
		past = s.between(1, 6)
		if room = past + one(s, 0, rows, rows+3); batch > 1 {
			rows = 1
		}
	}
	if s.IntN(2) == 0 {
		s.give(s.float(t, 1, batch, rows, heads*width), s.float(t, 1, batch, rows, fewer*width), s.float(t, 1, batch, rows, fewer*width))
	} else {
		s.give(s.float(t, 1, batch, rows, (heads+2*fewer)*width), nil, nil)
	}
	total := past + rows
	bits := one(s, 0, 0, 8, 4)
	switch {
	case bits == 8: // there is a past, if an empty one
		s.give(elements[int8](s, -128, 127, batch, fewer, room, width), elements[int8](s, -128, 127, batch, fewer, room, width))
	case bits == 4:
		s.give(elements[uint8](s, 0, 255, batch, fewer, room, width/2), elements[uint8](s, 0, 255, batch, fewer, room, width/2))
	case past > 0:
		s.give(s.float(t, 1, batch, fewer, room, width), s.float(t, 1, batch, fewer, room, width))
	default:
		s.give(nil, nil)
	}
	ends := elements[int32](s, total-1, total-1, batch)
	if batch > 1 { // the second is shorter
		ends.Data.(onnx.Slice[int32])[1] = int32(s.between(min(max(rows, 2), total)-1, total-1))
	}
	s.give(ends)
	s.constant(&onnx.Tensor{Dims: []int{1}, Data: onnx.Slice[int32]{int32(total)}})
	rotary := s.IntN(2)
	s.constant(nil, nil)
	if rotary == 1 {
		half := one(s, width/2, 8)
		s.in[7], s.in[8] = s.float(t, 1, 16, half), s.float(t, 1, 16, half)
	}
	s.give(nil, nil, nil)
	if rotary == 1 && s.IntN(4) == 0 {
		// Of a first run of many tokens ONNX Runtime reads the first position alone.
		base := s.IntN(12)
		s.in[9] = elements[int64](s, 0, 0, batch, rows)
		for i := range batch * rows {
			s.in[9].Data.(onnx.Slice[int64])[i] = int64(base + i%rows)
		}
	}
	if s.IntN(3) == 0 {
		s.in[10] = s.float(t, 1, one(s, 1, batch), one(s, 1, heads), rows, total)
	}
	switch s.IntN(4) {
	case 0:
		s.in[11] = s.float(t, 1, heads)
	case 1:
		s.attr(onnx.Int("smooth_softmax", 1))
	}
	if bits > 0 {
		kind, shape := "PER_TENSOR", []int{1}
		if s.IntN(2) == 0 {
			kind, shape = "PER_CHANNEL", []int{1, fewer, 1, width}
		}
		scales := func() *onnx.Tensor {
			return s.of(f32, shape, func() float64 { return (0.5 + s.Float64()) * 2 / float64(int(1)<<(bits-1)) })
		}
		s.constant(scales(), scales())
		s.attr(onnx.String("k_quant_type", kind), onnx.String("v_quant_type", kind), onnx.Int("kv_cache_bit_width", int64(bits)))
	}
	if s.IntN(3) == 0 {
		s.attr(onnx.Int("local_window_size", int64(s.between(1, 4))))
	}
	s.attr(onnx.Int("num_heads", int64(heads)), onnx.Int("kv_num_heads", int64(fewer)), onnx.Int("do_rotary", int64(rotary)))
	s.sometimes(onnx.Int("rotary_interleaved", 1))
	s.sometimes(onnx.Float("scale", 0.3))
	s.sometimes(onnx.Float("softcap", 2))
	if s.outs = 3; s.IntN(3) == 0 {
		s.outs, s.open = 4, []int{3}
		s.attr(onnx.Int("qk_output", int64(s.between(1, 2))))
	}
}

// slidingQuery draws a step with keys and values of which the newest alone are held: a prompt, or tokens after a past that
// is shorter or longer than what is held.
func (s *singleNode) slidingQuery() {
	t := one(s, f32, f32, f16)
	batch, rows, fewer, each, width, room := s.between(1, 2), s.between(1, 7), s.between(1, 2), s.between(1, 3), one(s, 16, 32), s.between(2, 6)
	heads, total := fewer*each, 0
	if past := s.between(0, 12); past > 0 {
		if batch > 1 {
			rows = 1
		}
		total = past
	}
	total += rows
	s.give(s.float(t, 1, batch, rows, heads*width), s.float(t, 1, batch, rows, fewer*width), s.float(t, 1, batch, rows, fewer*width))
	s.give(s.float(t, 1, batch, fewer, room, width), s.float(t, 1, batch, fewer, room, width))
	ends := elements[int32](s, total-1, total-1, batch)
	if batch > 1 && total > rows { // the second is shorter
		ends.Data.(onnx.Slice[int32])[1] = int32(s.between(1, total-1))
	}
	s.give(ends)
	s.constant(&onnx.Tensor{Dims: []int{1}, Data: onnx.Slice[int32]{int32(total)}})
	if s.IntN(2) == 0 {
		s.constant(s.float(t, 1, 20, width/2), s.float(t, 1, 20, width/2))
		s.attr(onnx.Int("do_rotary", 1))
	}
	s.attr(onnx.Int("sliding_window_cache", 1), onnx.Int("local_window_size", int64(s.between(1, room))))
	s.attr(onnx.Int("num_heads", int64(heads)), onnx.Int("kv_num_heads", int64(fewer)))
	s.sometimes(onnx.Float("softcap", 2))
	s.outs, s.open = 3, []int{1, 2}
}
