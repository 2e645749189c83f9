package reference

import "fmt"

// strides returns the distance between neighbours along each axis of a
// row-major tensor.
func strides(dims []int) []int {
	s := make([]int, len(dims))
	step := 1
	for i := len(dims) - 1; i >= 0; i-- {
		s[i] = step
		step *= dims[i]
	}
	return s
}

// unravel writes the coordinates of element i into at.
func unravel(i int, dims, at []int) {
	for a := len(dims) - 1; a >= 0; a-- {
		at[a] = i % dims[a]
		i /= dims[a]
	}
}

// ravel is the index of the element at the coordinates.
func ravel(at, strides []int) int {
	i := 0
	for a, x := range at {
		i += x * strides[a]
	}
	return i
}

// split returns the numbers of elements before, on, and after an axis, so that
// element (o, x, i) is at (o*n+x)*inner + i.
func split(dims []int, axis int) (outer, n, inner int) {
	outer, inner = 1, 1
	for _, d := range dims[:axis] {
		outer *= d
	}
	for _, d := range dims[axis+1:] {
		inner *= d
	}
	return outer, dims[axis], inner
}

// broadcast returns the shape that both shapes stretch to.
func broadcast(a, b []int) ([]int, error) {
	out := make([]int, max(len(a), len(b)))
	for i := range out {
		x, y := 1, 1
		if j := len(a) - len(out) + i; j >= 0 {
			x = a[j]
		}
		if j := len(b) - len(out) + i; j >= 0 {
			y = b[j]
		}
		switch {
		case x == y || y == 1:
			out[i] = x
		case x == 1:
			out[i] = y
		default:
			return nil, fmt.Errorf("shapes %v and %v do not broadcast", a, b)
		}
	}
	return out, nil
}

// A stretch maps elements of a broadcast result to those of an operand.
type stretch struct {
	dims, step   []int
	same, single bool // its elements are those of the result; it has one
}

func newStretch(from, to []int) stretch {
	s := stretch{dims: to, step: make([]int, len(to)), single: size(from) == 1}
	own := strides(from)
	s.same = len(from) == len(to)
	for i := range from {
		if j := len(to) - len(from) + i; from[i] != 1 || to[j] == 1 {
			s.step[j] = own[i]
		} else {
			s.same = false
		}
	}
	return s
}

// index returns the operand's element for element i of the result.
func (s stretch) index(i int) int {
	switch {
	case s.same:
		return i
	case s.single:
		return 0
	}
	from := 0
	for a := len(s.dims) - 1; a >= 0; a-- {
		from += i % s.dims[a] * s.step[a]
		i /= s.dims[a]
	}
	return from
}
