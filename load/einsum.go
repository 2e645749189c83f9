package load

import (
	"fmt"
	"strings"

	"github.com/petrify-ml/petrify/internal/gop"
	"github.com/petrify-ml/petrify/onnx"
)

// einsum sums products over the labels that the result does not have. An ellipsis stands for axes with labels of their own.
func einsum(b *builder, c call) {
	equation := strings.ReplaceAll(c.text("equation", ""), " ", "")
	left, right, explicit := strings.Cut(equation, "->")
	terms := strings.Split(left, ",")
	if len(terms) != len(c.in) {
		fail(fmt.Errorf("%s: equation %q for %d inputs", c.name(), equation, len(c.in)))
	}
	// Labels are letters; those of an ellipsis are numbers from the last axis on.
	const dots = rune(1 << 20)
	length, order := map[rune]int{}, []rune{}
	most := 0
	parse := func(term string, rank int) []rune {
		before, after, some := strings.Cut(term, "...")
		more := rank - len([]rune(before)) - len([]rune(after))
		if more < 0 || !some && more > 0 {
			fail(fmt.Errorf("%s: term %q for %d axes", c.name(), term, rank))
		}
		labels := []rune(before)
		for i := range more {
			labels = append(labels, dots+rune(more-i))
		}
		return append(labels, []rune(after)...)
	}
	operands := make([][]rune, len(terms))
	for k, term := range terms {
		labels := parse(term, len(c.in[k].dims))
		for i, l := range labels {
			n := c.in[k].dims[i]
			if old, seen := length[l]; seen && old != n && old != 1 && n != 1 {
				fail(fmt.Errorf("%s: label %q is %d and %d", c.name(), l, old, n))
			} else if !seen || old == 1 {
				length[l] = n
			}
			if l >= dots {
				most = max(most, int(l-dots))
			}
			order = append(order, l)
		}
		operands[k] = labels
	}
	var result []rune
	if explicit {
		n := len([]rune(strings.ReplaceAll(right, "...", "")))
		if strings.Contains(right, "...") {
			n += most
		}
		result = parse(right, n)
	} else {
		for i := most; i > 0; i-- {
			result = append(result, dots+rune(i))
		}
		for l := 'A'; l <= 'z'; l++ { // those that come once, in alphabetical order
			if n := strings.Count(left, string(l)); n == 1 {
				result = append(result, l)
			}
		}
	}
	var summed []rune
	for _, l := range order {
		if !strings.ContainsRune(string(result), l) && !strings.ContainsRune(string(summed), l) {
			summed = append(summed, l)
		}
	}
	dims, inner := make([]int, len(result)), make([]int, len(summed))
	for i, l := range result {
		n, ok := length[l]
		if !ok {
			fail(fmt.Errorf("%s: label %q of the result is none of an operand", c.name(), l))
		}
		dims[i] = n
	}
	for i, l := range summed {
		inner[i] = length[l]
	}
	b.account(c.name(), dims, 16)
	outSteps, inSteps := make([][]int, len(terms)), make([][]int, len(terms))
	for k, labels := range operands {
		steps := gop.Strides(c.in[k].dims)
		by := map[rune]int{}
		for i, l := range labels {
			if c.in[k].dims[i] != 1 {
				by[l] += steps[i]
			}
		}
		for _, l := range result {
			outSteps[k] = append(outSteps[k], by[l])
		}
		for _, l := range summed {
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
