package reference

import (
	"context"
	"fmt"
	"math"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Perturbation draws rounding errors, in the place of bounding them: what the figures of a node allow of its results is drawn for
// every element, and the next node computes with that. A few evaluations show how far rounding takes an output where its figures grow
// from layer to layer until they say nothing, and whether it turns a selection round. That is Monte Carlo arithmetic (Parker, "Monte
// Carlo Arithmetic: exploiting randomness in floating-point arithmetic", 1997), with the errors of the reference's own rules.
//
// Of one node, equal elements with equal figures get equal errors, since a runtime computes the same from the same: ties stay ties.
type Perturbation struct {
	Seed  uint64
	Scale float64 // of spreads; declared errors are bounds, and stay within them
	// Exact leaves the elements alone that are numbers of their type before they are rounded, as a product with a power of two is.
	Exact bool
}

// Perturb evaluates the program with errors drawn for the result of every node. It fails where a node has no figures to draw from.
func (p *Program) Perturb(ctx context.Context, inputs []*Value, by Perturbation) (*Result, error) {
	m := p.meter(ctx)
	m.chance = &chance{Perturbation: by}
	return p.run(m, inputs)
}

// A chance is a perturbation at work.
type chance struct {
	Perturbation
	nodes uint64 // evaluated so far
}

// results are the outputs of a node as they were drawn, without figures.
func (c *chance) results(out []*Value) ([]*Value, error) {
	c.nodes++
	for k, v := range out {
		if v == nil || v.exact() {
			continue
		}
		w, err := c.drawn(v, mix64(mix64(c.Seed^mix64(c.nodes))+uint64(k)))
		if err != nil {
			return nil, err
		}
		out[k] = w
	}
	return out, nil
}

// drawn is v with errors.
func (c *chance) drawn(v *Value, key uint64) (*Value, error) {
	w := *v
	w.Sound, w.Spread, w.Declared, w.Terms, w.origin = nil, nil, nil, 0, nil
	if v.Elems != nil {
		w.Elems = make([]*Value, len(v.Elems))
		for i, e := range v.Elems {
			var err error
			if w.Elems[i], err = c.drawn(e, mix64(key+uint64(i))); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case v.AnyShape:
		return nil, fmt.Errorf("no limit is known for the shape of %s", v)
	case v.Sound == nil:
		return &w, nil
	}
	e, err := c.errors(v, key)
	if err != nil {
		return nil, err
	}
	switch d := v.Data.(type) {
	case onnx.Slice[float64]:
		f := formatOf(v.Type)
		w.Data = changed(d, func(i int, x float64) float64 {
			if c.Exact && f.holds(x) {
				return x
			}
			return x + e[i]
		})
	case onnx.Slice[int64]:
		w.Data = changed(d, func(i int, x int64) int64 { return stepped(v.Type, x, int64(math.Round(e[i]))) })
	case onnx.Slice[uint64]:
		w.Data = changed(d, func(i int, x uint64) uint64 { return stepped(v.Type, x, uint64(int64(math.Round(e[i])))) })
	case onnx.Slice[bool]:
		w.Data = changed(d, func(i int, x bool) bool { return x != (math.Abs(e[i]) > 0.5) })
	}
	return &w, nil
}

// errors draws an error for every element of a tensor: one as large as the tensor for a number that may be any, as some that the standard
// leaves undefined, which usually nothing reads. Where most may be any, nothing is known of the tensor.
func (c *chance) errors(v *Value, key uint64) ([]float64, error) {
	_, numbers := v.Data.(onnx.Slice[float64])
	// Errors of a function may all have one sign: half of a declared one is common to all elements.
	common := symmetric(mix64(key))
	drawn := make([]float64, v.Len())
	loose, most := 0, 0.0
	for i := range drawn {
		n := v.at(i)
		if e := n.screen(); math.IsInf(e, 0) || math.IsNaN(e) {
			if loose++; !numbers || 2*loose > len(drawn) {
				return nil, fmt.Errorf("no limit is known for element %d of %s", i, v)
			}
			if loose == 1 {
				most = largest(v)
			}
			n.spread, n.declared = most/c.Scale, 0
		}
		a := mix64(key ^ math.Float64bits(n.v))
		b := mix64(a ^ math.Float64bits(n.spread) ^ mix64(math.Float64bits(n.declared)))
		e := c.Scale*n.spread*boxMuller(a, b) + n.declared*(common+symmetric(mix64(b)))/2
		drawn[i] = max(-n.sound, min(e, n.sound))
	}
	return drawn, nil
}

// largest is the largest magnitude of the finite elements of a tensor.
func largest(v *Value) float64 {
	most := 0.0
	for i := range v.Len() {
		if x := math.Abs(v.Float(i)); x > most && !math.IsInf(x, 0) {
			most = x
		}
	}
	return most
}

// changed is a list with what f makes of its elements.
func changed[T onnx.Element](d onnx.Slice[T], f func(i int, x T) T) onnx.Slice[T] {
	w := make(onnx.Slice[T], len(d))
	for i, x := range d {
		w[i] = f(i, x)
	}
	return w
}

// stepped is x some steps on, which may be back; x itself where that is beyond the type.
func stepped[T integer](t pb.TensorProto_DataType, x, steps T) T {
	y := x + steps
	if wrap(t, y) != y || math.Abs(float64(y)-float64(x)) > 1<<32 {
		return x
	}
	return y
}

// mix64 is the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// symmetric is a number between -1 and 1.
func symmetric(bits uint64) float64 { return float64(bits>>11)*0x1p-52 - 1 }

// boxMuller is a number of the standard normal distribution.
func boxMuller(a, b uint64) float64 {
	u := (float64(a>>11) + 0.5) * 0x1p-53
	return math.Sqrt(-2*math.Log(u)) * math.Cos(math.Pi*symmetric(b))
}
