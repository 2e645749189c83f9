package reference

import (
	"fmt"
	"math"
)

// A headed is attention by heads as ONNX Runtime's own operators have it: softmax(scale
// Q K' + bias) V. Q is (N, heads, L, E), K is (N, fewer, S, E), V is (N, fewer, S, W);
// each head of K and V serves as many of Q's.
type headed struct {
	c              *call
	q, k, v        *Value
	scale, softcap float64
	// added is what is added to the score of key j for query i of a head, one after the
	// other. Where it is minus infinity the key is hidden.
	added func(n, h, i, j int) []number
	// sink is a score that has no key, nil where there is none.
	sink func(h int) number
	// lengths are the keys that there are for each batch entry; nil where all are.
	lengths []int
}

// farMask is where what is added to a score leaves nothing of it: masks are often the
// lowest number of float32.
const farMask = -1e30

// run returns the mixtures of values, (N, L, heads W), and the scores and the weights
// of the keys, both (N, heads, L, S).
func (a *headed) run() (y, scores, weights *Value) {
	c, q, k, v := a.c, a.q.Dims, a.k.Dims, a.v.Dims
	if len(q) != 4 || len(k) != 4 || len(v) != 4 || k[1] == 0 || q[0] != k[0] || q[0] != v[0] || q[1]%k[1] != 0 || k[1] != v[1] || k[2] != v[2] || q[3] != k[3] {
		fail(fmt.Errorf("queries of shape %v, keys of %v, values of %v", q, k, v))
	}
	heads, rows, keys, wide := q[1], q[2], k[2], v[3]
	for _, to := range []struct {
		value **Value
		dims  []int
	}{{&scores, []int{q[0], heads, rows, keys}}, {&weights, []int{q[0], heads, rows, keys}}, {&y, []int{q[0], rows, heads, wide}}} {
		*to.value = c.numbers(a.q.Type, to.dims...)
	}
	scores.stored, weights.stored = nil, nil // they stay within the operator
	c.afford(q[0], heads, rows, keys, q[3]+wide)
	f := c.products(y)
	each := heads / k[1]
	var products []matrixProduct
	for n := range q[0] {
		for h := range heads {
			from, kv := (n*heads+h)*rows, (n*k[1]+h/each)*keys
			products = append(products, matrixProduct{
				rowsOf(a.q, from*q[3], rows, q[3]), rowsOf(a.k, kv*q[3], keys, q[3]),
				// Runtimes scale the operands or the product: up to four roundings more.
				func(i, j int, s dot) { scores.set((from+i)*keys+j, scaled(s.sum(f, 4), a.scale)) },
			})
		}
	}
	c.multiply(f, products)
	products = products[:0]
	for n := range q[0] {
		for h := range heads {
			for i := range rows {
				a.softmax(f, scores, weights, n, h, i)
			}
			from, kv := (n*heads+h)*rows, (n*k[1]+h/each)*keys
			left := rowsOf(weights, from*keys, rows, keys)
			left.sparse = true
			products = append(products, matrixProduct{left, columnsOf(a.v, kv*wide, keys, wide), func(i, e int, s dot) {
				y.set(((n*rows+i)*heads+h)*wide+e, s.sum(f, 0))
			}})
		}
	}
	c.multiply(f, products)
	return reshaped(y, []int{q[0], rows, heads * wide}), scores, weights
}

// softmax completes the scores of a query, and makes weights of them. A score that is
// hidden is minus infinity.
func (a *headed) softmax(f format, scores, weights *Value, n, h, i int) {
	keys := a.k.Dims[2]
	base := ((n*a.q.Dims[1]+h)*a.q.Dims[2] + i) * keys
	var near, far []int
	for j := range keys {
		x := scores.at(base + j)
		if a.softcap > 0 {
			x = f.mul(tanhFunction.at(f, f.div(x, exact(a.softcap))), exact(a.softcap))
		}
		least := 0.0
		if a.lengths != nil && j >= a.lengths[n] {
			least = math.Inf(-1)
		}
		for _, b := range a.added(n, h, i, j) {
			if least = min(least, b.v); !math.IsInf(b.v, -1) {
				x = f.add(x, b)
			}
		}
		switch {
		case math.IsInf(least, -1):
			x = exact(least)
		case least < farMask:
			far = append(far, j)
		default:
			near = append(near, j)
		}
		scores.set(base+j, x)
	}
	if len(near) == 0 {
		for _, j := range far { // all the same to the runtime, except for those that are hidden otherwise
			if weights.set(base+j, f.rounded(exact(1/float64(len(far))), 2)); len(far) < keys {
				a.c.undefined(weights, base+j, "the weights of keys all of which are masked")
			}
		}
		return
	}
	terms := make([]number, len(near), len(near)+1)
	for t, j := range near {
		terms[t] = scores.at(base + j)
	}
	if a.sink != nil {
		terms = append(terms, a.sink(h))
	}
	e, sum := f.exponentials(terms)
	for t, j := range near {
		weights.set(base+j, f.ratio(e[t], sum))
	}
}

