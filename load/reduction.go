package load

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
)

// reduce is a reduction of elements of any type, also of none.
func reduce(b *builder, c call) {
	x := c.in[0]
	axes := axesOf(c, len(x.dims))
	if len(axes) == 0 && !c.on("noop_with_empty_axes") {
		for i := range x.dims {
			axes = append(axes, i)
		}
	}
	dims := c.dims(0)
	t, terms := b.atEnd(c, axes)
	n := product(dims)
	switch w := t.Data.Wide().(type) {
	case onnx.Slice[float64]:
		y := make([]float64, n)
		for i := range y {
			y[i] = reducedReals(c.op.name, w[i*terms:(i+1)*terms])
		}
		b.putReals(c, 0, y, dims...)
		return
	case onnx.Slice[int64]:
		reducedInts(b, c, w, n, terms, dims)
		return
	case onnx.Slice[uint64]:
		reducedInts(b, c, w, n, terms, dims)
		return
	case onnx.Slice[bool]:
		y := make(onnx.Slice[bool], n)
		for i := range y {
			part := w[i*terms : (i+1)*terms]
			switch c.op.name {
			case "ReduceMax":
				y[i] = slices.Contains(part, true)
			case "ReduceMin":
				y[i] = !slices.Contains(part, false)
			default:
				fail(c.unsupported("elements of type bool"))
			}
		}
		b.put(c, 0, y, dims...)
		return
	}
	fail(c.unsupported("elements of type %v", x.elem))
}

// atEnd is input 0 with some axes moved to the end, and how many elements these have together.
func (b *builder) atEnd(c call, axes []int) (t *onnx.Tensor, terms int) {
	x := c.in[0]
	var perm []int
	terms = 1
	for i := range x.dims {
		if !slices.Contains(axes, i) {
			perm = append(perm, i)
		}
	}
	for _, a := range axes {
		perm = append(perm, a)
		terms *= x.dims[a]
	}
	if x.fixed.Len() == 0 || slices.IsSorted(perm) {
		return x.fixed, terms
	}
	b.account(c.name(), x.dims, 16)
	m, err := gop.Transposed(x.dims, perm)
	if err != nil {
		fail(fmt.Errorf("%s: %w", c.name(), err))
	}
	t = must(moveTensor(x.fixed, m, nil, m.Shape))
	return t, terms
}

// reducedReals takes numbers together; of none it is what adding to others would not change.
func reducedReals(name string, v []float64) float64 {
	sum := 0.0
	switch name {
	case "ReduceMax":
		y := math.Inf(-1)
		for _, x := range v {
			y = max(y, x)
		}
		return y
	case "ReduceMin":
		y := math.Inf(1)
		for _, x := range v {
			y = min(y, x)
		}
		return y
	case "ReduceProd":
		y := 1.0
		for _, x := range v {
			y *= x
		}
		return y
	case "ReduceL1":
		for _, x := range v {
			sum += math.Abs(x)
		}
		return sum
	case "ReduceL2", "ReduceSumSquare":
		for _, x := range v {
			sum += x * x
		}
		if name == "ReduceL2" {
			return math.Sqrt(sum)
		}
		return sum
	case "ReduceLogSumExp":
		top := reducedReals("ReduceMax", v)
		if math.IsInf(top, 0) {
			return top
		}
		for _, x := range v {
			sum += math.Exp(x - top)
		}
		return top + math.Log(sum)
	}
	for _, x := range v {
		sum += x
	}
	switch name {
	case "ReduceMean":
		return sum / float64(len(v))
	case "ReduceLogSum":
		return math.Log(sum)
	}
	return sum
}

// reducedInts takes integers together.
func reducedInts[T int64 | uint64](b *builder, c call, w onnx.Slice[T], n, terms int, dims []int) {
	y := make(onnx.Slice[T], n)
	for i := range y {
		part := w[i*terms : (i+1)*terms]
		switch c.op.name {
		case "ReduceMax", "ReduceMin":
			if terms == 0 {
				fail(c.unsupported("the largest or smallest of no integers"))
			}
			if y[i] = slices.Max(part); c.op.name == "ReduceMin" {
				y[i] = slices.Min(part)
			}
		case "ReduceProd":
			y[i] = 1
			for _, v := range part {
				y[i] *= v
			}
		case "ReduceSum", "ReduceMean":
			for _, v := range part {
				y[i] += v
			}
			if c.op.name == "ReduceMean" {
				if terms == 0 {
					fail(c.unsupported("the mean of no integers"))
				}
				y[i] /= T(terms)
			}
		case "ReduceSumSquare":
			for _, v := range part {
				y[i] += v * v
			}
		case "ReduceL1":
			for _, v := range part {
				if v < 0 {
					v = -v
				}
				y[i] += v
			}
		default:
			r := reducedReals(c.op.name, convert[float64](part))
			if math.IsNaN(r) || math.IsInf(r, 0) {
				fail(c.unsupported("%v as an integer", r))
			}
			y[i] = T(r)
		}
	}
	b.put(c, 0, y, dims...)
}

// argumentOf is the place of the largest or smallest element along an axis, of elements of any type.
func argumentOf(b *builder, c call) {
	axis := c.axis(len(c.in[0].dims))
	last := c.on("select_last_index")
	dims := c.dims(0)
	outer, n, inner := lines(c.in[0].dims, axis)
	if n == 0 {
		fail(fault{fmt.Errorf("%s: an axis of no elements", c.name())})
	}
	y := make([]int64, outer*inner)
	search := func(better func(i, j int) bool) {
		for i := range y {
			base, best := i/inner*n*inner+i%inner, 0
			for k := 1; k < n; k++ {
				if better(base+k*inner, base+best*inner) || last && !better(base+best*inner, base+k*inner) {
					best = k
				}
			}
			y[i] = int64(best)
		}
	}
	order := c.order()
	if c.op.name == "ArgMin" {
		search(func(i, j int) bool { return order(i, j) < 0 })
	} else {
		search(func(i, j int) bool { return order(i, j) > 0 })
	}
	b.putInts(c, 0, y, dims...)
}

// order compares elements i and j of the first input, -1, 0 or 1; NaN is above all numbers.
func (c call) order() func(i, j int) int {
	switch w := c.in[0].fixed.Data.Wide().(type) {
	case onnx.Slice[float64]:
		return func(i, j int) int {
			switch x, y := w[i], w[j]; {
			case x < y, y != y && x == x:
				return -1
			case x > y, x != x && y == y:
				return 1
			}
			return 0
		}
	case onnx.Slice[int64]:
		return func(i, j int) int { return compare(w[i], w[j]) }
	case onnx.Slice[uint64]:
		return func(i, j int) int { return compare(w[i], w[j]) }
	case onnx.Slice[string]:
		return func(i, j int) int { return compare(w[i], w[j]) }
	case onnx.Slice[bool]:
		return func(i, j int) int { return compare(flag(w[i]), flag(w[j])) }
	}
	panic(failure{c.unsupported("elements of type %v", c.in[0].elem)})
}

func compare[T int64 | uint64 | string | float64](x, y T) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}
