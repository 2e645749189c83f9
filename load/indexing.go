package load

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
)

// gatherElements takes an element along an axis for every place of the indices.
func gatherElements(b *builder, c call) {
	x, dims := c.in[0].dims, c.in[1].dims
	axis := c.axis(len(x))
	index := c.integers(1)
	from := b.alongAxis(c, index, dims, x, axis)
	b.setFixed(c.name(), must(picked(c.tensor(0), from, dims)))
}

// alongAxis are the numbers of the elements of a shape that lie where the places of indices do, but along an axis where those say.
func (b *builder) alongAxis(c call, index []int64, dims, shape []int, axis int) []int {
	if len(dims) != len(shape) {
		fail(fmt.Errorf("%s: indices of dims %v for %v", c.name(), dims, shape))
	}
	for k := range dims {
		if k != axis && dims[k] > shape[k] && len(index) > 0 {
			fail(fault{fmt.Errorf("%s: indices of dims %v for %v", c.name(), dims, shape)})
		}
	}
	steps := gop.Strides(shape)
	from := make([]int, len(index))
	b.every(dims, func(i int, at []int) {
		p := c.within(index[i], shape[axis])
		from[i] = place(at, steps) + (p-at[axis])*steps[axis]
	})
	return from
}

// scatterElements sets, or adds to, an element along an axis for every place of the indices.
func scatterElements(b *builder, c call) {
	x, dims := c.in[0].dims, c.in[1].dims
	axis, how := c.axis(len(x)), c.text("reduction", "none")
	index := c.integers(1)
	if !slices.Equal(dims, c.in[2].dims) {
		fail(fmt.Errorf("%s: updates of dims %v for indices of %v", c.name(), c.in[2].dims, dims))
	}
	to := b.alongAxis(c, index, dims, x, axis)
	b.scattered(c, to, how)
}

// scattered is input 0 with the elements of input 2 put in at the given places.
func (b *builder) scattered(c call, to []int, how string) {
	if how == "none" {
		t := c.tensor(0).Clone()
		for i, p := range to {
			t.Data.Copy(p, c.tensor(2).Data, i, 1)
		}
		b.setFixed(c.name(), t)
		return
	}
	dims := c.in[0].dims
	switch w := c.tensor(0).Data.Wide().(type) {
	case onnx.Slice[float64]:
		u, ok := c.tensor(2).Data.Wide().(onnx.Slice[float64])
		if !ok {
			break
		}
		if c.elem(0) == 1 { // each sum of float32 is rounded
			for i, p := range to {
				w[p] = float64(float32(mixed(how, w[p], u[i])))
			}
			b.put(c, 0, w, dims...)
			return
		}
		for i, p := range to {
			w[p] = mixed(how, w[p], u[i])
		}
		b.put(c, 0, w, dims...)
		return
	case onnx.Slice[int64]:
		if u, ok := c.tensor(2).Data.Wide().(onnx.Slice[int64]); ok {
			for i, p := range to {
				w[p] = mixed(how, w[p], u[i])
			}
			b.put(c, 0, w, dims...)
			return
		}
	case onnx.Slice[uint64]:
		if u, ok := c.tensor(2).Data.Wide().(onnx.Slice[uint64]); ok {
			for i, p := range to {
				w[p] = mixed(how, w[p], u[i])
			}
			b.put(c, 0, w, dims...)
			return
		}
	}
	fail(c.unsupported("reduction %s of elements of type %v", how, c.in[0].elem))
}

// mixed is what a scattered element becomes of what was there.
func mixed[T float64 | int64 | uint64](how string, old, update T) T {
	switch how {
	case "add":
		return old + update
	case "mul":
		return old * update
	case "max":
		return max(old, update)
	case "min":
		return min(old, update)
	}
	return update
}

// gatherND takes parts of a tensor by the indices of their first axes.
func gatherND(b *builder, c call) {
	batch := int(c.int("batch_dims"))
	dims := c.dims(0)
	starts, size := b.parts(c, batch)
	from := make([]int, 0, len(starts)*size)
	for _, s := range starts {
		for k := range size {
			from = append(from, s+k)
		}
	}
	b.setFixed(c.name(), must(picked(c.tensor(0), from, dims)))
}

