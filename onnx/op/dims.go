package op

import (
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/internal/sat"
)

// anyRank is a rank without an upper limit.
const anyRank = math.MaxInt

// MergeDims joins two descriptions of one shape. It is false when they
// contradict each other. A number says more than a name, a name more than
// nothing.
func MergeDims(a, b []onnx.Dim) ([]onnx.Dim, bool) {
	switch {
	case a == nil:
		return b, true
	case b == nil:
		return a, true
	case len(a) != len(b):
		return nil, false
	}
	out := slices.Clone(a)
	for i := range out {
		d, ok := MergeDim(a[i], b[i])
		if !ok {
			return nil, false
		}
		out[i] = d
	}
	return out, true
}

// MergeDim joins two descriptions of one length.
func MergeDim(a, b onnx.Dim) (onnx.Dim, bool) {
	switch {
	case a.Known() && b.Known():
		return a, a.Size == b.Size
	case a.Known():
		return a, true
	case b.Known() || a.Symbol == "":
		return b, true
	}
	return a, true
}

// LeastElements multiplies the known lengths, saturating.
func LeastElements(dims []onnx.Dim) int64 {
	n := int64(1)
	for _, d := range dims {
		if d.Known() {
			n = sat.Mul(n, d.Size)
		}
	}
	return n
}

// join puts shapes one after another. It is never nil, which would be a shape
// of unknown rank.
func join(parts ...[]onnx.Dim) []onnx.Dim { return append([]onnx.Dim{}, slices.Concat(parts...)...) }

// unknownDims is a shape of which the rank is known.
func unknownDims(rank int) []onnx.Dim {
	out := make([]onnx.Dim, rank)
	for i := range out {
		out[i] = onnx.Unknown()
	}
	return out
}

// Broadcast joins two shapes by ONNX's rule: aligned at the last axis, lengths
// equal or one of them 1.
func Broadcast(a, b []onnx.Dim) ([]onnx.Dim, bool) {
	if a == nil || b == nil {
		return nil, true
	}
	rank := max(len(a), len(b))
	out := make([]onnx.Dim, rank)
	for i := range rank {
		x, y := onnx.Fixed(1), onnx.Fixed(1)
		if j := i - (rank - len(a)); j >= 0 {
			x = a[j]
		}
		if j := i - (rank - len(b)); j >= 0 {
			y = b[j]
		}
		d, ok := broadcastDim(x, y)
		if !ok {
			return nil, false
		}
		out[i] = d
	}
	return out, true
}

func broadcastDim(x, y onnx.Dim) (onnx.Dim, bool) {
	switch {
	case x == onnx.Fixed(1):
		return y, true
	case y == onnx.Fixed(1):
		return x, true
	case x.Known() && y.Known():
		return x, x.Size == y.Size
	case x.Known():
		return x, true // the other one is the same, or 1
	case y.Known():
		return y, true
	case x.Symbol != "" && x.Symbol == y.Symbol:
		return x, true
	}
	return onnx.Unknown(), true
}

// A product of lengths: a number and the names of those that have none. It is
// open when a length is unknown.
type product struct {
	count   int64
	symbols []string
	open    bool
}

func productOf(dims []onnx.Dim) product {
	p := product{count: 1}
	for _, d := range dims {
		switch {
		case d.Known():
			p.count = sat.Mul(p.count, d.Size)
		case d.Symbol != "":
			p.symbols = append(p.symbols, d.Symbol)
		default:
			p.open = true
		}
	}
	slices.Sort(p.symbols)
	return p
}

// over divides: the length that q lacks to be p.
func (p product) over(q product) onnx.Dim {
	if p.open || q.open || q.count <= 0 || p.count%q.count != 0 {
		return onnx.Unknown()
	}
	left := slices.Clone(p.symbols)
	for _, s := range q.symbols {
		i := slices.Index(left, s)
		if i < 0 {
			return onnx.Unknown()
		}
		left = slices.Delete(left, i, i+1)
	}
	switch count := p.count / q.count; {
	case len(left) == 0:
		return onnx.Fixed(count)
	case len(left) == 1 && count == 1:
		return onnx.Symbolic(left[0])
	}
	return onnx.Unknown()
}

// sum adds lengths. A name plus nothing is still that name.
func sum(dims ...onnx.Dim) onnx.Dim {
	total, unknown, last := int64(0), 0, onnx.Dim{}
	for _, d := range dims {
		if d.Known() {
			total = sat.Add(total, d.Size)
		} else {
			unknown++
			last = d
		}
	}
	switch {
	case unknown == 0:
		return onnx.Fixed(total)
	case unknown == 1 && total == 0:
		return last
	}
	return onnx.Unknown()
}

// scaled multiplies and divides a length.
func scaled(d onnx.Dim, times, by int64) onnx.Dim {
	switch {
	case times == 1 && by == 1:
		return d
	case !d.Known():
		return onnx.Unknown()
	}
	return onnx.Fixed(sat.Mul(d.Size, times) / by)
}

// Axis normalises an axis, which may count from the end, to [0, rank). It reports false if the axis
// is out of range.
func Axis(v int64, rank int) (int, bool) {
	if v < -int64(rank) || v >= int64(rank) {
		return 0, false
	}
	if v < 0 {
		v += int64(rank)
	}
	return int(v), true
}

// SliceRange brings start and end into an axis of length size, as NumPy does.
func SliceRange(start, end, step, size int64) (from, to int64) {
	wrap := func(v int64) int64 {
		if v < 0 {
			return v + size
		}
		return v
	}
	start, end = wrap(start), wrap(end)
	if step > 0 {
		return min(max(start, 0), size), min(max(end, 0), size)
	}
	return min(max(start, -1), size-1), min(max(end, -1), size-1)
}

// sliceLength is the number of steps from one place to before another.
func sliceLength(from, to, step int64) int64 {
	switch {
	case step > 0 && to > from:
		return (to-from-1)/step + 1
	case step < 0 && from > to:
		if step == math.MinInt64 {
			return 1
		}
		return (from-to-1)/(-step) + 1
	}
	return 0
}

// reduced drops axes from a shape, or makes their length 1.
func reduced(d []onnx.Dim, axes []int, keep bool) []onnx.Dim {
	dims := []onnx.Dim{}
	for i, e := range d {
		switch {
		case !slices.Contains(axes, i):
			dims = append(dims, e)
		case keep:
			dims = append(dims, onnx.Fixed(1))
		}
	}
	return dims
}

// permuted applies a permutation.
func permuted(d []onnx.Dim, perm []int64) []onnx.Dim {
	out := make([]onnx.Dim, len(d))
	for i, p := range perm {
		out[i] = d[p]
	}
	return out
}

// isPermutation reports whether p has each of 0..n-1 once.
func isPermutation(p []int64, n int) bool {
	if len(p) != n {
		return false
	}
	for i, v := range slices.Sorted(slices.Values(p)) {
		if v != int64(i) {
			return false
		}
	}
	return true
}
