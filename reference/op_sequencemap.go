package reference

import (
	"errors"
	"fmt"
	"slices"
)

// opSequenceMap evaluates its body for every element of a sequence. Further
// sequences are walked along with it, further tensors are the same every time.
// ONNX SequenceMap, opset 17.
var opSequenceMap = operator{
	name: "SequenceMap", loops: true, in: []port{moves, moves},
	eval: func(c *call) []*Value {
		body := c.step.blocks["body"]
		if body == nil {
			fail(errors.New("no attribute body"))
		}
		values := c.in[:len(c.step.in)]
		n := len(values[0].Elems)
		out := make([]*Value, len(body.outputs))
		for k := range out {
			out[k] = &Value{Kind: Sequence}
		}
		for i := range n {
			arguments := slices.Clone(values)
			for k, v := range values {
				if v == nil || v.Kind != Sequence {
					continue
				}
				if len(v.Elems) != n {
					fail(fmt.Errorf("input %d has %d elements, input 0 has %d", k, len(v.Elems), n))
				}
				arguments[k] = v.Elems[i]
			}
			outputs, err := c.runBlock("body", arguments)
			if err != nil {
				fail(fmt.Errorf("element %d: %w", i, err))
			}
			for k, v := range outputs {
				out[k].Elems = append(out[k].Elems, v)
			}
		}
		return out
	},
}
