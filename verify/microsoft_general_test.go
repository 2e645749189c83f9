package verify

import (
	"slices"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
)

// TestONNXRuntimesGeneralOperators draws nodes of those of ONNX Runtime's own operators that are neither of transformers
// nor quantised.
func TestONNXRuntimesGeneralOperators(t *testing.T) { holdRows(t, generalRows) }

var generalRows = []nodeRow{
	microsoft("BifurcationDetector", func(s *singleNode) {
		source := s.between(1, 9)
		s.give(elements[int64](s, 0, 2, source), elements[int64](s, 0, 2, s.between(0, 6)))
		from := s.between(0, source)
		s.give(elements[int64](s, from, from, 1))
		if s.IntN(4) > 0 {
			predicted := elements[int64](s, 0, 2, source+1-from)
			if s.IntN(2) == 0 { // as the source goes on
				copy(predicted.Data.(onnx.Slice[int64]), s.in[0].Data.(onnx.Slice[int64])[from:])
			}
			s.give(predicted)
		}
		least := s.between(1, 3)
		s.attr(onnx.Int("min_ngram_size", int64(least)), onnx.Int("max_ngram_size", int64(least+s.between(0, 3))))
		s.outs = 2
	}),
	microsoft("CDist", func(s *singleNode) {
		n := s.between(1, 20)
		t := one(s, f32, f64)
		s.give(s.float(t, 1, s.between(1, 6), n), s.float(t, 1, s.between(1, 6), n))
		s.sometimes(onnx.String("metric", one(s, "euclidean", "sqeuclidean")))
	}),
	microsoft("CausalConvWithState", (*singleNode).causalConv),
	microsoft("ConvTransposeWithDynamicPads", func(s *singleNode) {
		channels, filters, group := s.between(1, 3), s.between(1, 3), one(s, 1, 1, 2)
		s.give(s.float(f32, 1, s.between(1, 2), group*channels, s.between(2, 5), s.between(2, 5)))
		s.constant(s.float(f32, 1, group*channels, filters, 3, s.between(2, 3)))
		if pads := elements[int64](s, 0, 1, 4); s.IntN(2) == 0 { // without them, ONNX Runtime reads address zero
			s.constant(pads)
		} else {
			s.give(pads)
		}
		if s.IntN(2) == 0 {
			s.constant(s.float(f32, 1, group*filters))
		}
		s.attr(onnx.Int("group", int64(group)))
		s.sometimes(onnx.Ints("strides", 2, int64(s.between(1, 3))))
		s.sometimes(onnx.Ints("dilations", 1, int64(s.between(1, 2))))
	}),
	microsoft("CropAndResize", func(s *singleNode) {
		batch, regions := s.between(1, 2), s.between(1, 4)
		s.give(s.float(f32, 1, batch, s.between(1, 3), s.between(1, 7), s.between(1, 7)))
		rois := s.of(f32, []int{regions, 4}, func() float64 { return s.Float64()*1.4 - 0.2 })
		if s.IntN(2) == 0 {
			copy(rois.Data.(onnx.Slice[float32]), []float32{0, 0, 1, 1})
		}
		s.give(rois, elements[int32](s, 0, batch-1, regions))
		size := elements[int32](s, 1, 5, 2)
		if s.IntN(2) == 0 {
			s.constant(size)
		} else {
			s.give(size)
		}
		s.sometimes(onnx.String("mode", one(s, "bilinear", "nearest")))
		s.sometimes(onnx.Float("extrapolation_value", 0.7))
	}),
	microsoft("DynamicTimeWarping", func(s *singleNode) {
		rows, columns := s.between(1, 9), s.between(1, 9)
		x := one(s, s.float(f32, 1, rows, columns), s.of(f32, []int{rows, columns}, func() float64 { return float64(s.between(0, 2)) }))
		if s.IntN(3) == 0 {
			x.Dims = []int{1, rows, columns}
		}
		s.give(x)
	}),
	microsoft("ExpandDims", func(s *singleNode) {
		s.give(s.float(f32, 1, s.between(1, 3), s.between(1, 3)))
		s.constant(&onnx.Tensor{Dims: one(s, []int{}, []int{1}), Data: onnx.Slice[int32]{int32(s.between(-3, 2))}})
	}),
	microsoft("GatherND", func(s *singleNode) {
		depth := s.between(1, 3)
		s.give(one(s, s.float(f32, 1, 3, 4, 5), elements[int64](s, -9, 9, 3, 4, 5), s.words(3, 4, 5)))
		s.give(one(s, elements[int64](s, -3, 2, 2, s.between(1, 4), depth), elements[int32](s, 0, 2, s.between(1, 4), depth)))
	}),
	microsoft("GridSample", func(s *singleNode) {
		n := s.between(1, 2)
		s.give(s.float(f32, 1, n, s.between(1, 3), s.between(2, 6), s.between(2, 6)), s.float(f32, 0.6, n, s.between(1, 5), s.between(1, 5), 2))
		s.attr(onnx.String("mode", one(s, "bilinear", "nearest", "bicubic")), onnx.String("padding_mode", one(s, "zeros", "border", "reflection")))
		s.sometimes(onnx.Int("align_corners", 1))
	}),
	microsoft("Inverse", func(s *singleNode) {
		n := s.between(1, 8)
		x := s.float(one(s, f32, f64), 1, s.between(1, 3), n, n)
		for i := range x.Len() { // away from singular ones
			if i/n%n == i%n {
				switch d := x.Data.(type) {
				case onnx.Slice[float32]:
					d[i] += 4
				case onnx.Slice[float64]:
					d[i] += 4
				}
			}
		}
		s.give(x)
	}),
	microsoft("LinearAttention", (*singleNode).linearAttention),
	microsoft("MaxpoolWithMask", func(s *singleNode) {
		rank := s.between(1, 3)
		dims, kernel := []int{s.between(1, 2), s.between(1, 3)}, []int64{}
		for range rank {
			dims, kernel = append(dims, s.between(3, 6)), append(kernel, int64(s.between(1, 3)))
		}
		mask := slices.Clone(dims)
		mask[0], mask[1] = 1, 1
		s.give(s.float(f32, 1, dims...), elements[int32](s, 0, one(s, 1, 3), mask...))
		s.attr(onnx.Ints("kernel_shape", kernel...))
		s.sometimes(onnx.Ints("strides", drawn(rank, func() int64 { return int64(s.between(1, 2)) })...))
		if s.IntN(2) == 0 && slices.Min(kernel) > 1 {
			s.attr(onnx.Ints("pads", drawn(2*rank, func() int64 { return int64(s.between(0, 1)) })...))
		}
	}),
	microsoft("MoE", (*singleNode).experts),
	microsoft("MurmurHash3", func(s *singleNode) {
		n := s.between(1, 9)
		s.give(one(s, s.words(n), s.float(f32, 1, n), s.float(f64, 1, n), elements[int32](s, -99, 99, n), elements[uint32](s, 0, 99, n), elements[int64](s, -99, 99, n)))
		s.sometimes(onnx.Int("seed", int64(s.between(0, 1000))))
		s.sometimes(onnx.Int("positive", 0))
	}),
	microsoft("NGramRepeatBlock", func(s *singleNode) {
		n, words := s.between(1, 3), s.between(3, 6)
		s.give(elements[int64](s, 0, words-1, n, s.between(1, 12)), s.float(f32, 1, n, words))
		s.attr(onnx.Int("ngram_size", int64(s.between(1, 3))))
	}),
	microsoft("Pad", func(s *singleNode) {
		s.give(s.float(f32, 1, s.between(4, 6), s.between(4, 6))) // reflections are shorter than an axis that was cut
		pads := elements[int64](s, -1, 2, 4)
		if s.IntN(3) == 0 {
			pads.Dims = []int{1, 4}
		}
		s.constant(pads)
		if s.attr(onnx.String("mode", one(s, "constant", "edge", "reflect"))); s.IntN(2) == 0 {
			s.constant(s.float(f32, 1, 1))
		}
	}),
	microsoft("QMoE", (*singleNode).quantizedExperts),
	microsoft("Range", func(s *singleNode) {
		if s.IntN(2) == 0 {
			s.constant(elements[int64](s, -5, 5), elements[int64](s, 6, 20))
			if s.IntN(2) == 0 {
				s.constant(elements[int64](s, 1, 4))
			}
			return
		}
		s.constant(s.float(f32, 1, 1), s.of(f32, []int{1}, func() float64 { return 5 + 5*s.Float64() }), s.of(f32, []int{1}, func() float64 { return 0.3 + s.Float64() }))
	}),
	microsoft("SampleOp", func(s *singleNode) { s.give(s.float(f32, 1, s.between(1, 5), 2)) }),
	microsoft("Tokenizer", func(s *singleNode) {
		n := s.between(1, 4)
		texts := drawn(n, func() string {
			return one(s, "", "a", "Hello World", "one,two;three  four", "für  élan, ça va", "日本 語", ",,", "aaab aab ab")
		})
		s.give(&onnx.Tensor{Dims: one(s, []int{n}, []int{1, n}, []int{n, 1}), Data: onnx.Slice[string](texts)})
		s.attr(onnx.String("pad_value", one(s, "", "#")), onnx.Int("mark", int64(s.IntN(2))))
		least := s.between(1, 3)
		switch s.IntN(4) {
		case 0:
			least = 1
			s.attr(one(s, onnx.Strings("separators", ""), onnx.String("tokenexp", ".")))
		case 1:
			s.attr(onnx.String("tokenexp", one(s, "[a-z]+", `\pL+`, "a+b?|[,;]", "ab|a+", "..")))
		default:
			s.attr(onnx.Strings("separators", drawn(s.between(1, 3), func() string { return one(s, " ", ",", ";", " +", "[,;] ?", "a", "aa", "é", "b*a") })...))
		}
		s.attr(onnx.Int("mincharnum", int64(least)))
	}),
	microsoft("Trilu", func(s *singleNode) {
		x := []int{s.between(1, 2), s.between(1, 5), s.between(1, 5)}
		s.give(one(s, s.float(f32, 1, x...), elements[int64](s, -9, 9, x...)))
		s.constant(one(s, nil, elements[int64](s, -3, 3)))
		s.sometimes(onnx.Int("upper", 0))
	}),
	microsoft("UnfoldTensor", func(s *singleNode) {
		s.give(s.float(f32, 1, s.between(3, 6), s.between(3, 6), s.between(3, 6)))
		s.attr(onnx.Int("size", int64(s.between(1, 3))))
		s.sometimes(onnx.Int("dim", int64(s.between(-3, 2))))
		s.sometimes(onnx.Int("step", int64(s.between(1, 3))))
	}),
	microsoft("Unique", func(s *singleNode) {
		s.give(s.of(f32, []int{s.between(1, 12)}, func() float64 { return float64(s.between(-3, 3)) }))
		s.outs = 3
	}),
	microsoft("WordConvEmbedding", func(s *singleNode) {
		words, long, filters, width, each, known := s.between(1, 5), s.between(3, 8), s.between(1, 6), s.between(1, 3), s.between(1, 6), s.between(3, 9)
		x := elements[int32](s, 0, known-1, words, long)
		for i := range words {
			x.Data.(onnx.Slice[int32])[i*long] = int32(s.between(1, known-1))
		}
		s.give(x)
		s.constant(s.float(f32, 0.4, filters, 1, width, each), s.float(f32, 1, filters), s.float(f32, 1, known, each))
		s.sometimes(onnx.Int("embedding_size", int64(filters)))
		s.sometimes(onnx.Int("conv_window_size", int64(width)))
		s.sometimes(onnx.Int("char_embedding_size", int64(each)))
	}),
}

