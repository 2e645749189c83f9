package reference

import (
	"fmt"
	"math"
	"slices"
)

// opSlice takes every step-th element from starts to ends along axes:
// attributes until opset 9, inputs from opset 10 on. ONNX Slice, opset 1, 10,
// 11, 13.
var opSlice = operator{
	name: "Slice",
	in:   []port{moves, sizing, sizing, sizing, sizing},
	eval: single(func(c *call) *Value {
		x := c.in[0]
		lists := [][]int{c.intList("starts"), c.intList("ends"), c.intList("axes"), nil}
		given := []bool{c.has("starts"), c.has("ends"), c.has("axes"), false}
		for i := range lists {
			list, ok := c.intInput(i + 1)
			if ok {
				lists[i], given[i] = list, true
			}
		}
		starts, ends, axes, steps := lists[0], lists[1], lists[2], lists[3]
		if !given[2] {
			for i := range starts {
				axes = append(axes, i)
			}
		}
		if !given[3] {
			steps = slices.Repeat([]int{1}, len(starts))
		}
		if len(ends) != len(starts) || len(axes) != len(starts) || len(steps) != len(starts) {
			fail(fmt.Errorf("%d starts, %d ends, %d axes, %d steps, want equal numbers", len(starts), len(ends), len(axes), len(steps)))
		}
		axes = axesOf(axes, len(x.Dims))
		dims, first, stride := slices.Clone(x.Dims), make([]int, len(x.Dims)), slices.Repeat([]int{1}, len(x.Dims))
		for i, a := range axes {
			if steps[i] == 0 {
				fail(fmt.Errorf("step 0 along axis %d", a))
			}
			first[a], dims[a] = sliceRange(starts[i], ends[i], steps[i], x.Dims[a])
			stride[a] = steps[i]
		}
		own, at := strides(x.Dims), make([]int, len(dims))
		return c.pick(x, dims, func(i int) int {
			unravel(i, dims, at)
			for a := range at {
				at[a] = first[a] + at[a]*stride[a]
			}
			return ravel(at, own)
		})
	}),
}

// opDynamicSlice is Slice as it takes inputs, before it did. An experimental operator of
// ONNX's opset 1, which ONNX Runtime has up to opset 9.
var opDynamicSlice = operator{
	name: "DynamicSlice",
	in:   []port{moves, sizing, sizing, sizing},
	eval: opSlice.eval,
}

// sliceRange returns the first element and the number of elements of a slice
// of an axis of length n.
func sliceRange(start, end, step, n int) (first, count int) {
	if start < 0 {
		start += n
	}
	if end < 0 && end > math.MinInt+n {
		end += n
	}
	if step > 0 {
		start, end = min(max(start, 0), n), min(max(end, 0), n)
		if start >= end {
			return start, 0
		}
		return start, (end-start-1)/step + 1
	}
	start, end = min(max(start, -1), n-1), min(max(end, -1), n-1)
	if start <= end {
		return max(start, 0), 0
	}
	if step == math.MinInt {
		return start, 1
	}
	return start, (start-end-1)/-step + 1
}
