package reference

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// opAttention is softmax(scale Q K' + mask) V, head by head. Q is (N, heads, L, E)
// or (N, L, heads E), K and V have S rows and as many heads, or fewer that serve
// several of Q's. Keys and values of the past come first; output 1 and 2 are all
// keys and values, output 3 is the scores at a stage. ONNX Attention, opset 23, 24,
// 25.
var opAttention = operator{
	name: "Attention",
	in:   []port{derived, derived, derived, lacking(integers)},
	eval: func(c *call) []*Value {
		a := c.newAttention()
		return a.run()
	},
}

// An attention is the operands with an axis for the heads, and what masks them.
type attention struct {
	c              *call
	q, k, v, mask  *Value
	flat           bool  // Q had three axes
	past           int   // keys that come first
	lengths        []int // of valid keys for each batch entry, nil where all are
	scale, softcap float64
	stage          int // of the scores that are output 3
	causal         bool
	left, right    int     // how far the window of a query goes, -1 for all the way
	inner, softmax *format // what products and weights, and the steps of the softmax, are rounded to; nil where that is what they are computed in
}

func (c *call) newAttention() *attention {
	a := &attention{c: c, mask: c.in[3], flat: len(c.in[0].Dims) == 3, softcap: c.float("softcap"), stage: c.int("qk_matmul_output_mode"),
		causal: c.int("is_causal") != 0, left: c.int("left_window_size"), right: c.int("right_window_size")}
	heads := []string{"q_num_heads", "kv_num_heads", "kv_num_heads"}
	for i, to := range []**Value{&a.q, &a.k, &a.v} {
		x := c.in[i]
		if len(x.Dims) == 3 {
			h := c.int(heads[i], 0)
			if h < 1 || x.Dims[2]%h != 0 {
				fail(fmt.Errorf("input %d of shape %v for %d heads", i, x.Dims, h))
			}
			x = c.transpose(reshaped(x, []int{x.Dims[0], x.Dims[1], h, x.Dims[2] / h}), []int{0, 2, 1, 3})
		}
		if len(x.Dims) != 4 {
			fail(fmt.Errorf("input %d of shape %v, want three or four axes", i, x.Dims))
		}
		*to = x
	}
	if c.given(4) != c.given(5) {
		fail(fmt.Errorf("keys of the past without values, or the other way round"))
	}
	if c.given(4) {
		if len(c.in[4].Dims) != 4 || len(c.in[5].Dims) != 4 {
			fail(fmt.Errorf("the past has shapes %v and %v, want four axes", c.in[4].Dims, c.in[5].Dims))
		}
		a.past = c.in[4].Dims[2]
		a.k = c.concat([]*Value{c.in[4], a.k}, 2)
		a.v = c.concat([]*Value{c.in[5], a.v}, 2)
	}
	q, k, v := a.q.Dims, a.k.Dims, a.v.Dims
	if k[1] == 0 || q[0] != k[0] || q[0] != v[0] || q[1]%k[1] != 0 || k[1] != v[1] || k[2] != v[2] || q[3] != k[3] {
		fail(fmt.Errorf("queries of shape %v, keys of %v, values of %v", q, k, v))
	}
	a.scale = c.float("scale", 1/math.Sqrt(float64(q[3])))
	lengths, ok := c.intInput(6)
	if ok && len(lengths) != q[0] {
		fail(fmt.Errorf("%d lengths of keys for a batch of %d", len(lengths), q[0]))
	}
	a.lengths = lengths
	if a.q.Type == pb.TensorProto_FLOAT16 || a.q.Type == pb.TensorProto_BFLOAT16 {
		a.inner = c.profile.stored(a.q.Type)
	}
	a.softmax = a.inner
	if p := pb.TensorProto_DataType(c.int("softmax_precision")); p != pb.TensorProto_UNDEFINED {
		if p < 0 || p >= 62 || wideFloats&(1<<p) == 0 {
			fail(fmt.Errorf("softmax_precision of %s, want a type of floating point", typeName(p)))
		}
		a.softmax = nil
		if p == pb.TensorProto_FLOAT16 || p == pb.TensorProto_BFLOAT16 {
			a.softmax = c.profile.stored(p)
		}
	}
	return a
}

