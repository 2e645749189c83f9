package kernel

import "math"

// ChannelSum writes the sum of each channel of x (N, channels, pixels) into dst
// (channels). N follows from len(x). The elements of a sample are added in
// several lanes, the samples in float64 from the first to the last.
func ChannelSum[T Float](dst, x []T, channels, pixels int) {
	need("channel sum", "dst", len(dst), channels)
	channelwise(norm[T]{op: normSum, sum: dst, x: x, channels: channels, pixels: pixels})
}

// BatchNorm holds what a batch normalisation keeps from the forward to the
// backward pass: per channel the mean of the batch and the inverse of its
// standard deviation (Ioffe and Szegedy 2015).
type BatchNorm[T Float] struct {
	Channels, Pixels int // x is (N, Channels, Pixels)
	Epsilon          float64
	Mean, Inverse    []T
}

// NewBatchNorm returns the memory of a normalisation of x (N, channels, pixels).
func NewBatchNorm[T Float](channels, pixels int, epsilon float64) *BatchNorm[T] {
	return &BatchNorm[T]{channels, pixels, epsilon, make([]T, channels), make([]T, channels)}
}

// Train writes act(gamma (x - mean) / sqrt(variance + epsilon) + beta) into y
// with mean and biased variance of the batch, and moves the running statistics:
// running = momentum running + (1 - momentum) batch, where the batch's variance
// is the unbiased one, as in PyTorch; of a single value that is infinite or NaN,
// so a single value leaves the running variance as it is.
func (b *BatchNorm[T]) Train(y, x, gamma, beta, mean, variance []T, momentum float64, act Activation) {
	b.check("batch normalisation", act, y, x, gamma, beta, mean, variance)
	channelwise(norm[T]{
		op: normTrain, channels: b.Channels, pixels: b.Pixels, y: y, x: x, gamma: gamma, beta: beta,
		mean: b.Mean, inverse: b.Inverse, runningMean: mean, runningVariance: variance,
		momentum: momentum, epsilon: b.Epsilon, act: act,
	})
}

// Infer is Train with the running statistics in place of the batch's, which it
// leaves as they are.
func (b *BatchNorm[T]) Infer(y, x, gamma, beta, mean, variance []T, act Activation) {
	b.check("batch normalisation", act, y, x, gamma, beta, mean, variance)
	channelwise(norm[T]{
		op: normInfer, channels: b.Channels, pixels: b.Pixels, y: y, x: x, gamma: gamma, beta: beta,
		mean: b.Mean, inverse: b.Inverse, runningMean: mean, runningVariance: variance, epsilon: b.Epsilon, act: act,
	})
}

// Grad writes the gradients of the last pass, Train or, with training false,
// Infer, where y is its output and dy the gradient of that. dx may be dy.
func (b *BatchNorm[T]) Grad(dx, dgamma, dbeta, x, y, dy, gamma []T, training bool, act Activation) {
	b.check("gradient of batch normalisation", act, dx, x, gamma, dgamma, dbeta, gamma)
	need("gradient of batch normalisation", "y", len(y), len(x))
	need("gradient of batch normalisation", "dy", len(dy), len(x))
	op := normGradInfer
	if training {
		op = normGrad
	}
	channelwise(norm[T]{
		op: op, channels: b.Channels, pixels: b.Pixels, y: dx, x: x, out: y, dy: dy, gamma: gamma,
		mean: b.Mean, inverse: b.Inverse, sum: dbeta, dot: dgamma, act: act,
	})
}

func (b *BatchNorm[T]) check(fn string, act Activation, y, x []T, perChannel ...[]T) {
	act.check(fn)
	need(fn, "y", len(y), len(x))
	for _, p := range perChannel {
		need(fn, "a parameter", len(p), b.Channels)
	}
}

// norm is the task of work on channels. A unit is a channel.
type norm[T Float] struct {
	op               normOp
	channels, pixels int
	y, x, out, dy    []T
	gamma, beta      []T
	mean, inverse    []T
	sum, dot         []T
	runningMean      []T
	runningVariance  []T
	momentum         float64
	epsilon          float64
	act              Activation
}

