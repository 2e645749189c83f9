package load

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
)

// heads is input k of an attention as (N, heads, L, E); one of three axes, (N, L, heads E), is cut by an attribute.
func (b *builder) heads(c call, k int, n int64) *onnx.Tensor {
	t := c.tensor(k)
	if len(t.Dims) == 4 {
		return t
	}
	if len(t.Dims) != 3 || n < 1 || int64(t.Dims[2])%n != 0 {
		fail(fmt.Errorf("%s: input %d of dims %v for %d heads", c.name(), k, t.Dims, n))
	}
	b.account(c.name(), t.Dims, 16)
	m := must(gop.Transposed([]int{t.Dims[0], t.Dims[1], int(n), t.Dims[2] / int(n)}, []int{0, 2, 1, 3}))
	return must(moveTensor(t, m, nil, m.Shape))
}

// after appends keys or values to those of the past.
func (b *builder) after(c call, past, t *onnx.Tensor) *onnx.Tensor {
	if len(past.Dims) != 4 || past.Dims[0] != t.Dims[0] || past.Dims[1] != t.Dims[1] || past.Dims[3] != t.Dims[3] {
		fail(fmt.Errorf("%s: the past has dims %v, want those of %v", c.name(), past.Dims, t.Dims))
	}
	dims := slices.Clone(t.Dims)
	dims[2] += past.Dims[2]
	b.account(c.name(), dims, 16)
	return must(joined([]*onnx.Tensor{past, t}, dims, dims[0]*dims[1]))
}

// attention is softmax(scale Q K' + mask) V, head by head. Several heads of Q may share those of K and V.
func attention(b *builder, c call) {
	kvHeads := c.int("kv_num_heads")
	q := b.heads(c, 0, c.int("q_num_heads"))
	k := b.heads(c, 1, kvHeads)
	v := b.heads(c, 2, kvHeads)
	past := 0
	if c.has(4) && c.has(5) {
		past = c.in[4].dims[min(2, len(c.in[4].dims)-1)]
		k = b.after(c, c.tensor(4), k)
		v = b.after(c, c.tensor(5), v)
	}
	lengths := c.integers(6)
	qs, ks, vs := q.Dims, k.Dims, v.Dims
	if ks[1] == 0 || qs[0] != ks[0] || qs[0] != vs[0] || qs[1]%ks[1] != 0 || ks[1] != vs[1] || ks[2] != vs[2] || qs[3] != ks[3] || lengths != nil && len(lengths) != qs[0] {
		fail(fmt.Errorf("%s: queries of dims %v, keys of %v, values of %v, %d lengths", c.name(), qs, ks, vs, len(lengths)))
	}
	rows, keys, size, width := qs[2], ks[2], qs[3], vs[3]
	all := []int{qs[0], qs[1], rows, keys}
	b.account(c.name(), all, 32)
	b.account(c.name(), []int{qs[0], qs[1], rows, width}, 16)
	a := attending{
		scale: 1 / math.Sqrt(float64(size)), cap: c.float("softcap"), stage: c.int("qk_matmul_output_mode"),
		causal: c.on("is_causal"), left: c.int("left_window_size"), right: c.int("right_window_size"),
		keys: keys, past: past, rows: rows, lengths: lengths,
		bias: b.attentionMask(c, all), scores: make([]float64, product(all)),
	}
	if c.op.attrs["scale"] != nil {
		a.scale = c.float("scale")
	}
	qv, _ := reals(q)
	kv, _ := reals(k)
	vv, _ := reals(v)
	y := make([]float64, qs[0]*qs[1]*rows*width)
	b.every([]int{qs[0], qs[1], rows}, func(r int, at []int) {
		try(b.pace())
		group := at[0]*ks[1] + at[1]/(qs[1]/ks[1])
		line := a.weights(r, at[0], at[2], qv[r*size:(r+1)*size], kv[group*keys*size:])
		for j, w := range line {
			if w == 0 {
				continue
			}
			for e, x := range vv[(group*keys+j)*width : (group*keys+j+1)*width] {
				y[r*width+e] += w * x
			}
		}
	})
	b.attended(c, y, []int{qs[0], qs[1], rows, width})
	for i, t := range []*onnx.Tensor{k, v} {
		if i+1 < len(c.op.out) && c.op.out[i+1] != "" {
			named := *t
			b.setFixed(c.op.out[i+1], &named)
		}
	}
	b.putReals(c, 3, a.scores, all...)
}

