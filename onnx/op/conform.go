package op

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// conform compares a node with what its schema says beside types: the values of
// attributes, the shapes of inputs, and which of them are given together.
func (n *Node) conform() {
	for _, name := range slices.Sorted(maps.Keys(n.Attrs)) {
		if a := n.attr(name); a != nil {
			n.conformAttr(name, n.Attrs[name], a)
		}
	}
	for i := range n.in {
		if p, ok := FormalOf(n.Schema.In, i); ok && n.given(i) {
			n.conformShape(i, p)
		}
	}
	for _, c := range n.Choices {
		n.conformChoice(c)
	}
}

// conformAttr compares an attribute, references of functions resolved, with what
// it may be.
func (n *Node) conformAttr(name string, spec Attr, a *pb.AttributeProto) {
	if a.Type != nil && a.GetType() != spec.Type {
		n.wrong("attribute-type", "attribute %s is of type %s, want %s", onnx.Quote(name), a.GetType(), spec.Type)
		return
	}
	switch v := a.GetI(); {
	case spec.Flag && v != int64(int32(v)): // some readers see the low bits only
		n.wrong("attribute-range", "attribute %s is %d, want 0 or 1", onnx.Quote(name), v)
	case spec.Flag && v != 0 && v != 1:
		n.host.Report("attribute-flag", "attribute %s is %d, want 0 or 1", onnx.Quote(name), v)
	}
	var texts [][]byte
	var numbers []float64
	switch spec.Type {
	case pb.AttributeProto_STRING:
		texts = [][]byte{a.S}
	case pb.AttributeProto_STRINGS:
		texts = a.Strings
	case pb.AttributeProto_INT:
		numbers = []float64{float64(a.GetI())}
	case pb.AttributeProto_FLOAT:
		numbers = []float64{float64(a.GetF())}
	case pb.AttributeProto_INTS:
		for _, v := range a.Ints {
			numbers = append(numbers, float64(v))
		}
	case pb.AttributeProto_FLOATS:
		numbers = widen(a.Floats)
	}
	for _, t := range texts {
		if len(spec.Enum) > 0 && !slices.ContainsFunc(spec.Enum, func(e string) bool { return e == string(t) || spec.AnyCase && strings.EqualFold(e, string(t)) }) {
			n.wrong("attribute-range", "attribute %s is %s, want %s", onnx.Quote(name), onnx.Quote(string(t)), oneOf(spec.Enum))
			return
		}
	}
	anyNumber := math.IsInf(spec.Least, -1) && math.IsInf(spec.Most, 1)
	for _, v := range numbers {
		switch {
		case anyNumber && math.IsNaN(v) && !n.marksMissing():
			n.host.Report("attribute-nan", "attribute %s is NaN", onnx.Quote(name))
			return
		case anyNumber:
		case !(v >= spec.Least && v <= spec.Most):
			n.wrong("attribute-range", "attribute %s is %s, want %s", onnx.Quote(name), strconv.FormatFloat(v, 'g', -1, 64), spec.limits())
			return
		}
	}
}

// marksMissing reports whether the operator has numbers that may be NaN for a reason: data, and what stands for missing
// values.
func (n *Node) marksMissing() bool {
	return n.Name == "Constant" || n.Domain == "ai.onnx.ml"
}

// limits says in words what numbers an attribute takes.
func (a Attr) limits() string {
	switch {
	case a.Most == math.MaxFloat32:
		return fmt.Sprintf("a finite number of %g or more", a.Least)
	case a.Most > 1<<53:
		return fmt.Sprintf("%g or more", a.Least)
	}
	return fmt.Sprintf("%g to %g", a.Least, a.Most)
}

// oneOf lists words.
func oneOf(list []string) string {
	if len(list) == 1 {
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
}

// conformShape compares the shape of input i with those that are allowed.
func (n *Node) conformShape(i int, p Formal) {
	d := n.dims(i)
	if d != nil && !p.Allows(d) {
		n.wrong("shape-mismatch", "input %d, %s, is %v, want the shape %s for %s", i, onnx.Quote(n.proto.Input[i]), n.arg(i), p.ShapesText(), p.Name)
	}
}

// Allows reports whether a value of the shape may be given, as far as the lengths are known.
func (p Formal) Allows(dims []onnx.Dim) bool {
	return len(p.Shapes) == 0 || slices.ContainsFunc(p.Shapes, func(shape []onnx.Dim) bool {
		_, ok := MergeDims(dims, shape)
		return ok
	})
}

// ShapesText lists the shapes that are allowed, as in "[] or [1]".
func (p Formal) ShapesText() string {
	var forms []string
	for _, shape := range p.Shapes {
		forms = append(forms, strings.ReplaceAll(shapeText(shape), "?", "*"))
	}
	return oneOf(forms)
}

// shapeText writes a shape as in [N,3].
func shapeText(dims []onnx.Dim) string {
	words := make([]string, len(dims))
	for i, d := range dims {
		words[i] = d.String()
	}
	return "[" + strings.Join(words, ",") + "]"
}

// conformChoice counts which inputs, outputs and attributes of a choice are given.
func (n *Node) conformChoice(c Choice) {
	var given []string
	lengths := make(map[int64]string)
	for _, name := range c.Names {
		if !n.has(name) {
			continue
		}
		given = append(given, name)
		if a := n.attr(name); a != nil {
			lengths[entries(a)] = name
		}
	}
	all := oneOf(c.Names)
	switch k := len(given); {
	case c.Kind == ExactlyOne && k == 0, c.Kind == AtLeastOne && k == 0:
		n.wrong("either-or", "none of %s is given", all)
	case c.Kind == ExactlyOne && k > 1, c.Kind == AtMostOne && k > 1:
		n.wrong("either-or", "%s are given, want one of %s", strings.Join(given, " and "), all)
	case c.Kind == AllOrNone && k > 0 && k < len(c.Names):
		n.wrong("either-or", "%s is given, and not all of %s", strings.Join(given, " and "), strings.Join(c.Names, " and "))
	case c.Kind == SameLength && len(lengths) > 1:
		n.wrong("either-or", "the lists %s have different lengths", strings.Join(given, ", "))
	}
}

// has reports whether an input, an output or an attribute is given.
func (n *Node) has(name string) bool {
	for i, p := range n.Schema.In {
		if p.Name == name {
			return n.given(i)
		}
	}
	for i, p := range n.Schema.Out {
		if p.Name == name {
			return i < len(n.proto.Output) && n.proto.Output[i] != ""
		}
	}
	return n.attr(name) != nil
}

// conformOutputs sees that the types of outputs are those that the operator
// gives. An attribute that names a type may name another.
func (n *Node) conformOutputs() {
	for i, v := range n.out {
		if p, ok := FormalOf(n.Schema.Out, i); ok && v.Kind != UnknownKind && !p.Set.Takes(v) {
			n.wrong("type-mismatch", "output %d would be %v, which %s of opset %d does not give for %s", i, v, n.Name, n.Since, p.Type)
			n.out[i] = Fact{}
		}
	}
}
