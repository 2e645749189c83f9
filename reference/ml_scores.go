package reference

import (
	"math"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// machineLearning is the domain of classical models.
const machineLearning = "ai.onnx.ml"

// classes are what a classifier gives for so many rows: a label for each, and its scores.
func (c *call) classes(labels *Value, rows, scores int) (out, z *Value) {
	out = c.zeros(labels.Type, true, rows)
	z = c.numbers(pb.TensorProto_FLOAT, rows, scores)
	return out, z
}

// feature is element i of a numeric tensor as runtimes take it that compute in
// float32, whatever the type is.
func (c *call) feature(x *Value, i int) number {
	n, f := x.at(i), formatOf(pb.TensorProto_FLOAT)
	if x.Type == pb.TensorProto_FLOAT || n == exact(n.v) && f.nearest(n.v) == n.v {
		return n
	}
	return f.rounded(n, 1)
}

// transform is what attribute post_transform names, of the scores of one row.
func (f format) transform(name string, x []number) []number {
	out := make([]number, len(x))
	switch name {
	case "LOGISTIC":
		for i, n := range x {
			out[i] = sigmoidFunction.at(f, n)
		}
	case "SOFTMAX":
		e, sum := f.exponentials(x)
		for i := range e {
			out[i] = f.ratio(e[i], sum)
		}
	case "SOFTMAX_ZERO":
		return f.softmaxZero(x)
	case "PROBIT":
		for i, n := range x {
			out[i] = f.probit(n)
		}
	default:
		copy(out, x)
	}
	return out
}

// softmaxZero is Softmax over the scores that are not zero; those that are stay so.
func (f format) softmaxZero(x []number) []number {
	const zero = 1e-7 // what runtimes take for it
	m := maximum(x)
	out := make([]number, len(x))
	var terms []number
	for i, n := range x {
		if math.Abs(n.v) <= zero {
			out[i] = f.mul(n, expFunction.at(f, neg(m)))
			continue
		}
		out[i] = expFunction.at(f, f.sub(n, m))
		terms = append(terms, out[i])
	}
	sum := f.sumOf(terms, 0)
	for i, n := range x {
		if sum.v == 0 {
			out[i] = unknown(math.NaN())
			continue
		}
		if out[i] = f.ratio(out[i], sum); math.Abs(math.Abs(n.v)-zero) <= n.sound && n.sound > 0 {
			out[i] = unknown(out[i].v)
		}
	}
	return out
}

// probit is the quantile of the normal distribution by Winitzki's approximation of the
// inverse error function, which ONNX's evaluator and ONNX Runtime share. They have pi
// with six digits, or all.
func (f format) probit(p number) number {
	y := f.sub(scaled(p, 2), exact(1))
	const a = 0.147
	l := logFunction.at(f, f.mul(f.sub(exact(1), y), f.add(exact(1), y)))
	pi := 2 / (3.14159 * a)
	digits := pi * (1 - 3.14159/math.Pi)
	v := f.add(f.rounded(number{v: pi, sound: digits, declared: digits}, 2), scaled(l, 0.5))
	root := sqrtFunction.at(f, f.sub(f.mul(v, v), f.rounded(scaled(l, 1/a), 2)))
	x := sqrtFunction.at(f, f.sub(root, v))
	x = f.mul(exact(math.Sqrt2), x)
	switch {
	case y.v < 0:
		x = neg(x)
	case y.v == 0 && y == exact(0):
		return exact(0)
	}
	if math.Abs(y.v) <= y.sound {
		x.sound += 2 * math.Abs(x.v)
		x.declared += 2 * math.Abs(x.v)
	}
	return f.rounded(x, 1)
}

// storeScores writes a row of scores.
func (c *call) storeScores(z *Value, row int, scores []number) {
	for k, s := range scores {
		z.set(row*len(scores)+k, s)
	}
}

// undefinedRow is undefined for a row.
func (c *call) undefinedRow(z *Value, row int, rule string) {
	n := z.Dims[len(z.Dims)-1]
	for k := range n {
		c.undefined(z, row*n+k, rule)
	}
}

// chooseGreatest stores the label of the first greatest score, with figures that reach
// to those of all that may be the greatest.
func (c *call) chooseGreatest(out *Value, row int, labels *Value, scores []number) {
	best := 0
	for k, s := range scores {
		if s.v > scores[best].v {
			best = k
		}
	}
	out.Data.Copy(row, labels.Data, best, 1)
	for k, s := range scores {
		if k == best {
			continue
		}
		if n := flips(scores[best], s); n != (number{}) {
			c.mayBe(out, row, labels, k, n)
		}
	}
}

// chooseAbove stores the second label if the score is above the middle, else the first.
func (c *call) chooseAbove(out *Value, row int, labels *Value, s number, middle float64) {
	chosen, other := 0, 1
	if s.v > middle {
		chosen, other = 1, 0
	}
	out.Data.Copy(row, labels.Data, chosen, 1)
	if n := flips(s, exact(middle)); n != (number{}) {
		c.mayBe(out, row, labels, other, n)
	}
}

// alsoBySecond lets the label be what the score of the second of two classes alone
// says, above zero or not: runtimes read two scores as one, and the standard does not
// say that they must not.
func (c *call) alsoBySecond(out *Value, row int, labels *Value, s number) {
	surely := number{sound: 1, declared: 1}
	if s.v+s.sound > 0 {
		c.mayBe(out, row, labels, 1, surely)
	}
	if s.v-s.sound <= 0 {
		c.mayBe(out, row, labels, 0, surely)
	}
}

// mayBe widens the figures of a label to those of another: for the sound limit, and for
// the screen, as far as n has them. Of text there is no distance.
func (c *call) mayBe(out *Value, row int, labels *Value, other int, n number) {
	have := out.figures(row)
	distance := math.Inf(1)
	if labels.Type == pb.TensorProto_INT64 {
		distance = math.Abs(labels.Float(other) - out.Float(row))
	} else if elems[string](labels)[other] == elems[string](out)[row] {
		return
	}
	if n.sound > 0 {
		have.sound = max(have.sound, distance)
	}
	if n.declared > 0 {
		have.declared = max(have.declared, distance)
	}
	out.setFigures(row, have)
}