func (s *singleNode) causalConv() {
	t := one(s, f32, f32, f16)
	batch, channels, length, taps, dilation := s.between(1, 2), s.between(1, 4), s.between(1, 8), s.between(1, 4), one(s, 1, 1, 2, 3)
	held := (taps - 1) * dilation
	x, past := []int{batch, channels, length}, []int{batch, channels, held}
	if s.IntN(3) == 0 {
		x, past = []int{batch, length, channels}, []int{batch, held, channels}
		s.attr(onnx.Int("channels_last", 1))
	}
	s.give(s.float(t, 1, x...))
	s.constant(s.float(t, 1, channels, 1, taps), one(s, nil, s.float(t, 1, channels)))
	s.give(one(s, nil, s.float(t, 1, past...)))
	s.attr(onnx.Int("dilation", int64(dilation)))
	s.sometimes(onnx.String("activation", one(s, "none", "silu", "swish")))
	s.outs = 2
}

func (s *singleNode) linearAttention() {
	batch, steps, keys, values := s.between(1, 2), s.between(1, 5), one(s, 4, 8), one(s, 4, 8)
	queries, heads := s.between(1, 2), s.between(1, 2)
	if queries == 2 && s.IntN(2) == 0 {
		heads = 4
	} else if heads == 2 && queries == 1 && s.IntN(2) == 0 {
		queries = 4
	}
	rule := one(s, "linear", "gated", "delta", "gated_delta")
	s.give(s.float(f32, 0.4, batch, steps, queries*keys), s.float(f32, 0.4, batch, steps, heads*keys), s.float(f32, 1, batch, steps, heads*values))
	s.give(one(s, nil, s.float(f32, 1, batch, heads, keys, values)), nil, nil)
	if rule == "gated" || rule == "gated_delta" {
		s.in[4] = s.of(f32, []int{batch, steps, heads * one(s, 1, keys)}, func() float64 { return -s.Float64() })
	}
	if rule == "delta" || rule == "gated_delta" {
		s.in[5] = s.of(f32, []int{batch, steps, one(s, 1, heads)}, s.Float64)
	}
	s.attr(onnx.String("update_rule", rule), onnx.Int("q_num_heads", int64(queries)), onnx.Int("kv_num_heads", int64(heads)))
	s.sometimes(onnx.Float("scale", 0.3))
	s.outs = 2
}

