package reference

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/onnx/pb"
)

// A Kind tells tensors from the other kinds of ONNX values.
type Kind uint8

const (
	Tensor   Kind = iota
	Sequence      // Elems are its elements
	Optional      // Elems is its element, or empty
	Map           // Elems are its keys and, at the same places, its values: two tensors of one axis
)

// A Value is a value computed by the graph, with its figures.
type Value struct {
	Name  string
	Elems []*Value // of a sequence, an optional or a map; the fields below are a tensor's
	Kind  Kind
	// AnyShape says that rounding decides the number of elements, as for NonZero: a runtime may have a different number, and
	// the elements have no limits.
	AnyShape bool

	Type pb.TensorProto_DataType
	Dims []int
	// Data holds the elements in row-major order, as onnx.Data.Wide gives them: a
	// Slice of float64 for every floating-point type, of int64 for signed and of
	// uint64 for unsigned integers, of bool, of string.
	Data onnx.Data
	// The figures of every element, in the unit of the element; nil if all are zero, so that a runtime
	// must have exactly the same values.
	Sound, Spread, Declared []float64
	// Terms is the length of the sums that the elements are, if no two elements share a rounding; 0 if
	// they do, as those of a normalisation, or if they are not sums. Unit is then the unit roundoff of
	// a result.
	Terms int
	Unit  float64
	// Notation, unless 0, says that strings are floats with that many bits: any string that reads back as the same number
	// is right, such as 1e+07 for 10000000.
	Notation int

	stored *format         // that set rounds to; nil where elements were computed in it
	file   *pb.TensorProto // which still has the elements, and Data is nil: see compiler.constant
	origin *origin         // of the errors
}

// Screen returns how far from element i a correct runtime may be expected to be: 8 spreads plus the
// declared error, but never more than the sound limit.
func (v *Value) Screen(i int) float64 {
	n := v.figures(i)
	return min(n.screen(), n.sound)
}

// Len returns the number of elements of a tensor.
func (v *Value) Len() int {
	switch {
	case v.file != nil:
		return size(v.Dims)
	case v.Data == nil:
		return 0
	}
	return v.Data.Len()
}

// String describes the value, as in "float32[2,3]".
func (v *Value) String() string {
	switch v.Kind {
	case Sequence:
		return fmt.Sprintf("sequence of %d", len(v.Elems))
	case Optional:
		return fmt.Sprintf("optional of %d", len(v.Elems))
	case Map:
		return fmt.Sprintf("map of %d", v.Elems[0].Len())
	}
	return typeName(v.Type) + strings.ReplaceAll(fmt.Sprint(v.Dims), " ", ",")
}

// figures returns the figures of element i without its value.
func (v *Value) figures(i int) number {
	if v.Sound == nil {
		return number{}
	}
	return number{sound: v.Sound[i], spread: v.Spread[i], declared: v.Declared[i]}
}

// at returns element i of a numeric or boolean tensor.
func (v *Value) at(i int) number {
	n := v.figures(i)
	n.v = v.Float(i)
	return n
}

// set stores n as element i of a floating-point tensor with room for figures.
func (v *Value) set(i int, n number) {
	if v.stored != nil {
		n = v.stored.store(n)
	}
	v.floats()[i] = n.v
	v.setFigures(i, n)
}

func (v *Value) setFigures(i int, n number) {
	v.Sound[i], v.Spread[i], v.Declared[i] = n.sound, n.spread, n.declared
}

// exact reports whether no element carries an error, nor the shape.
func (v *Value) exact() bool {
	if v == nil {
		return true
	}
	for _, e := range v.Elems {
		if !e.exact() {
			return false
		}
	}
	return v.Sound == nil && !v.AnyShape
}

// anyShape reports whether rounding decides the shape of a value, or of an element of it.
func (v *Value) anyShape() bool {
	return v != nil && (v.AnyShape || slices.ContainsFunc(v.Elems, (*Value).anyShape))
}

// makeUnknown takes all limits from a value.
func makeUnknown(v *Value) { *v = *unsure(v, false) }

// unsure returns a value without limits, and, if its shape is unsure as well, of any shape. v itself stays as it is: others
// may have it.
func unsure(v *Value, shape bool) *Value {
	if v == nil {
		return nil
	}
	w := *v
	w.AnyShape = w.AnyShape || shape
	if v.Elems != nil {
		w.Elems = convert(v.Elems, func(e *Value) *Value { return unsure(e, shape) })
	}
	if n := v.Len(); v.Kind == Tensor && n > 0 {
		inf := slices.Repeat([]float64{unknown(0).sound}, n)
		w.Sound, w.Spread, w.Declared = inf, inf, inf
	}
	return &w
}

