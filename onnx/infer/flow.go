package infer

import (
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func inferSequenceConstruct(n *inferNode) {
	if len(n.in) == 0 || len(n.out) == 0 {
		return
	}
	inner := n.in[0]
	for _, v := range n.in[1:] {
		inner = common(inner, v)
	}
	inner.ints, inner.data = nil, nil
	n.out[0] = value{kind: sequenceKind, inner: &inner}
}

func inferSequenceEmpty(n *inferNode) {
	inner := tensorOf(n.elemAttr("dtype", pb.TensorProto_FLOAT), nil)
	n.setValue(0, value{kind: sequenceKind, inner: &inner})
}

func (n *inferNode) setValue(i int, v value) {
	if i < len(n.out) {
		n.out[i] = v
	}
}

func inferSequenceAt(n *inferNode) {
	if v := n.arg(0); v.kind == sequenceKind {
		n.setValue(0, *v.inner)
	}
}

func inferSequenceKeep(n *inferNode) {
	v := n.arg(0)
	if v.kind != sequenceKind {
		return
	}
	if n.op.Name == "SequenceInsert" {
		if x := n.arg(1); !v.inner.typeless() && !x.typeless() && !sameType(*v.inner, x) {
			n.wrong("type-mismatch", "%v goes into %v", x, v)
			return
		}
		inner := common(*v.inner, n.arg(1))
		v.inner = &inner
	}
	n.setValue(0, v)
}

// inferSequenceMap gives the body one element of each sequence, and the tensors
// as they are.
func inferSequenceMap(n *inferNode) {
	inputs := make([]value, len(n.in))
	for i, v := range n.in {
		if v.kind == sequenceKind {
			v = *v.inner
		}
		v.ints, v.data = nil, nil
		inputs[i] = v
	}
	out, ok := n.body("body", inputs, 1)
	if !ok {
		return
	}
	if len(out) != len(n.out) {
		n.wrong("shape-mismatch", "%d outputs, the body gives %d", len(n.out), len(out))
		return
	}
	for i, v := range out {
		v.ints, v.data = nil, nil
		n.out[i] = value{kind: sequenceKind, inner: &v}
	}
}

func inferSequenceLength(n *inferNode) { n.set(0, pb.TensorProto_INT64, []onnx.Dim{}) }

func inferSplitToSequence(n *inferNode) {
	d := n.dims(0)
	inner := tensorOf(n.arg(0).elem, nil)
	if d != nil {
		axis, ok := n.axis(n.int("axis", 0), len(d))
		if !ok {
			return
		}
		if n.given(1) || n.flag("keepdims", true) {
			inner.dims = slices.Clone(d)
			inner.dims[axis] = onnx.Unknown()
			if !n.given(1) {
				inner.dims[axis] = onnx.Fixed(1)
			}
		} else {
			inner.dims = reduced(d, []int{axis}, false)
		}
	}
	n.setValue(0, value{kind: sequenceKind, inner: &inner})
}

func inferOptional(n *inferNode) {
	inner := n.arg(0)
	if a := n.attr("type"); a != nil && a.Tp != nil && !n.given(0) {
		inner = valueOf(a.Tp)
	}
	n.setValue(0, value{kind: optionalKind, inner: &inner})
}

func inferOptionalGet(n *inferNode) {
	switch v := n.arg(0); v.kind {
	case optionalKind:
		n.setValue(0, *v.inner)
	case unknownValue:
	default:
		n.setValue(0, v)
	}
}

func inferOptionalHas(n *inferNode) { n.set(0, pb.TensorProto_BOOL, []onnx.Dim{}) }

// body infers a graph that a node holds, and returns its outputs.
func (n *inferNode) body(name string, inputs []value, times int64) ([]value, bool) {
	a := n.attr(name)
	if a == nil || a.G == nil {
		return nil, false
	}
	if inputs != nil && len(a.G.Input) != len(inputs) {
		n.wrong("shape-mismatch", "graph %q takes %d inputs, and is given %d", name, len(a.G.Input), len(inputs))
		return nil, false
	}
	before := n.times
	n.times = sat.Mul(max(n.times, 1), max(times, 1))
	s := n.graph(a.G, n.at.In("attribute", name), n.scope, inputs)
	n.times = before
	out := make([]value, len(a.G.Output))
	for i, v := range a.G.Output {
		out[i] = s.known[v.GetName()]
	}
	return out, true
}

func inferIf(n *inferNode) {
	yes, ok := n.body("then_branch", nil, 1)
	no, ok2 := n.body("else_branch", nil, 1)
	if !ok || !ok2 {
		return
	}
	if len(yes) != len(n.out) || len(no) != len(n.out) {
		n.wrong("shape-mismatch", "%d outputs, the branches give %d and %d", len(n.out), len(yes), len(no))
		return
	}
	for i := range n.out {
		n.out[i] = common(yes[i], no[i])
	}
}

// inferLoop gives the body the iteration's number, the condition and what the
// loop carries, whose shape may change from one iteration to the next.
func inferLoop(n *inferNode) {
	carried := len(n.in) - 2
	if carried < 0 {
		return
	}
	inputs := []value{tensorOf(pb.TensorProto_INT64, nil), tensorOf(pb.TensorProto_BOOL, nil)}
	for _, v := range n.in[2:] {
		inputs = append(inputs, v.sameElements())
	}
	times := int64(1)
	if v, ok := n.knownInts(0); ok && len(v) == 1 {
		times = max(v[0], 0)
	}
	if times == math.MaxInt64 { // the way to say "until the condition fails"
		times = 1
	}
	out, ok := n.body("body", inputs, times)
	if !ok {
		return
	}
	if len(out) != 1+len(n.out) || carried > len(n.out) {
		n.wrong("shape-mismatch", "the body of a loop with %d outputs gives %d, want the condition and these", len(n.out), len(out))
		return
	}
	for i := range n.out {
		v := out[1+i]
		switch {
		case i < carried:
			v = v.sameElements()
		case v.kind == tensorKind && v.dims != nil:
			count := onnx.Unknown()
			v = tensorOf(v.elem, join([]onnx.Dim{count}, v.dims))
		}
		v.ints, v.data = nil, nil
		n.out[i] = v
	}
}

// inferScan gives the body the state and slices of the scanned inputs.
func inferScan(n *inferNode) {
	if n.op.Since < 9 {
		return // with a batch axis and sequence lengths; no longer written
	}
	scanned := int(min(max(n.int("num_scan_inputs", 0), 0), int64(len(n.in))))
	state := len(n.in) - scanned
	if scanned < 1 {
		n.wrong("attribute-range", "attribute \"num_scan_inputs\" is %d for %d inputs", n.int("num_scan_inputs", 0), len(n.in))
		return
	}
	for i := range n.in {
		if !n.given(i) {
			n.wrong("input-missing", "input %d is left out", i)
			return
		}
	}
	axes, _ := n.ints("scan_input_axes")
	outAxes, _ := n.ints("scan_output_axes")
	length := onnx.Unknown()
	inputs := slices.Clone(n.in[:state])
	for i := range inputs {
		inputs[i].ints, inputs[i].data = nil, nil
	}
	for i, v := range n.in[state:] {
		slice := tensorOf(v.elem, nil)
		if v.dims != nil {
			axis := int64(0)
			if i < len(axes) {
				axis = axes[i]
			}
			a, ok := n.axis(axis, len(v.dims))
			if !ok {
				return
			}
			length = n.equal(length, v.dims[a], "the scanned axes differ")
			slice.dims = reduced(v.dims, []int{a}, false)
		}
		inputs = append(inputs, slice)
	}
	if n.failed {
		return
	}
	out, ok := n.body("body", inputs, length.Size)
	if !ok {
		return
	}
	if len(out) != len(n.out) || state > len(out) {
		n.wrong("shape-mismatch", "%d outputs, the body of the scan gives %d", len(n.out), len(out))
		return
	}
	for i, v := range out {
		v.ints, v.data = nil, nil
		if j := i - state; j >= 0 && v.kind == tensorKind && v.dims != nil {
			axis := int64(0)
			if j < len(outAxes) {
				axis = outAxes[j]
			}
			a, ok := n.axis(axis, len(v.dims)+1)
			if !ok {
				return
			}
			v.dims = slices.Insert(slices.Clone(v.dims), a, length)
		}
		n.out[i] = v
	}
}