// expertAttributes draws what MoE and QMoE have in common, and says how many rows of the first layer make one of the second.
func (s *singleNode) expertAttributes(experts int) (fused int) {
	act := one(s, "relu", "gelu", "silu", "identity", "swiglu", "swiglu")
	s.attr(onnx.String("activation_type", act), onnx.Int("k", int64(s.between(1, min(3, experts)))))
	s.sometimes(onnx.Int("normalize_routing_weights", 1))
	if act != "swiglu" {
		return 1
	}
	s.attr(onnx.Int("swiglu_fusion", 1))
	if s.IntN(2) == 0 {
		s.attr(onnx.Float("activation_alpha", 1.702), onnx.Float("activation_beta", 1), onnx.Float("swiglu_limit", 2))
	}
	return 2
}

func (s *singleNode) experts() {
	experts, tokens, width, inner := s.between(2, 5), s.between(1, 6), s.between(3, 20), s.between(3, 20)
	fused := s.expertAttributes(experts)
	s.give(s.float(f32, 1, one(s, []int{tokens, width}, []int{1, tokens, width})...), s.float(f32, 1, tokens, experts))
	s.constant(s.float(f32, 0.5, experts, fused*inner, width), one(s, nil, s.float(f32, 1, experts, fused*inner)))
	s.constant(s.float(f32, 0.5, experts, width, inner), one(s, nil, s.float(f32, 1, experts, width)))
}

