package reference

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opRandomNormal draws normal numbers. ONNX RandomNormal, opset 1, 22.
var opRandomNormal = random("RandomNormal", nil, normal)

// opRandomNormalLike draws normal numbers of its input's shape. ONNX
// RandomNormalLike, opset 1, 22.
var opRandomNormalLike = random("RandomNormalLike", []port{moves}, normal)

// opRandomUniform draws uniform numbers. ONNX RandomUniform, opset 1, 22.
var opRandomUniform = random("RandomUniform", nil, uniform)

// opRandomUniformLike draws uniform numbers of its input's shape. ONNX
// RandomUniformLike, opset 1, 22.
var opRandomUniformLike = random("RandomUniformLike", []port{moves}, uniform)

func normal(c *call, r *rand.Rand) float64 {
	return c.float("mean") + c.float("scale", 1)*r.NormFloat64()
}

func uniform(c *call, r *rand.Rand) float64 {
	low, high := c.float("low"), c.float("high")
	return low + (high-low)*r.Float64()
}

// random is an operator whose numbers no reference can know, even where
// attribute seed is set: it draws some, and says that they have no limit.
func random(name string, in []port, draw func(c *call, r *rand.Rand) float64) operator {
	return operator{
		name: name, in: in, drawn: true,
		eval: single(func(c *call) *Value {
			dims, t := c.intList("shape"), pb.TensorProto_FLOAT
			if len(in) > 0 {
				dims = c.in[0].Dims
				if floats&setOf(c.in[0]) != 0 {
					t = c.in[0].Type
				}
			}
			out := c.zeros(pb.TensorProto_DataType(c.int("dtype", int(t))), false, dims...)
			r := c.source()
			for i := range out.Len() {
				out.setFloat(i, draw(c, r))
			}
			c.guess(out)
			return out
		}),
	}
}

// source is a stream of random numbers, by attribute seed.
func (c *call) source() *rand.Rand {
	return rand.New(rand.NewPCG(math.Float64bits(c.float("seed")), 0))
}

// guess says that v was drawn.
func (c *call) guess(v *Value) {
	c.note("%s: %s draws random numbers, so nothing after it has limits", c.step.label, c.step.op.name)
	c.drew()
	makeUnknown(v)
}

// drew remembers that the node drew random numbers.
func (c *call) drew() {
	if !slices.Contains(c.drawn, c.step.label) {
		c.drawn = append(c.drawn, c.step.label)
	}
}
