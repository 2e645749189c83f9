package layer

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
)

var upsampleKind = Kind{
	Name: "Upsample",
	Doc:  "Every pixel becomes a block of Factor pixels (nearest neighbour).",
	Ops:  []string{"Resize"},
	New:  func() Layer { return Upsample{Factor: [2]int{2, 2}} },
	Try:  []Trial{{Layer: Upsample{Factor: [2]int{2, 3}}, In: Shape{3, 5, 7}}, {Layer: Upsample{Factor: [2]int{1, 2}}, In: Shape{2, 3, 4}}},
}

// Upsample repeats every pixel.
// x is (N, C, H, W), y is (N, C, Factor[0] H, Factor[1] W).
type Upsample struct {
	noParams
	Factor [2]int // down, across
}

// OutShape takes images (C, H, W).
func (u Upsample) OutShape(in ...Shape) (Shape, error) {
	const most = 1 << 10
	if err := wantImages("upsampling", in[0]); err != nil {
		return nil, err
	}
	for _, f := range u.Factor {
		if f < 1 || f > most {
			return nil, fmt.Errorf("upsampling by %dx%d, want 1 to %d each way", u.Factor[0], u.Factor[1], most)
		}
	}
	return Shape{in[0][0], u.Factor[0] * in[0][1], u.Factor[1] * in[0][2]}, nil
}

// Build makes one operator.
func (u Upsample) Build(s Scope, x ...*G.Node) (*G.Node, error) {
	return gop.UpsampleNearest(s.Name, x[0], u.Factor[0], u.Factor[1])
}

// Emit writes Resize with scales and without a region. Coordinates are asymmetric and rounded down, the form in which whole
// factors repeat pixels and nothing is left to rounding.
func (u Upsample) Emit(e *onnx.Emitter, x ...onnx.Value) onnx.Value {
	scales := &onnx.Tensor{Dims: []int{4}, Data: onnx.Slice[float32]{1, 1, float32(u.Factor[0]), float32(u.Factor[1])}}
	return e.Node("Resize", "", append(x, onnx.Value{}, e.Const("scales", scales)),
		onnx.String("mode", "nearest"),
		onnx.String("coordinate_transformation_mode", "asymmetric"),
		onnx.String("nearest_mode", "floor"))
}
