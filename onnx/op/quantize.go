package op

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func quantize() map[string]Rule {
	return map[string]Rule{
		"BitCast":               ruleBitcast,
		"Cast":                  ruleCast,
		"CastLike":              ruleCastLike,
		"DequantizeLinear":      ruleDequantize,
		"DynamicQuantizeLinear": ruleDynamicQuantize,
		"QuantizeLinear":        ruleQuantize,
	}
}

func ruleCast(n *Node) {
	if a := n.attr("to"); a != nil && a.S != nil { // opset 1 names the type in words
		code, ok := pb.TensorProto_DataType_value[string(a.S)]
		if ok {
			n.set(0, pb.TensorProto_DataType(code), n.dims(0))
		}
		return
	}
	elem := n.elemAttr("to", pb.TensorProto_UNDEFINED)
	n.set(0, elem, n.dims(0))
	if elem == pb.TensorProto_INT64 || elem == pb.TensorProto_INT32 {
		n.keepInts(n.arg(0).Ints)
	}
}

func ruleCastLike(n *Node) { n.set(0, n.arg(1).Elem, n.dims(0)) }

// ruleBitcast gives elements another type of the same width.
func ruleBitcast(n *Node) {
	to, from := n.elemAttr("to", pb.TensorProto_UNDEFINED), n.arg(0).Elem
	a, ok := onnx.RawBytes(from, 64)
	b, ok2 := onnx.RawBytes(to, 64)
	if ok && ok2 && a != b {
		n.wrong("type-mismatch", "the bits of %v are taken for those of %s, which has another width", n.arg(0), onnx.ElemName(to))
		return
	}
	n.set(0, to, n.dims(0))
}

func ruleQuantize(n *Node) {
	elem := n.elemAttr("output_dtype", pb.TensorProto_UNDEFINED)
	n.scaled(n.dims(0), 1, 2)
	switch zero := n.arg(2).Elem; {
	case elem != pb.TensorProto_UNDEFINED && zero != pb.TensorProto_UNDEFINED && elem != zero:
		n.wrong("type-mismatch", "attribute \"output_dtype\" is %s, and the zero point is %v", onnx.ElemName(elem), n.arg(2))
		return
	case n.given(2):
		elem = n.arg(2).Elem
	case elem == pb.TensorProto_UNDEFINED:
		elem = pb.TensorProto_UINT8
	}
	n.set(0, elem, n.dims(0))
}

func ruleDequantize(n *Node) {
	n.scaled(n.dims(0), 1, 2)
	elem := n.elemAttr("output_dtype", pb.TensorProto_UNDEFINED)
	if elem == pb.TensorProto_UNDEFINED {
		elem = n.arg(1).Elem
	}
	if elem == pb.TensorProto_UNDEFINED && n.Domain == "" && n.Since < 19 {
		elem = pb.TensorProto_FLOAT
	}
	n.set(0, elem, n.dims(0))
}

func ruleDynamicQuantize(n *Node) {
	n.set(0, pb.TensorProto_UINT8, n.dims(0))
	n.set(1, pb.TensorProto_FLOAT, []onnx.Dim{})
	n.set(2, pb.TensorProto_UINT8, []onnx.Dim{})
}

// scaled compares a scale and a zero point with the shape that they quantize: one
// for all, one for each place along an axis, or one for each block.
func (n *Node) scaled(x []onnx.Dim, scale, zero int) {
	s := n.dims(scale)
	if s == nil {
		return
	}
	single := func(d []onnx.Dim) bool { return len(d) == 0 || len(d) == 1 && d[0] == onnx.Fixed(1) }
	if z := n.dims(zero); z != nil && n.given(zero) && !(single(s) && single(z)) {
		n.like(zero, s...)
	}
	if single(s) || x == nil || n.failed {
		return
	}
	if n.Domain == "" && n.Since < 13 {
		n.wrong("shape-mismatch", "input %d, %s, is %v, want one element", scale, onnx.Quote(n.proto.Input[scale]), n.arg(scale))
		return
	}
	axis, ok := n.axis(n.int("axis", 1), len(x))
	if !ok {
		return
	}
	block := n.int("block_size")
	want := []onnx.Dim{x[axis]}
	if (len(s) > 1 || len(x) == 1) && n.Since >= 21 && block > 0 {
		want = slices.Clone(x)
		want[axis] = onnx.Unknown()
		if x[axis].Known() {
			want[axis] = onnx.Fixed((x[axis].Size + block - 1) / block)
		}
	}
	n.like(scale, want...)
}
