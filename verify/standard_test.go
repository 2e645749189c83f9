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
	holdRows(t, slices.Concat(imageRows, textRows))
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

// imageRows are operators on images, and movers.
var imageRows = []nodeRow{
	standard("AffineGrid", 20, func(s *singleNode) {
		axes := s.between(2, 3)
		s.give(s.float(f32, 1, 2, axes, axes+1))
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
		s.give(s.float(f32, 1, 3, 2, long, 2), s.float(f32, 1, 3, 2, short, 2))
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
		s.attr(onnx.String("locale", "C.UTF-8"), onnx.Int("is_case_sensitive", int64(s.IntN(2))))
		s.sometimes(onnx.Strings("stopwords", "a", "b", "", "ab"))
	}),
}
