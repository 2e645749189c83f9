package op

import (
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func sequences() map[string]Rule {
	return map[string]Rule{
		"ConcatFromSequence": ruleConcatFromSequence,
		"Optional":           ruleOptional,
		"OptionalGetElement": ruleOptionalGet,
		"OptionalHasElement": ruleOptionalHas,
		"SequenceAt":         ruleSequenceAt,
		"SequenceConstruct":  ruleSequenceConstruct,
		"SequenceEmpty":      ruleSequenceEmpty,
		"SequenceErase":      ruleSequenceKeep,
		"SequenceInsert":     ruleSequenceKeep,
		"SequenceLength":     ruleSequenceLength,
		"SplitToSequence":    ruleSplitToSequence,
	}
}

func ruleSequenceConstruct(n *Node) {
	if len(n.in) == 0 || len(n.out) == 0 {
		return
	}
	inner := n.in[0]
	for _, v := range n.in[1:] {
		inner = Common(inner, v)
	}
	inner.Ints, inner.Data = nil, nil
	n.out[0] = Fact{Kind: SequenceKind, Inner: &inner}
}

func ruleSequenceEmpty(n *Node) {
	inner := TensorOf(n.elemAttr("dtype", pb.TensorProto_FLOAT), nil) // the schema gives no default, its text does
	n.setValue(Fact{Kind: SequenceKind, Inner: &inner})
}

func ruleSequenceAt(n *Node) {
	if v := n.arg(0); v.Kind == SequenceKind {
		n.setValue(*v.Inner)
	}
}

func ruleSequenceKeep(n *Node) {
	v := n.arg(0)
	if v.Kind != SequenceKind {
		return
	}
	if n.Name == "SequenceInsert" {
		if x := n.arg(1); !v.Inner.typeless() && !x.typeless() && !sameType(*v.Inner, x) {
			n.wrong("type-mismatch", "%v goes into %v", x, v)
			return
		}
		inner := Common(*v.Inner, n.arg(1))
		v.Inner = &inner
	}
	n.setValue(v)
}

func ruleSequenceLength(n *Node) { n.set(0, pb.TensorProto_INT64, []onnx.Dim{}) }

func ruleSplitToSequence(n *Node) {
	d := n.dims(0)
	inner := TensorOf(n.arg(0).Elem, nil)
	if d != nil {
		axis, ok := n.axis(n.int("axis"), len(d))
		if !ok {
			return
		}
		if n.given(1) || n.flag("keepdims") {
			inner.Dims = slices.Clone(d)
			inner.Dims[axis] = onnx.Unknown()
			if !n.given(1) {
				inner.Dims[axis] = onnx.Fixed(1)
			}
		} else {
			inner.Dims = reduced(d, []int{axis}, false)
		}
	}
	n.setValue(Fact{Kind: SequenceKind, Inner: &inner})
}

func ruleConcatFromSequence(n *Node) {
	v := n.arg(0)
	if v.Kind != SequenceKind || v.Inner.Kind != TensorKind {
		return
	}
	n.set(0, v.Inner.Elem, nil)
	d := v.Inner.Dims
	if d == nil {
		return
	}
	rank := len(d)
	if n.flag("new_axis") {
		rank++
	}
	axis, ok := n.axis(n.int("axis"), rank)
	if !ok {
		return
	}
	dims := slices.Clone(d)
	if rank > len(d) {
		dims = slices.Insert(dims, axis, onnx.Unknown())
	}
	dims[axis] = onnx.Unknown()
	n.set(0, v.Inner.Elem, dims)
}

func ruleOptional(n *Node) {
	inner := n.arg(0)
	if a := n.attr("type"); a != nil && a.Tp != nil && !n.given(0) {
		inner = ValueOf(a.Tp)
	}
	n.setValue(Fact{Kind: OptionalKind, Inner: &inner})
}

func ruleOptionalGet(n *Node) {
	switch v := n.arg(0); v.Kind {
	case OptionalKind:
		n.setValue(*v.Inner)
	case UnknownKind:
	default:
		n.setValue(v)
	}
}

func ruleOptionalHas(n *Node) { n.set(0, pb.TensorProto_BOOL, []onnx.Dim{}) }
