package reference

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opFlexAttention is softmax(scale Q K') V, head by head, of which graphs may change the scores and the weights. Q is (N, heads,
// L, E), K and V are (N, fewer, S, E) and (N, fewer, S, W), each head for as many of Q's; the graphs get and give (N, heads, L,
// S) in the type of softmax_precision. ONNX ai.onnx.preview FlexAttention, opset 1.
var opFlexAttention = operator{
	name: "FlexAttention", domain: "ai.onnx.preview",
	eval: single(func(c *call) *Value {
		q, k, v := c.in[0], c.in[1], c.in[2]
		if len(q.Dims) != 4 || len(k.Dims) != 4 || len(v.Dims) != 4 || k.Dims[1] == 0 || q.Dims[1]%k.Dims[1] != 0 || q.Dims[0] != k.Dims[0] || q.Dims[0] != v.Dims[0] ||
			k.Dims[1] != v.Dims[1] || k.Dims[2] != v.Dims[2] || q.Dims[3] != k.Dims[3] {
			fail(fmt.Errorf("queries of shape %v, keys of %v, values of %v", q.Dims, k.Dims, v.Dims))
		}
		inner := pb.TensorProto_FLOAT
		if q.Type == pb.TensorProto_DOUBLE {
			inner = q.Type
		}
		inner = pb.TensorProto_DataType(c.int("softmax_precision", int(inner)))
		if inner != pb.TensorProto_FLOAT && inner != pb.TensorProto_DOUBLE && inner != pb.TensorProto_FLOAT16 && inner != pb.TensorProto_BFLOAT16 {
			fail(&onnx.UnsupportedError{Op: "FlexAttention", Domain: "ai.onnx.preview", Opset: c.opset, Why: "softmax_precision of " + typeName(inner)})
		}
		scores := c.flexScores(inner)
		scores = c.modified("score_mod", scores)
		weights := c.numbers(inner, scores.Dims...)
		f := c.format(weights)
		if keys := k.Dims[2]; keys > 0 {
			row := make([]number, keys)
			for base := 0; base < weights.Len(); base += keys {
				for j := range row {
					row[j] = scores.at(base + j)
				}
				e, sum := f.exponentials(row)
				for j := range row {
					weights.set(base+j, f.ratio(e[j], sum))
				}
			}
		}
		weights = c.modified("prob_mod", weights)
		return c.flexMixture(weights)
	}),
}

// modified is v after the graph of an attribute, where there is one.
func (c *call) modified(graph string, v *Value) *Value {
	if c.step.blocks[graph] == nil {
		return v
	}
	out := must(c.runBlock(graph, []*Value{v}))
	if len(out) != 1 || out[0].Kind != Tensor || out[0].Type != v.Type || size(out[0].Dims) != size(v.Dims) || fmt.Sprint(out[0].Dims) != fmt.Sprint(v.Dims) {
		fail(fmt.Errorf("%s gives %v, want one %s", graph, out, v))
	}
	return out[0]
}

// flexScores is scale Q K', in the type of Q, in which the standard's function has both multiplied by the root of the scale
// first, and then in the other type.
func (c *call) flexScores(inner pb.TensorProto_DataType) *Value {
	q, k := c.in[0], c.in[1]
	f := c.format(q)
	root := f.rounded(exact(math.Sqrt(c.float("scale", 1/math.Sqrt(float64(q.Dims[3]))))), 2)
	var factors [2]*Value
	for i, v := range []*Value{q, k} {
		x := c.numbers(v.Type, v.Dims...)
		for e := range x.Len() {
			x.set(e, f.mul(v.at(e), root))
		}
		factors[i] = x
	}
	heads, rows, width, keys := q.Dims[1], q.Dims[2], q.Dims[3], k.Dims[2]
	raw := c.numbers(q.Type, q.Dims[0], heads, rows, keys)
	c.afford(q.Dims[0], heads, rows, keys, width)
	f = c.products(raw)
	var products []matrixProduct
	for head := range q.Dims[0] * heads {
		kv := head/heads*k.Dims[1] + head%heads/(heads/k.Dims[1])
		products = append(products, matrixProduct{rowsOf(factors[0], head*rows*width, rows, width), rowsOf(factors[1], kv*keys*width, keys, width),
			func(i, j int, s dot) { raw.set((head*rows+i)*keys+j, s.sum(f, 0)) }})
	}
	c.multiply(f, products)
	scores := c.numbers(inner, raw.Dims...)
	for i := range scores.Len() {
		scores.set(i, c.format(scores).rounded(raw.at(i), 1))
	}
	return scores
}

// flexMixture is the weights times V, in their type, and then in V's.
func (c *call) flexMixture(weights *Value) *Value {
	v, d := c.in[2], weights.Dims
	heads, rows, keys, wide := d[1], d[2], d[3], v.Dims[3]
	y := c.numbers(v.Type, d[0], heads, rows, wide)
	c.afford(d[0], heads, rows, keys, wide)
	f := c.products(y)
	var products []matrixProduct
	for head := range d[0] * heads {
		kv := head/heads*v.Dims[1] + head%heads/(heads/v.Dims[1])
		products = append(products, matrixProduct{rowsOf(weights, head*rows*keys, rows, keys), columnsOf(v, kv*keys*wide, keys, wide),
			func(i, e int, s dot) { y.set((head*rows+i)*wide+e, s.sum(f, 0)) }})
	}
	c.multiply(f, products)
	return y
}
