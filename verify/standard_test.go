package verify

import (
	"slices"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/onnx"
)

// TestStandardOperatorsThatGraphsSeldomHave draws nodes of operators that the random
// graphs have no recipes for.
func TestStandardOperatorsThatGraphsSeldomHave(t *testing.T) {
	holdRows(t, slices.Concat(attentionRows, imageRows, textRows))
}

// standard is a row for an operator of ONNX.
func standard(op string, opset int64, fill func(s *singleNode)) nodeRow {
	return nodeRow{op: op, opset: opset, fill: fill}
}

// ints makes a list of int64.
func ints(list ...int) *onnx.Tensor {
	data := make(onnx.Slice[int64], len(list))
	for i, x := range list {
		data[i] = int64(x)
	}
	return &onnx.Tensor{Dims: []int{len(list)}, Data: data}
}

// attentionRows are the operators of transformers that ONNX has itself.
var attentionRows = []nodeRow{
	standard("Attention", 23, (*singleNode).attention),
	{op: "Attention", form: " of lengths ", opset: 24, fill: (*singleNode).attention},
	standard("LayerNormalization", 17, func(s *singleNode) {
		t, x, axis := one(s, f32, f16, f64), []int{s.between(1, 3), s.between(1, 4), s.between(2, 40)}, s.between(-2, 2)
		s.give(s.float(t, 2, x...))
		s.constant(s.float(t, 1, x[(axis+3)%3:]...))
		if s.IntN(2) == 0 { // an empty name in its place crashes ONNX Runtime 1.30
			s.constant(s.float(t, 1, x[(axis+3)%3:]...))
		}
		s.attr(onnx.Int("axis", int64(axis)))
		s.sometimes(onnx.Float("epsilon", 0.01))
		s.outs = s.between(1, 3)
	}),
	standard("RMSNormalization", 23, func(s *singleNode) {
		t, x, axis := one(s, f32, f16, f64), []int{s.between(1, 3), s.between(1, 4), s.between(2, 40)}, s.between(-2, 2)
		s.give(s.float(t, 2, x...))
		s.constant(s.float(t, 1, x[(axis+3)%3:]...))
		s.attr(onnx.Int("axis", int64(axis)))
		s.sometimes(onnx.Float("epsilon", 0.01))
	}),
	standard("RotaryEmbedding", 23, func(s *singleNode) {
		t, b, l, heads, half := one(s, f32, f16), s.between(1, 3), s.between(1, 5), s.between(1, 3), one(s, 3, 4, 8)
		width := 2 * half
		if s.IntN(3) == 0 {
			half /= 2
			s.attr(onnx.Int("rotary_embedding_dim", int64(2*half)))
		}
		if s.IntN(2) == 0 {
			s.give(s.float(t, 1, b, l, heads*width))
			s.attr(onnx.Int("num_heads", int64(heads)))
		} else {
			s.give(s.float(t, 1, b, heads, l, width))
		}
		if s.IntN(2) == 0 {
			s.give(s.float(t, 1, b, l, half), s.float(t, 1, b, l, half))
		} else {
			s.give(s.float(t, 1, 16, half), s.float(t, 1, 16, half), elements[int64](s, 0, 15, b, l))
		}
		s.sometimes(onnx.Int("interleaved", 1))
	}),
}

// attention draws ONNX's Attention, of opset 24 with lengths of the keys.
func (s *singleNode) attention() {
	t, batch, rows, length, fewer, width := one(s, f32, f32, f16), s.between(1, 2), s.between(1, 5), s.between(1, 6), s.between(1, 2), one(s, 2, 4, 7, 8)
	heads, wide, past := fewer*s.between(1, 3), one(s, width, 5), s.IntN(5)
	if s.IntN(2) == 0 {
		s.give(s.float(t, 1, batch, rows, heads*width), s.float(t, 1, batch, length, fewer*width), s.float(t, 1, batch, length, fewer*wide))
		s.attr(onnx.Int("q_num_heads", int64(heads)), onnx.Int("kv_num_heads", int64(fewer)))
	} else {
		s.give(s.float(t, 1, batch, heads, rows, width), s.float(t, 1, batch, fewer, length, width), s.float(t, 1, batch, fewer, length, wide))
	}
	s.give(nil, nil, nil)
	keys, hidden := past+length, false
	mask := one(s, []int{rows, keys}, []int{1, 1, rows, keys}, []int{batch, 1, rows, keys}, []int{batch, heads, rows, keys}, []int{heads, rows, keys})
	switch s.IntN(4) {
	case 0:
		s.in[3] = s.float(t, 1, mask...)
	case 1:
		hidden = true
		n := -1
		s.in[3] = &onnx.Tensor{Dims: mask, Data: drawn(lengthOf(mask), func() bool {
			n++
			return n%keys == 0 || s.IntN(2) == 0 // every query has a key
		})}
	}
	if s.outs = one(s, 1, 3, 4); past > 0 {
		s.in[4], s.in[5] = s.float(t, 1, batch, fewer, past, width), s.float(t, 1, batch, fewer, past, wide)
		s.outs = one(s, 3, 4)
	} else if s.opset >= 24 && s.in[3] == nil {
		hidden = true
		s.give(elements[int64](s, 1, keys, batch))
	}
	if s.in[3] == nil && len(s.in) == 6 && rows == length && s.IntN(2) == 0 {
		hidden = true
		s.attr(onnx.Int("is_causal", 1))
	}
	s.sometimes(onnx.Float("scale", 0.3))
	s.sometimes(onnx.Float("softcap", 1.5))
	if s.IntN(3) == 0 {
		s.attr(onnx.Int("softmax_precision", one[int64](s, 1, 10, 16)))
	}
	if s.outs == 4 {
		stages := []int64{0, 1, 3}
		if !hidden { // ONNX Runtime hides a key by the lowest number, ONNX by minus infinity
			stages = append(stages, 2)
		}
		s.attr(onnx.Int("qk_matmul_output_mode", one(s, stages...)))
	}
}