// attending is what the rows of an attention have in common.
type attending struct {
	scale, cap  float64
	causal      bool
	left, right int64 // how far a query sees, -1 for as far as there is
	keys, past  int
	rows        int
	lengths     []int64   // of the keys of each batch, nil where all count
	bias        []float64 // nil, or one for each score
	stage       int64     // from 0 to 3, that scores keeps: products, capped, masked, weights
	scores      []float64
}

// weights are how much row r, query i of batch n, takes of each value.
func (a *attending) weights(r, n, i int, query, keys []float64) []float64 {
	line := make([]float64, a.keys)
	for j := range line {
		x := 0.0
		for e, w := range query {
			x += w * keys[j*len(query)+e]
		}
		x *= a.scale
		a.keep(0, r, j, x)
		if a.cap > 0 {
			x = a.cap * math.Tanh(x/a.cap)
		}
		a.keep(1, r, j, x)
		if a.bias != nil {
			x += a.bias[r*a.keys+j]
		}
		if a.hidden(n, i, j) {
			x = math.Inf(-1)
		}
		a.keep(2, r, j, x)
		line[j] = x
	}
	softmaxOf(line)
	for j, w := range line {
		a.keep(3, r, j, w)
	}
	return line
}

// keep keeps score j of row r if it is requested at this stage.
func (a *attending) keep(stage int64, r, j int, x float64) {
	if stage == a.stage {
		a.scores[r*a.keys+j] = x
	}
}

// hidden reports whether query i of batch n does not see key j.
func (a *attending) hidden(n, i, j int) bool {
	offset := a.past
	if a.lengths != nil && a.past == 0 {
		offset = int(a.lengths[n]) - a.rows
	}
	ahead := int64(j - i - offset)
	return a.lengths != nil && int64(j) >= a.lengths[n] || a.causal && ahead > 0 || a.left >= 0 && -ahead > a.left || a.right >= 0 && ahead > a.right
}

// softmaxOf replaces the numbers of a line by their softmax, by zeros where all are minus infinity: nothing is allowed.
func softmaxOf(line []float64) {
	top := math.Inf(-1)
	for _, x := range line {
		top = max(top, x)
	}
	if math.IsInf(top, -1) {
		clear(line)
		return
	}
	sum := 0.0
	for j, x := range line {
		line[j] = math.Exp(x - top)
		sum += line[j]
	}
	for j := range line {
		line[j] /= sum
	}
}

// attended gives the first output y, (N, heads, L, E), in the form that the queries had.
func (b *builder) attended(c call, y []float64, dims []int) {
	if len(c.in[0].dims) == 4 {
		b.putReals(c, 0, y, dims...)
		return
	}
	m := must(gop.Transposed(dims, []int{0, 2, 1, 3}))
	t := must(moveTensor(&onnx.Tensor{Dims: dims, Data: onnx.Slice[float64](y)}, m, nil, m.Shape))
	b.put(c, 0, t.Data, dims[0], dims[2], dims[1]*dims[3])
}

