package reference

import (
	"fmt"

	"github.com/petrify-ml/petrify/onnx/pb"
)

// opScaler is (x - offset) scale, with one offset and scale for each feature or for all.
// ai.onnx.ml Scaler, opset 1.
var opScaler = operator{
	name: "Scaler", domain: machineLearning,
	eval: single(func(c *call) *Value {
		x := c.in[0]
		offset, scale := c.step.attrs["offset"].GetFloats(), c.step.attrs["scale"].GetFloats()
		features := lastOf(x)
		if len(offset) != len(scale) || len(scale) != 1 && len(scale) != features {
			fail(fmt.Errorf("%d offsets and %d scales for %d features", len(offset), len(scale), features))
		}
		out := c.numbers(pb.TensorProto_FLOAT, x.Dims...)
		f := c.format(out)
		for i := range out.Len() {
			k := i % features % len(scale)
			out.set(i, f.mul(f.sub(c.feature(x, i), exact(float64(offset[k]))), exact(float64(scale[k]))))
		}
		return out
	}),
}

// lastOf is the length of the last axis, 1 of a scalar.
func lastOf(v *Value) int {
	if len(v.Dims) == 0 {
		return 1
	}
	return v.Dims[len(v.Dims)-1]
}

// opNormalizer divides every row of (N, features) by its greatest element, the sum of
// its magnitudes, or the root of the sum of its squares, unless that is zero. ai.onnx.ml
// Normalizer, opset 1.
var opNormalizer = operator{
	name: "Normalizer", domain: machineLearning,
	eval: single(func(c *call) *Value {
		x := c.in[0]
		rows, features := tableOf(x)
		out := c.numbers(pb.TensorProto_FLOAT, x.Dims...)
		if out.Len() == 0 {
			return out
		}
		f, row := c.format(out), make([]number, features)
		for r := range rows {
			for k := range row {
				row[k] = c.feature(x, r*features+k)
			}
			for k, y := range f.normalized(c.text("norm"), row) {
				out.set(r*features+k, y)
			}
		}
		return out
	}),
}

func (f format) normalized(norm string, x []number) []number {
	var by number
	switch norm {
	case "L1":
		by = f.sumOf(absolute(x), 0)
	case "L2":
		squares := convert(x, func(n number) number { return f.mul(n, n) })
		by = sqrtFunction.at(f, f.sumOf(squares, 0))
	default:
		by = maximum(x)
	}
	out := make([]number, len(x))
	for i, n := range x {
		switch {
		case by == exact(0):
			out[i] = n
		default:
			out[i] = f.ratio(n, by)
		}
	}
	return out
}

// products are the sums of products of every row of x with each of so many rows of
// coefficients, plus an intercept: (rows, count).
func (c *call) linear(x *Value, coefficients, intercepts []float32, count int) [][]number {
	rows, features := tableOf(x)
	if count < 1 || len(coefficients) < count*features || len(intercepts) != 0 && len(intercepts) != count {
		fail(fmt.Errorf("%d coefficients and %d intercepts for %d sums over %d features", len(coefficients), len(intercepts), count, features))
	}
	c.afford(rows, count, features)
	c.take(4 * int64(rows) * int64(count))
	f := c.profile.products(pb.TensorProto_FLOAT)
	f.reordered = c.reordered
	all := make([][]number, rows)
	for r := range all {
		c.spend(int64(count) * int64(features))
		for k := range count {
			s := f.dot()
			for i := range features {
				s.add(c.feature(x, r*features+i), exact(float64(coefficients[k*features+i])))
			}
			if len(intercepts) > 0 {
				s.term(exact(float64(intercepts[k])))
			}
			all[r] = append(all[r], s.sum(f, 0))
		}
	}
	return all
}

// opLinearRegressor is x coefficients' + intercepts of (N, features): (N, targets).
// ai.onnx.ml LinearRegressor, opset 1.
var opLinearRegressor = operator{
	name: "LinearRegressor", domain: machineLearning,
	eval: single(func(c *call) *Value {
		targets := c.int("targets")
		scores := c.linear(c.in[0], c.step.attrs["coefficients"].GetFloats(), c.step.attrs["intercepts"].GetFloats(), targets)
		out := c.numbers(pb.TensorProto_FLOAT, len(scores), targets)
		f, transform := c.format(out), c.text("post_transform")
		for r, row := range scores {
			if c.storeScores(out, r, f.transform(transform, row)); targets == 1 && transform != "NONE" && transform != "PROBIT" {
				c.undefinedRow(out, r, transformOfOne)
			}
		}
		return out
	}),
}

// opLinearClassifier is the class with the greatest of x coefficients' + intercepts for
// every row of (N, features), and these scores, (N, classes). One set of coefficients
// for two classes is the score of the second. ai.onnx.ml LinearClassifier, opset 1.
var opLinearClassifier = operator{
	name: "LinearClassifier", domain: machineLearning,
	eval: func(c *call) []*Value {
		labels := c.labels("classlabels_ints")
		coefficients, intercepts := c.step.attrs["coefficients"].GetFloats(), c.step.attrs["intercepts"].GetFloats()
		count := len(intercepts)
		if count == 0 {
			count = len(coefficients) / max(lastOf(c.in[0]), 1)
		}
		if labels.Len() < 2 || count != labels.Len() && !(count == 1 && labels.Len() == 2) {
			fail(fmt.Errorf("%d labels for %d scores", labels.Len(), count))
		}
		all := c.linear(c.in[0], coefficients, intercepts, count)
		out, z := c.classes(labels, len(all), labels.Len())
		f, transform := c.format(z), c.text("post_transform")
		for r, scores := range all {
			if count > 1 {
				c.chooseGreatest(out, r, labels, scores)
				c.storeScores(z, r, f.transform(transform, scores))
				continue
			}
			c.chooseAbove(out, r, labels, scores[0], 0)
			s := scores[0]
			switch transform {
			case "LOGISTIC", "NONE":
				if transform == "LOGISTIC" {
					s = sigmoidFunction.at(f, s)
				}
				c.storeScores(z, r, []number{f.sub(exact(1), s), s})
			default:
				c.undefinedRow(z, r, baseOfTwo)
			}
		}
		return []*Value{out, z}
	},
}