// headsOf gives x, of shape (N, L, heads E), an axis for the heads, (N, heads, L, E),
// after elements of a bias from one on were added along its last axis.
func (c *call) headsOf(x *Value, heads int, bias *Value, from int) *Value {
	if len(x.Dims) != 3 || heads < 1 || x.Dims[2]%heads != 0 {
		fail(fmt.Errorf("%s for %d heads, want three axes", x, heads))
	}
	batch, rows, width := x.Dims[0], x.Dims[1], x.Dims[2]
	if bias != nil {
		if len(bias.Dims) != 1 || bias.Len() < from+width {
			fail(fmt.Errorf("a bias of shape %v from element %d on for rows of %d", bias.Dims, from, width))
		}
		sum := c.numbers(x.Type, x.Dims...)
		sum.stored = nil
		f := c.format(x)
		for i := range sum.Len() {
			sum.set(i, f.add(x.at(i), bias.at(from+i%width)))
		}
		x = sum
	}
	return c.transpose(reshaped(x, []int{batch, rows, heads, width / heads}), []int{0, 2, 1, 3})
}

// columns are some of the last axis of x.
func (c *call) columns(x *Value, from, width int) *Value {
	last := len(x.Dims) - 1
	if from < 0 || width < 0 || from > x.Dims[last]-width {
		fail(fmt.Errorf("columns %d to %d of %s", from, from+width, x))
	}
	dims := append(append([]int{}, x.Dims[:last]...), width)
	return c.pick(x, dims, func(i int) int { return i/width*x.Dims[last] + from + i%width })
}

// rounded is v, which stayed within an operator, as an output of it.
func (c *call) roundedOutput(v *Value) *Value {
	out := c.numbers(v.Type, v.Dims...)
	for i := range out.Len() {
		out.set(i, v.at(i))
	}
	return out
}

// attentionBias reads what is added to the scores of all, some or one of the batch
// entries and heads: nil where input i is not given.
func (c *call) attentionBias(i int, batch, heads, rows, keys int) func(n, h, i, j int) number {
	b := c.in[i]
	if b == nil {
		return nil
	}
	d := b.Dims
	if len(d) != 4 || d[0] != batch && d[0] != 1 || d[1] != heads && d[1] != 1 || d[2] != rows || d[3] != keys {
		fail(fmt.Errorf("input %d of shape %v for scores of shape %v", i, d, []int{batch, heads, rows, keys}))
	}
	return func(n, h, i, j int) number {
		if d[0] == 1 {
			n = 0
		}
		if d[1] == 1 {
			h = 0
		}
		return b.at(((n*d[1]+h)*rows+i)*keys + j)
	}
}

// keyMask reads which keys to leave out, from input i. Its forms are: the keys
// of each batch entry that there are, (N); where they end, and then where they begin,
// (2 N); ones and zeros, (N, S), (N, L, S), or (N, 1, M, M) of which the rows and
// columns of the keys count. It is nil where the input is not given.
func (c *call) keyMask(i int, batch, rows, keys int) func(n, i, j int) bool {
	list, ok := c.intInput(i)
	if !ok {
		return nil
	}
	d := c.in[i].Dims
	past := keys - rows
	switch {
	case len(d) == 1 && d[0] == batch:
		return func(n, _, j int) bool { return j >= list[n] }
	case len(d) == 1 && d[0] == 2*batch:
		return func(n, _, j int) bool { return j >= list[n] || j < list[batch+n] }
	case len(d) == 2 && d[0] == batch && d[1] == keys:
		return func(n, _, j int) bool { return list[n*keys+j] <= 0 }
	case len(d) == 3 && d[0] == batch && d[1] == rows && d[2] == keys:
		return func(n, i, j int) bool { return list[(n*rows+i)*keys+j] <= 0 }
	case len(d) == 4 && d[0] == batch && d[1] == 1 && d[2] == d[3] && d[3] >= keys && past >= 0:
		return func(n, i, j int) bool { return list[(n*d[2]+past+i)*d[3]+j] <= 0 }
	}
	panic(failure{fmt.Errorf("a mask of shape %v for %d keys of %d queries in a batch of %d", d, keys, rows, batch)})
}

// masks puts together what hides keys and what is added to scores.
type masks struct {
	causal bool
	past   int // keys before the first query
	left   func(n, i, j int) bool
	filter float64 // what is added where left says so
	bias   func(n, h, i, j int) number
}

func (m masks) added(n, h, i, j int) []number {
	var list []number
	if m.causal && j > i+m.past {
		return []number{exact(math.Inf(-1))}
	}
	if m.left != nil && m.left(n, i, j) {
		list = append(list, exact(m.filter))
	}
	if m.bias != nil {
		list = append(list, m.bias(n, h, i, j))
	}
	return list
}
