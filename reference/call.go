package reference

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A meter holds a run to its budget and to its context.
type meter struct {
	ctx          context.Context
	memory, live int64 // numbers of 8 bytes: the most, and what is alive
	work, done   int64 // elementary steps: the most, and what was done
	asked        int64 // done when the context was asked last
	notes        []string
	drawn        []string   // labels of nodes that drew random numbers
	saying       sync.Mutex // held by undefined, which may be called from several goroutines
	trace        *Trace     // of the graph that is evaluated; nil where nobody asks
	traces       int        // how many more may be kept
	reordered    bool       // spreads hold for any usual order of summation
	profile      Profile
	sound        bool         // Options.Sound
	imitation    *Imitation   // computes in place of the profile, unless nil
	chance       *chance      // draws errors of results, unless nil
	op           string       // operator of the node that is evaluated, for the imitation
	seen         func(*Value) // is shown every value of the block that starts next
}

// A MemoryError says that an evaluation needs more values at once than Options.Memory allows.
type MemoryError struct{ More, Alive, Memory int64 } // numbers of 8 bytes

func (e *MemoryError) Error() string {
	return fmt.Sprintf("%d more numbers on top of %d alive are beyond the budget of %d", e.More, e.Alive, e.Memory)
}

// take accounts for n numbers that are about to be allocated.
func (m *meter) take(n int64) error {
	if n < 0 || n > m.memory-m.live {
		return &MemoryError{n, m.live, m.memory}
	}
	m.live += n
	return m.spend(n)
}

// spend accounts for n elementary steps, and asks the context now and then.
func (m *meter) spend(n int64) error {
	if n < 0 || n > m.work-m.done {
		return fmt.Errorf("%d more steps on top of %d done are beyond the budget of %d", n, m.done, m.work)
	}
	m.done += n
	if m.done-m.asked > 1<<16 {
		m.asked = m.done
		return m.ctx.Err()
	}
	return nil
}

// afford refuses steps that are beyond what is left, before the first of them.
func (m *meter) afford(factors ...int) error {
	left := m.work - m.done
	n := int64(1)
	for _, f := range factors {
		if f == 0 {
			return nil
		}
		if n > left/int64(f) {
			return fmt.Errorf("%v steps, multiplied, more than the %d done are beyond the budget of %d", factors, m.done, m.work)
		}
		n *= int64(f)
	}
	return nil
}

// note remembers something about this run, once.
func (m *meter) note(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(m.notes, s) {
		m.notes = append(m.notes, s)
	}
}

// format is the format that the elements of v are computed in.
func (m *meter) format(v *Value) format { return m.formatOf(v.Type) }

func (m *meter) formatOf(t pb.TensorProto_DataType) format {
	f := m.profile.working(t)
	f.reordered = m.reordered
	if m.imitation != nil {
		f.adder = m.imitation.sums(f)
	}
	return f
}

// products is format for sums of products.
func (m *meter) products(v *Value) format {
	f := m.profile.products(v.Type)
	f.reordered = m.reordered
	if m.imitation != nil && v.Type != pb.TensorProto_DOUBLE {
		f.adder = m.imitation.products(m.op, f)
	}
	return f
}

// What a value and the evaluation of a node cost, beside their elements: in
// numbers of 8 bytes, and in elementary steps.
const (
	valueCost = 32
	nodeCost  = 1024
)

// cost is the number of numbers that v holds.
func cost(v *Value) int64 {
	if v == nil {
		return 0
	}
	n := valueCost + int64(v.Len()+len(v.Sound)+len(v.Spread)+len(v.Declared))
	for _, e := range v.Elems {
		n += cost(e)
	}
	if words, ok := v.Data.(onnx.Slice[string]); ok {
		for _, s := range words {
			n += textCost(s)
		}
	}
	return n
}

// textCost is the number of numbers that a string is worth.
func textCost(s string) int64 { return int64(len(s)) / 8 }

