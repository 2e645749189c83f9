package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opSVMRegressor is the sum of coefficients times kernels of a row of (N, features) and
// support vectors, plus rho: (N, 1). Of one class it is 1 above zero, else -1. ai.onnx.ml
// SVMRegressor, opset 1.
var opSVMRegressor = operator{
	name: "SVMRegressor", domain: machineLearning,
	eval: single(func(c *call) *Value {
		sums := c.regressed()
		out := c.numbers(pb.TensorProto_FLOAT, len(sums), 1)
		for r, y := range sums {
			if c.int("one_class") != 0 {
				side := exact(-1)
				if y.v > 0 {
					side = exact(1)
				}
				y = jump(side, y, math.Abs(y.v), 2)
			}
			if out.set(r, y); c.text("post_transform") != "NONE" {
				c.undefined(out, r, transformOfOne)
			}
		}
		return out
	}),
}

// regressed is the sum for each row.
func (c *call) regressed() []number {
	if c.int("n_supports") == 0 {
		all := c.linearMachine(1)
		return convert(all, func(scores []number) number { return scores[0] })
	}
	m := c.newMachine(c.int("n_supports"))
	if len(m.coefficients) != m.vectors || len(m.rho) < 1 {
		fail(fmt.Errorf("%d coefficients and %d rho for %d support vectors", len(m.coefficients), len(m.rho), m.vectors))
	}
	sums := make([]number, m.rows)
	for r := range sums {
		kernels := m.kernels(r)
		s := m.f.dot()
		for k, n := range kernels {
			s.add(n, exact(float64(m.coefficients[k])))
		}
		s.term(exact(float64(m.rho[0])))
		sums[r] = s.sum(m.f, 0)
	}
	return sums
}

// linearMachine is, for each row, so many products with coefficients, and to each the first rho: without support vectors a
// machine is linear, whatever its kernel.
func (c *call) linearMachine(count int) [][]number {
	rho := c.step.attrs["rho"].GetFloats()
	if len(rho) == 0 {
		fail(fmt.Errorf("no rho"))
	}
	return c.linear(c.in[0], c.step.attrs["coefficients"].GetFloats(), slices.Repeat(rho[:1], count), count)
}

// linearClasses are the classes with the greatest scores of a linear machine. Of two classes, it is the second where any
// score is above zero, or at least a half where no coefficient is negative: so ONNX's own evaluator and ONNX Runtime read two
// scores as one. The standard does not say so, and the greater one will do, too.
func (c *call) linearClasses(labels *Value) []*Value {
	all := c.linearMachine(labels.Len())
	out, z := c.classes(labels, len(all), labels.Len())
	negative := func(w float32) bool { return w < 0 }
	middle := 0.5
	if slices.ContainsFunc(c.step.attrs["coefficients"].GetFloats(), negative) {
		middle = 0
	}
	for r, scores := range all {
		if labels.Len() == 2 && len(c.step.attrs["prob_a"].GetFloats()) == 0 {
			greatest := larger(scores[0], scores[1])
			if greatest.v == middle && middle > 0 {
				greatest.v = math.Nextafter(middle, 1) // not above it, but no less
			}
			c.chooseSecond(out, r, labels, scores, greatest, middle)
		} else {
			c.chooseGreatest(out, r, labels, scores)
		}
		c.storeScores(z, r, c.format(z).transform(c.text("post_transform"), scores))
	}
	return []*Value{out, z}
}

// chooseSecond stores the second label where the greatest of two scores is above the middle, else that of the greater one,
// which may be the label in any case.
func (c *call) chooseSecond(out *Value, row int, labels *Value, scores []number, greatest number, middle float64) {
	better := 0
	if scores[1].v > scores[0].v {
		better = 1
	}
	chosen := better
	if greatest.v > middle {
		chosen = 1
	}
	out.Data.Copy(row, labels.Data, chosen, 1)
	if better != chosen {
		c.mayBe(out, row, labels, better, number{sound: 1, declared: 1})
		return
	}
	other := 1 - chosen
	if n := flips(scores[0], scores[1]); n != (number{}) {
		c.mayBe(out, row, labels, other, n)
	}
	if n := flips(greatest, exact(middle)); n != (number{}) {
		c.mayBe(out, row, labels, other, n)
	}
}

