package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/petrify-ml/petrify/internal/quote"
	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/reference"
)

// A Verdict is the outcome of a comparison.
type Verdict string

const (
	Equal     Verdict = "equal"     // rounding explains every difference
	Different Verdict = "different" // it does not
	Failed    Verdict = "failed"    // the runtime returned an error, panicked or hung
	Skipped   Verdict = "skipped"   // the runtime is not installed, or lacks an operator
	Unchecked Verdict = "unchecked" // the reference has no limit for the output
)

// A Stage says how a verdict was reached.
type Stage string

const (
	Screen    Stage = "screen"    // 8 spreads and the declared error of functions
	Proof     Stage = "proof"     // node by node, on the runtime's own values
	Sampling  Stage = "sampling"  // against evaluations with random errors, where there are no limits and no proof
	Tolerance Stage = "tolerance" // a fixed rtol and atol, on request
)

// A Number is a float64 that JSON can represent: NaN and infinities become the strings "NaN",
// "Infinity" and "-Infinity".
type Number float64

// MarshalJSON writes the shortest text that reads back as n.
func (n Number) MarshalJSON() ([]byte, error) {
	switch f := float64(n); {
	case math.IsNaN(f):
		return []byte(`"NaN"`), nil
	case math.IsInf(f, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(f, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return json.Marshal(f)
	}
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *Number) UnmarshalJSON(b []byte) error {
	s := string(b)
	if len(s) > 1 && s[0] == '"' {
		s = s[1 : len(s)-1]
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return fmt.Errorf("number %s: %w", b, err)
	}
	*n = Number(f)
	return nil
}

// A Deviation is one element of an output compared with the reference's.
type Deviation struct {
	Index    []int  `json:"index"`
	Got      Number `json:"got"`
	Want     Number `json:"want"`
	Error    Number `json:"error"`    // |got - want|
	Spread   Number `json:"spread"`   // one spread of the reference
	Declared Number `json:"declared"` // error that functions are allowed
	Limit    Number `json:"limit"`    // of the screen, the proof or the tolerance
	Sound    Number `json:"sound"`    // the proven limit
	// For text, in place of the numbers.
	GotText  *string `json:"got_text,omitempty"`
	WantText *string `json:"want_text,omitempty"`
}

// Tolerances are the smallest fixed limits that would pass, each without the other.
type Tolerances struct {
	Atol Number `json:"atol"` // |got - want| <= atol
	Rtol Number `json:"rtol"` // |got - want| <= rtol |want|
}

// A Measure compares an output with the reference's, element by element.
type Measure struct {
	Worst    *Deviation `json:"worst,omitempty"`  // the largest error; nil for text and empty outputs
	Spreads  Number     `json:"error_in_spreads"` // the largest error, minus the declared error, in spreads
	Smallest Tolerances `json:"smallest_tolerances"`
	Outside  int        `json:"outside"` // elements beyond their limits
	First    *Deviation `json:"first_outside,omitempty"`
	Elements int        `json:"elements"`
	// Unbounded counts elements that differ from the reference's and for which it has no limit.
	Unbounded  int         `json:"unbounded"`
	Collective *Collective `json:"collective,omitempty"`
	// NaN counts elements that are NaN both here and in the reference.
	NaN int `json:"nan,omitempty"`
	// Distribution counts the elements with a spread by |z|, their error minus the declared error in
	// spreads: z = 0; then below 2^-5, 2^-4, ... 2^9; then the rest.
	Distribution []int `json:"distribution,omitempty"`
}

// DistributionFrom is the base-2 logarithm of the upper end of the second bin of a Distribution.
// Each further bin but the last ends at twice the end of the one before.
const (
	DistributionFrom = -5
	distributionBins = 17
)

func (m *Measure) distribute(z float64) {
	if m.Distribution == nil {
		m.Distribution = make([]int, distributionBins)
	}
	bin := 0
	if z > 0 {
		bin = max(1, min(math.Ilogb(z)+2-DistributionFrom, distributionBins-1))
	}
	m.Distribution[bin]++
}

// A FixedLimit is a tolerance used in place of the derived limits: |got - want| <= Atol + Rtol
// |want|.
type FixedLimit struct {
	Rtol Number `json:"rtol"`
	Atol Number `json:"atol"`
}

// A shapeError says that a value has another shape, or another number of elements, than is due.
type shapeError struct{ what string }

func (e *shapeError) Error() string { return e.what }

func shapeErrorf(format string, args ...any) error { return &shapeError{fmt.Sprintf(format, args...)} }

// excused reports whether a mismatch is one that rounding may have made: of the shape alone, where it decides that.
func excused(want *reference.Value, err error) bool {
	_, shape := errors.AsType[*shapeError](err)
	return shape && want.AnyShape
}

// mismatch says why got cannot even be compared with want: another name, type
// or shape.
func mismatch(want, got *reference.Value) error {
	switch {
	case got == nil:
		return fmt.Errorf("no output %q, want %s", want.Name, want)
	case got.Name != "" && want.Name != "" && got.Name != want.Name:
		return fmt.Errorf("output %q in place of %q", got.Name, want.Name)
	case got.Kind != want.Kind:
		return fmt.Errorf("it is %s, want %s", article(got), article(want))
	case want.Kind != reference.Tensor && len(got.Elems) != len(want.Elems):
		return shapeErrorf("it is %s, want %s", article(got), article(want))
	case got.Type != want.Type:
		return fmt.Errorf("element type is %s, want %s", got, want)
	case !slices.Equal(got.Dims, want.Dims):
		return shapeErrorf("shape is %v, want %v", got.Dims, want.Dims)
	case got.Len() != want.Len():
		return fmt.Errorf("%d elements for shape %v", got.Len(), got.Dims)
	}
	return nil
}

func article(v *reference.Value) string {
	if v.Kind == reference.Tensor {
		return v.String()
	}
	return "a " + v.String()
}

func typeText(t *onnx.Tensor) string {
	return (&reference.Value{Type: t.Type(), Dims: t.Dims}).String()
}

// valueOf is what a runtime gave, as a value; nil stays nil. What cannot be one
// has no elements, so that it agrees with nothing.
func valueOf(t *onnx.Tensor) *reference.Value {
	if t == nil {
		return nil
	}
	v, err := reference.FromTensor(t)
	if err != nil {
		return &reference.Value{Name: t.Name, Type: t.Type(), Dims: t.Dims}
	}
	return v
}

func valuesOf(ts []*onnx.Tensor) []*reference.Value {
	values := make([]*reference.Value, len(ts))
	for i, t := range ts {
		values[i] = valueOf(t)
	}
	return values
}

// measure compares value with want, element by element. limit gives what element i may be off;
// both agree in type and shape.
func measure(want, value *reference.Value, limit func(i int) float64) Measure {
	m := Measure{Elements: want.Len()}
	if text, ok := want.Data.(onnx.Slice[string]); ok {
		m.compareText(text, value.Data.(onnx.Slice[string]), want)
		return m
	}
	worst := -1.0
	for i := range want.Len() {
		a, b := value.Float(i), want.Float(i)
		d := distance(value, want, i)
		l := limit(i)
		if math.IsNaN(a) && math.IsNaN(b) {
			m.NaN++
		}
		if math.IsInf(l, 1) && d != 0 {
			m.Unbounded++
		}
		if d != 0 {
			m.Smallest.Atol = max(m.Smallest.Atol, infinite(d))
			m.Smallest.Rtol = max(m.Smallest.Rtol, infinite(d/math.Abs(b)))
		}
		over, spread := d-figure(want.Declared, i), figure(want.Spread, i)
		if over > 0 || math.IsNaN(over) {
			m.Spreads = max(m.Spreads, infinite(over/spread))
		}
		if spread > 0 && !math.IsInf(spread, 1) {
			m.distribute(max(over/spread, 0))
		}
		outside := !(d <= l) && !math.IsInf(l, 1)
		if !outside && float64(infinite(d)) <= worst {
			continue
		}
		dev := &Deviation{
			Index: coordinates(i, want.Dims), Got: Number(a), Want: Number(b), Error: Number(d),
			Spread: Number(figure(want.Spread, i)), Declared: Number(figure(want.Declared, i)),
			Limit: Number(l), Sound: Number(figure(want.Sound, i)),
		}
		if outside {
			if m.Outside++; m.First == nil {
				m.First = dev
			}
		}
		if float64(infinite(d)) > worst {
			worst, m.Worst = float64(infinite(d)), dev
		}
	}
	return m
}

// screenOf is the screen of want for the elements of a value like it. One of another shape has no limits where rounding
// decides the shape, and may not differ elsewhere.
func screenOf(want, like *reference.Value) func(i int) float64 {
	switch {
	case slices.Equal(like.Dims, want.Dims):
		return want.Screen
	case want.AnyShape:
		return func(int) float64 { return math.Inf(1) }
	}
	return func(int) float64 { return 0 }
}

// log10 bounds the logarithm of the probability that rounding has an element as
// many spreads off as the worst.
func (m *Measure) log10() float64 {
	return log10Tail(float64(m.Spreads), m.Elements)
}

// remark is a word about NaN, which is not a finding where the reference has it, too,
// and seldom what anybody wants.
func (m *Measure) remark() string {
	if m.NaN == 0 || m.NaN == m.Elements { // all of them: a Caveat says so
		return ""
	}
	return fmt.Sprintf("%d of %d elements are NaN, as in the reference", m.NaN, m.Elements)
}

// distance is |got - want|, zero where both have the same bits of meaning.
func distance(got, want *reference.Value, i int) float64 {
	switch g := got.Data.(type) {
	case onnx.Slice[int64]:
		return apart(g[i], want.Data.(onnx.Slice[int64])[i])
	case onnx.Slice[uint64]:
		return apart(g[i], want.Data.(onnx.Slice[uint64])[i])
	}
	a, b := got.Float(i), want.Float(i)
	if a == b || math.IsNaN(a) && math.IsNaN(b) {
		return 0
	}
	return math.Abs(a - b)
}

// apart is |x - y|, which does not vanish between integers beyond 2^53.
func apart[T int64 | uint64](x, y T) float64 {
	if x == y {
		return 0
	}
	return max(1, math.Abs(float64(x)-float64(y)))
}

// infinite is d, with NaN as infinity so that it is larger than anything.
func infinite(d float64) Number {
	if math.IsNaN(d) {
		return Number(math.Inf(1))
	}
	return Number(d)
}

func figure(s []float64, i int) float64 {
	if s == nil {
		return 0
	}
	return s[i]
}

// compareText counts texts that differ: there is no distance between them. Texts of
// a number are the same in any notation.
func (m *Measure) compareText(want, got []string, v *reference.Value) {
	for i := range want {
		if want[i] == got[i] || v.Notation != 0 && sameNumber(want[i], got[i], v.Notation) {
			continue
		}
		if m.Outside++; m.First == nil {
			nan := Number(math.NaN())
			m.First = &Deviation{Index: coordinates(i, v.Dims), Got: nan, Want: nan, Error: nan, GotText: &got[i], WantText: &want[i]}
		}
	}
}

// sameNumber reports whether two texts read back as the same float of that many bits.
func sameNumber(a, b string, bits int) bool {
	x, err1 := strconv.ParseFloat(a, bits)
	y, err2 := strconv.ParseFloat(b, bits)
	return err1 == nil && err2 == nil && (x == y || x != x && y != y)
}

// coordinates returns the index of element i along every axis.
func coordinates(i int, dims []int) []int {
	at := make([]int, len(dims))
	for a := len(dims) - 1; a >= 0; a-- {
		at[a] = i % dims[a]
		i /= dims[a]
	}
	return at
}

// String describes the deviation, as in "[0,3] is 1.25, want 1.5 ± 3e-07".
func (d *Deviation) String() string {
	if d.GotText != nil && d.WantText != nil {
		return fmt.Sprintf("%s is %s, want %s", indexText(d.Index), quote.Quote(*d.GotText), quote.Quote(*d.WantText))
	}
	return fmt.Sprintf("%s is %v, want %v ± %.3g", indexText(d.Index), float64(d.Got), float64(d.Want), float64(d.Limit))
}

func indexText(index []int) string {
	b := []byte{'['}
	for i, x := range index {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(x), 10)
	}
	return string(append(b, ']'))
}
