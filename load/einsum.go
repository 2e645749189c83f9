package load

import (
	"fmt"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
)

// einsum sums products over the labels that the result does not have.
func einsum(b *builder, c call) {
	e := equationOf(c)
	lengths := func(labels []rune) []int {
		dims := make([]int, len(labels))
		for i, l := range labels {
			dims[i] = e.length[l]
		}
		return dims
	}
	dims, inner := lengths(e.result), lengths(e.summed)
	b.account(c.name(), dims, 16)
	outSteps, inSteps := make([][]int, len(c.in)), make([][]int, len(c.in))
	for k := range c.in {
		by := e.steps(k, c.in[k].dims)
		for _, l := range e.result {
			outSteps[k] = append(outSteps[k], by[l])
		}
		for _, l := range e.summed {
			inSteps[k] = append(inSteps[k], by[l])
		}
	}
	var y onnx.Data
	switch c.tensor(0).Data.Wide().(type) {
	case onnx.Slice[float64]:
		y = contracted[float64](b, c, dims, inner, outSteps, inSteps)
	case onnx.Slice[int64]:
		y = contracted[int64](b, c, dims, inner, outSteps, inSteps)
	case onnx.Slice[uint64]:
		y = contracted[uint64](b, c, dims, inner, outSteps, inSteps)
	default:
		fail(c.unsupported("elements of type %v", c.in[0].elem))
	}
	b.put(c, 0, y, dims...)
}

// An equation has a label for every axis of the operands of an Einsum and of its result.
type equation struct {
	operands [][]rune
	result   []rune
	summed   []rune // those that the result does not have, in the order in which they come
	length   map[rune]int
}

// dots and the numbers after it are the labels of an ellipsis, from its last axis on.
const dots = rune(1 << 20)

func equationOf(c call) equation {
	text := strings.ReplaceAll(c.text("equation"), " ", "")
	left, right, explicit := strings.Cut(text, "->")
	terms := strings.Split(left, ",")
	if len(terms) != len(c.in) {
		fail(fmt.Errorf("%s: equation %q for %d inputs", c.name(), text, len(c.in)))
	}
	e := equation{length: map[rune]int{}}
	most := 0 // axes of an ellipsis
	for k, term := range terms {
		labels, more := termLabels(c, term, len(c.in[k].dims))
		e.operands, most = append(e.operands, labels), max(most, more)
		e.measure(c, labels, c.in[k].dims)
	}
	if explicit {
		n := len([]rune(strings.ReplaceAll(right, "...", "")))
		if strings.Contains(right, "...") {
			n += most
		}
		e.result, _ = termLabels(c, right, n)
	} else {
		e.result, _ = termLabels(c, "...", most)
		for l := 'A'; l <= 'z'; l++ { // those that come once, in alphabetical order
			if strings.Count(left, string(l)) == 1 {
				e.result = append(e.result, l)
			}
		}
	}
	for _, l := range e.result {
		if _, ok := e.length[l]; !ok {
			fail(fmt.Errorf("%s: label %q of the result is none of an operand", c.name(), l))
		}
	}
	for _, l := range slices.Concat(e.operands...) {
		if !slices.Contains(e.result, l) && !slices.Contains(e.summed, l) {
			e.summed = append(e.summed, l)
		}
	}
	return e
}

// termLabels are the labels of a term for so many axes, and how many of them its ellipsis stands for.
func termLabels(c call, term string, rank int) (labels []rune, more int) {
	before, after, some := strings.Cut(term, "...")
	more = rank - len([]rune(before)) - len([]rune(after))
	if more < 0 || !some && more > 0 {
		fail(fmt.Errorf("%s: term %q for %d axes", c.name(), term, rank))
	}
	labels = []rune(before)
	for i := range more {
		labels = append(labels, dots+rune(more-i))
	}
	return append(labels, []rune(after)...), more
}

// measure takes in the lengths that an operand gives to its labels: all are the same, or 1.
func (e *equation) measure(c call, labels []rune, dims []int) {
	for i, l := range labels {
		n := dims[i]
		if old, seen := e.length[l]; seen && old != n && old != 1 && n != 1 {
			fail(fmt.Errorf("%s: label %q is %d and %d", c.name(), l, old, n))
		} else if !seen || old == 1 {
			e.length[l] = n
		}
	}
}

// steps says how far a step along each label goes in operand k.
func (e *equation) steps(k int, dims []int) map[rune]int {
	own, by := gop.Strides(dims), map[rune]int{}
	for i, l := range e.operands[k] {
		if dims[i] != 1 {
			by[l] += own[i]
		}
	}
	return by
}

func contracted[T float64 | int64 | uint64](b *builder, c call, dims, inner []int, outSteps, inSteps [][]int) onnx.Data {
	in := make([]onnx.Slice[T], len(c.in))
	for k := range in {
		v, ok := c.tensor(k).Data.Wide().(onnx.Slice[T])
		if !ok {
			fail(c.unsupported("elements of types %v and %v", c.in[0].elem, c.in[k].elem))
		}
		in[k] = v
	}
	y := make(onnx.Slice[T], product(dims))
	base := make([]int, len(in))
	b.every(dims, func(i int, at []int) {
		for k := range in {
			base[k] = place(at, outSteps[k])
		}
		sum := T(0)
		b.every(inner, func(_ int, at []int) {
			p := T(1)
			for k, v := range in {
				p *= v[base[k]+place(at, inSteps[k])]
			}
			sum += p
		})
		y[i] = sum
	})
	return y
}
