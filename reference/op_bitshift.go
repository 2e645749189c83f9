package reference

import (
	"fmt"
)

// opBitShift shifts bits LEFT or RIGHT. ONNX BitShift, opset 11.
var opBitShift = operator{
	name: "BitShift", since: 11, attrs: attrs{"direction": aString}, in: []port{need(unsigned), same(0)},
	eval: single(func(c *call) (*Value, error) {
		var shift func(x, y uint64) (uint64, error)
		switch d := c.text("direction", ""); d {
		case "LEFT":
			shift = func(x, y uint64) (uint64, error) { return x << y, nil }
		case "RIGHT":
			shift = func(x, y uint64) (uint64, error) { return x >> y, nil }
		default:
			return nil, fmt.Errorf("attribute direction is %q, want LEFT or RIGHT", d)
		}
		return c.zipInts(c.in[0], c.in[1], nil, shift)
	}),
}
