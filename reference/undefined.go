package reference

import (
	"math"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// What the standard leaves undefined, as notes name it. The reference then has a
// value of its own, by custom, and no limit: a runtime may have any.
const (
	orderOfNaN      = "how NaN compares with numbers"
	emptyMean       = "the mean of nothing"
	emptyMaximum    = "the maximum of nothing"
	beyondInteger   = "what becomes of a number that the integer type cannot hold"
	transformOfOne  = "whether the only target of trees is transformed"
	baseOfTwo       = "what base values, PROBIT, or no vote for the second make of the scores of two classes"
	baseOfNone      = "whether a target that no leaf votes for has its base value"
	keyNaN          = "whether NaN is found among the keys"
	partsOfNothing  = "whether an empty string has one part or none"
	bitsOfNaN       = "the bit pattern of NaN"
	onePixel        = "where the only pixel of an axis is if both corners are aligned"
	beyondMinifloat = "what becomes of a number that the type of 8 bits or fewer has no place for"
	quantizedNaN    = "what NaN is quantized to"
	zeroScale       = "the quantization of a range of zero"
	integerByZero   = "integer division by zero"
	integerOverflow = "the quotient of the least integer and -1"
	integerPower    = "a power that the integer type cannot hold"
	wideShift       = "shifts by as many bits as the type has, or more"
	spoiledPadding  = "whether padding is multiplied with weights that are not finite"
	paddingOnly     = "what a window over nothing but padding gives"
	emptyWord       = "the vector of a word without characters"
)

// undefined says that element i of v may be anything, and by what rule.
func (c *call) undefined(v *Value, i int, rule string) {
	c.saying.Lock()
	defer c.saying.Unlock()
	if c.said != rule {
		c.said = rule
		c.note("%s: the standard leaves undefined %s; such elements, and what is computed from them, have no limit", c.step.label, rule)
	}
	n := v.Len()
	if v.Sound == nil {
		v.Sound, v.Spread, v.Declared = make([]float64, n), make([]float64, n), make([]float64, n)
	}
	v.setFigures(i, unknown(0))
}

// undefinedAll is undefined for all elements.
func (c *call) undefinedAll(v *Value, rule string) {
	for i := range v.Len() {
		c.undefined(v, i, rule)
	}
}

// undefinedWhere is undefined for the elements of out, which come of elements j of a
// and k of b, that rule names one for.
func (c *call) undefinedWhere(out, a, b *Value, rule func(j, k int) string) {
	left, right := newStretch(a.Dims, out.Dims), newStretch(b.Dims, out.Dims)
	for i := range out.Len() {
		if r := rule(left.index(i), right.index(i)); r != "" {
			c.undefined(out, i, r)
		}
	}
}

// undefinedQuotient names what the standard leaves undefined about the quotient and
// the remainder of integers.
func undefinedQuotient(a, b *Value) func(j, k int) string {
	least, _ := integerRange(a.Type)
	return func(j, k int) string {
		switch {
		case b.Float(k) == 0:
			return integerByZero
		case b.Float(k) == -1 && a.Float(j) == least:
			return integerOverflow
		}
		return ""
	}
}

// compareNumbers orders numbers by size, and NaN, which equals itself, above all of
// them, as numpy sorts them.
func compareNumbers(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case math.IsNaN(a) && !math.IsNaN(b):
		return 1
	case math.IsNaN(b) && !math.IsNaN(a):
		return -1
	}
	return 0
}

func hasNaN(x []number) bool {
	for _, n := range x {
		if math.IsNaN(n.v) {
			return true
		}
	}
	return false
}

// holds reports whether an integer type has the whole part of x.
func holds(t pb.TensorProto_DataType, x float64) bool {
	lo, hi := integerRange(t)
	switch x = math.Trunc(x); t {
	case pb.TensorProto_INT64, pb.TensorProto_UINT64:
		return x >= lo && x < hi // hi is one more than the largest, which float64 lacks
	}
	return x >= lo && x <= hi
}
