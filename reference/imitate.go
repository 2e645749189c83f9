package reference

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// An Imitation computes as a runtime with a given profile would, rounding operands, partial sums
// and results, whereas the profile only says how far such a runtime may be off. A profile leaves
// open how a runtime rounds and in which order it adds; there is an imitation for each of the usual
// ways.
type Imitation struct {
	profile      Profile
	cut          bool // operands are cut off, not rounded
	convolutions bool // operands of convolutions alone are narrower
	kept         bool // results are not stored in the narrower format
	lanes        int  // partial sums of a sum, where the profile rounds them
	fused        bool // by instructions that do not round the product
	byChannel    bool // pairs of products lie along the channels of a convolution, not along its kernel
}

// Imitations returns the ways to compute the program in its profile's arithmetic; none for a
// profile that rounds as the reference expects of every runtime.
func (p *Program) Imitations() []Imitation {
	profile := p.options.Profile
	plain := Imitation{profile: profile}
	cut := plain
	cut.cut = true
	switch {
	case profile.own:
		var all []Imitation
		for _, lanes := range lanesOfRuntimes {
			for _, fused := range []bool{true, false} {
				all = append(all, Imitation{profile: profile, lanes: lanes, fused: fused})
			}
		}
		return all
	case profile.narrow != nil:
		all := []Imitation{plain, cut}
		for _, im := range all {
			im.kept = true
			all = append(all, im)
		}
		return all
	case profile.operand > 0:
		all := []Imitation{plain, cut}
		if slices.ContainsFunc(p.graph.steps, func(st *step) bool { return strings.HasPrefix(st.op.name, "Conv") }) {
			for _, im := range all {
				im.convolutions = true
				all = append(all, im)
			}
		}
		return all
	case profile.saturate:
		byChannel := plain
		byChannel.byChannel = true
		return []Imitation{plain, byChannel}
	case profile.flush:
		return []Imitation{plain}
	}
	return nil
}

// Imitate evaluates the program in the arithmetic of an imitation. Only the values of the result
// are meaningful, not the figures.
func (p *Program) Imitate(ctx context.Context, inputs []*Value, im Imitation) (*Result, error) {
	m := p.meter(ctx)
	m.imitation = &im
	return p.run(m, inputs)
}

// operands are the inputs of a node as the imitation reads them.
func (im *Imitation) operands(in []*Value) []*Value {
	read := slices.Clone(in)
	for i, v := range in {
		read[i] = im.rounded(v, im.operand)
	}
	return read
}

// results are the outputs of a node as the imitation stores them.
func (im *Imitation) results(out []*Value) []*Value {
	for i, v := range out {
		out[i] = im.rounded(v, im.result)
	}
	return out
}

// rounded is v with its elements rounded by what round gives for its type, v itself where that is nil.
func (im *Imitation) rounded(v *Value, round func(pb.TensorProto_DataType) func(float64) float64) *Value {
	if v == nil || v.Kind != Tensor {
		return v
	}
	f := round(v.Type)
	if f == nil {
		return v
	}
	numbers, ok := v.numbers()
	if !ok {
		return v
	}
	w := *v
	x := make(onnx.Slice[float64], v.Len())
	for i := range x {
		x[i] = f(numbers.at(i))
	}
	w.Data, w.file = x, nil
	return &w
}

// operand is what becomes of an operand of a type, of any node; nil where it is read as it is.
func (im *Imitation) operand(t pb.TensorProto_DataType) func(float64) float64 {
	if narrow := im.profile.narrow; narrow != nil && t == pb.TensorProto_FLOAT {
		return narrow.rounding(im.cut)
	}
	return im.flushed(t)
}

// result is what becomes of a result of a type, of any node; nil where it is what was computed.
func (im *Imitation) result(t pb.TensorProto_DataType) func(float64) float64 {
	switch {
	case t == pb.TensorProto_FLOAT16, t == pb.TensorProto_BFLOAT16:
		return formatOf(t).rounding(false)
	case t == pb.TensorProto_FLOAT && im.profile.narrow != nil && !im.kept:
		return im.profile.narrow.rounding(false)
	}
	return im.flushed(t)
}

