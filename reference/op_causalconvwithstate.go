package reference

import (
	"fmt"
	"slices"
)

// opCausalConvWithState is a convolution of every channel with a kernel of its own,
// over what came before alone: input (N, C, L), kernels (C, 1, K), and the last K-1
// elements of the input before, (N, C, K-1), which output 1 hands on. ONNX
// CausalConvWithState, opset 27.
var opCausalConvWithState = operator{
	name: "CausalConvWithState",
	eval: func(c *call) []*Value {
		x, w, bias, past := c.in[0], c.in[1], c.in[2], c.in[3]
		if len(x.Dims) != 3 || len(w.Dims) != 3 || w.Dims[0] != x.Dims[1] || w.Dims[1] != 1 || w.Dims[2] < 1 {
			fail(fmt.Errorf("input of shape %v, kernels of shape %v", x.Dims, w.Dims))
		}
		batch, channels, taps := x.Dims[0], x.Dims[1], w.Dims[2]
		state := []int{batch, channels, taps - 1}
		if past != nil && !slices.Equal(past.Dims, state) {
			fail(fmt.Errorf("past state of shape %v, want %v", past.Dims, state))
		}
		if bias != nil && !slices.Equal(bias.Dims, []int{channels}) {
			fail(fmt.Errorf("bias of shape %v for %d channels", bias.Dims, channels))
		}
		activate := false
		switch name := c.text("activation"); name {
		case "none":
		case "silu", "swish":
			activate = true
		default:
			fail(fmt.Errorf("attribute activation is %q", name))
		}
		if past == nil {
			past = c.zeros(x.Type, false, state...)
		}
		all := c.concat([]*Value{past, x}, 2)
		out := c.numbers(x.Type, x.Dims...)
		c.afford(out.Len(), taps)
		f, length, long := c.products(x), x.Dims[2], all.Dims[2]
		if !activate {
			out.sums(taps, f)
		}
		for i := range out.Len() {
			c.spend(int64(taps))
			row, ch := i/length, i/length%channels
			s := f.dot()
			for k := range taps {
				s.add(all.at(row*long+i%length+k), w.at(ch*taps+k))
			}
			if bias != nil {
				s.term(bias.at(ch))
			}
			y := s.sum(f, 0)
			if activate {
				if out.stored != nil { // a runtime may round before
					y = out.stored.rounded(y, 1)
				}
				y = f.swish(y, exact(1))
			}
			out.set(i, y)
		}
		present := c.pick(all, state, func(i int) int {
			return i/(taps-1)*long + long - (taps - 1) + i%(taps-1)
		})
		return []*Value{out, present}
	},
}
