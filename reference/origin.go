package reference

import (
	"math"
	"slices"
)

// An origin says how far the errors of a value's elements, in sums of products to come, may be taken for independent. Values
// that share one have errors that the same sums made, element by element. A value without one may have the same error
// everywhere.
//
// A layer whose weights differ from output to output, and in sign, mixes the errors of its operands: what one output gets of
// them has little to do with what its neighbour gets. To allow for the contrary in each of fifty layers would make the
// spread of a ResNet a million times too large.
type origin struct {
	own     float64   // the part of the variance that is each element's own
	similar float64   // how much the error of an element may agree with any one error before the layer: a correlation
	parts   []*origin // of a sum: what its terms come from
}

// layers are those that the errors come from.
func (v *Value) layers() []*origin {
	switch {
	case v.origin == nil:
		return nil
	case v.origin.parts == nil:
		return []*origin{v.origin}
	}
	return v.origin.parts
}

// The least correlation of what a layer makes of its operands' errors with one of those.
const leastSimilar = 0.25

// Of so many lanes each one is looked at; of more, some that are evenly spaced: it is a matter of averages.
const lanesCompared = 16

// elementsCompared is the same for the elements of a value.
const elementsCompared = 4096

// originOf is the origin of sums of products where either operand has no errors, as weights have none.
func originOf(products []matrixProduct) *origin {
	o := &origin{own: 1}
	var last *factor
	for i := range products {
		p := &products[i]
		weights, operand := &p.right, &p.left
		if weights.of.Sound != nil {
			weights, operand = operand, weights
		}
		if weights.of.Sound != nil || operand.of.Sound == nil || weights.window != nil {
			return nil
		}
		if last != nil && last.of == weights.of && last.base == weights.base {
			continue // one matrix for a whole batch
		}
		last = weights
		alike, similar := weights.likeness(operand.of.own())
		o.own = min(o.own, 1-alike)
		o.similar = max(o.similar, similar)
	}
	if !(o.own > 0) || len(products) == 0 {
		return nil
	}
	return o
}

// likeness tells how alike the errors of sums of products are whose weights the lanes are, if so large a part of the
// variance is each operand's own, and how similar to the error of one operand.
func (q *factor) likeness(own float64) (alike, similar float64) {
	var lanes, sums, squaredSums, agreement, largest float64
	mean := make([]float64, q.terms) // of the lanes, each of length 1
	values, _ := q.of.numbers()
	lane := make([]float64, q.terms)
	var place []int
	for l := 0; l < q.lanes; l += max(1, q.lanes/lanesCompared) {
		place = q.places(place, l, 0, q.terms, nil)
		sum, square, peak := 0.0, 0.0, 0.0
		for k, at := range place {
			w := values.at(at)
			lane[k] = w
			sum += w
			square += w * w
			peak = max(peak, w*w)
		}
		if square == 0 {
			continue
		}
		lanes++
		sums += sum
		squaredSums += sum * sum
		agreement += sum * sum / square / float64(q.terms)
		largest += peak / square
		length := math.Sqrt(square)
		for k, w := range lane {
			mean[k] += w / length
		}
	}
	if lanes == 0 {
		return 0, 0
	}
	// Lanes of one sign make neighbours alike that have operands in common, as in a smoothing filter.
	alike = agreement / lanes
	if lanes > 1 {
		length := 0.0
		for _, m := range mean {
			length += m * m
		}
		alike = max(alike, (length-lanes)/(lanes*lanes-lanes)) // the mean cosine between two lanes
	}
	// What operands have in common stays in common where the sums of the lanes agree in sign.
	if squaredSums > 0 {
		alike = max(alike, (1-own)*sums*sums/(lanes*squaredSums))
	}
	return min(1, alike), min(1, max(leastSimilar, math.Sqrt(largest/lanes)))
}

// own is the part of the errors' variance that is each element's own.
func (v *Value) own() float64 {
	if v.origin == nil {
		return 0
	}
	return v.origin.own
}

// carried is the origin of what is computed from a and b, element by element, where there is one.
func carried(a, b, out *Value) *origin {
	same := func(v *Value) bool { return v.Len() == out.Len() }
	switch {
	case a.Sound == nil && same(b):
		return b.origin
	case b.Sound == nil && same(a):
		return a.origin
	case a.origin == b.origin && same(a) && same(b):
		return a.origin
	}
	return nil
}

// passed is the origin of a value whose elements are rounded each on its own to the unit roundoff u, have the errors of those
// of x, one each, and errors that many share, as those of a mean. direct is the spread that element i has of x's alone; x may
// be nil. Of a large value some elements are looked at.
func passed(x, out *Value, u float64, direct func(i int) float64) *origin {
	if out.Sound == nil || out.Len() == 0 {
		return nil
	}
	o := &origin{similar: 1}
	if x != nil && x.Sound != nil && x.origin != nil {
		*o = origin{own: x.origin.own, similar: x.origin.similar, parts: x.layers()}
	}
	var inherited, rounded, all float64
	var values []float64
	for i := 0; i < out.Len(); i += max(1, out.Len()/elementsCompared) {
		y := out.Float(i)
		if o.own > 0 {
			s := direct(i)
			inherited += s * s
		}
		rounded += y * y * u * u / 3
		all += out.Spread[i] * out.Spread[i]
		values = append(values, y)
	}
	// Elements that are equal may be rounded alike.
	n := float64(len(values))
	o.own = min(1, (o.own*inherited+(1-equalPairs(values)/(n*n))*rounded)/all)
	if !(o.own > 0) || math.IsInf(all, 0) {
		return nil
	}
	return o
}

// similarity is how much the errors of a and b, element by element, may agree: 1 unless a layer lies between them.
func similarity(a, b *Value) float64 {
	r := 1.0
	if a.Len() != b.Len() || slices.ContainsFunc(a.layers(), func(o *origin) bool { return slices.Contains(b.layers(), o) }) {
		return r
	}
	for _, v := range []*Value{a, b} {
		if v.origin != nil {
			r = min(r, v.origin.similar)
		}
	}
	return r
}

// joined is the origin of the sum of a and b: each has its part of the variance.
func joined(a, b, out *Value) *origin {
	if a.Len() != b.Len() || a.Sound == nil || b.Sound == nil || a.origin == b.origin {
		return carried(a, b, out)
	}
	var all, own float64
	for _, v := range []*Value{a, b} {
		variance := 0.0
		for _, s := range v.Spread {
			variance += s * s
		}
		all += variance
		own += variance * v.own()
	}
	if !(own > 0) || math.IsInf(all, 0) {
		return nil
	}
	return &origin{own: own / all, similar: 1, parts: slices.Concat(a.layers(), b.layers())}
}
