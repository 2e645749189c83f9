package op

import (
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func elementwise() map[string]Rule {
	rules := map[string]Rule{
		"Dropout":  ruleDropout,
		"Identity": ruleIdentity,
		"PRelu":    rulePRelu,
	}
	for _, name := range []string{
		"Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Celu", "Clip", "Cos", "Cosh",
		"Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "IsInf", "IsNaN", "LeakyRelu", "Log", "Mish",
		"Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus",
		"Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu",
	} {
		rules[name] = ruleSame
	}
	for _, name := range []string{
		"Add", "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Equal", "Greater", "GreaterOrEqual",
		"Less", "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul", "Or", "Pow", "Sub", "Sum", "SwiGLU", "Where", "Xor",
	} {
		rules[name] = ruleBroadcast
	}
	return rules
}

func ruleSame(n *Node) { n.shape(0, n.dims(0)) }

func ruleIdentity(n *Node) {
	if len(n.out) > 0 && n.arg(0).Kind != UnknownKind {
		n.out[0] = n.arg(0)
	}
}

func ruleBroadcast(n *Node) {
	if len(n.in) == 0 {
		return
	}
	if n.Since < 7 && n.Attrs["broadcast"].Type != 0 { // B is made to fit A, by attributes
		n.shape(0, n.dims(0))
		if d := n.dims(0); d != nil && !n.flag("broadcast") {
			n.like(1, d...)
		}
		return
	}
	if n.Name == "Mod" && !n.flag("fmod") && isFloat(n.arg(0).Elem) {
		n.wrong("either-or", "%v wants attribute \"fmod\" to be 1", n.arg(0))
		return
	}
	dims := n.dims(0)
	for i := 1; i < len(n.in); i++ {
		joined, ok := Broadcast(dims, n.dims(i))
		if !ok {
			n.wrong("shape-mismatch", "input %d, %s, is %v, which does not broadcast with %v", i, onnx.Quote(n.proto.Input[i]), n.in[i], onnx.Type{Elem: n.in[i].Elem, Dims: dims})
			return
		}
		dims = joined
	}
	n.shape(0, dims)
	n.arithmetic()
}

// arithmetic follows the elements of integers that shapes are computed from.
func (n *Node) arithmetic() {
	a, b := n.arg(0).Ints, n.arg(1).Ints
	if len(n.in) != 2 || a == nil || b == nil || len(n.out) == 0 || len(n.out[0].Dims) > 1 {
		return
	}
	size := max(len(a), len(b))
	if len(a) == 0 || len(b) == 0 || len(a) != size && len(a) != 1 || len(b) != size && len(b) != 1 {
		return
	}
	out := make([]Number, size)
	for i := range out {
		x, y := a[i%len(a)], b[i%len(b)]
		out[i] = apply(n.Name, x, y)
	}
	if n.Name == "Add" || n.Name == "Sub" || n.Name == "Mul" || n.Name == "Div" {
		n.keepInts(out)
	}
}

// apply computes one element. What overflows is not known.
func apply(op string, x, y Number) Number {
	switch {
	case op == "Mul" && x == Known(1), op == "Add" && x == Known(0):
		return y
	case op != "Add" && op != "Sub" && y == Known(1), op != "Mul" && op != "Div" && y == Known(0):
		return x
	case !x.Known || !y.Known:
		return Number{}
	}
	const most = int64(1) << 31
	a, b := x.Value, y.Value
	if a > most || a < -most || b > most || b < -most {
		return Number{}
	}
	switch op {
	case "Add":
		return Known(a + b)
	case "Sub":
		return Known(a - b)
	case "Mul":
		return Known(a * b)
	case "Div":
		if b != 0 {
			return Known(a / b)
		}
	}
	return Number{}
}

func isFloat(t pb.TensorProto_DataType) bool {
	switch t {
	case pb.TensorProto_FLOAT, pb.TensorProto_DOUBLE, pb.TensorProto_FLOAT16, pb.TensorProto_BFLOAT16:
		return true
	}
	return false
}

func rulePRelu(n *Node) {
	d := n.dims(0)
	n.shape(0, d)
	if n.Since < 7 || d == nil || n.dims(1) == nil {
		return
	}
	if joined, ok := Broadcast(d, n.dims(1)); !ok || len(joined) != len(d) {
		n.wrong("shape-mismatch", "the slope is %v, which does not broadcast to %v", n.arg(1), n.arg(0))
	}
}

func ruleDropout(n *Node) {
	if v := n.arg(2); v.Data != nil && n.given(2) {
		if t, err := onnx.FromProto(v.Data); err == nil {
			if on, ok := t.Data.(onnx.Slice[bool]); ok && len(on) == 1 && on[0] {
				n.host.Report("training-mode", "elements are dropped at random (training_mode is true)")
			}
		}
	}
	n.set(0, n.arg(0).Elem, n.dims(0))
	if n.Since < 10 {
		n.set(1, n.arg(0).Elem, n.dims(0))
		return
	}
	n.set(1, pb.TensorProto_BOOL, n.dims(0))
}
