package op

import (
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

func ruleBitcast(n *Node) {
	n.set(0, n.elemAttr("to", pb.TensorProto_UNDEFINED), n.dims(0))
}

func ruleQuantize(n *Node) {
	elem := n.elemAttr("output_dtype", pb.TensorProto_UNDEFINED)
	switch {
	case n.given(2):
		elem = n.arg(2).Elem
	case elem == pb.TensorProto_UNDEFINED:
		elem = pb.TensorProto_UINT8
	}
	n.set(0, elem, n.dims(0))
}

func ruleDequantize(n *Node) {
	elem := n.elemAttr("output_dtype", pb.TensorProto_UNDEFINED)
	if elem == pb.TensorProto_UNDEFINED {
		elem = n.arg(1).Elem
	}
	if elem == pb.TensorProto_UNDEFINED && n.Since < 19 {
		elem = pb.TensorProto_FLOAT
	}
	n.set(0, elem, n.dims(0))
}

func ruleDynamicQuantize(n *Node) {
	n.set(0, pb.TensorProto_UINT8, n.dims(0))
	n.set(1, pb.TensorProto_FLOAT, []onnx.Dim{})
	n.set(2, pb.TensorProto_UINT8, []onnx.Dim{})
}