// imageRows are operators on images, and movers.
var imageRows = []nodeRow{
	standard("AffineGrid", 20, func(s *singleNode) {
		axes := s.between(2, 3)
		s.give(s.float(one(s, f32, f16), 1, 2, axes, axes+1))
		size := []int{2, 3}
		for range axes {
			size = append(size, s.between(2, 6))
		}
		s.constant(ints(size...))
		s.sometimes(onnx.Int("align_corners", 1))
	}),
	standard("CenterCropPad", 18, func(s *singleNode) {
		s.give(s.float(f32, 1, s.between(1, 6), s.between(1, 6), s.between(1, 6)))
		if s.IntN(2) == 0 {
			s.attr(onnx.Ints("axes", 2, int64(one(s, 0, 1, -2))))
			s.constant(ints(s.between(1, 7), s.between(1, 7)))
		} else {
			s.constant(ints(s.between(1, 7), s.between(1, 7), s.between(1, 7)))
		}
	}),
	standard("Col2Im", 18, func(s *singleNode) {
		axes := s.between(2, 3)
		block, image := make([]int, axes), make([]int, axes)
		var strides, dilations, pads []int64
		blocks, taps := 1, 1
		for i := range axes {
			block[i] = s.between(1, 3)
			strides, dilations = append(strides, int64(s.between(1, 2))), append(dilations, int64(s.between(1, 4-axes))) // in three axes ONNX Runtime's are wrong
			reach := (block[i]-1)*int(dilations[i]) + 1
			image[i] = reach + s.between(0, 4)
			blocks *= (image[i]+1-reach)/int(strides[i]) + 1
			taps *= block[i]
			pads = append(pads, int64(i%2))
		}
		for i := range axes {
			pads = append(pads, 1-pads[i])
		}
		s.give(s.float(f32, 1, 2, 2*taps, blocks))
		s.constant(ints(image...), ints(block...))
		s.attr(onnx.Ints("strides", strides...), onnx.Ints("dilations", dilations...), onnx.Ints("pads", pads...))
	}),
	standard("DeformConv", 22, func(s *singleNode) {
		groups, parts := s.between(1, 2), s.between(1, 2)
		kernel, side := s.between(1, 3), s.between(4, 6)
		out := side - kernel + 1 + 2
		s.give(s.float(f32, 1, 2, 4, side, side))
		s.constant(s.float(f32, 1, 2*groups, 4/groups, kernel, kernel))
		s.give(s.float(f32, 1, 2, 2*parts*kernel*kernel, out, out), s.float(f32, 1, 2*groups))
		if s.IntN(2) == 0 {
			s.give(s.float(f32, 1, 2, parts*kernel*kernel, out, out))
		}
		s.attr(onnx.Ints("pads", 1, 1, 1, 1), onnx.Int("group", int64(groups)), onnx.Int("offset_group", int64(parts)))
	}),
	standard("TensorScatter", 24, func(s *singleNode) {
		long, short := s.between(4, 7), s.between(1, 4)
		a, b := []int{3, 2, long, 2}, []int{3, 2, short, 2}
		if s.IntN(3) == 0 {
			a, b = []int{3, long, 2}, []int{3, short, 2}
			s.attr(onnx.Int("axis", one[int64](s, 1, -2)))
		}
		s.give(s.float(f32, 1, a...), s.float(f32, 1, b...))
		if s.IntN(2) == 0 {
			s.attr(onnx.String("mode", "circular"))
			s.give(elements[int64](s, 0, long-1, 3))
		} else if s.IntN(2) == 0 {
			s.give(elements[int64](s, 0, long-short, 3))
		}
	}),
}

// words draws strings of a few letters and separators.
func (s *singleNode) words(dims ...int) *onnx.Tensor {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return &onnx.Tensor{Dims: dims, Data: drawn(n, func() string {
		var b strings.Builder
		for range s.between(0, 9) {
			b.WriteString(one(s, "a", "b", "B", "é", "日", " ", ",", "12"))
		}
		return b.String()
	})}
}

// textRows are operators on strings.
var textRows = []nodeRow{
	standard("RegexFullMatch", 20, func(s *singleNode) {
		s.give(s.words(3, 5))
		s.attr(onnx.String("pattern", one(s, `.*a.*`, `(a|b|B)*`, `\w+ ?\w*`, `[^,]+`, `(?i)b+|.{3}`, `\pL*`)))
	}),
	standard("StringConcat", 20, func(s *singleNode) { s.give(s.words(2, 1, 3), s.words(4, one(s, 1, 3))) }),
	standard("StringSplit", 20, func(s *singleNode) {
		s.outs = 2
		x := s.words(2, 3)
		for i, word := range x.Data.(onnx.Slice[string]) {
			if word == "" { // of which the standard does not say whether it has a part
				x.Data.(onnx.Slice[string])[i] = "b"
			}
		}
		s.give(x)
		s.sometimes(onnx.String("delimiter", one(s, ",", "a", "b,", "")))
		s.sometimes(onnx.Int("maxsplit", int64(s.between(1, 3))))
	}),
	standard("StringNormalizer", 10, func(s *singleNode) {
		s.give(s.words(5))
		s.sometimes(onnx.String("case_change_action", one(s, "LOWER", "UPPER", "NONE")))
		s.attr(onnx.String("locale", one(s, "C.UTF-8", "C")), onnx.Int("is_case_sensitive", int64(s.IntN(2))))
		s.sometimes(onnx.Strings("stopwords", "a", "b", "", "ab"))
	}),
}