// opSVMClassifier is the class that most pairs of classes decide for, and the sums that
// they decide by: (N, pairs), or a sum and its negative for two classes. With prob_a and
// prob_b it is probabilities in their place: (N, classes). ai.onnx.ml SVMClassifier,
// opset 1.
var opSVMClassifier = operator{
	name: "SVMClassifier", domain: machineLearning,
	eval: func(c *call) []*Value {
		labels := c.labels("classlabels_ints")
		each := c.intList("vectors_per_class")
		if len(each) == 0 {
			return c.linearClasses(labels)
		}
		classes, total := labels.Len(), 0
		for _, n := range each {
			if n < 0 || n > 1<<31-1-total {
				fail(fmt.Errorf("numbers %v of vectors", each))
			}
			total += n
		}
		m := c.newMachine(total)
		pairs := classes * (classes - 1) / 2
		if classes < 2 || len(each) != classes || len(m.coefficients) != (classes-1)*total || len(m.rho) < pairs {
			fail(fmt.Errorf("%d labels, %d classes, %d coefficients and %d rho for %d support vectors", classes, len(each), len(m.coefficients), len(m.rho), total))
		}
		scale, shift := c.step.attrs["prob_a"].GetFloats(), c.step.attrs["prob_b"].GetFloats()
		if len(scale) != len(shift) || len(scale) > 0 && len(scale) < pairs {
			fail(fmt.Errorf("%d prob_a and %d prob_b for %d pairs of classes", len(scale), len(shift), pairs))
		}
		width := max(pairs, 2)
		if len(scale) > 0 {
			width = classes
		}
		out, z := c.classes(labels, m.rows, width)
		for r := range m.rows {
			kernels := m.kernels(r)
			sums := m.pairs(kernels, each)
			c.chooseByVotes(out, r, labels, sums)
			transform := c.text("post_transform")
			if len(scale) > 0 {
				p := c.coupled(m.f, m.f.beats(sums, scale, shift), classes)
				c.storeScores(z, r, m.f.transform(transform, p))
				continue
			}
			switch {
			case classes > 2:
				c.storeScores(z, r, m.f.transform(transform, sums))
			case transform == "NONE":
				c.storeScores(z, r, m.f.oneAsTwo(transform, sums[0], false))
			default:
				c.undefinedRow(z, r, baseOfTwo)
			}
		}
		return []*Value{out, z}
	},
}

// A machine is support vectors and how they are compared with rows.
type machine struct {
	c                                  *call
	x                                  *Value
	rows, features, vectors            int
	support, coefficients, rho, params []float32
	kernel                             string
	f                                  format
}

func (c *call) newMachine(vectors int) *machine {
	attrs := c.step.attrs
	m := &machine{
		c: c, x: c.in[0], vectors: vectors, kernel: c.text("kernel_type"), support: attrs["support_vectors"].GetFloats(), coefficients: attrs["coefficients"].GetFloats(),
		rho: attrs["rho"].GetFloats(), params: attrs["kernel_params"].GetFloats(), f: c.profile.products(pb.TensorProto_FLOAT),
	}
	m.f.reordered = c.reordered
	m.rows, m.features = tableOf(m.x)
	if vectors < 1 {
		fail(fmt.Errorf("%d support vectors", vectors))
	}
	if len(m.params) == 0 {
		m.params = make([]float32, 3)
	}
	if len(m.params) != 3 || m.features < 1 || len(m.support)/m.features != vectors || len(m.support)%m.features != 0 {
		fail(fmt.Errorf("%d numbers for %d support vectors of %d features, %d parameters", len(m.support), vectors, m.features, len(m.params)))
	}
	c.afford(m.rows, vectors, m.features)
	return m
}

// kernels compares a row with every support vector.
func (m *machine) kernels(row int) []number {
	m.c.spend(int64(m.vectors) * int64(m.features))
	gamma, coef, degree := exact(float64(m.params[0])), exact(float64(m.params[1])), exact(float64(m.params[2]))
	out := make([]number, m.vectors)
	for k := range out {
		s := m.f.dot()
		for i := range m.features {
			x, v := m.c.feature(m.x, row*m.features+i), exact(float64(m.support[k*m.features+i]))
			if m.kernel == "RBF" {
				d := m.f.sub(x, v)
				s.add(d, d)
			} else {
				s.add(x, v)
			}
		}
		y := s.sum(m.f, 0)
		switch m.kernel {
		case "RBF":
			y = expFunction.at(m.f, neg(m.f.mul(gamma, y)))
		case "POLY":
			y = m.f.pow(m.f.add(m.f.mul(gamma, y), coef), degree)
		case "SIGMOID":
			y = tanhFunction.at(m.f, m.f.add(m.f.mul(gamma, y), coef))
		}
		out[k] = y
	}
	return out
}

// pairs are the sums that pairs of classes decide by: above zero for the first.
// Coefficients are (classes - 1, vectors), without those of a class against itself.
func (m *machine) pairs(kernels []number, each []int) []number {
	begin := make([]int, len(each)+1)
	for i, n := range each {
		begin[i+1] = begin[i] + n
	}
	var sums []number
	for i := range each {
		for j := i + 1; j < len(each); j++ {
			s := m.f.dot()
			for k := begin[i]; k < begin[i+1]; k++ {
				s.add(kernels[k], exact(float64(m.coefficients[(j-1)*m.vectors+k])))
			}
			for k := begin[j]; k < begin[j+1]; k++ {
				s.add(kernels[k], exact(float64(m.coefficients[i*m.vectors+k])))
			}
			s.term(exact(float64(m.rho[len(sums)])))
			sums = append(sums, s.sum(m.f, 0))
		}
	}
	return sums
}

// chooseByVotes stores the label of the first class with the most votes, with figures
// that reach to those of all that errors may give as many.
func (c *call) chooseByVotes(out *Value, row int, labels *Value, sums []number) {
	classes := labels.Len()
	votes := make([]number, classes) // how many may change
	k := 0
	for i := range classes {
		for j := i + 1; j < classes; j++ {
			winner := j
			if sums[k].v > 0 {
				winner = i
			}
			votes[winner].v++
			open := flips(sums[k], exact(0))
			for _, v := range []*number{&votes[i], &votes[j]} {
				v.sound += open.sound
				v.declared += open.declared
			}
			k++
		}
	}
	c.chooseGreatest(out, row, labels, votes)
}
