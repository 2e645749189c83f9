package reference

import (
	"fmt"
)

// opSequenceConstruct makes a sequence of its inputs. ONNX SequenceConstruct,
// opset 11.
var opSequenceConstruct = operator{
	name: "SequenceConstruct", in: []port{moves, moves},
	eval: single(func(c *call) (*Value, error) {
		out := &Value{Kind: Sequence}
		for _, v := range c.in[:len(c.step.in)] {
			if err := c.take(cost(v)); err != nil {
				return nil, err
			}
			out.Elems = append(out.Elems, v)
		}
		return out, nil
	}),
}

// position returns input i as a position of a sequence of n elements, `otherwise`
// when it is absent. Positions up to `last` are allowed, and negative ones from
// the end.
func (c *call) position(i, n, last, otherwise int) (int, error) {
	if !c.given(i) {
		return otherwise, nil
	}
	p, err := c.intScalar(i)
	if err != nil {
		return 0, err
	}
	at := p
	if at < 0 {
		at += n
	}
	if at < 0 || at > last {
		return 0, fmt.Errorf("position %d of a sequence of %d", p, n)
	}
	return at, nil
}