// attentionMask is what a mask adds to the scores, minus infinity where it hides a key; nil where there is none.
func (b *builder) attentionMask(c call, dims []int) []float64 {
	t := c.tensor(3)
	if t == nil {
		return nil
	}
	bias := c.numbers(3)
	if _, flags := t.Data.(onnx.Slice[bool]); flags {
		for i, v := range bias {
			if bias[i] = 0; v == 0 {
				bias[i] = math.Inf(-1)
			}
		}
	}
	shape := t.Dims
	if n := len(shape); n > 0 && shape[n-1] != 1 && shape[n-1] < dims[3] { // a short mask hides the rest
		shape = slices.Clone(shape)
		shape[n-1] = dims[3]
		long := slices.Repeat([]float64{math.Inf(-1)}, product(shape))
		for r := range product(shape[:n-1]) {
			copy(long[r*dims[3]:], bias[r*t.Dims[n-1]:(r+1)*t.Dims[n-1]])
		}
		bias = long
	}
	full, err := expanded(&onnx.Tensor{Dims: shape, Data: onnx.Slice[float64](bias)}, dims)
	if err != nil {
		fail(fmt.Errorf("%s: mask: %w", c.name(), err))
	}
	return full.Data.(onnx.Slice[float64])
}

// rotaryEmbedding turns pairs of the elements of each head by angles that come with the position.
func rotaryEmbedding(b *builder, c call) {
	interleaved, part := c.on("interleaved"), int(c.int("rotary_embedding_dim"))
	x := b.heads(c, 0, c.int("num_heads"))
	d := x.Dims
	if part == 0 {
		part = d[3]
	}
	half := part / 2
	var caches [2][]float64
	for i := range caches {
		caches[i] = c.numbers(1 + i)
	}
	positions := c.integers(3)
	table := c.in[1].dims
	if part > d[3] || part%2 != 0 || !slices.Equal(table, c.in[2].dims) || len(table) < 2 || table[len(table)-1] != half ||
		positions != nil && (len(table) != 2 || len(positions) != d[0]*d[2]) || positions == nil && (len(table) != 3 || table[0] != d[0] || table[1] != d[2]) {
		fail(fmt.Errorf("%s: angles of dims %v and %v and %d positions for %v", c.name(), table, c.in[2].dims, len(positions), d))
	}
	v, _ := reals(x)
	y := slices.Clone(v)
	b.every(d[:3], func(r int, at []int) {
		row := at[0]*d[2] + at[2]
		if positions != nil {
			p := c.within(positions[row], table[0])
			row = p
		}
		for i := range half {
			one, two := r*d[3]+i, r*d[3]+half+i
			if interleaved {
				one, two = r*d[3]+2*i, r*d[3]+2*i+1
			}
			cos, sin := caches[0][row*half+i], caches[1][row*half+i]
			y[one], y[two] = cos*v[one]-sin*v[two], sin*v[one]+cos*v[two]
		}
	})
	b.attended(c, y, d)
}

// tensorScatter writes updates into a cache from a position on, for each entry of the batch, at the end of the axis or around it.
func tensorScatter(b *builder, c call) {
	x, u := c.in[0].dims, c.in[1].dims
	axis, around := c.axis(len(x)), c.text("mode") == "circular"
	starts := c.integers(2)
	if len(u) != len(x) || axis == 0 || starts != nil && len(starts) != x[0] || u[axis] > x[axis] {
		fail(fmt.Errorf("%s: updates of dims %v in %v", c.name(), u, x))
	}
	for k := range x {
		if k != axis && x[k] != u[k] {
			fail(fmt.Errorf("%s: updates of dims %v in %v", c.name(), u, x))
		}
	}
	steps := gop.Strides(x)
	t := c.tensor(0).Clone()
	b.every(u, func(i int, at []int) {
		p := int64(at[axis])
		if starts != nil {
			p += starts[at[0]]
		}
		if around && p >= 0 {
			p %= int64(x[axis])
		}
		if p < 0 || p >= int64(x[axis]) {
			fail(fault{fmt.Errorf("%s: position %d of %d", c.name(), p, x[axis])})
		}
		t.Data.Copy(place(at, steps)+(int(p)-at[axis])*steps[axis], c.tensor(1).Data, i, 1)
	})
	b.setFixed(c.name(), t)
}