// parts are where the parts of input 0 begin that input 1 names by the indices of their first axes, after those of a batch, and
// how many elements each has.
func (b *builder) parts(c call, batch int) (starts []int, size int) {
	x, dims := c.in[0].dims, c.in[1].dims
	index := c.integers(1)
	if len(dims) < 1 || batch < 0 || batch+dims[len(dims)-1] > len(x) || batch > len(dims)-1 {
		fail(fmt.Errorf("%s: indices of dims %v for %v", c.name(), dims, x))
	}
	k := dims[len(dims)-1]
	steps := gop.Strides(x)
	size = product(x[batch+k:])
	rows, perBatch := product(dims[:len(dims)-1]), product(dims[batch:max(batch, len(dims)-1)])
	b.account(c.name(), []int{rows, max(size, 1)}, 16)
	whole := product(x[batch:])
	for r := range rows {
		at := r / max(perBatch, 1) * whole
		for j := range k {
			i := c.within(index[r*k+j], x[batch+j])
			at += i * steps[batch+j]
		}
		starts = append(starts, at)
	}
	return starts, size
}

// scatterND sets, or adds to, parts of a tensor by the indices of their first axes.
func scatterND(b *builder, c call) {
	how := c.text("reduction")
	starts, size := b.parts(c, 0)
	if len(starts)*size != c.tensor(2).Len() {
		fail(fmt.Errorf("%s: updates of dims %v for indices of %v", c.name(), c.in[2].dims, c.in[1].dims))
	}
	to := make([]int, 0, len(starts)*size)
	for _, s := range starts {
		for k := range size {
			to = append(to, s+k)
		}
	}
	b.scattered(c, to, how)
}

// oneHot puts one value where indices point along a new axis, another everywhere else.
func oneHot(b *builder, c call) {
	at := c.in[0].dims
	axis := c.axis(len(at) + 1)
	index := c.numbers(0)
	depth := c.numbers(1)
	if len(depth) != 1 || !(depth[0] >= 0 && depth[0] <= math.MaxInt32) || c.tensor(2).Len() != 2 {
		fail(fmt.Errorf("%s: depth %v and %d values", c.name(), depth, c.tensor(2).Len()))
	}
	n := int(depth[0])
	dims := slices.Insert(slices.Clone(at), axis, n)
	b.account(c.name(), dims, 16)
	_, _, inner := lines(dims, axis)
	from := make([]int, product(dims))
	for i, v := range index {
		k := math.Trunc(v)
		if k < 0 {
			k += float64(n)
		}
		if k >= 0 && k < float64(n) {
			from[(i/inner*n+int(k))*inner+i%inner] = 1
		}
	}
	b.setFixed(c.name(), must(picked(c.tensor(2), from, dims)))
}

// nonZero is the indices of the elements that are not zero, an axis a row.
func nonZero(b *builder, c call) {
	x := c.tensor(0)
	r, ok := reals(x)
	if !ok {
		fail(c.unsupported("elements of type %v", x.Type()))
	}
	n := 0
	for _, v := range r {
		n += int(flag(v != 0))
	}
	dims := x.Dims
	if len(dims) == 0 {
		dims = []int{1}
	}
	b.account(c.name(), []int{len(dims), n}, 8)
	rows := len(dims)
	y := make([]int64, rows*n)
	k := 0
	b.every(dims, func(i int, at []int) {
		if r[i] != 0 {
			for j, p := range at {
				y[j*n+k] = int64(p)
			}
			k++
		}
	})
	b.putInts(c, 0, y, rows, n)
}

// compress keeps the places of an axis, or of all elements, where a flag says so.
func compress(b *builder, c call) {
	keep := c.integers(1)
	x := c.in[0].dims
	axis := 0
	if c.op.attrs["axis"] == nil {
		x = []int{product(x)}
	} else {
		axis = c.axis(len(x))
	}
	outer, n, inner := lines(x, axis)
	var places []int
	for i, f := range keep {
		if f == 0 {
			continue
		}
		if i >= n {
			fail(fault{fmt.Errorf("%s: flag %d on an axis of %d", c.name(), i, n)})
		}
		places = append(places, i)
	}
	dims := slices.Clone(x)
	dims[axis] = len(places)
	b.account(c.name(), dims, 16)
	var from []int
	for o := range outer {
		for _, p := range places {
			for i := range inner {
				from = append(from, (o*n+p)*inner+i)
			}
		}
	}
	b.setFixed(c.name(), must(picked(c.tensor(0), from, dims)))
}

