package verify

import (
	"testing"

	"github.com/petrify-ml/petrify/onnx"
)

// TestONNXRuntimesGeneralOperators draws nodes of those of ONNX Runtime's own operators that are neither of transformers
// nor quantised.
func TestONNXRuntimesGeneralOperators(t *testing.T) { holdRows(t, generalRows) }

var generalRows = []nodeRow{
	microsoft("CDist", func(s *singleNode) {
		n := s.between(1, 20)
		t := one(s, f32, f64)
		s.give(s.float(t, 1, s.between(1, 6), n), s.float(t, 1, s.between(1, 6), n))
		s.sometimes(onnx.String("metric", one(s, "euclidean", "sqeuclidean")))
	}),
	microsoft("CausalConvWithState", (*singleNode).causalConv),
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
