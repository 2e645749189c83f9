package reference

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opLoop evaluates its body until the trip count is reached or the condition
// fails. Values go round, or are stacked along a new first axis. ONNX Loop, opset
// 1, 11, 13, 16, 19, 21.
var opLoop = operator{
	name:  "Loop",
	loops: true,
	in:    []port{sizing, sizing, moves},
	eval: func(c *call) []*Value {
		trips, goOn := math.MaxInt, true
		if c.given(0) {
			n := c.intScalar(0)
			trips = max(n, 0) // as runtimes have it
		}
		if c.given(1) {
			if c.in[1].Len() != 1 {
				fail(fmt.Errorf("the condition is %s, want one bool", c.in[1]))
			}
			goOn = elems[bool](c.in[1])[0]
		}
		body := c.step.blocks["body"]
		if body == nil {
			fail(errors.New("no attribute body"))
		}
		carried := c.loopCarried()
		states := len(carried)
		stacked := len(body.outputs) - 1 - states
		if stacked < 0 || len(body.inputs) != 2+states {
			fail(fmt.Errorf("body has %d inputs and %d outputs for %d loop-carried values", len(body.inputs), len(body.outputs), states))
		}
		stacks := make([][]*Value, stacked)
		unsureTrips := false
		start, kept := c.live, int64(0) // before the loop, and what its stacks hold
		if goOn && body.passesOn() {    // then nothing ends the loop before its time
			c.afford(trips, nodeCost*(1+len(body.steps)))
			if n := int64(stacked * valueCost); n > 0 && int64(trips) > (c.memory-c.live)/n {
				fail(fmt.Errorf("%d values to stack are beyond the budget of %d numbers", trips, c.memory))
			}
		}
		for i := 0; i < trips && goOn; i++ {
			if err := c.meter.spend(nodeCost); err != nil {
				fail(fmt.Errorf("iteration %d: %w", i, err))
			}
			iteration := &Value{Type: pb.TensorProto_INT64, Data: onnx.Slice[int64]{int64(i)}}
			condition := &Value{Type: pb.TensorProto_BOOL, Data: onnx.Slice[bool]{goOn}}
			outputs, err := c.runBlock("body", slices.Concat([]*Value{iteration, condition}, carried))
			if err != nil {
				fail(fmt.Errorf("iteration %d: %w", i, err))
			}
			cond, ok := outputs[0].Data.(onnx.Slice[bool])
			if !ok || len(cond) != 1 {
				fail(fmt.Errorf("iteration %d: the condition is %s, want one bool", i, outputs[0]))
			}
			if !outputs[0].exact() {
				c.note("%s: rounding may flip the condition, so nothing after it has limits", c.step.label)
				unsureTrips = true
			}
			for k := range outputs[1:] {
				if unsureTrips {
					outputs[1+k] = unsure(outputs[1+k], true)
				}
			}
			goOn = cond[0]
			carried = outputs[1 : 1+states]
			for k, v := range outputs[1+states:] {
				stacks[k] = append(stacks[k], v)
				kept += cost(v)
			}
			c.live = start + kept // what went round before is free again
			for _, v := range carried {
				c.live += cost(v)
			}
		}
		out := slices.Clone(carried)
		for k, s := range stacks {
			v := c.stack(s, body.outTypes[1+states+k], 0)
			out = append(out, v)
		}
		return out
	},
}

// passesOn reports whether the body of a loop hands its condition on as it is.
func (b *block) passesOn() bool {
	name := b.outputs[0]
	for _, st := range slices.Backward(b.steps) {
		if st.op != nil && st.op.name == "Identity" && st.out[0] == name {
			name = st.in[0]
		}
	}
	return name == b.inputs[1]
}

// loopCarried returns the inputs that go round.
func (c *call) loopCarried() []*Value { return c.in[2:max(2, len(c.step.in))] }

// stack joins values along a new axis. Of no value the result is empty, of the
// type that is declared or inferred; a length that is neither is 0.
func (c *call) stack(list []*Value, declared onnx.Type, axis int) *Value {
	if len(list) == 0 {
		if declared.Elem == pb.TensorProto_UNDEFINED {
			declared.Elem = pb.TensorProto_FLOAT
		}
		dims := convert(declared.Dims, func(d onnx.Dim) int { return int(max(0, min(d.Size, math.MaxInt32))) })
		a := axisOf(axis, len(dims)+1)
		return c.zeros(declared.Elem, false, slices.Insert(dims, a, 0)...)
	}
	wide := make([]*Value, len(list))
	for i, v := range list {
		if v.Kind != Tensor {
			fail(fmt.Errorf("%s cannot be stacked", v))
		}
		a := axisOf(axis, len(v.Dims)+1)
		wide[i] = reshaped(v, slices.Insert(slices.Clone(v.Dims), a, 1))
	}
	out := c.concat(wide, axis)
	out.AnyShape = slices.ContainsFunc(list, (*Value).anyShape)
	return out
}
