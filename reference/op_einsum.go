package reference

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// opEinsum sums products of elements over the labels that the result does not
// have. ONNX Einsum, opset 12.
var opEinsum = operator{
	name: "Einsum",
	eval: single(func(c *call) *Value {
		c.in = c.in[:len(c.step.in)]
		e := parseEinsum(c.text("equation"), c.in)
		return c.einsum(e)
	}),
}

// An einsum is an equation with the length of every label. Axes of an ellipsis
// have labels of their own: negative, counted from the right.
type einsum struct {
	operands [][]rune
	out      []rune
	summed   []rune
	length   map[rune]int
}

func parseEinsum(equation string, in []*Value) *einsum {
	equation = strings.ReplaceAll(equation, " ", "")
	left, right, explicit := strings.Cut(equation, "->")
	terms := strings.Split(left, ",")
	if len(terms) != len(in) {
		fail(fmt.Errorf("equation %q has %d operands, the node %d", equation, len(terms), len(in)))
	}
	e := &einsum{length: map[rune]int{}}
	count := map[rune]int{}
	wide := 0
	for i, term := range terms {
		labels, ellipsis := labelsOf(term, len(in[i].Dims), equation)
		wide = max(wide, ellipsis)
		for a, l := range labels {
			d := in[i].Dims[a]
			if k := slices.Index(labels[:a], l); k >= 0 && in[i].Dims[k] != d {
				fail(fmt.Errorf("equation %q: the diagonal along %q of shape %v, want axes of one length", equation, l, in[i].Dims))
			}
			if old, ok := e.length[l]; ok && old != d && old != 1 && d != 1 {
				fail(fmt.Errorf("equation %q: label %q has lengths %d and %d", equation, l, old, d))
			}
			e.length[l] = max(e.length[l], d)
			if d == 0 {
				e.length[l] = 0
			}
			count[l]++
		}
		e.operands = append(e.operands, labels)
	}
	if explicit {
		labels, _ := labelsOf(right, strings.Count(right, "")-1-3*strings.Count(right, "...")+wide*strings.Count(right, "..."), equation)
		e.out = labels
	} else {
		for l := -rune(wide); l < 0; l++ {
			e.out = append(e.out, l)
		}
		for _, l := range slices.Sorted(maps.Keys(count)) {
			if l > 0 && count[l] == 1 {
				e.out = append(e.out, l)
			}
		}
	}
	for i, l := range e.out {
		if _, ok := e.length[l]; !ok || slices.Contains(e.out[:i], l) {
			fail(fmt.Errorf("equation %q: label %q of the result is unknown or appears twice", equation, l))
		}
	}
	for _, l := range slices.Sorted(maps.Keys(e.length)) {
		if !slices.Contains(e.out, l) {
			e.summed = append(e.summed, l)
		}
	}
	return e
}

// labelsOf returns the labels of a term with so many axes, and how many of them
// its ellipsis stands for.
func labelsOf(term string, rank int, equation string) (labels []rune, ellipsis int) {
	before, after, dots := strings.Cut(term, "...")
	for _, r := range before + after {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			fail(fmt.Errorf("equation %q: %q is not a label", equation, r))
		}
	}
	ellipsis = rank - len(before) - len(after)
	if ellipsis < 0 || !dots && ellipsis > 0 {
		fail(fmt.Errorf("equation %q: term %q for %d axes", equation, term, rank))
	}
	labels = []rune(before)
	for k := range ellipsis {
		labels = append(labels, rune(k-ellipsis))
	}
	return append(labels, []rune(after)...), ellipsis
}

func (c *call) einsum(e *einsum) *Value {
	lengths := func(labels []rune) []int { return convert(labels, func(l rune) int { return e.length[l] }) }
	dims, inner := lengths(e.out), lengths(e.summed)
	isFloat := floats&setOf(c.in[0]) != 0
	out := c.zeros(c.in[0].Type, isFloat, dims...)
	terms := must(product(inner))
	c.afford(out.Len(), terms, len(c.in))
	c.spend(int64(out.Len()) * int64(terms) * int64(len(c.in)))
	f := c.products(out)
	out.sums(terms, f)
	walk := e.walker(c.in, dims, inner)
	c.each(out.Len(), terms*len(c.in), func(i int) {
		w := walk.from(i)
		switch {
		case signed&setOf(out) != 0:
			einsumInts[int64](w, out, i, terms, c.in)
		case unsigned&setOf(out) != 0:
			einsumInts[uint64](w, out, i, terms, c.in)
		default:
			s := f.dot()
			for t := range terms {
				at := w.factors(t)
				p := f.adder.operandOf(c.in[0].at(at[0]))
				for o, v := range c.in[1:] {
					p = f.mul(p, f.adder.operandOf(v.at(at[1+o])))
				}
				s.term(p)
			}
			out.set(i, s.sum(f, 0))
		}
	})
	return out
}

// einsumInts stores element i, a sum of so many products of integers.
func einsumInts[T integer](w einsumWalk, out *Value, i, terms int, in []*Value) {
	var sum T
	for t := range terms {
		p := T(1)
		for o, at := range w.factors(t) {
			p *= elems[T](in[o])[at]
		}
		sum += p
	}
	elems[T](out)[i] = wrap(out.Type, sum)
}

// An einsumWalk finds the factors of the terms of one element of the result.
type einsumWalk struct {
	dims, inner   []int   // the lengths of the labels of the result, and of the sum
	outer, summed [][]int // how far a step along each of them goes in each operand
	base, at, k   []int   // where the element begins in each operand; room for the rest
}

func (e *einsum) walker(in []*Value, dims, inner []int) einsumWalk {
	w := einsumWalk{dims: dims, inner: inner}
	for i, v := range in {
		w.outer, w.summed = append(w.outer, e.steps(i, v, e.out)), append(w.summed, e.steps(i, v, e.summed))
	}
	return w
}

// from goes to element i of the result.
func (w einsumWalk) from(i int) einsumWalk {
	n := len(w.outer)
	room := make([]int, 2*n+max(len(w.dims), len(w.inner)))
	w.base, w.at, w.k = room[:n], room[n:2*n], room[2*n:]
	unravel(i, w.dims, w.k[:len(w.dims)])
	for o, steps := range w.outer {
		w.base[o] = ravel(w.k[:len(w.dims)], steps)
	}
	w.k = w.k[:len(w.inner)]
	return w
}

// factors is where the factors of term t lie, one in each operand, until the next call.
func (w einsumWalk) factors(t int) []int {
	unravel(t, w.inner, w.k)
	for o, steps := range w.summed {
		w.at[o] = w.base[o] + ravel(w.k, steps)
	}
	return w.at
}

// steps returns how far a step along each label goes in operand i; along a
// label that it has twice, both axes step.
func (e *einsum) steps(i int, v *Value, labels []rune) []int {
	own := strides(v.Dims)
	steps := make([]int, len(labels))
	for a, l := range e.operands[i] {
		if k := slices.Index(labels, l); k >= 0 && v.Dims[a] != 1 {
			steps[k] += own[a]
		}
	}
	return steps
}