func (a *attention) run() []*Value {
	c, q, k, v := a.c, a.q.Dims, a.k.Dims, a.v.Dims
	heads, rows, keys, wide := q[1], q[2], k[2], v[3]
	var all [4]*Value // the result, and for every query and key: the products, the weights, the scores of the stage requested
	for i := range all {
		dims := []int{q[0], heads, rows, keys}
		if i == 0 {
			dims[3] = wide
		}
		all[i] = c.numbers(a.q.Type, dims...)
	}
	y, raw, weights, scores := all[0], all[1], all[2], all[3]
	// ONNX defines the operator by a function, whose values between are of the type of the graph.
	raw.stored, weights.stored = a.inner, a.inner
	c.afford(q[0], heads, rows, keys, q[3]+wide)
	f := c.products(y)
	p := f // of queries and keys, which the function multiplies by the root of the scale: that is in their type, but from float32
	switch {
	case a.inner != nil:
		p.operand = max(f.operand, a.inner.u)
	case a.q.Type == pb.TensorProto_DOUBLE:
		p.operand = max(f.operand, formatOf(pb.TensorProto_FLOAT).u)
	}
	var products, mixtures []matrixProduct
	for head := range q[0] * heads {
		n, h := head/heads, head%heads
		kv := n*k[1] + h/(heads/k[1]) // the head of the keys and values
		products = append(products, matrixProduct{
			rowsOf(a.q, head*rows*q[3], rows, q[3]), rowsOf(a.k, kv*keys*q[3], keys, q[3]),
			// Runtimes scale Q and K by the root of the scale, or the product: up to
			// four roundings more for each term.
			func(i, j int, s dot) { raw.set((head*rows+i)*keys+j, scaled(s.sum(p, 4), a.scale)) },
		})
		left := rowsOf(weights, head*rows*keys, rows, keys)
		left.sparse = true // keys that are not allowed are not terms
		mixtures = append(mixtures, matrixProduct{left, columnsOf(a.v, kv*keys*wide, keys, wide), func(i, e int, s dot) {
			y.set((head*rows+i)*wide+e, s.sum(f, 0))
		}})
	}
	c.multiply(f, products)
	try(parallel(c.meter, q[0]*heads*rows, func() struct{} { return struct{}{} }, func(_ struct{}, row int) {
		a.weigh(f, raw, weights, scores, row)
	}))
	c.multiply(f, mixtures)
	if a.flat {
		y = c.transpose(y, []int{0, 2, 1, 3})
		y = reshaped(y, []int{q[0], rows, heads * wide})
	}
	return []*Value{y, a.k, a.v, scores}
}

// weigh makes the probabilities of the keys for a query, one row of weights, of the
// scaled products in raw; they are zero where no key is allowed. It stores the scores
// of the stage requested.
func (a *attention) weigh(f format, raw, weights, scores *Value, row int) {
	heads, rows, keys := a.q.Dims[1], a.q.Dims[2], a.k.Dims[2]
	var allowed []int
	var terms []number
	for j := range keys {
		x := raw.at(row*keys + j)
		stages := [3]number{x}
		if a.softcap > 0 {
			x = a.inner.kept(f.div(x, exact(a.softcap)))
			x = a.inner.kept(tanhFunction.at(f, x))
			x = a.inner.kept(f.mul(x, exact(a.softcap)))
		}
		stages[1] = x
		bias := a.bias(row/rows/heads, row/rows%heads, row%rows, j)
		if bias != exact(0) {
			x = a.inner.kept(f.add(x, bias))
		}
		if stages[2] = x; a.stage >= 0 && a.stage < 3 {
			scores.set(row*keys+j, stages[a.stage])
		}
		if !math.IsInf(bias.v, -1) {
			allowed, terms = append(allowed, j), append(terms, x)
		}
	}
	if len(terms) > 0 {
		e, sum := f.exponentialsIn(a.softmax, terms)
		for t, j := range allowed {
			weights.set(row*keys+j, a.softmax.kept(f.ratio(e[t], sum)))
		}
	}
	if a.stage == 3 {
		for j := range keys {
			scores.set(row*keys+j, weights.at(row*keys+j))
		}
	}
}

// bias is what the mask adds to the score of query i and key j, minus infinity
// where the key is not allowed.
func (a *attention) bias(n, h, i, j int) number {
	hidden := exact(math.Inf(-1))
	offset := a.past
	if a.lengths != nil {
		if j >= a.lengths[n] {
			return hidden
		}
		if a.past == 0 {
			offset = a.lengths[n] - a.q.Dims[2]
		}
	}
	ahead := j - (i + offset) // how far the key is ahead of the query
	if a.causal && ahead > 0 || a.left >= 0 && -ahead > a.left || a.right >= 0 && ahead > a.right {
		return hidden
	}
	if a.mask == nil {
		return exact(0)
	}
	dims := a.mask.Dims
	at, index := [4]int{n, h, i, j}, 0
	if len(dims) > 4 || len(dims) == 0 {
		fail(fmt.Errorf("mask of shape %v", dims))
	}
	for x, d := range dims {
		k := at[4-len(dims)+x]
		switch {
		case x == len(dims)-1 && k >= d && d != 1:
			return hidden // a short mask hides the rest
		case d == 1:
			k = 0
		case k >= d:
			fail(fmt.Errorf("mask of shape %v for scores of shape %v", dims, []int{a.q.Dims[0], a.q.Dims[1], a.q.Dims[2], a.k.Dims[2]}))
		}
		index = index*d + k
	}
	if allowed, ok := a.mask.Data.(onnx.Slice[bool]); ok {
		if allowed[index] {
			return exact(0)
		}
		return hidden
	}
	return a.mask.at(index)
}
