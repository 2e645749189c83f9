package layer

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
)

var addKind = Kind{
	Name: "Add",
	Doc:  "y = a + b + ..., element by element, where branches meet.",
	Ops:  []string{"Add"},
	New:  func() Layer { return Add{} },
	Try: []Trial{
		{Layer: Add{}, In: Shape{5}, With: []Row{{Name: "a", Layer: ReLU{}}}},
		{Layer: Add{}, In: Shape{3, 5, 7}, With: []Row{{Name: "a", Layer: Tanh{}}, {Name: "b", Layer: Sigmoid{}}}},
	},
}

var concatKind = Kind{
	Name: "Concat",
	Doc:  "Inputs one after the other along the channels, the first axis of a sample.",
	Ops:  []string{"Concat"},
	New:  func() Layer { return Concat{} },
	Try: []Trial{
		{Layer: Concat{}, In: Shape{5}, With: []Row{{Name: "a", Layer: Dense{Out: 3}}}},
		{Layer: Concat{}, In: Shape{3}, With: []Row{{Name: "a", Layer: Dense{Out: 2}}}, Class: Class{Name: "k", Count: 4}},
		{Layer: Concat{}, In: Shape{3, 5, 7}, With: []Row{{Name: "a", Layer: Conv2D{Out: 2, Kernel: [2]int{1, 1}}}, {Name: "b", Layer: Tanh{}}}},
	},
}

// joins is embedded by layers of several inputs.
type joins struct{ noParams }

// Joins marks a Joiner.
func (joins) Joins() {}

// Add is the sum of its inputs, all of one shape.
type Add struct{ joins }

// OutShape is the common shape of the inputs.
func (Add) OutShape(in ...Shape) (Shape, error) {
	for _, s := range in[1:] {
		if s.String() != in[0].String() {
			return nil, fmt.Errorf("sum of %v and %v, want one shape", in[0], s)
		}
	}
	return in[0], nil
}

// Build makes a chain of operators, each a sum of two.
func (Add) Build(s Scope, x ...*G.Node) (*G.Node, error) {
	sum := x[0]
	for i, term := range x[1:] {
		name := s.Name
		if i < len(x)-2 {
			name = fmt.Sprintf("%s.sum%d", s.Name, i+1)
		}
		var err error
		if sum, err = gop.Add(name, sum, term); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

// Emit writes a chain of Add, which more runtimes support than Sum.
func (Add) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	sum := x[0]
	for i, term := range x[1:] {
		inner := ""
		if i < len(x)-2 {
			inner = fmt.Sprintf("sum%d", i+1)
		}
		sum = e.Node("Add", inner, []onnx.Value{sum, term})
	}
	return sum
}

// Concat concatenates its inputs along the first axis of a sample, the channels. The inputs are (N,
// Ci, ...), y is (N, C1 + C2 + ..., ...).
type Concat struct{ joins }

// OutShape requires equal axes after the first.
func (Concat) OutShape(in ...Shape) (Shape, error) {
	out := Shape{0}
	for _, s := range in {
		if len(s) == 0 || s[1:].String() != in[0][1:].String() {
			return nil, fmt.Errorf("concatenation of %v and %v, want one shape after the first axis", in[0], s)
		}
		out[0] += s[0]
	}
	return append(out, in[0][1:]...), nil
}

// Build makes one operator.
func (Concat) Build(s Scope, x ...*G.Node) (*G.Node, error) { return gop.Concat(s.Name, 1, x...) }

// Emit writes Concat.
func (Concat) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	return e.Node("Concat", "", x, onnx.Int("axis", 1))
}
