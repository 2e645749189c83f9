package reference

import (
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opMicrosoftDynamicTimeWarping is the cheapest path through a matrix of costs, from its first to its last element,
// each step one to the right, down, or both: the rows, and the columns, that it passes, (2, length). Of two least costs
// that are equal it takes the step to the right, as ONNX Runtime's com.microsoft DynamicTimeWarping does. Where rounding
// decides about a step, the path may be any.
var opMicrosoftDynamicTimeWarping = operator{
	name: "DynamicTimeWarping", domain: microsoft,
	eval: single(func(c *call) *Value {
		x := c.in[0]
		rank := len(x.Dims)
		if rank != 2 && (rank != 3 || x.Dims[0] != 1) {
			fail(fmt.Errorf("costs of shape %v, want a matrix", x.Dims))
		}
		w := warping{f: c.format(x), rows: x.Dims[rank-2], columns: x.Dims[rank-1]}
		c.take(6 * int64(w.rows+1) * int64(w.columns+1))
		path, doubt := w.path(x)
		out := c.zeros(pb.TensorProto_INT32, false, 2, len(path))
		for k, at := range path {
			elems[int64](out)[k], elems[int64](out)[len(path)+k] = int64(at/w.columns), int64(at%w.columns)
		}
		if doubt {
			return unsure(out, true)
		}
		return out
	}),
}

// A warping is a matrix of costs.
type warping struct {
	f             format
	rows, columns int
}

// path returns the elements of the path, and whether another might be cheaper.
func (w warping) path(x *Value) (path []int, doubt bool) {
	wide := w.columns + 1
	cost, from, unclear := make([]number, (w.rows+1)*wide), make([]uint8, (w.rows+1)*wide), make([]bool, (w.rows+1)*wide)
	for i := range cost {
		cost[i] = exact(math.Inf(1))
	}
	cost[0] = exact(0)
	before := [3]int{wide + 1, wide, 1} // both, down, to the right
	for j := 1; j <= w.columns; j++ {
		for i := 1; i <= w.rows; i++ {
			at := i*wide + j
			c := [3]number{cost[at-before[0]], cost[at-before[1]], cost[at-before[2]]}
			least := 2
			for k := range 2 {
				if c[k].v < c[1-k].v && c[k].v < c[2].v {
					least = k
				}
			}
			y := c[least]
			for k := range c {
				if k == least {
					continue
				}
				e := max(y.sound, y.screen()) + max(c[k].sound, c[k].screen())
				if gap := math.Abs(c[k].v - y.v); e > 0 && !(gap > e) {
					unclear[at] = true
					y.sound, y.declared = max(y.sound, gap+c[k].sound), max(y.declared, gap+c[k].screen())
				}
			}
			step := x.at((i-1)*w.columns + j - 1)
			from[at], cost[at] = uint8(least), w.f.sumOfExact(y, step)
		}
	}
	for i, j := w.rows, w.columns; i > 0 && j > 0; {
		at := i*wide + j
		path = append(path, (i-1)*w.columns+j-1)
		doubt = doubt || unclear[at]
		back := before[from[at]]
		i, j = (at-back)/wide, (at-back)%wide
	}
	for a, b := 0, len(path)-1; a < b; a, b = a+1, b-1 {
		path[a], path[b] = path[b], path[a]
	}
	return path, doubt
}

// sumOfExact is a + b, without an error where neither has one and the sum needs no rounding.
func (f format) sumOfExact(a, b number) number {
	if a == exact(a.v) && b == exact(b.v) && (f.holds(a.v+b.v) || math.IsInf(a.v, 0)) {
		return exact(a.v + b.v)
	}
	return f.add(a, b)
}
