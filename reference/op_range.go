package reference

import (
	"fmt"
	"math"
)

// opRange counts from start towards limit by delta. ONNX Range, opset 11, 27.
var opRange = operator{
	name: "Range", in: []port{sizing, sizing, sizing},
	eval: single(func(c *call) *Value {
		for i, v := range c.in {
			if v.Len() != 1 {
				fail(fmt.Errorf("input %d is %s, want a scalar", i, v))
			}
		}
		start, limit, delta := c.in[0].Float(0), c.in[1].Float(0), c.in[2].Float(0)
		if delta == 0 || math.IsNaN(start+limit+delta) {
			fail(fmt.Errorf("from %v to %v by %v never ends", start, limit, delta))
		}
		count := max(0, math.Ceil((limit-start)/delta))
		if count > math.MaxInt32 {
			fail(fmt.Errorf("from %v to %v by %v: %v numbers, more than 2^31", start, limit, delta, count))
		}
		t := c.in[0].Type
		isFloat := floats&setOf(c.in[0]) != 0
		out := c.zeros(t, isFloat, int(count))
		switch {
		case isFloat:
			countFloats(out, c.formatOf(t), start, delta)
		case signed&setOf(out) != 0:
			countInts[int64](out, c.in[0], c.in[2])
		default:
			countInts[uint64](out, c.in[0], c.in[2])
		}
		return out
	}),
}

// countFloats stores start + i delta, or delta added i times.
func countFloats(out *Value, f format, start, delta float64) {
	for i := range out.Len() {
		y := number{v: start + float64(i)*delta}
		size := math.Abs(start) + float64(i)*math.Abs(delta)
		y.sound = f.gamma(i+1)*size + f.tiny
		y.spread = f.u * size * math.Sqrt(float64(i+1)/3)
		y.declared = y.sound // additions of one number err alike
		if i == 0 {
			y = exact(start)
		}
		out.set(i, f.settle(y))
	}
}

func countInts[T integer](out, start, delta *Value) {
	d, from, by := elems[T](out), elems[T](start)[0], elems[T](delta)[0]
	for i := range d {
		d[i] = wrap(out.Type, from+T(i)*by)
	}
}