// flushed takes subnormal numbers for zero where the profile does, and is nil elsewhere.
func (im *Imitation) flushed(t pb.TensorProto_DataType) func(float64) float64 {
	least := leastNormal(t)
	if !im.profile.flush || least == 0 {
		return nil
	}
	return func(x float64) float64 {
		if math.Abs(x) < least {
			return 0
		}
		return x
	}
}

// rounding rounds to numbers of the format, to the nearest or towards zero.
func (f format) rounding(cut bool) func(float64) float64 {
	smallest := f.tiny / f.u / 2 // of those that are not subnormal
	return func(x float64) float64 {
		a := math.Abs(x)
		if a == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
			return x
		}
		unit := f.tiny // of the last place
		if a >= smallest {
			_, e := math.Frexp(a)
			unit = math.Ldexp(2*f.u, e-1)
		}
		n := math.RoundToEven(x / unit)
		if cut {
			n = math.Trunc(x / unit)
		}
		if y := n * unit; math.Abs(y) <= f.max {
			return y
		}
		return math.Copysign(math.Inf(1), x)
	}
}

// An adder adds up products as an imitation does, for all columns of a matrix.
type adder struct {
	operand, partial func(float64) float64 // nil where there is no rounding
	fused            bool
	columns, lanes   int
	sums             []float64 // lane by lane, each with all columns
	terms            int
}

// products is the adder for sums of products in the node that is evaluated, nil where
// the imitation does nothing to them that is not done to operands of all nodes.
func (im *Imitation) products(op string, f format) *adder {
	p := im.profile
	switch {
	case p.own:
		return im.sums(f)
	case p.narrow == nil && p.operand > 0 && (!im.convolutions || strings.HasPrefix(op, "Conv")):
		tf32 := format{u: p.operand / 2, tiny: f.tiny, max: f.max}
		return &adder{operand: tf32.rounding(im.cut), lanes: 1}
	}
	return nil
}

// sums is the adder for sums without products, nil where they are as exact as the reference's.
func (im *Imitation) sums(f format) *adder {
	if !im.profile.own || f.u <= formatOf(pb.TensorProto_FLOAT).u {
		return nil
	}
	return &adder{partial: f.rounding(false), fused: im.fused, lanes: im.lanes}
}

// begin is an adder like m for so many columns.
func (m *adder) begin(columns int) *adder {
	if m == nil {
		return nil
	}
	n := *m
	n.columns, n.sums = columns, make([]float64, columns*m.lanes)
	return &n
}

func (m *adder) reset() {
	m.terms = 0
	clear(m.sums)
}

// add adds the products of a with every column's element of row.
func (m *adder) add(a float64, row []float64) {
	lane := m.sums[m.terms%m.lanes*m.columns:][:m.columns]
	m.terms++
	if m.operand != nil {
		a = m.operand(a)
	}
	for j, x := range row {
		if m.operand != nil {
			x = m.operand(x)
		}
		product := a * x
		if m.partial == nil {
			lane[j] += product
			continue
		}
		if !m.fused {
			product = m.partial(product)
		}
		lane[j] = m.partial(lane[j] + product)
	}
}

// operandOf is a number as an operand of a product.
func (m *adder) operandOf(n number) number {
	if m != nil && m.operand != nil {
		n.v = m.operand(n.v)
	}
	return n
}

// term adds a, which is not a product.
func (m *adder) term(a float64) {
	operand := m.operand
	m.operand = nil
	m.add(a, []float64{1})
	m.operand = operand
}

// sum is the sum of a column.
func (m *adder) sum(column int) float64 {
	s := 0.0
	for l := range m.lanes {
		s += m.sums[l*m.columns+column]
		if m.partial != nil {
			s = m.partial(s)
		}
	}
	return s
}
