package verify

import (
	"math"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
)

// TestONNXRuntimesGates draws nodes of the operators around linear attention.
func TestONNXRuntimesGates(t *testing.T) { holdRows(t, gateRows) }

var gateRows = []nodeRow{
	microsoft("EngramGate", func(s *singleNode) {
		t := one(s, f32, f32, f16)
		batch, length, streams, width := s.between(1, 2), s.between(1, 4), s.between(1, 3), s.between(1, 24)
		s.give(s.float(t, 1, batch, length, streams, width), s.float(t, 1, batch, length, streams, width), s.float(t, 1, batch, length, width))
		s.constant(s.float(t, 1, streams, width), s.float(t, 1, streams, width))
		s.sometimes(onnx.Float("epsilon", 0.1))
	}),
	microsoft("GatedAdd", func(s *singleNode) {
		t := one(s, f32, f16)
		n, width := s.between(1, 4), s.between(1, 20)
		if s.IntN(2) == 0 {
			s.give(s.float(t, 1, 2, n, width), s.float(t, 1, 2, n, width), s.float(t, 1, 2, n, 1))
			return
		}
		s.give(s.float(t, 1, width), s.float(t, 1, width), s.float(t, 1, 1))
	}),
	microsoft("GatedRMSNorm", func(s *singleNode) {
		t := one(s, f32, f32, f16)
		n, groups, width := s.between(1, 4), s.between(1, 3), s.between(1, 30)
		s.give(s.float(t, 1, 2, n, groups*width))
		s.constant(s.float(t, 1, width))
		s.give(s.float(t, 2, 2, n, groups*width))
		s.sometimes(onnx.Float("epsilon", 0.1))
	}),
	microsoft("LinearAttentionGate", func(s *singleNode) {
		t := one(s, f32, f16)
		n, heads := s.between(1, 5), s.between(1, 9)
		s.give(s.float(t, 4, 2, n, heads))
		s.constant(s.float(f32, 1, heads), s.float(f32, 1, heads))
		if s.IntN(3) > 0 {
			s.give(s.float(t, 4, 2, n, heads))
			s.outs = 2
		}
	}),
	microsoft("MRotaryEmbedding", func(s *singleNode) {
		t := one(s, f32, f16)
		batch, heads, steps, pairs := s.between(1, 2), s.between(1, 3), s.between(1, 5), s.between(1, 9)
		length := 2 * pairs
		if s.IntN(3) == 0 {
			length += s.between(1, 4)
			s.attr(onnx.Int("rotary_embedding_dim", int64(2*pairs)), onnx.Int("num_heads", int64(heads)))
		}
		if s.IntN(2) == 0 {
			s.give(s.float(t, 1, batch, heads, steps, length))
		} else {
			s.give(s.float(t, 1, batch, steps, heads*length))
			if len(s.attrs) == 0 {
				s.attr(onnx.Int("num_heads", int64(heads)))
			}
		}
		rows := s.between(5, 9)
		s.give(elements[int64](s, 0, rows-1, 3, batch, steps))
		s.constant(s.float(t, 1, rows, pairs), s.float(t, 1, rows, pairs))
		high := s.between(0, pairs)
		right := s.between(0, pairs-high)
		s.attr(onnx.Ints("mrope_section", int64(pairs-high-right), int64(high), int64(right)))
		s.sometimes(onnx.Int("mrope_layout", 1))
		s.sometimes(onnx.Int("interleaved", 1))
		s.sometimes(onnx.Float("scale", 0.7))
	}),
	microsoft("NGramHashMapping", func(s *singleNode) {
		batch, length, longest, each := s.between(1, 2), s.between(1, 6), s.between(2, 4), s.between(1, 3)
		ids, wide := func(lo, hi int, dims ...int) *onnx.Tensor { return elements[int32](s, lo, hi, dims...) }, 1<<29
		if s.IntN(2) == 0 {
			ids, wide = func(lo, hi int, dims ...int) *onnx.Tensor { return elements[int64](s, lo, hi, dims...) }, math.MaxInt/4
		}
		s.give(ids(-50000, 50000, batch, length))
		s.constant(ids(-wide, wide, longest), ids(1, wide/3, (longest-1)*each))
		if s.IntN(2) == 0 {
			s.give(ids(0, 50000, batch, longest-1))
		}
		s.attr(onnx.Int("max_ngram_size", int64(longest)), onnx.Int("n_head_per_ngram", int64(each)), onnx.Int("pad_id", int64(s.between(-2, 50000))))
		s.outs = 2
	}),
}