// unique is the different elements, or slices along an axis, in order or as they come, with where the first of each is, which of them
// stands at each place, and how often each comes.
func unique(b *builder, c call) {
	x := c.in[0].dims
	sorted := c.on("sorted")
	axis := -1
	if c.op.attrs["axis"] != nil {
		axis = c.axis(len(x))
	}
	order := c.order()
	outer, n, inner := 1, product(x), 1
	if axis >= 0 {
		outer, n, inner = lines(x, axis)
	}
	by := func(i, j int) int {
		for o := range outer {
			for k := range inner {
				if d := order((o*n+i)*inner+k, (o*n+j)*inner+k); d != 0 {
					return d
				}
			}
		}
		return 0
	}
	b.account(c.name(), []int{n}, 64)
	all := gop.Every(n, 1)
	slices.SortStableFunc(all, by)
	var firsts []int // of each group
	group := make([]int, n)
	for k, i := range all {
		if k == 0 || by(all[k-1], i) != 0 {
			firsts = append(firsts, i)
		}
		group[i] = len(firsts) - 1
	}
	rank := gop.Every(len(firsts), 1) // of each group in the result
	if !sorted {
		seen := gop.Every(len(firsts), 1)
		slices.SortFunc(seen, func(i, j int) int { return firsts[i] - firsts[j] })
		for k, g := range seen {
			rank[g] = k
		}
	}
	starts, counts, inverse := make([]int64, len(firsts)), make([]int64, len(firsts)), make([]int64, n)
	for g, i := range firsts {
		starts[rank[g]] = int64(i)
	}
	for i, g := range group {
		inverse[i] = int64(rank[g])
		counts[rank[g]]++
	}
	dims := []int{len(firsts)}
	if axis >= 0 {
		dims = slices.Clone(x)
		dims[axis] = len(firsts)
	}
	from := make([]int, 0, product(dims))
	for o := range outer {
		for _, s := range starts {
			for k := range inner {
				from = append(from, (o*n+int(s))*inner+k)
			}
		}
	}
	b.setFixed(c.name(), must(picked(c.tensor(0), from, dims)))
	for k, list := range [][]int64{starts, inverse, counts} {
		b.putInts(c, k+1, list, len(list))
	}
}

// topK is the largest or smallest elements along an axis, and where they are; of equals the first.
func topK(b *builder, c call) {
	x := c.in[0].dims
	if len(x) == 0 {
		fail(c.unsupported("a scalar"))
	}
	axis, largest := c.axis(len(x)), c.on("largest")
	k := c.int("k")
	if c.has(1) {
		list := c.integers(1)
		if len(list) != 1 {
			fail(fmt.Errorf("%s: %d numbers of elements", c.name(), len(list)))
		}
		k = list[0]
	}
	order := c.order()
	outer, n, inner := lines(x, axis)
	if k < 0 || k > int64(n) {
		fail(fault{fmt.Errorf("%s: %d elements of an axis of %d", c.name(), k, n)})
	}
	dims := slices.Clone(x)
	dims[axis] = int(k)
	b.account(c.name(), dims, 24)
	from, places := make([]int, product(dims)), make([]int64, product(dims))
	for o := range outer {
		for i := range inner {
			try(b.pace())
			all := gop.Every(n, 1)
			slices.SortStableFunc(all, func(p, q int) int {
				d := order((o*n+p)*inner+i, (o*n+q)*inner+i)
				if largest {
					return -d
				}
				return d
			})
			for j, p := range all[:k] {
				at := (o*int(k)+j)*inner + i
				from[at], places[at] = (o*n+p)*inner+i, int64(p)
			}
		}
	}
	b.setFixed(c.name(), must(picked(c.tensor(0), from, dims)))
	b.putInts(c, 1, places, dims...)
}

// cumulative is the running sum or product along an axis.
func cumulative(b *builder, c call) {
	exclusive, reverse := c.on("exclusive"), c.on("reverse")
	list := c.integers(1)
	x := c.in[0].dims
	if len(list) != 1 {
		fail(fmt.Errorf("%s: %d axes", c.name(), len(list)))
	}
	axis := axisOf(c.name(), list[0], len(x))
	switch w := c.tensor(0).Data.Wide().(type) {
	case onnx.Slice[float64]:
		b.put(c, 0, runningTotals(w, x, axis, exclusive, reverse, c.op.name == "CumProd"), x...)
		return
	case onnx.Slice[int64]:
		b.put(c, 0, runningTotals(w, x, axis, exclusive, reverse, c.op.name == "CumProd"), x...)
		return
	case onnx.Slice[uint64]:
		b.put(c, 0, runningTotals(w, x, axis, exclusive, reverse, c.op.name == "CumProd"), x...)
		return
	}
	fail(c.unsupported("elements of type %v", c.in[0].elem))
}

