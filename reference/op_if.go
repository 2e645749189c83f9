package reference

import (
	"fmt"
)

// opIf evaluates one of two graphs. ONNX If, opset 1, 11, 13, 16, 19, 21.
var opIf = operator{
	name: "If", in: []port{moves},
	eval: func(c *call) []*Value {
		cond := c.in[0]
		if cond.Len() != 1 {
			fail(fmt.Errorf("the condition is %s, want one bool", cond))
		}
		name := "else_branch"
		if elems[bool](cond)[0] {
			name = "then_branch"
		}
		outputs := must(c.runBlock(name, nil))
		if !cond.exact() {
			c.note("%s: rounding may flip the condition, so nothing after it has limits", c.step.label)
			for i, v := range outputs {
				outputs[i] = unsure(v, true)
			}
		}
		return outputs
	},
}

// runBlock evaluates a graph attribute, with values for its inputs in order.
func (c *call) runBlock(name string, inputs []*Value) ([]*Value, error) {
	b := c.step.blocks[name]
	if b == nil {
		return nil, fmt.Errorf("no attribute %s", name)
	}
	if len(inputs) != len(b.inputs) {
		return nil, fmt.Errorf("%s has %d inputs, want %d", name, len(b.inputs), len(inputs))
	}
	s := &scope{values: map[string]*Value{}, outer: c.scope}
	for i, v := range inputs {
		if v != nil {
			s.values[b.inputs[i]] = v
		}
	}
	return c.within(name, func() ([]*Value, error) { return b.run(c.meter, s) })
}
