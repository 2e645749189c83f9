package reference

import (
	"fmt"
	"math"
)

// opRange counts from start towards limit by delta. ONNX Range, opset 11, 27.
var opRange = operator{
	name: "Range", in: []port{sizing, sizing, sizing},
	eval: single(func(c *call) (*Value, error) {
		for i, v := range c.in {
			if v.Len() != 1 {
				return nil, fmt.Errorf("input %d is %s, want a scalar", i, v)
			}
		}
		start, limit, delta := c.in[0].Float(0), c.in[1].Float(0), c.in[2].Float(0)
		if delta == 0 || math.IsNaN(start+limit+delta) {
			return nil, fmt.Errorf("from %v to %v by %v never ends", start, limit, delta)
		}
		count := max(0, math.Ceil((limit-start)/delta))
		if count > math.MaxInt32 {
			return nil, fmt.Errorf("from %v to %v by %v: %v numbers, more than 2^31", start, limit, delta, count)
		}
		t := c.in[0].Type
		isFloat := floats&setOf(c.in[0]) != 0
		out, err := c.zeros(t, isFloat, int(count))
		if err != nil {
			return nil, err
		}
		f := c.formatOf(t)
		for i := range out.Len() {
			switch d := out.Data.(type) {
			case []float64:
				// start + i delta, or delta added i times
				y := number{v: start + float64(i)*delta}
				size := math.Abs(start) + float64(i)*math.Abs(delta)
				y.sound = f.gamma(i+1)*size + f.tiny
				y.spread = f.u * size * math.Sqrt(float64(i+1)/3)
				y.declared = y.sound // additions of one number err alike
				if i == 0 {
					y = exact(start)
				}
				out.set(i, f.settle(y))
			case []int64:
				d[i] = wrapSigned(t, c.in[0].Data.([]int64)[0]+int64(i)*c.in[2].Data.([]int64)[0])
			case []uint64:
				d[i] = wrapUnsigned(t, c.in[0].Data.([]uint64)[0]+uint64(i)*c.in[2].Data.([]uint64)[0])
			}
		}
		return out, nil
	}),
}
