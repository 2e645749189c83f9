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
	eval: func(c *call) ([]*Value, error) {
		a, err := c.newAttention()
		if err != nil {
			return nil, err
		}
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
}

func (c *call) newAttention() (*attention, error) {
	a := &attention{c: c, mask: c.in[3], flat: len(c.in[0].Dims) == 3, softcap: c.float("softcap")}
	heads := []string{"q_num_heads", "kv_num_heads", "kv_num_heads"}
	for i, to := range []**Value{&a.q, &a.k, &a.v} {
		x := c.in[i]
		if len(x.Dims) == 3 {
			h := c.int(heads[i], 0)
			if h < 1 || x.Dims[2]%h != 0 {
				return nil, fmt.Errorf("input %d of shape %v for %d heads", i, x.Dims, h)
			}
			var err error
			if x, err = c.transpose(reshaped(x, []int{x.Dims[0], x.Dims[1], h, x.Dims[2] / h}), []int{0, 2, 1, 3}); err != nil {
				return nil, err
			}
		}
		if len(x.Dims) != 4 {
			return nil, fmt.Errorf("input %d of shape %v, want three or four axes", i, x.Dims)
		}
		*to = x
	}
	if c.given(4) != c.given(5) {
		return nil, fmt.Errorf("keys of the past without values, or the other way round")
	}
	if c.given(4) {
		if len(c.in[4].Dims) != 4 || len(c.in[5].Dims) != 4 {
			return nil, fmt.Errorf("the past has shapes %v and %v, want four axes", c.in[4].Dims, c.in[5].Dims)
		}
		var err error
		a.past = c.in[4].Dims[2]
		if a.k, err = c.concat([]*Value{c.in[4], a.k}, 2); err != nil {
			return nil, err
		}
		if a.v, err = c.concat([]*Value{c.in[5], a.v}, 2); err != nil {
			return nil, err
		}
	}
	q, k, v := a.q.Dims, a.k.Dims, a.v.Dims
	if k[1] == 0 || q[0] != k[0] || q[0] != v[0] || q[1]%k[1] != 0 || k[1] != v[1] || k[2] != v[2] || q[3] != k[3] {
		return nil, fmt.Errorf("queries of shape %v, keys of %v, values of %v", q, k, v)
	}
	a.scale = c.float("scale", 1/math.Sqrt(float64(q[3])))
	lengths, ok, err := c.intInput(6)
	if err != nil {
		return nil, err
	}
	if ok && len(lengths) != q[0] {
		return nil, fmt.Errorf("%d lengths of keys for a batch of %d", len(lengths), q[0])
	}
	a.lengths = lengths
	if p := c.int("softmax_precision", 0); p != 0 && p != int(pb.TensorProto_FLOAT) && p != int(pb.TensorProto_DOUBLE) && p != int(a.q.Type) {
		return nil, &onnx.UnsupportedError{Op: "Attention", Opset: c.opset, Why: "softmax_precision of " + typeName(pb.TensorProto_DataType(p))}
	}
	return a, nil
}

func (a *attention) run() ([]*Value, error) {
	c, q, k, v := a.c, a.q.Dims, a.k.Dims, a.v.Dims
	rows, keys, wide := q[2], k[2], v[3]
	y, err := c.numbers(a.q.Type, q[0], q[1], rows, wide)
	if err != nil {
		return nil, err
	}
	scores, err := c.numbers(a.q.Type, q[0], q[1], rows, keys)
	if err != nil {
		return nil, err
	}
	f := c.products(y)
	for n := range q[0] {
		for h := range q[1] {
			kv := n*k[1] + h/(q[1]/k[1]) // the head of the keys and values
			for i := range rows {
				if err := c.spend(int64(keys) * int64(q[3]+wide)); err != nil {
					return nil, err
				}
				row := ((n*q[1]+h)*rows + i)
				weights, err := a.weights(scores, n, h, i, kv)
				if err != nil {
					return nil, err
				}
				for e := range wide {
					s := f.dot()
					for j, w := range weights {
						if w != exact(0) {
							s.add(w, a.v.at((kv*keys+j)*wide+e))
						}
					}
					y.set(row*wide+e, s.sum(f, 0))
				}
			}
		}
	}
	if a.flat {
		if y, err = c.transpose(y, []int{0, 2, 1, 3}); err != nil {
			return nil, err
		}
		y = reshaped(y, []int{q[0], rows, q[1] * wide})
	}
	return []*Value{y, a.k, a.v, scores}, nil
}