// A call is one evaluation of a node.
type call struct {
	*meter
	step  *step
	scope *scope
	opset int64
	in    []*Value // nil where absent; as many as the operator has ports, or more
	said  string   // what was noted as undefined last
}

// take, spend and afford are those of the meter, and end the evaluation where it says no.

func (c *call) take(n int64)          { try(c.meter.take(n)) }
func (c *call) spend(n int64)         { try(c.meter.spend(n)) }
func (c *call) afford(factors ...int) { try(c.meter.afford(factors...)) }

// Attributes. Their types were checked when the program was compiled. Where a node
// leaves one out, the default of the schema holds, or, where that has none, what
// the operator takes then.

func (c *call) has(name string) bool { return c.step.attrs[name] != nil }

// attr returns the attribute or its default, nil where there is neither.
func (c *call) attr(name string) *pb.AttributeProto {
	if a := c.step.attrs[name]; a != nil {
		return a
	}
	return c.step.schema.Default(name)
}

func (c *call) int(name string, otherwise ...int) int {
	if a := c.attr(name); a != nil {
		return int(a.GetI())
	}
	return only(otherwise)
}

func (c *call) float(name string, otherwise ...float64) float64 {
	if a := c.attr(name); a != nil {
		return float64(a.GetF())
	}
	return only(otherwise)
}

func (c *call) text(name string, otherwise ...string) string {
	if a := c.attr(name); a != nil {
		return string(a.GetS())
	}
	return only(otherwise)
}

// only is the element of a list that has one, else zero.
func only[T any](list []T) (v T) {
	if len(list) > 0 {
		v = list[0]
	}
	return v
}

func (c *call) intList(name string) []int {
	return convert(c.step.attrs[name].GetInts(), func(x int64) int { return int(x) })
}

// tensorAttr returns a tensor attribute, nil when it is absent.
func (c *call) tensorAttr(name string) *Value {
	a := c.step.attrs[name]
	if a == nil {
		return nil
	}
	t, err := onnx.FromProto(a.GetT())
	if err != nil {
		fail(fmt.Errorf("attribute %s: %w", name, err))
	}
	c.take(int64(t.Len()))
	v, err := FromTensor(t)
	if err != nil {
		fail(fmt.Errorf("attribute %s: %w", name, err))
	}
	return v
}

// axis returns attribute name as an axis of a tensor of the rank.
func (c *call) axis(name string, rank int, otherwise ...int) int {
	return axisOf(c.int(name, otherwise...), rank)
}

// axisOf brings an axis that may be negative into [0, rank).
func axisOf(axis, rank int) int {
	a := axis
	if a < 0 {
		a += rank
	}
	if a < 0 || a >= rank {
		fail(fmt.Errorf("axis %d, want one of rank %d", axis, rank))
	}
	return a
}

// axesOf is axisOf for a list without duplicates.
func axesOf(axes []int, rank int) []int {
	out := make([]int, len(axes))
	for i, x := range axes {
		a := axisOf(x, rank)
		if slices.Contains(out[:i], a) {
			fail(fmt.Errorf("axes %v name axis %d twice", axes, a))
		}
		out[i] = a
	}
	return out
}

// has input i, so that in[i] is a value?
func (c *call) given(i int) bool { return i < len(c.in) && c.in[i] != nil }

// intInput returns input i as a list of ints, false when it is absent.
func (c *call) intInput(i int) ([]int, bool) {
	if !c.given(i) {
		return nil, false
	}
	list, ok := c.in[i].ints()
	if !ok {
		fail(fmt.Errorf("input %d is %s, want integers that fit an int", i, c.in[i]))
	}
	return list, true
}

// intScalar returns input i as one int.
func (c *call) intScalar(i int) int {
	list, ok := c.intInput(i)
	if !ok || len(list) != 1 {
		fail(fmt.Errorf("input %d has %d elements, want one integer", i, len(list)))
	}
	return list[0]
}

