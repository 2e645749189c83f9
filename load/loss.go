package load

import (
	"fmt"
	"math"
	"slices"
)

// likelihood is the negative log likelihood of classes, x (N, C, ...), t (N, ...), and with SoftmaxCrossEntropyLoss that of scores,
// whose log-probabilities are its second output.
func likelihood(b *builder, c call) error {
	a := c.arguments()
	how := a.text("reduction", "mean")
	ignore, ignores := a.int("ignore_index", 0), c.op.attrs["ignore_index"] != nil
	x := a.numbers(0)
	target := a.integers(1)
	weight := a.numbers(2)
	if a.err != nil {
		return a.err
	}
	dims := c.in[0].dims
	if len(dims) < 2 || !slices.Equal(c.in[1].dims, append([]int{dims[0]}, dims[2:]...)) || weight != nil && len(weight) != dims[1] {
		return fmt.Errorf("%s: classes of dims %v for %v, with %d weights", c.name(), c.in[1].dims, dims, len(weight))
	}
	outer, n, inner := lines(dims, 1)
	if c.op.name == "SoftmaxCrossEntropyLoss" {
		y := make([]float64, len(x))
		for o := range outer {
			for i := range inner {
				top, sum := math.Inf(-1), 0.0
				for k := range n {
					top = max(top, x[(o*n+k)*inner+i])
				}
				for k := range n {
					sum += math.Exp(x[(o*n+k)*inner+i] - top)
				}
				for k := range n {
					at := (o*n+k)*inner + i
					y[at] = x[at] - top - math.Log(sum)
				}
			}
		}
		if x = y; len(c.op.out) > 1 {
			if err := b.putReals(c, 1, y, dims...); err != nil {
				return err
			}
		}
	}
	loss := make([]float64, len(target))
	total, weights := 0.0, 0.0
	for i, t := range target {
		if ignores && t == ignore {
			continue
		}
		k, err := c.within(t, n)
		if err != nil {
			return err
		}
		w := 1.0
		if weight != nil {
			w = weight[k]
		}
		loss[i] = -w * x[(i/inner*n+k)*inner+i%inner]
		total += loss[i]
		weights += w
	}
	switch how {
	case "none":
		return b.putReals(c, 0, loss, c.in[1].dims...)
	case "sum":
		return b.putReals(c, 0, []float64{total})
	}
	return b.putReals(c, 0, []float64{total / weights})
}

// lrn divides by a sum of squares of neighbouring channels.
func lrn(b *builder, c call) error {
	a := c.arguments()
	alpha, beta, bias, size := a.float("alpha", 1e-4), a.float("beta", 0.75), a.float("bias", 1), int(a.int("size", 1))
	x := a.numbers(0)
	if a.err != nil {
		return a.err
	}
	dims := c.in[0].dims
	if len(dims) < 2 || size < 1 {
		return fmt.Errorf("%s: %v normalised over %d channels", c.name(), dims, size)
	}
	outer, n, inner := lines(dims, 1)
	y := make([]float64, len(x))
	for o := range outer {
		for k := range n {
			if err := b.pace(); err != nil {
				return err
			}
			for i := range inner {
				sum := 0.0
				for j := max(0, k-(size-1)/2); j <= min(n-1, k+size/2); j++ {
					v := x[(o*n+j)*inner+i]
					sum += v * v
				}
				at := (o*n+k)*inner + i
				y[at] = x[at] / math.Pow(bias+alpha/float64(size)*sum, beta)
			}
		}
	}
	return b.putReals(c, 0, y, dims...)
}

// lpNormalization divides by the norm along an axis.
func lpNormalization(b *builder, c call) error {
	a := c.arguments()
	dims := c.in[0].dims
	axis, p := a.axis("axis", -1, len(dims)), a.int("p", 2)
	x := a.numbers(0)
	if a.err != nil {
		return a.err
	}
	outer, n, inner := lines(dims, axis)
	y := make([]float64, len(x))
	for o := range outer {
		for i := range inner {
			norm := 0.0
			for k := range n {
				v := math.Abs(x[(o*n+k)*inner+i])
				if p == 2 {
					v *= v
				}
				norm += v
			}
			if p == 2 {
				norm = math.Sqrt(norm)
			}
			for k := range n {
				if at := (o*n+k)*inner + i; norm != 0 {
					y[at] = x[at] / norm
				}
			}
		}
	}
	return b.putReals(c, 0, y, dims...)
}

// rmsNormalization divides by the root of the mean of squares over the axes from one on, and scales.
func rmsNormalization(b *builder, c call) error {
	a := c.arguments()
	dims := c.in[0].dims
	axis, eps := a.axis("axis", -1, len(dims)), a.float("epsilon", 1e-5)
	x := a.numbers(0)
	if a.err != nil {
		return a.err
	}
	if err := b.account(c.name(), dims, 16); err != nil {
		return err
	}
	scales, err := expanded(c.tensor(1), dims)
	if err != nil {
		return err
	}
	scale, _ := reals(scales)
	n := product(dims[axis:])
	y := make([]float64, len(x))
	for lo := 0; lo < len(x); lo += n {
		sum := 0.0
		for _, v := range x[lo : lo+n] {
			sum += v * v
		}
		root := math.Sqrt(sum/float64(n) + eps)
		for i := lo; i < lo+n; i++ {
			y[i] = x[i] / root * scale[i]
		}
	}
	return b.putReals(c, 0, y, dims...)
}

// batchTraining normalises by the moments of the batch, and moves the running ones.
func batchTraining(b *builder, c call) error {
	a := c.arguments()
	eps, momentum := a.float("epsilon", 1e-5), a.float("momentum", 0.9)
	if b.opset < 14 || a.int("training_mode", 0) == 0 {
		return c.unsupported("elements of type %v, or training before opset 14", c.in[0].elem)
	}
	var in [5][]float64
	for k := range in {
		var err error
		if in[k], err = c.numbers(k); err != nil {
			return err
		}
	}
	dims := c.in[0].dims
	channels := 1
	if len(dims) > 1 {
		channels = dims[1]
	}
	for k := range in[1:] {
		if len(in[1+k]) != channels {
			return fmt.Errorf("%s: %d elements of input %d for %d channels", c.name(), len(in[1+k]), 1+k, channels)
		}
	}
	x, y := in[0], make([]float64, len(in[0]))
	inner := product(dims[min(2, len(dims)):])
	mean, variance := slices.Clone(in[3]), slices.Clone(in[4])
	rows := len(x) / max(channels*inner, 1)
	for ch := range channels {
		if err := b.pace(); err != nil {
			return err
		}
		sum, square, n := 0.0, 0.0, float64(rows*inner)
		each := func(f func(i int)) {
			for r := range rows {
				for i := range inner {
					f((r*channels+ch)*inner + i)
				}
			}
		}
		each(func(i int) { sum += x[i] })
		m := sum / n
		each(func(i int) { square += (x[i] - m) * (x[i] - m) })
		s := square / n
		each(func(i int) { y[i] = (x[i]-m)/math.Sqrt(s+eps)*in[1][ch] + in[2][ch] })
		mean[ch] = mean[ch]*momentum + m*(1-momentum)
		variance[ch] = variance[ch]*momentum + s*(1-momentum)
	}
	if err := b.putReals(c, 0, y, dims...); err != nil {
		return err
	}
	if err := b.putReals(c, 1, mean, channels); err != nil {
		return err
	}
	return b.putReals(c, 2, variance, channels)
}