func runningTotals[T float64 | int64 | uint64](w onnx.Slice[T], dims []int, axis int, exclusive, reverse, products bool) onnx.Slice[T] {
	outer, n, inner := lines(dims, axis)
	y := make(onnx.Slice[T], len(w))
	for o := range outer {
		for i := range inner {
			sum := T(0)
			if products {
				sum = 1
			}
			for k := range n {
				if reverse {
					k = n - 1 - k
				}
				at := (o*n+k)*inner + i
				if exclusive {
					y[at] = sum
				}
				if products {
					sum *= w[at]
				} else {
					sum += w[at]
				}
				if !exclusive {
					y[at] = sum
				}
			}
		}
	}
	return y
}

// triangle keeps the elements on one side of a diagonal of matrices.
func triangle(b *builder, c call) {
	upper := c.on("upper")
	k := int64(0)
	if list := c.integers(1); len(list) == 1 {
		k = list[0]
	}
	x := c.in[0].dims
	if len(x) < 2 {
		fail(fmt.Errorf("%s: %v is not a matrix", c.name(), x))
	}
	from := gop.Every(product(x), 1)
	rows, columns := x[len(x)-2], x[len(x)-1]
	for i := range from {
		row, column := int64(i/columns%rows), int64(i%columns)
		if upper && column-row < k || !upper && column-row > k {
			from[i] = -1
		}
	}
	b.setFixed(c.name(), must(picked(c.tensor(0), from, x)))
}

// eyeLike is a matrix with ones on a diagonal.
func eyeLike(b *builder, c call) {
	k := c.int("k")
	dims := c.in[0].dims
	if len(dims) != 2 {
		fail(fmt.Errorf("%s: %v is not a matrix", c.name(), dims))
	}
	y := make([]float64, product(dims))
	for i := range dims[0] {
		if j := int64(i) + k; j >= 0 && j < int64(dims[1]) {
			y[i*dims[1]+int(j)] = 1
		}
	}
	b.putReals(c, 0, y, dims...)
}

// reverseSequence turns the first elements of each sequence of a batch round.
func reverseSequence(b *builder, c call) {
	x := c.in[0].dims
	along, batch := int(c.int("time_axis")), int(c.int("batch_axis"))
	length := c.integers(1)
	if len(x) < 2 || along == batch || along < 0 || along > 1 || batch < 0 || batch > 1 || len(length) != x[batch] {
		fail(fmt.Errorf("%s: %d lengths for %v", c.name(), len(length), x))
	}
	steps := gop.Strides(x)
	from := make([]int, product(x))
	b.every(x, func(i int, at []int) {
		n, t := length[at[batch]], at[along]
		if n < 0 || n > int64(x[along]) {
			fail(fault{fmt.Errorf("%s: a sequence of %d elements on an axis of %d", c.name(), n, x[along])})
		}
		if from[i] = i; t < int(n) {
			from[i] += (int(n) - 1 - 2*t) * steps[along]
		}
	})
	b.setFixed(c.name(), must(picked(c.tensor(0), from, x)))
}

// hardmax is 1 at the first of the largest elements along an axis, before opset 13 along all from one axis on.
func hardmax(b *builder, c call) {
	x := c.in[0].dims
	outer, n, inner := 1, 1, 1
	if at := c.int("axis"); b.opset < 13 && at == int64(len(x)) {
		outer = product(x)
	} else if len(x) > 0 {
		axis := c.axis(len(x))
		if outer, n, inner = lines(x, axis); b.opset < 13 {
			n, inner = n*inner, 1
		}
	}
	v := c.numbers(0)
	y := make([]float64, len(v))
	for o := range outer {
		for i := range inner {
			best := 0
			for k := range n {
				if v[(o*n+k)*inner+i] > v[(o*n+best)*inner+i] {
					best = k
				}
			}
			if n > 0 {
				y[(o*n+best)*inner+i] = 1
			}
		}
	}
	b.putReals(c, 0, y, x...)
}

// castLike casts to the type of another input.
func castLike(b *builder, c call) {
	b.setFixed(c.name(), c.converted(c.in[1].elem))
}
