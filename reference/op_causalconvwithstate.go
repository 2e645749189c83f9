package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

// opCausalConvWithState is a convolution of every channel with a kernel of its own,
// over what came before alone: input (N, C, L), kernels (C, 1, K), and the last K-1
// elements of the input before, (N, C, K-1), which output 1 hands on. ONNX
// CausalConvWithState, opset 27.
var opCausalConvWithState = operator{
	name: "CausalConvWithState",
	eval: func(c *call) []*Value { return c.causalConv(c.in[0], c.in[3], 1) },
}

// causalConv is the convolution of x (N, C, L) with kernels whose taps are so far apart.
func (c *call) causalConv(x, past *Value, dilation int) []*Value {
	w, bias := c.in[1], c.in[2]
	if len(x.Dims) != 3 || len(w.Dims) != 3 || w.Dims[0] != x.Dims[1] || w.Dims[1] != 1 || w.Dims[2] < 1 {
		fail(fmt.Errorf("input of shape %v, kernels of shape %v", x.Dims, w.Dims))
	}
	batch, channels, taps := x.Dims[0], x.Dims[1], w.Dims[2]
	if dilation < 1 || dilation > math.MaxInt32 || taps > math.MaxInt32 {
		fail(fmt.Errorf("%d taps %d apart", taps, dilation))
	}
	held := (taps - 1) * dilation
	state := []int{batch, channels, held}
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
			s.add(all.at(row*long+i%length+k*dilation), w.at(ch*taps+k))
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
		return i/held*long + long - held + i%held
	})
	return []*Value{out, present}
}

// opMicrosoftCausalConvWithState is CausalConvWithState with taps that are dilation apart
// and, where channels_last is 1, of input (N, L, C...) and state (N, K-1, C...). ONNX
// Runtime's com.microsoft CausalConvWithState.
var opMicrosoftCausalConvWithState = operator{
	name: "CausalConvWithState", domain: microsoft,
	eval: func(c *call) []*Value {
		if c.int("ndim") != 1 || c.int("state_window") != 0 {
			fail(&onnx.UnsupportedError{Op: c.step.op.name, Domain: microsoft, Opset: c.opset, Why: "ndim beyond 1 or state_window, which ONNX Runtime's kernel for CPUs does not have"})
		}
		x, past, dilation := c.in[0], c.in[3], c.int("dilation")
		if c.int("channels_last") == 0 {
			return c.causalConv(x, past, dilation)
		}
		if len(x.Dims) < 3 {
			fail(fmt.Errorf("input of shape %v, want batch, sequence and channels", x.Dims))
		}
		// As (N, L, C), and back.
		turned := func(v *Value) *Value {
			d := v.Dims
			return c.pick(v, []int{d[0], d[2], d[1]}, func(i int) int {
				return (i/(d[1]*d[2])*d[1]+i%d[1])*d[2] + i/d[1]%d[2]
			})
		}
		rows := func(v *Value) *Value { return reshaped(v, []int{v.Dims[0], v.Dims[1], size(v.Dims[2:])}) }
		if past != nil {
			if len(past.Dims) != len(x.Dims) || !slices.Equal(past.Dims[2:], x.Dims[2:]) {
				fail(fmt.Errorf("past state of shape %v for an input of %v", past.Dims, x.Dims))
			}
			past = turned(rows(past))
		}
		out := c.causalConv(turned(rows(x)), past, dilation)
		for i, v := range out {
			back := turned(v)
			back.Terms, back.Unit = v.Terms, v.Unit
			out[i] = reshaped(back, slices.Concat(back.Dims[:2], x.Dims[2:]))
		}
		return out
	},
}