type normOp uint8

const (
	normSum normOp = iota
	normTrain
	normInfer
	normGrad
	normGradInfer
)

func channelwise[T Float](t norm[T]) {
	if len(t.x) >= smallSpan && t.channels > 1 {
		if t, ok := any(&t).(*norm[float32]); ok && workers.lock() {
			workers.norm = *t
			workers.run(&workers.norm, t.channels)
			return
		}
	}
	t.do(0, t.channels, nil)
}

func (t *norm[T]) do(lo, hi int, _ *workspace) {
	for c := lo; c < hi; c++ {
		switch t.op {
		case normSum:
			t.sum[c] = T(t.sums(t.x, t.x, c, 0).sum)
		case normTrain:
			t.train(c)
		case normInfer:
			t.mean[c], t.inverse[c] = t.runningMean[c], T(1/math.Sqrt(float64(t.runningVariance[c])+t.epsilon))
			t.apply(c)
		default:
			t.gradient(c)
		}
	}
}

// count is the number of elements of a channel.
func (t *norm[T]) count() float64 {
	return float64(len(t.x) / t.channels)
}

func (t *norm[T]) train(c int) {
	count := t.count()
	mean := t.sums(t.x, t.x, c, 0).sum / count
	t.mean[c] = T(mean)
	// About the rounded mean, and then about the true one.
	off := float64(t.mean[c]) - mean
	squares := t.squares(c, t.mean[c]) - count*off*off
	t.inverse[c] = T(1 / math.Sqrt(squares/count+t.epsilon))
	move := func(running *T, batch float64) {
		*running = T(t.momentum*float64(*running) + (1-t.momentum)*batch)
	}
	move(&t.runningMean[c], mean)
	if count > 1 {
		move(&t.runningVariance[c], squares/(count-1))
	}
	t.apply(c)
}

// apply writes the normalised channel, scaled, moved and activated.
func (t *norm[T]) apply(c int) {
	scale := t.gamma[c] * t.inverse[c]
	for at := c * t.pixels; at < len(t.x); at += t.channels * t.pixels {
		x, y := t.x[at:at+t.pixels], t.y[at:at+t.pixels]
		scaleAbout(y, x, t.mean[c], scale, t.beta[c])
		activateRun(t.act, y)
	}
}

// gradient writes dx, and the sums that are dbeta and dgamma.
func (t *norm[T]) gradient(c int) {
	for at := c * t.pixels; at < len(t.x); at += t.channels * t.pixels {
		end := at + t.pixels
		activateGradRun(t.act, t.y[at:end], t.out[at:end], t.dy[at:end])
	}
	s := t.sums(t.y, t.x, c, t.mean[c])
	inverse := float64(t.inverse[c])
	t.sum[c], t.dot[c] = T(s.sum), T(s.dot*inverse)
	scale := T(float64(t.gamma[c]) * inverse)
	var slope, shift T // of x - mean, and of 1
	if t.op == normGrad {
		slope = T(-float64(scale) * s.dot * inverse * inverse / t.count())
		shift = T(-float64(scale) * s.sum / t.count())
	}
	for at := c * t.pixels; at < len(t.x); at += t.channels * t.pixels {
		combine(t.y[at:at+t.pixels], t.x[at:at+t.pixels], scale, slope, t.mean[c], shift)
	}
}

type sumAndDot struct{ sum, dot float64 }

// sums adds up a and a (x - mean) over a channel.
func (t *norm[T]) sums(a, x []T, c int, mean T) (s sumAndDot) {
	for at := c * t.pixels; at < len(x); at += t.channels * t.pixels {
		sum, dot := sumsOf(a[at:at+t.pixels], x[at:at+t.pixels], mean)
		s.sum += sum
		s.dot += dot
	}
	return s
}

// squares adds up (x - mean)^2 over a channel.
func (t *norm[T]) squares(c int, mean T) (sum float64) {
	for at := c * t.pixels; at < len(t.x); at += t.channels * t.pixels {
		sum += squaresOf(t.x[at:at+t.pixels], mean)
	}
	return sum
}
