package layer

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
)

var flattenKind = Kind{
	Name: "Flatten",
	Doc:  "All dimensions of a sample become one, in row-major order.",
	Ops:  []string{"Flatten"},
	New:  func() Layer { return Flatten{} },
	Try:  []Trial{{Layer: Flatten{}, In: Shape{3, 5, 7}}, {Layer: Flatten{}, In: Shape{4}}},
}

var reshapeKind = Kind{
	Name: "Reshape",
	Doc:  "A sample takes another shape of as many elements, in row-major order.",
	Ops:  []string{"Reshape"},
	New:  func() Layer { return Reshape{} },
	Try:  []Trial{{Layer: Reshape{To: Shape{3, 5, 7}}, In: Shape{105}}, {Layer: Reshape{To: Shape{10, 3}}, In: Shape{2, 3, 5}}},
}

// Flatten merges all dimensions of a sample into one.
type Flatten struct{ noParams }

// OutShape is (Len).
func (Flatten) OutShape(in ...Shape) (Shape, error) { return Shape{in[0].Len()}, nil }

// Build makes one operator, which copies nothing.
func (Flatten) Build(s Scope, x ...*G.Node) (*G.Node, error) { return reshapeNode(s, x[0]) }

// Emit writes Flatten with axis 1.
func (Flatten) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	return e.Node("Flatten", "", x, onnx.Int("axis", 1))
}

// Reshape changes the shape of a sample to To.
type Reshape struct {
	noParams
	To Shape
}

// OutShape is To, which must have as many elements as the input.
func (r Reshape) OutShape(in ...Shape) (Shape, error) {
	for _, d := range r.To {
		if d < 1 {
			return nil, fmt.Errorf("reshape to %v: dimensions must be at least 1", r.To)
		}
	}
	if len(r.To) == 0 || r.To.Len() != in[0].Len() {
		return nil, fmt.Errorf("reshape of %v (%d elements) to %v (%d)", in[0], in[0].Len(), r.To, r.To.Len())
	}
	return r.To, nil
}

// Build makes one operator, which copies nothing.
func (Reshape) Build(s Scope, x ...*G.Node) (*G.Node, error) { return reshapeNode(s, x[0]) }

// Emit writes Reshape. The batch is 0, which means "as it comes": onnx-go cannot do -1 where the rank grows.
func (r Reshape) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	to := make([]int64, 1, len(r.To)+1)
	for _, d := range r.To {
		to = append(to, int64(d))
	}
	return e.Node("Reshape", "", append(x, e.Const("shape", &onnx.Tensor{Dims: []int{len(to)}, Data: onnx.Slice[int64](to)})))
}

func reshapeNode(s Scope, x *G.Node) (*G.Node, error) {
	return gop.Reshape(s.Name, x, append([]int{x.Shape()[0]}, s.Out...)...)
}
