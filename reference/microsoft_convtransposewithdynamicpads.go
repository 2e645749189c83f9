package reference

import (
	"maps"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftConvTransposeWithDynamicPads is ConvTranspose whose pads are input 2, before the bias. ONNX Runtime's
// com.microsoft ConvTransposeWithDynamicPads.
var opMicrosoftConvTransposeWithDynamicPads = operator{
	name: "ConvTransposeWithDynamicPads", domain: microsoft, asStored: []int{1}, in: []port{derived, derived, sizing, derived},
	eval: single(func(c *call) *Value {
		plain := *c
		plain.in = []*Value{c.in[0], c.in[1], c.in[3]}
		if pads, ok := c.intInput(2); ok {
			s := *c.step
			s.attrs = maps.Clone(s.attrs)
			s.attrs["pads"] = &pb.AttributeProto{Ints: convert(pads, func(p int) int64 { return int64(p) })}
			plain.step = &s
		}
		return first(opConvTranspose.eval)(&plain)
	}),
}
