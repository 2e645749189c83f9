package reference

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opUpsample is Resize with asymmetric places, each of which takes the element
// before it or is interpolated linearly. Scales are attributes until opset 8,
// input 1 in opset 9; later opsets have Resize in its place. ONNX Upsample, opset
// 1, 7, 9.
var opUpsample = operator{
	name: "Upsample",
	in:   []port{moves, sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		if c.opset >= 10 {
			fail(fmt.Errorf("opset %d has no Upsample, the last one is 9", c.opset))
		}
		scales := c.in[1]
		switch {
		case scales != nil:
		case c.has("scales"):
			list := convert(c.step.attrs["scales"].GetFloats(), func(s float32) float64 { return float64(s) })
			scales = vector(pb.TensorProto_FLOAT, list)
		default:
			scales = vector(pb.TensorProto_FLOAT, []float64{1, 1, c.float("height_scale", math.NaN()), c.float("width_scale", math.NaN())})
		}
		r := resizer{mode: c.text("mode"), place: "asymmetric", nearest: "floor"}
		if r.mode == "bilinear" {
			r.mode = "linear"
		}
		axes := make([]int, len(x.Dims))
		for a := range axes {
			axes[a] = a
		}
		r.measure(c, x, axes, scales, nil)
		return c.resize(x, &r)
	}),
}
