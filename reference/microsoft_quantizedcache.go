package reference

import (
	"fmt"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// A quantizedCache is how keys and values are kept as integers: as int8, or two of 4 bits to
// a byte, each plus 8. An element is the integer times a scale, one for all, or one for each
// head and channel, (1, heads, 1, E).
type quantizedCache struct {
	c      *call
	bits   int
	scales [2]*Value // of keys and values
}

// cache is how the node keeps its keys and values, nil where that is as floats.
func (g *groupQuery) cache() *quantizedCache {
	c := g.c
	kind, bits := c.text("k_quant_type"), c.int("kv_cache_bit_width")
	if kind != c.text("v_quant_type") {
		fail(fmt.Errorf("k_quant_type is %s, v_quant_type %s, want one for both", kind, c.text("v_quant_type")))
	}
	if kind == "NONE" {
		return nil
	}
	q := &quantizedCache{c, bits, [2]*Value{c.in[12], c.in[13]}}
	if bits != 8 && bits != 4 || q.scales[0] == nil || q.scales[1] == nil {
		fail(fmt.Errorf("kv_cache_bit_width is %d, want 8 or 4, with scales of keys and values", bits))
	}
	for i, s := range q.scales {
		d := []*Value{g.newK, g.newV}[i].Dims
		if kind == "PER_TENSOR" && s.Len() != 1 || kind == "PER_CHANNEL" && !slices.Equal(s.Dims, []int{1, d[1], 1, d[3]}) {
			fail(fmt.Errorf("scales of shape %v, %s, for %d heads of %d", s.Dims, kind, d[1], d[3]))
		}
	}
	for _, past := range []*Value{c.in[3], c.in[4]} {
		if past == nil { // of which the outputs have the type
			fail(fmt.Errorf("keys and values that are kept as integers have no past, not even an empty one"))
		}
		if past.Type != q.stored() {
			fail(fmt.Errorf("the past is %s, want %s", past, typeName(q.stored())))
		}
	}
	return q
}

// stored is the type of the elements of a tensor in which integers are kept.
func (q *quantizedCache) stored() pb.TensorProto_DataType {
	if q.bits == 4 {
		return pb.TensorProto_UINT8
	}
	return pb.TensorProto_INT8
}

// whole is the type of the integers.
func (q *quantizedCache) whole() pb.TensorProto_DataType {
	if q.bits == 4 {
		return pb.TensorProto_INT4
	}
	return pb.TensorProto_INT8
}

// unpacked are the integers of what is kept, in heads of some width.
func (q *quantizedCache) unpacked(v *Value, width int) *Value {
	if q.bits == 8 || len(v.Dims) != 4 {
		return v
	}
	d := v.Dims
	if d[3] != (width+1)/2 {
		fail(fmt.Errorf("the past has shape %v for heads of %d, two to a byte", d, width))
	}
	if !v.exact() {
		fail(fmt.Errorf("the past has limits, of two integers in one"))
	}
	out := q.c.zeros(q.whole(), false, d[0], d[1], d[2], width)
	for i := range out.Len() {
		b := toInt64(v, i/width*d[3]+i%width/2)
		out.setFloat(i, float64(b>>(4*(i%width%2))&15-8))
	}
	return out
}

// quantized rounds to integers.
func (q *quantizedCache) quantized(x, scales *Value) *Value {
	out := q.c.zeros(q.whole(), true, x.Dims...)
	f := q.c.format(x)
	for i := range out.Len() {
		q.c.quantize(out, i, f.ratio(x.at(i), scaleAt(scales, x.Dims, i)), 0)
	}
	return out
}

// times are integers times their scales.
func (q *quantizedCache) times(v *Value, to pb.TensorProto_DataType, scales *Value) *Value {
	out := q.c.numbers(to, v.Dims...)
	out.stored = nil // within the operator
	f := q.c.format(scales)
	for i := range out.Len() {
		out.set(i, f.scale(v.at(i), scaleAt(scales, v.Dims, i)))
	}
	return out
}

// scaleAt is the scale of element i of a tensor (N, heads, L, E).
func scaleAt(scales *Value, dims []int, i int) number {
	if scales.Len() == 1 {
		return scales.at(0)
	}
	return scales.at(i/(dims[2]*dims[3])%dims[1]*dims[3] + i%dims[3])
}

// packed are integers as they are kept.
func (q *quantizedCache) packed(v *Value) *Value {
	if q.bits == 8 {
		return v
	}
	width, d := v.Dims[3], slices.Clone(v.Dims)
	d[3] = (width + 1) / 2
	out := q.c.zeros(q.stored(), true, d...)
	for i := range out.Len() {
		at := i/d[3]*width + i%d[3]*2
		n, high := v.at(at), exact(-8)
		if i%d[3]*2+1 < width {
			high = v.at(at + 1)
		}
		high = scaled(number{high.v + 8, high.sound, high.spread, high.declared}, 16)
		n = number{n.v + 8 + high.v, n.sound + high.sound, n.spread + high.spread, n.declared + high.declared}
		out.setFloat(i, n.v)
		out.setFigures(i, n)
	}
	return out
}
