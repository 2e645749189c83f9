package op

import (
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

func controls() map[string]Rule {
	return map[string]Rule{
		"If":          ruleIf,
		"Loop":        ruleLoop,
		"Scan":        ruleScan,
		"SequenceMap": ruleSequenceMap,
	}
}

func ruleIf(n *Node) {
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
		if contradict(yes[i], no[i]) {
			n.wrong("type-mismatch", "output %d is %v by one branch, and %v by the other", i, yes[i], no[i])
			return
		}
		n.out[i] = Common(yes[i], no[i])
	}
}

// contradict reports whether two values cannot be of one type. An optional may
// hold what the other one is.
func contradict(a, b Fact) bool {
	return !a.typeless() && !b.typeless() && !sameType(a, b) && a.Kind != OptionalKind && b.Kind != OptionalKind
}

// ruleLoop gives the body the iteration's number, the condition and what the
// loop carries, whose shape may change from one iteration to the next.
func ruleLoop(n *Node) {
	carried := len(n.in) - 2
	if carried < 0 {
		return
	}
	inputs := []Fact{TensorOf(pb.TensorProto_INT64, nil), TensorOf(pb.TensorProto_BOOL, nil)}
	for _, v := range n.in[2:] {
		inputs = append(inputs, v.SameElements())
	}
	times := int64(1)
	if v, ok := n.knownInts(0); ok && len(v) == 1 {
		times = max(v[0], 0)
	}
	if times == math.MaxInt64 || !n.passesOn() { // the condition may end it after any iteration
		times = min(times, 1)
	}
	out, ok := n.body("body", inputs, times)
	if !ok {
		return
	}
	if len(out) != 1+len(n.out) || carried > len(n.out) {
		n.wrong("shape-mismatch", "the body of a loop with %d outputs gives %d, want the condition and these", len(n.out), len(out))
		return
	}
	if c := out[0]; contradict(c, inputs[1]) {
		n.wrong("type-mismatch", "the body gives %v for its condition, want a bool", c)
		return
	}
	for i := range n.out {
		v := out[1+i]
		if i < carried && contradict(v, inputs[2+i]) {
			n.wrong("type-mismatch", "the loop carries %v, and the body gives %v", inputs[2+i], v)
			return
		}
		switch {
		case i < carried:
			v = v.SameElements()
		case v.Kind == TensorKind && v.Dims != nil:
			count := onnx.Unknown()
			v = TensorOf(v.Elem, join([]onnx.Dim{count}, v.Dims))
		}
		v.Ints, v.Data = nil, nil
		n.out[i] = v
	}
}

// passesOn reports whether the body of a loop hands its condition on as it is, so that nothing ends the loop before its time.
func (n *Node) passesOn() bool {
	g := n.attr("body").GetG()
	if len(g.GetInput()) < 2 || len(g.GetOutput()) == 0 {
		return false
	}
	name := g.Output[0].GetName()
	for _, inner := range slices.Backward(g.Node) {
		if inner.GetOpType() == "Identity" && len(inner.Input) == 1 && len(inner.Output) == 1 && inner.Output[0] == name {
			name = inner.Input[0]
		}
	}
	return name == g.Input[1].GetName()
}

// ruleScan gives the body the state and slices of the scanned inputs. In opset 8 there are lengths before them, and all
// others begin with an axis for a batch, whose entries are scanned one by one.
func ruleScan(n *Node) {
	first, batched, batch := 0, n.Since < 9, onnx.Unknown()
	if batched {
		first = min(1, len(n.in))
	}
	in := slices.Clone(n.in[first:])
	scanned := int(min(max(n.int("num_scan_inputs"), 0), int64(len(in))))
	state := len(in) - scanned
	if k := n.int("num_scan_inputs"); k < 1 || k > int64(len(in)) {
		n.wrong("attribute-range", "attribute \"num_scan_inputs\" is %d, want 1 to %d, the number of inputs", k, len(in))
		return
	}
	for i := range in {
		if d := in[i].Dims; batched && d != nil {
			if len(d) == 0 {
				n.wrong("shape-mismatch", "input %d is %v, want one with an axis for the batch", first+i, in[i])
				return
			}
			batch = n.equal(batch, d[0], "the batches differ")
			in[i] = TensorOf(in[i].Elem, slices.Clone(d[1:]))
		}
	}
	for i := first; i < len(n.in); i++ {
		if !n.given(i) {
			n.wrong("input-missing", "input %d is left out", i)
			return
		}
	}
	axes, _ := n.ints("scan_input_axes")
	outAxes, _ := n.ints("scan_output_axes")
	for _, a := range []struct {
		name string
		want int
	}{
		{"scan_input_axes", scanned}, {"scan_input_directions", scanned},
		{"scan_output_axes", len(n.out) - state}, {"scan_output_directions", len(n.out) - state}, {"directions", scanned},
	} {
		if v, ok := n.ints(a.name); ok && len(v) != a.want {
			n.wrong("attribute-range", "attribute %q has %d entries, want %d", a.name, len(v), a.want)
			return
		}
	}
	length := onnx.Unknown()
	inputs := slices.Clone(in[:state])
	for i := range inputs {
		inputs[i].Ints, inputs[i].Data = nil, nil
	}
	for i, v := range in[state:] {
		slice := TensorOf(v.Elem, nil)
		if v.Dims != nil {
			axis := int64(0)
			if i < len(axes) {
				axis = axes[i]
			}
			a, ok := n.axis(axis, len(v.Dims))
			if !ok {
				return
			}
			length = n.equal(length, v.Dims[a], "the scanned axes differ")
			slice.Dims = reduced(v.Dims, []int{a}, false)
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
		if i < state && contradict(v, inputs[i]) {
			n.wrong("type-mismatch", "the scan carries %v, and the body gives %v", inputs[i], v)
			return
		}
		v.Ints, v.Data = nil, nil
		if j := i - state; j >= 0 && v.Kind == TensorKind && v.Dims != nil {
			axis := int64(0)
			if j < len(outAxes) {
				axis = outAxes[j]
			}
			a, ok := n.axis(axis, len(v.Dims)+1)
			if !ok {
				return
			}
			v.Dims = slices.Insert(slices.Clone(v.Dims), a, length)
		}
		if batched && v.Dims != nil {
			v.Dims = slices.Insert(slices.Clone(v.Dims), 0, batch)
		}
		n.out[i] = v
	}
}

// ruleSequenceMap gives the body one element of each sequence, and the tensors
// as they are.
func ruleSequenceMap(n *Node) {
	inputs := make([]Fact, len(n.in))
	for i, v := range n.in {
		if v.Kind == SequenceKind {
			v = *v.Inner
		}
		v.Ints, v.Data = nil, nil
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
		v.Ints, v.Data = nil, nil
		n.out[i] = Fact{Kind: SequenceKind, Inner: &v}
	}
}
