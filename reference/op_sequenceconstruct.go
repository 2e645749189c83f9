package reference

import (
	"fmt"
)

// opSequenceConstruct makes a sequence of its inputs. ONNX SequenceConstruct,
// opset 11.
var opSequenceConstruct = operator{
	name: "SequenceConstruct", in: []port{moves, moves},
	eval: single(func(c *call) *Value {
		out := &Value{Kind: Sequence}
		for _, v := range c.in[:len(c.step.in)] {
			c.take(cost(v))
			out.Elems = append(out.Elems, v)
		}
		return out
	}),
}

// position returns input i as a position of a sequence of n elements, `otherwise`
// when it is absent. Positions up to `last` are allowed, and negative ones from
// the end.
func (c *call) position(i, n, last, otherwise int) int {
	if !c.given(i) {
		return otherwise
	}
	p := c.intScalar(i)
	at := p
	if at < 0 {
		at += n
	}
	if at < 0 || at > last {
		fail(fmt.Errorf("position %d of a sequence of %d", p, n))
	}
	return at
}