// weights are the probabilities of the keys for query i of a head; they are zero
// where no key is allowed. It stores the scores of the stage that is asked for.
func (a *attention) weights(scores *Value, n, h, i, kv int) ([]number, error) {
	f, size, keys := a.c.products(scores), a.q.Dims[3], a.k.Dims[2]
	base := ((n*a.q.Dims[1]+h)*a.q.Dims[2] + i)
	mode := a.c.int("qk_matmul_output_mode")
	weights := make([]number, keys)
	var allowed []int
	var terms []number
	for j := range keys {
		s := f.dot()
		for e := range size {
			s.add(a.q.at(base*size+e), a.k.at((kv*keys+j)*size+e))
		}
		// Runtimes scale Q and K by the root of the scale, or the product: up to
		// four roundings more for each term.
		x := scaled(s.sum(f, 4), a.scale)
		stages := [3]number{x}
		if a.softcap > 0 {
			x = f.mul(tanhFunction.at(f, f.div(x, exact(a.softcap))), exact(a.softcap))
		}
		stages[1] = x
		bias, err := a.bias(n, h, i, j)
		if err != nil {
			return nil, err
		}
		if bias != exact(0) {
			x = f.add(x, bias)
		}
		if stages[2] = x; mode >= 0 && mode < 3 {
			scores.set(base*keys+j, stages[mode])
		}
		if !math.IsInf(bias.v, -1) {
			allowed, terms = append(allowed, j), append(terms, x)
		}
	}
	if len(terms) > 0 {
		e, sum := f.exponentials(terms)
		for t, j := range allowed {
			weights[j] = f.ratio(e[t], sum)
		}
	}
	if mode == 3 {
		for j, w := range weights {
			scores.set(base*keys+j, w)
		}
	}
	return weights, nil
}

// bias is what the mask adds to the score of query i and key j, minus infinity
// where the key is not allowed.
func (a *attention) bias(n, h, i, j int) (number, error) {
	hidden := exact(math.Inf(-1))
	offset := a.past
	if a.lengths != nil {
		if j >= a.lengths[n] {
			return hidden, nil
		}
		if a.past == 0 {
			offset = a.lengths[n] - a.q.Dims[2]
		}
	}
	ahead := j - (i + offset) // how far the key is ahead of the query
	left, right := a.c.int("left_window_size", -1), a.c.int("right_window_size", -1)
	if a.c.int("is_causal") != 0 && ahead > 0 || left >= 0 && -ahead > left || right >= 0 && ahead > right {
		return hidden, nil
	}
	if a.mask == nil {
		return exact(0), nil
	}
	dims := a.mask.Dims
	at, index := [4]int{n, h, i, j}, 0
	if len(dims) > 4 || len(dims) == 0 {
		return hidden, fmt.Errorf("mask of shape %v", dims)
	}
	for x, d := range dims {
		k := at[4-len(dims)+x]
		switch {
		case x == len(dims)-1 && k >= d && d != 1:
			return hidden, nil // a short mask hides the rest
		case d == 1:
			k = 0
		case k >= d:
			return hidden, fmt.Errorf("mask of shape %v for scores of shape %v", dims, []int{a.q.Dims[0], a.q.Dims[1], a.q.Dims[2], a.k.Dims[2]})
		}
		index = index*d + k
	}
	if allowed, ok := a.mask.Data.([]bool); ok {
		if allowed[index] {
			return exact(0), nil
		}
		return hidden, nil
	}
	return a.mask.at(index), nil
}
