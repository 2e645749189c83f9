package reference

import (
	"errors"
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
)

// opScan evaluates its body once for every slice of its last inputs along an
// axis. States go round, further results are stacked. In opset 8 every entry of
// a batch is scanned on its own, up to its length in input 0. ONNX Scan, opset 8,
// 9, 11, 16, 19, 21, 23, 24, 25.
var opScan = operator{
	name:  "Scan",
	loops: true,
	in:    []port{moves},
	eval: func(c *call) []*Value {
		body := c.step.blocks["body"]
		if body == nil {
			fail(errors.New("no attribute body"))
		}
		values := c.in[:len(c.step.in)]
		var lengths *Value
		if c.opset < 9 {
			if len(values) == 0 {
				fail(errors.New("no inputs"))
			}
			lengths, values = values[0], values[1:]
		}
		scanned := c.int("num_scan_inputs")
		states := len(values) - scanned
		switch {
		case scanned < 1 || states < 0:
			fail(fmt.Errorf("num_scan_inputs is %d, want 1 to %d, the number of inputs", scanned, len(values)))
		case len(body.inputs) != len(values):
			fail(fmt.Errorf("the body has %d inputs, want one for each of the node's %d", len(body.inputs), len(values)))
		case len(body.outputs) < states:
			fail(fmt.Errorf("the body has %d outputs, want one at least for each of %d states", len(body.outputs), states))
		case slices.Contains(values, nil):
			fail(errors.New("an input is left out"))
		}
		s := scan{
			states: states,
			inAxes: c.intList("scan_input_axes"), inBackward: c.intList("scan_input_directions"),
			outAxes: c.intList("scan_output_axes"), outBackward: c.intList("scan_output_directions"),
		}
		if c.opset < 9 {
			s.inBackward = c.intList("directions")
			return c.scanBatch(s, lengths, values)
		}
		return c.scan(s, values, -1)
	},
}

// A scan is the attributes of a Scan; lists may be empty, which means zeros.
type scan struct {
	states                                   int
	inAxes, inBackward, outAxes, outBackward []int
}

func listed(list []int, i int) int {
	if i < len(list) {
		return list[i]
	}
	return 0
}

// scan is Scan from opset 9 on. limit, unless it is negative, is the number of
// steps.
func (c *call) scan(s scan, values []*Value, limit int) []*Value {
	body := c.step.blocks["body"]
	state, inputs := values[:s.states], values[s.states:]
	axes := make([]int, len(inputs))
	steps := limit
	for i, v := range inputs {
		a := axisOf(listed(s.inAxes, i), len(v.Dims))
		axes[i] = a
		if i == 0 && limit < 0 {
			steps = v.Dims[a]
		}
		if v.Dims[a] < steps || limit < 0 && v.Dims[a] != steps {
			fail(fmt.Errorf("input %d of shape %v has %d steps along axis %d, want %d", s.states+i, v.Dims, v.Dims[a], a, steps))
		}
	}
	stacks := make([][]*Value, len(body.outputs)-s.states)
	start, kept := c.live, int64(0)
	for t := range steps {
		if err := c.meter.spend(nodeCost); err != nil {
			fail(fmt.Errorf("step %d: %w", t, err))
		}
		arguments := slices.Clone(state)
		for i, v := range inputs {
			at := t
			if listed(s.inBackward, i) != 0 {
				at = steps - 1 - t
			}
			slice := c.sliceOf(v, axes[i], at)
			arguments = append(arguments, slice)
		}
		outputs, err := c.runBlock("body", arguments)
		if err != nil {
			fail(fmt.Errorf("step %d: %w", t, err))
		}
		state = outputs[:s.states]
		for k, v := range outputs[s.states:] {
			stacks[k] = append(stacks[k], v)
			kept += cost(v)
		}
		c.live = start + kept // slices and earlier states are free again
		for _, v := range state {
			c.live += cost(v)
		}
	}
	out := slices.Clone(state)
	for k, list := range stacks {
		if listed(s.outBackward, k) != 0 {
			slices.Reverse(list)
		}
		v := c.stack(list, body.outTypes[s.states+k], listed(s.outAxes, k))
		out = append(out, v)
	}
	return out
}

// sliceOf is element `at` along an axis, without the axis.
func (c *call) sliceOf(v *Value, axis, at int) *Value {
	_, n, inner := split(v.Dims, axis)
	dims := slices.Delete(slices.Clone(v.Dims), axis, axis+1)
	return c.pick(v, dims, func(i int) int { return (i/inner*n+at)*inner + i%inner })
}

// scanBatch is Scan of opset 8: axis 0 of every value is the batch, axis 1 of
// the scanned ones is time. What is stacked is padded with zeros to the longest.
func (c *call) scanBatch(s scan, lengths *Value, values []*Value) []*Value {
	for i, v := range values {
		if least := 1 + min(1, max(0, i-s.states+1)); len(v.Dims) < least || v.Dims[0] != values[0].Dims[0] {
			fail(fmt.Errorf("input %d of shape %v, want one with a batch like input 1 of shape %v", 1+i, v.Dims, values[0].Dims))
		}
	}
	batch, longest := values[0].Dims[0], values[s.states].Dims[1]
	steps := slices.Repeat([]int{longest}, batch)
	if lengths != nil {
		list, ok := lengths.ints()
		if !ok || len(list) != batch {
			fail(fmt.Errorf("lengths are %s for a batch of %d", lengths, batch))
		}
		steps = list
	}
	var all [][]*Value // by output, then by batch entry
	for b := range batch {
		if steps[b] < 0 || steps[b] > longest {
			fail(fmt.Errorf("length %d is %d of %d steps", b, steps[b], longest))
		}
		own := make([]*Value, len(values))
		for i, v := range values {
			own[i] = c.sliceOf(v, 0, b)
		}
		outputs := c.scan(s, own, steps[b])
		if all == nil {
			all = make([][]*Value, len(outputs))
		}
		for k, v := range outputs {
			if k >= s.states && len(v.Dims) > 0 && v.Dims[0] < longest {
				v = c.lengthened(v, longest)
			}
			all[k] = append(all[k], v)
		}
	}
	out := make([]*Value, len(all))
	if batch == 0 {
		for k, t := range c.step.blocks["body"].outTypes {
			if k >= s.states {
				t.Dims = slices.Insert(slices.Clone(t.Dims), 0, onnx.Fixed(int64(longest)))
			}
			v := c.stack(nil, t, 0)
			out = append(out, v)
		}
	}
	for k, list := range all {
		out[k] = c.stack(list, c.step.blocks["body"].outTypes[k], 0)
	}
	return out
}

// lengthened appends zeros along axis 0.
func (c *call) lengthened(v *Value, n int) *Value {
	dims := slices.Clone(v.Dims)
	dims[0] = n
	return c.pick(v, dims, func(i int) int {
		if i < v.Len() {
			return i
		}
		return -1
	})
}