func (s *singleNode) quantizedExperts() {
	t := one(s, f32, f32, f16)
	experts, tokens, width, inner := s.between(2, 4), s.between(1, 6), one(s, 64, 128), one(s, 64, 128)
	bits, block := one(s, 4, 4, 8, 2), one(s, 0, 16, 0)
	fused := s.expertAttributes(experts)
	s.attr(onnx.Int("expert_weight_bits", int64(bits)))
	if block > 0 {
		s.attr(onnx.Int("block_size", int64(block)))
	}
	s.give(s.float(t, 1, tokens, width), s.float(t, 1, tokens, experts))
	shape := func(rows, columns, each int) []int {
		if block > 0 {
			return []int{experts, rows, columns / block / each}
		}
		return []int{experts, rows / each}
	}
	layer := func(rows, columns int) (weights, scales, bias, zeros *onnx.Tensor) {
		scales = s.of(t, shape(rows, columns, 1), func() float64 { return (0.2 + s.Float64()) / float64(int(2)<<bits) })
		return elements[uint8](s, 0, 255, experts, rows, columns*bits/8), scales, s.float(t, 1, experts, rows), elements[uint8](s, 0, 255, shape(rows, columns, 8/bits)...)
	}
	w1, s1, b1, z1 := layer(fused*inner, width)
	w2, s2, b2, z2 := layer(width, inner)
	s.constant(w1, s1, one(s, nil, b1), w2, s2, one(s, nil, b2), nil, nil, nil)
	if s.IntN(2) == 0 {
		s.constant(z1, z2)
	} else {
		s.constant(nil, nil)
	}
	if s.constant(nil); s.IntN(3) == 0 {
		s.give(s.of(t, []int{tokens, experts}, s.Float64))
	}
}
