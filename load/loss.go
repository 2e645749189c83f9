package load

import (
	"fmt"
	"math"
	"slices"
)

// likelihood is the negative log likelihood of classes, x (N, C, ...), t (N, ...), and with SoftmaxCrossEntropyLoss that of scores,
// whose log-probabilities are its second output.
func likelihood(b *builder, c call) {
	how := c.text("reduction")
	ignore, ignores := c.int("ignore_index"), c.op.attrs["ignore_index"] != nil
	x := c.numbers(0)
	target := c.integers(1)
	weight := c.numbers(2)
	dims := c.in[0].dims
	if len(dims) < 2 || !slices.Equal(c.in[1].dims, append([]int{dims[0]}, dims[2:]...)) || weight != nil && len(weight) != dims[1] {
		fail(fmt.Errorf("%s: classes of dims %v for %v, with %d weights", c.name(), c.in[1].dims, dims, len(weight)))
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
			b.putReals(c, 1, y, dims...)
		}
	}
	loss := make([]float64, len(target))
	total, weights := 0.0, 0.0
	for i, t := range target {
		if ignores && t == ignore {
			continue
		}
		k := c.within(t, n)
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
		b.putReals(c, 0, loss, c.in[1].dims...)
		return
	case "sum":
		b.putReals(c, 0, []float64{total})
		return
	}
	b.putReals(c, 0, []float64{total / weights})
}

// lrn divides by a sum of squares of neighbouring channels.
func lrn(b *builder, c call) {
	alpha, beta, bias, size := c.float("alpha"), c.float("beta"), c.float("bias"), int(c.int("size"))
	x := c.numbers(0)
	dims := c.in[0].dims
	if len(dims) < 2 || size < 1 {
		fail(fmt.Errorf("%s: %v normalised over %d channels", c.name(), dims, size))
	}
	outer, n, inner := lines(dims, 1)
	y := make([]float64, len(x))
	for o := range outer {
		for k := range n {
			try(b.pace())
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
	b.putReals(c, 0, y, dims...)
}

// lpNormalization divides by the norm along an axis.
func lpNormalization(b *builder, c call) {
	dims := c.in[0].dims
	axis, p := c.axis(len(dims)), c.int("p")
	x := c.numbers(0)
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
	b.putReals(c, 0, y, dims...)
}

// rmsNormalization divides by the root of the mean of squares over the axes from one on, and scales.
func rmsNormalization(b *builder, c call) {
	dims := c.in[0].dims
	axis, eps := c.axis(len(dims)), c.float("epsilon")
	x := c.numbers(0)
	b.account(c.name(), dims, 16)
	scales := must(expanded(c.tensor(1), dims))
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
	b.putReals(c, 0, y, dims...)
}

// batchTraining normalises by the moments of the batch, and moves the running ones.
func batchTraining(b *builder, c call) {
	eps, momentum := c.float("epsilon"), c.float("momentum")
	if b.opset < 14 || c.int("training_mode") == 0 {
		fail(c.unsupported("elements of type %v, or training before opset 14", c.in[0].elem))
	}
	var in [5][]float64
	for k := range in {
		in[k] = c.numbers(k)
	}
	dims := c.in[0].dims
	channels := 1
	if len(dims) > 1 {
		channels = dims[1]
	}
	for k := range in[1:] {
		if len(in[1+k]) != channels {
			fail(fmt.Errorf("%s: %d elements of input %d for %d channels", c.name(), len(in[1+k]), 1+k, channels))
		}
	}
	x, y := in[0], make([]float64, len(in[0]))
	inner := product(dims[min(2, len(dims)):])
	mean, variance := slices.Clone(in[3]), slices.Clone(in[4])
	rows := len(x) / max(channels*inner, 1)
	for ch := range channels {
		try(b.pace())
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
	b.putReals(c, 0, y, dims...)
	b.putReals(c, 1, mean, channels)
	b.putReals(c, 2, variance, channels)
}
