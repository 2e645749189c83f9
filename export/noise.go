package export

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
	"github.com/petrify-ml/petrify/random"
)

// emitNoise writes random.Noise as nodes: seed, count and truncation are of shape (1), the result is float32 (count, width)
// under the name given. Whole numbers stay below 2^53, so that a runtime that had floats of 64 bits alone would be exact, too.
func emitNoise(e *onnx.Emitter, name string, width int, seed, count, truncation onnx.Value) onnx.Value {
	scheme := random.NoiseScheme()
	half := int64(1) << scheme.Bits
	e.Step(name, name)
	b := arithmetic{e}
	n := func(short string, v int64) onnx.Value { return number(e, short, v) }
	whole := n("half", half)

	// The three parts of the seed; (1) each.
	parts := [3]onnx.Value{0: b.mod("seed0", seed, whole)}
	rest := b.div("seed.rest0", b.sub("seed.high0", seed, parts[0]), whole)
	parts[1] = b.mod("seed1", rest, whole)
	parts[2] = b.mod("seed2", b.div("seed.rest1", b.sub("seed.high1", rest, parts[1]), whole), whole)

	// The counter: images down, axes across.
	zero, one := n("zero", 0), n("one", 1)
	first := numbers(e, "first", int64(0))
	images := e.Node("Range", "images", []onnx.Value{zero, e.Node("Squeeze", "count", []onnx.Value{count, first}), one})
	l := b.mod("image", e.Node("Unsqueeze", "rows", []onnx.Value{images, numbers(e, "across", int64(1))}), whole)
	across := make([]int64, width)
	for j := range across {
		across[j] = int64(j) % half
	}
	r := e.Const("axis", &onnx.Tensor{Dims: []int{1, width}, Data: onnx.Slice[int64](across)})

	// The network.
	middle := n("middle", 1<<(scheme.Bits/2))
	for i := range scheme.Rounds {
		at := func(inner string) string { return fmt.Sprintf("round%d.%s", i, inner) }
		key := b.add(at("key"), parts[i%3], n(at("weyl"), int64(i+1)*scheme.Weyl%half))
		x := b.mod(at("x"), b.add(at("sum"), r, key), whole)
		mixed := b.div(at("middle"), b.mul(at("square"), x, x), middle)
		l, r = r, b.mod(at("r"), b.add(at("mixed"), l, mixed), whole)
	}

	// The first number within the truncation: 0 for none.
	steps := e.Node("Floor", "limit.steps", []onnx.Value{b.mul("limit.scaled", truncation, number[float32](e, "limit.fineness", 64))})
	steps = e.Node("Clip", "limit.index.float", []onnx.Value{steps, number[float32](e, "limit.least", 0), number(e, "limit.most", float32(len(scheme.Limits)-1))})
	index := e.Node("Cast", "limit.index", []onnx.Value{steps}, onnx.Int("to", int64(pb.TensorProto_INT64)))
	limit := e.Node("Gather", "limit", []onnx.Value{numbers(e, "limits", scheme.Limits...), index})
	v := b.add("v", limit, b.div("v.scaled", b.mul("v.product", r, b.sub("v.range", whole, limit)), whole))

	// The quantile at v.
	level := zero
	for i, from := range scheme.Levels {
		at := func(inner string) string { return fmt.Sprintf("level%d.%s", i+1, inner) }
		beyond := e.Node("GreaterOrEqual", at("beyond"), []onnx.Value{v, n(at("from"), from)})
		level = b.add(at("level"), level, b.int(at("one"), beyond))
	}
	wide := e.Node("Gather", "width", []onnx.Value{numbers(e, "widths", int64(1), 32, 1024, 32768), level})
	k := b.add("k", b.mul("k.level", level, n("k.step", 1984)), b.div("k.place", v, wide))
	quantiles := numbers(e, "quantiles", scheme.Quantiles...)
	here := b.int("here", e.Node("Gather", "here.int32", []onnx.Value{quantiles, k}))
	next := b.int("next", e.Node("Gather", "next.int32", []onnx.Value{quantiles, b.add("k.next", k, one)}))
	part := b.mul("part", b.sub("difference", here, next), b.mod("place", v, wide))
	two := n("two", 2)
	rounded := b.div("part.rounded", b.add("part.half", part, b.div("width.half", wide, two)), wide)
	size := b.sub("size", here, rounded)
	sign := b.sub("sign", one, b.mul("sign.twice", two, b.div("sign.bit", l, n("sign.half", half/2))))
	units := e.Node("Cast", "units.float", []onnx.Value{b.mul("units", sign, size)}, onnx.Int("to", int64(pb.TensorProto_FLOAT)))
	return b.mul("", units, number(e, "unit", 1/float32(scheme.Scale)))
}

// arithmetic writes one node a method.
type arithmetic struct{ e *onnx.Emitter }

func (b arithmetic) add(name string, x, y onnx.Value) onnx.Value { return b.node("Add", name, x, y) }
func (b arithmetic) sub(name string, x, y onnx.Value) onnx.Value { return b.node("Sub", name, x, y) }
func (b arithmetic) mul(name string, x, y onnx.Value) onnx.Value { return b.node("Mul", name, x, y) }
func (b arithmetic) div(name string, x, y onnx.Value) onnx.Value { return b.node("Div", name, x, y) }
func (b arithmetic) mod(name string, x, y onnx.Value) onnx.Value { return b.node("Mod", name, x, y) }

func (b arithmetic) node(op, name string, x, y onnx.Value) onnx.Value {
	return b.e.Node(op, name, []onnx.Value{x, y})
}

// int casts to int64.
func (b arithmetic) int(name string, x onnx.Value) onnx.Value {
	return b.e.Node("Cast", name, []onnx.Value{x}, onnx.Int("to", int64(pb.TensorProto_INT64)))
}
