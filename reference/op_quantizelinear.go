package reference

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opQuantizeLinear is round(x / scale) + zero point, cut to the range of an integer
// type, or x / scale + zero point rounded to a float of 8 bits or fewer. Scale and zero
// point belong to the whole tensor, to an axis, or to blocks along it. ONNX
// QuantizeLinear, opset 10, 13, 19, 21, 23, 24, 25, 28.
var opQuantizeLinear = operator{
	name: "QuantizeLinear",
	eval: single(func(c *call) *Value {
		x, scale, zero := c.in[0], c.in[1], c.in[2]
		t := pb.TensorProto_UINT8
		if to := c.int("output_dtype"); to != 0 {
			t = pb.TensorProto_DataType(to)
		}
		if zero != nil {
			t = zero.Type
		}
		at := c.blocks(x, scale, zero)
		out := c.zeros(t, true, x.Dims...)
		if (wideFloats|bools|texts)&setOf(out) != 0 {
			fail(fmt.Errorf("a result of type %s, want an integer or a float of 8 bits at most", typeName(t)))
		}
		out.stored = nil // quantize and at round already
		f, small := c.quotients(scale), c.minifloat(t)
		c.each(out.Len(), 1, func(i int) {
			k := at(i)
			a, b := x.at(i), scale.at(k)
			if x.Type == pb.TensorProto_INT32 {
				a = f.rounded(a, 1)
			}
			if scale.Type == pb.TensorProto_INT32 {
				b = f.rounded(b, 1)
			}
			q := f.div(a, b)
			if small == nil {
				c.quantize(out, i, q, zeroPoint(zero, k))
				return
			}
			if z := zeroPoint(zero, k); z != 0 {
				q = f.add(q, exact(z))
			}
			if out.set(i, small.at(q)); small.undefined(q.v) {
				c.undefined(out, i, beyondMinifloat)
			}
		})
		return out
	}),
}

// quotients is the format that x is divided by the scale in: the type of attribute
// precision, or else of the scale. Runtimes that hold halves in float32 may as well
// divide there.
func (c *call) quotients(scale *Value) format {
	t := scale.Type
	if p := c.int("precision"); p != 0 {
		t = pb.TensorProto_DataType(p)
	}
	if t == pb.TensorProto_FLOAT16 || t == pb.TensorProto_BFLOAT16 {
		return formatOf(t)
	}
	return c.formatOf(pb.TensorProto_FLOAT)
}

// zeroPoint is element k of a zero point, 0 where there is none.
func zeroPoint(zero *Value, k int) float64 {
	if zero == nil {
		return 0
	}
	if zero.Len() == 1 {
		k = 0
	}
	return zero.Float(k)
}

// quantize stores round(q) + zero as element i, cut to the range of the type.
func (c *call) quantize(v *Value, i int, q number, zero float64) {
	n := roundFunction.at(format{max: math.Inf(1)}, q)
	lo, hi := integerRange(v.Type)
	if math.IsNaN(n.v) {
		v.setFloat(i, lo)
		c.undefined(v, i, quantizedNaN)
		return
	}
	cut := func(x float64) float64 { return min(max(x, lo), hi) }
	y := n.v + zero
	v.setFloat(i, cut(y))
	// Beyond the ends of the range there is nothing to err to.
	reach := func(e float64) float64 {
		if math.IsInf(e, 0) {
			return e
		}
		return max(cut(y+e)-cut(y), cut(y)-cut(y-e))
	}
	v.setFigures(i, number{sound: reach(n.sound), spread: n.spread, declared: reach(n.declared)})
}

// integerRange are the smallest and the largest value of an integer type.
func integerRange(t pb.TensorProto_DataType) (lo, hi float64) {
	half := float64(uint64(1) << (63 - spare[t]))
	if signed&(1<<t) != 0 {
		return -half, half - 1
	}
	return 0, 2*half - 1
}

// blocks returns which element of the scale belongs to element i of x.
func (c *call) blocks(x, scale, zero *Value) func(i int) int {
	if zero != nil && zero.Len() != scale.Len() {
		fail(fmt.Errorf("scale of shape %v and zero point of shape %v", scale.Dims, zero.Dims))
	}
	if scale.Len() == 1 {
		return func(int) int { return 0 }
	}
	axis := c.axis("axis", len(x.Dims), 1)
	outer, n, inner := split(x.Dims, axis)
	if len(scale.Dims) == 1 && scale.Dims[0] == n {
		return func(i int) int { return i / inner % n }
	}
	each, count := c.int("block_size"), 0
	if each > 0 && n > 0 {
		count = (n-1)/each + 1
	}
	if each < 1 || scale.Len() != outer*count*inner {
		fail(fmt.Errorf("scale of shape %v for shape %v along axis %d, in blocks of %d", scale.Dims, x.Dims, axis, each))
	}
	return func(i int) int { return (i/inner/n*count+i/inner%n/each)*inner + i%inner }
}