// New values.

// zeros returns a tensor of zeros, false, or empty strings, with room for
// figures if it is of floating point, or if figures are requested.
func (c *call) zeros(t pb.TensorProto_DataType, figures bool, dims ...int) *Value {
	if t < 0 || t >= 62 {
		fail(fmt.Errorf("element type %d is none of ONNX's", t))
	}
	n := must(product(dims))
	v := &Value{Type: t, Dims: slices.Clone(dims)}
	width := int64(1)
	if figures {
		width = 4
	}
	if int64(n) > (1<<62)/width {
		fail(fmt.Errorf("shape %v is beyond any budget", dims))
	}
	if err := c.meter.take(int64(n) * width); err != nil {
		fail(fmt.Errorf("shape %v: %w", dims, err))
	}
	if tensors&(1<<t) == 0 {
		fail(&onnx.UnsupportedError{Why: "elements of type " + typeName(t)})
	}
	v.Data = widest[t].Make(n)
	if figures {
		v.Sound, v.Spread, v.Declared = make([]float64, n), make([]float64, n), make([]float64, n)
		v.stored = c.profile.stored(t)
	}
	return v
}

// numbers returns a floating-point tensor of zeros with room for figures.
func (c *call) numbers(t pb.TensorProto_DataType, dims ...int) *Value {
	return c.zeros(t, true, dims...)
}

// floatResult is numbers for a type that came from an attribute.
func (c *call) floatResult(t pb.TensorProto_DataType, dims []int) *Value {
	if t < 0 || t >= 62 || wideFloats&(1<<t) == 0 {
		fail(fmt.Errorf("a result of type %s, want one of floating point", typeName(t)))
	}
	return c.numbers(t, dims...)
}

// int64Value returns a one-dimensional tensor of int64.
func (c *call) int64Value(list ...int) *Value {
	c.take(int64(len(list)))
	return vector(pb.TensorProto_INT64, convert(list, func(x int) int64 { return int64(x) }))
}

// pick returns a tensor of shape dims whose element i is element from(i) of v,
// with its figures: the way of all operators that only move data. Where
// from(i) is negative the element is zero.
func (c *call) pick(v *Value, dims []int, from func(i int) int) *Value {
	out := c.zeros(v.Type, v.Sound != nil, dims...)
	n := out.Len()
	index := make([]int, n)
	for i := range index {
		index[i] = from(i)
	}
	c.copyInto(out, v, index)
	return out
}

// copyRuns copies runs of v, one after the other, to out: the first to element at,
// each next one step elements further on.
func copyRuns(out *Value, at, step int, v *Value, run int) {
	for from := 0; from < v.Len(); from += run {
		out.Data.Copy(at+from/run*step, v.Data, from, run)
	}
	if v.Sound != nil && out.Sound != nil {
		spreadRuns(out.Sound, at, step, v.Sound, run)
		spreadRuns(out.Spread, at, step, v.Spread, run)
		spreadRuns(out.Declared, at, step, v.Declared, run)
	}
}

func spreadRuns[T any](dst []T, at, step int, src []T, run int) {
	for ; len(src) > 0; src, at = src[run:], at+step {
		copy(dst[at:], src[:run])
	}
}

// copyInto sets out[i] = v[index[i]] wherever index[i] is not negative.
func (c *call) copyInto(out, v *Value, index []int) {
	out.Data.Gather(0, v.Data, index)
	if v.Sound != nil && out.Sound != nil {
		move(out.Sound, v.Sound, index)
		move(out.Spread, v.Spread, index)
		move(out.Declared, v.Declared, index)
	}
}

func move[T any](dst, src []T, index []int) {
	for i, j := range index {
		if j >= 0 {
			dst[i] = src[j]
		}
	}
}

// reshaped returns v under other dims of the same number of elements.
func reshaped(v *Value, dims []int) *Value {
	out := *v
	out.Dims = slices.Clone(dims)
	return &out
}