// trim drops figures that are all zero.
func (v *Value) trim() {
	zero := func(f float64) bool { return f != 0 }
	if !slices.ContainsFunc(v.Sound, zero) && !slices.ContainsFunc(v.Spread, zero) && !slices.ContainsFunc(v.Declared, zero) {
		v.Sound, v.Spread, v.Declared = nil, nil, nil
	}
}

// sums marks the elements as sums of so many terms with roundings of their own.
func (v *Value) sums(terms int, f format) {
	if v.Terms, v.Unit = terms, f.u; v.stored != nil {
		v.Unit = v.stored.u
	}
}

// typeName is the name of an element type as Go programs write it.
func typeName(t pb.TensorProto_DataType) string {
	switch t {
	case pb.TensorProto_FLOAT:
		return "float32"
	case pb.TensorProto_DOUBLE:
		return "float64"
	}
	return strings.ToLower(t.String())
}

// FromTensor converts t to an exact value. Complex numbers are unsupported.
func FromTensor(t *onnx.Tensor) (*Value, error) {
	v := &Value{Name: t.Name, Type: t.Type(), Dims: slices.Clone(t.Dims)}
	n, err := product(t.Dims)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	if n != t.Len() {
		return nil, fmt.Errorf("%s: shape %v wants %d elements, got %d", t.Name, t.Dims, n, t.Len())
	}
	if t.Data != nil {
		v.Data = t.Data.Wide()
	}
	if v.Data == nil {
		why := fmt.Sprintf("tensor %q has elements of type %s", t.Name, typeName(t.Type()))
		if onnx.IsComplex(t.Type()) {
			why += ", which ONNX Runtime does not have, either"
		}
		return nil, &onnx.UnsupportedError{Why: why}
	}
	return v, nil
}

// Tensor returns the value rounded to its element type, without the figures.
func (v *Value) Tensor() (*onnx.Tensor, error) {
	if v.Kind != Tensor {
		return nil, &onnx.UnsupportedError{Why: fmt.Sprintf("value %q is a %s, want a tensor", v.Name, v)}
	}
	wide := v.Data
	if f, ok := wide.(onnx.Slice[float64]); ok && (v.Type == pb.TensorProto_FLOAT16 || v.Type == pb.TensorProto_BFLOAT16) {
		wide = onnx.Slice[float64](convert(f, func(x float64) float64 { return float64(oddFloat32(x)) }))
	}
	data, ok := onnx.Narrow(v.Type, wide)
	if !ok {
		return nil, fmt.Errorf("%s: its elements, %T, make no tensor of %s", v.Name, v.Data, typeName(v.Type))
	}
	return onnx.TensorOf(v.Name, data, v.Dims...)
}

// oddFloat32 rounds x to float32 in such a way that rounding the result to a
// shorter type is rounding x once: a last bit that was lost leaves an odd one.
func oddFloat32(x float64) float32 {
	y := float32(x)
	if float64(y) == x || math.IsNaN(x) || math.IsInf(float64(y), 0) {
		return y
	}
	bits := math.Float32bits(y)
	if bits&1 == 1 {
		return y
	}
	if math.Abs(float64(y)) < math.Abs(x) {
		return math.Float32frombits(bits + 1)
	}
	return math.Float32frombits(bits - 1)
}

func convert[S, T any](s []S, f func(S) T) []T {
	t := make([]T, len(s))
	for i, x := range s {
		t[i] = f(x)
	}
	return t
}

// product multiplies dims. A negative length, or more than an int holds, is
// an error; so is an empty shape whose other axes are so long that walking
// along them would take forever.
func product(dims []int) (int, error) {
	const longest = 1 << 24
	n := 1
	for _, d := range dims {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative length", dims)
		}
		if d > 0 && n > math.MaxInt/d {
			return 0, fmt.Errorf("shape %v has more elements than any memory holds", dims)
		}
		n *= max(d, 1)
	}
	if slices.Contains(dims, 0) {
		if n > longest {
			return 0, fmt.Errorf("shape %v is empty, and longer than %d along its other axes", dims, longest)
		}
		return 0, nil
	}
	return n, nil
}
