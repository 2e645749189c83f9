package verify

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx"
	"github.com/petrify-ml/petrify/reference"
)

// A Collective says whether the errors of an output, taken together, look like rounding. z is the
// error of an element, minus the declared error, in spreads. If rounding errors are independent and
// as large as the spread says, z has mean 0 and a variance of at most 1.
type Collective struct {
	RMS       Number `json:"rms"`  // root of the mean of z²
	Bias      Number `json:"bias"` // |sum of z| / sqrt(Counted)
	RMSLimit  Number `json:"rms_limit"`
	BiasLimit Number `json:"bias_limit"`
	// Counted is the number of elements that have a finite, non-zero spread and a value that no other
	// has: see distinct.
	Counted int `json:"counted"`

	noise, shared float64 // what BiasLimit is made of: one standard deviation, and what all may share
}

// rarity is -ln of the probability that correct arithmetic is beyond a
// collective limit: 1e-15, as for 8 standard deviations of one element.
const rarity = 34.5

// slicesForSharing is how many slices of a tensor tell whether errors within them
// are alike.
const slicesForSharing = 16

// collect takes the collective figures of an output; nil if no element counts.
func collect(want, got *reference.Value) *Collective {
	w, ok := want.Data.(onnx.Slice[float64])
	if !ok {
		return nil
	}
	g, ok := got.Data.(onnx.Slice[float64])
	if !ok || len(g) != len(w) {
		return nil
	}
	index := distinct(want, func(i int) bool {
		s := figure(want.Spread, i)
		return s > 0 && !math.IsInf(s, 0) && !math.IsInf(figure(want.Declared, i), 0) && finite(w[i]) && finite(g[i])
	})
	if len(index) == 0 {
		return nil
	}
	n := float64(len(index))
	z := make([]float64, len(index))
	var sum, squares, shared float64
	for k, i := range index {
		d := g[i] - w[i]
		z[k] = math.Copysign(max(0, math.Abs(d)-figure(want.Declared, i)), d) / want.Spread[i]
		sum += z[k]
		squares += z[k] * z[k]
		shared += want.Unit * math.Abs(w[i]) / want.Spread[i]
	}
	c := &Collective{
		RMS: Number(math.Sqrt(squares / n)), Bias: Number(math.Abs(sum) / math.Sqrt(n)), Counted: len(index),
		noise: alike(z, index, want.Dims), shared: shared / math.Sqrt(n),
	}
	// Laurent and Massart, Adaptive estimation of a quadratic functional by model
	// selection, Annals of Statistics 28 (2000), lemma 1: a sum of n squares of
	// standard normal variables is beyond n + 2 sqrt(n x) + 2x with probability
	// e^-x at most.
	c.RMSLimit = Number(math.Sqrt(1 + 2*math.Sqrt(rarity/n) + 2*rarity/n))
	c.BiasLimit = Number(reference.Screens*c.noise + c.shared)
	return c
}

func finite(x float64) bool { return !math.IsInf(x, 0) && !math.IsNaN(x) }

// distinct returns the elements that count, one of each group whose values are
// the same to within 16 spreads: a constant background, or rows that are equal
// up to rounding, make equal errors, and are one witness and not many.
func distinct(want *reference.Value, counts func(i int) bool) []int {
	const apart = 16
	w := want.Data.(onnx.Slice[float64])
	elements := make([]element, 0, len(w))
	for i, x := range w {
		if counts(i) {
			elements = append(elements, element{x, i})
		}
	}
	sortByValue(elements)
	var kept []int
	last := math.Inf(-1)
	for _, e := range elements {
		if e.value-last > apart*want.Spread[e.at] {
			kept, last = append(kept, e.at), e.value
		}
	}
	return kept
}

// An element is a value, which is not NaN, and its place.
type element struct {
	value float64
	at    int
}

// sortByValue sorts elements that stand in the order of their places by value and then by place: digit by digit from the
// last, which is ten times as quick as comparing where there are millions (Knuth, The Art of Computer Programming, volume
// 3, section 5.2.5).
func sortByValue(elements []element) {
	const digit, digits = 11, 6
	key := func(e element) uint64 { // in the order of the values
		b := math.Float64bits(e.value + 0) // -0 is 0
		if b>>63 != 0 {
			return ^b
		}
		return b | 1<<63
	}
	if len(elements) < 1<<digit {
		slices.SortStableFunc(elements, func(a, b element) int { return cmp.Compare(key(a), key(b)) })
		return
	}
	from, to := elements, make([]element, len(elements))
	for d := range digits {
		var next [1<<digit + 1]int
		for _, e := range from {
			next[key(e)>>(digit*d)%(1<<digit)+1]++
		}
		for i := range 1 << digit {
			next[i+1] += next[i]
		}
		for _, e := range from {
			at := &next[key(e)>>(digit*d)%(1<<digit)]
			to[*at] = e
			*at++
		}
		from, to = to, from
	}
}

// alike is the standard deviation of the sum of z over sqrt(n): 1 for errors that
// are independent, more where those of a slice of the tensor agree, as rows that
// differ in their last terms only make them do. It is the cluster-robust estimate
// over the slices along each axis that has enough of them.
func alike(z []float64, index, dims []int) float64 {
	mean := 0.0
	for _, v := range z {
		mean += v / float64(len(z))
	}
	variance, step := 1.0, 1
	for a := len(dims) - 1; a >= 0; a-- {
		sums, seen, count := make([]float64, dims[a]), make([]bool, dims[a]), 0
		for k, i := range index {
			at := i / step % dims[a]
			sums[at] += z[k] - mean
			if !seen[at] {
				seen[at], count = true, count+1
			}
		}
		step *= dims[a]
		if count < slicesForSharing {
			continue
		}
		v := 0.0
		for _, sum := range sums {
			v += sum * sum
		}
		variance = max(variance, v/float64(len(z)))
	}
	return math.Sqrt(variance)
}

// outside reports whether independent rounding is improbable as the cause, and
// which figure says so.
func (c *Collective) outside() (what string, bad bool) {
	switch {
	case c == nil:
		return "", false
	case !(c.RMS <= c.RMSLimit):
		return fmt.Sprintf("the root mean square of error/spread over %d elements is %.3g, at most %.3g is rounding", c.Counted, float64(c.RMS), float64(c.RMSLimit)), true
	case !(c.Bias <= c.BiasLimit):
		return fmt.Sprintf("the errors of %d elements agree in sign: their sum over sqrt(n) is %.3g spreads, at most %.3g is rounding", c.Counted, float64(c.Bias), float64(c.BiasLimit)), true
	}
	return "", false
}

// log10 is the logarithm of the probability that independent rounding gives
// figures as large as these, or an upper bound of it.
func (c *Collective) log10() float64 {
	p := 0.0
	if r := 2*float64(c.RMS*c.RMS) - 1; r > 1 {
		x := (math.Sqrt(r) - 1) / 2
		p = -float64(c.Counted) * x * x / math.Ln10
	}
	return min(p, log10Tail((float64(c.Bias)-c.shared)/c.noise, 1))
}

// log10Tail bounds the logarithm of the probability that one of n normal
// variables is more than z standard deviations off.
func log10Tail(z float64, n int) float64 {
	if !(z > 0) {
		return 0
	}
	// Mills: P(|Z| > z) < sqrt(2/pi) exp(-z²/2) / z
	return min(0, (-z*z/2-math.Log(z*math.Sqrt(math.Pi/2))+math.Log(float64(n)))/math.Ln10)
}
