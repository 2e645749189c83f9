package kernel

import (
	"fmt"
	"testing"
	"time"

	"github.com/petrify-ml/petrify/internal/kernel/peak"
)

// The products of the dense GAN at batch 128, forward and backward, and two
// larger ones.
var modelShapes = []struct {
	name    string
	tA, tB  bool
	m, n, k int
}{
	{"G1", false, false, 128, 128, 100},
	{"G1dW", true, false, 100, 128, 128},
	{"G2", false, false, 128, 784, 128},
	{"G2dW", true, false, 128, 784, 128},
	{"G2dx", false, true, 128, 128, 784},
	{"D1", false, false, 128, 128, 784},
	{"D1dW", true, false, 784, 128, 128},
	{"D1dx", false, true, 128, 784, 128},
	{"D2", false, false, 128, 1, 128},
	{"D2dW", true, false, 128, 1, 128},
	{"D2dx", false, true, 128, 128, 1},
	{"512", false, false, 512, 512, 512},
	{"512TN", true, false, 512, 512, 512},
	{"512NT", false, true, 512, 512, 512},
}

// BenchmarkGemm reports the best rate over rounds that alternate with bursts of
// the peak loop on as many threads, and its share of the best burst. A round is
// an iteration: use -benchtime 300x.
func BenchmarkGemm(b *testing.B) {
	for _, threads := range []int{1, 2} {
		for _, s := range modelShapes {
			b.Run(fmt.Sprintf("threads=%d/%s", threads, s.name), func(b *testing.B) {
				defer SetThreads(SetThreads(threads))
				x, y, z := numbers(1, s.m*s.k), numbers(2, s.k*s.n), make([]float32, s.m*s.n)
				lda, ldb := s.k, s.n
				if s.tA {
					lda = s.m
				}
				if s.tB {
					ldb = s.k
				}
				flop := 2 * float64(s.m) * float64(s.n) * float64(s.k)
				share(b, threads, flop, func() {
					Gemm(s.tA, s.tB, s.m, s.n, s.k, x, lda, y, ldb, z, s.n, false)
				})
			})
		}
	}
}

func BenchmarkDense(b *testing.B) {
	for _, threads := range []int{1, 2} {
		for _, f := range []Func{Identity, LeakyReLU, Tanh, Sigmoid} {
			b.Run(fmt.Sprintf("threads=%d/%v", threads, f), func(b *testing.B) {
				defer SetThreads(SetThreads(threads))
				const m, n, k = 128, 784, 128
				x, w, bias, y := numbers(1, m*k), numbers(2, k*n), numbers(3, n), make([]float32, m*n)
				act := Activation{Func: f, Alpha: 0.2}
				share(b, threads, 2*m*n*k, func() { Dense(y, x, w, bias, m, n, k, act) })
			})
		}
	}
}

func share(b *testing.B, threads int, flop float64, f func()) {
	calls := int(3e7/flop) + 1
	var rate, top float64
	burn := func(lo, hi int) { peak.Burn(peak.Lanes(), (hi-lo)*20_000) }
	for b.Loop() {
		start := time.Now()
		for range calls {
			f()
		}
		rate = max(rate, flop*float64(calls)/time.Since(start).Seconds())
		start = time.Now()
		Parallel(threads, 1, burn)
		top = max(top, float64(threads)*peak.Burn(peak.Lanes(), 1)*20_000/time.Since(start).Seconds())
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(flop/rate*1e6, "us")
	b.ReportMetric(rate/1e9, "GFLOP/s")
	if top > 0 {
		b.ReportMetric(top/1e9, "peak")
		b.ReportMetric(rate/top, "of-peak")
	}
}

// each reports the best time of a call, in nanoseconds per element.
func each(b *testing.B, elements int, f func()) {
	best := time.Hour
	for b.Loop() {
		start := time.Now()
		for range 8 {
			f()
		}
		best = min(best, time.Since(start)/8)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(best.Nanoseconds())/1e3, "us")
	b.ReportMetric(float64(best.Nanoseconds())/float64(elements), "ns/element")
}

func BenchmarkVector(b *testing.B) {
	const n = 128 * 784
	y, x, z, v := numbers(1, n), numbers(2, n), numbers(3, n), make([]float32, n)
	c := AdamConfig{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-7}
	pixels, rows := make([]uint8, 1000*784), make([]int, 128)
	for i := range rows {
		rows[i] = i * 7
	}
	sum := make([]float32, 784)
	kernels := []struct {
		name string
		f    func()
	}{
		{"relu", func() { Activate(Activation{Func: ReLU}, y, x) }},
		{"leaky", func() { Activate(Activation{Func: LeakyReLU, Alpha: 0.2}, y, x) }},
		{"tanh", func() { Activate(Activation{Func: Tanh}, y, x) }},
		{"sigmoid", func() { Activate(Activation{Func: Sigmoid}, y, x) }},
		{"softplus", func() { Activate(Activation{Func: Softplus}, y, x) }},
		{"elu", func() { Activate(Activation{Func: ELU, Alpha: 1}, y, x) }},
		{"exp", func() { Exp(y, x) }},
		{"add", func() { Add(y, x, z) }},
		{"leakygrad", func() { ActivateGrad(Activation{Func: LeakyReLU, Alpha: 0.2}, y, x, z) }},
		{"tanhgrad", func() { ActivateGrad(Activation{Func: Tanh}, y, x, z) }},
		{"colsum", func() { ColSum(sum, x, 128, 784) }},
		{"adam", func() { Adam(c, 1000, x, z, y, v) }},
		{"gather", func() { GatherRows(y, pixels, rows, 784, 1/127.5, -1) }},
	}
	for _, threads := range []int{1, 2} {
		for _, k := range kernels {
			b.Run(fmt.Sprintf("threads=%d/%s", threads, k.name), func(b *testing.B) {
				defer SetThreads(SetThreads(threads))
				each(b, n, k.f)
			})
		}
	}
}

func BenchmarkNormal(b *testing.B) {
	dst, s := make([]float32, 25600), NewStream(1, "z")
	each(b, len(dst), func() { s.Normal(dst) })
}

func BenchmarkUniform(b *testing.B) {
	dst, s := make([]float32, 25600), NewStream(1, "z")
	each(b, len(dst), func() { s.Uniform(dst) })
}

// BenchmarkPool is the cost of sharing work that takes no time.
func BenchmarkPool(b *testing.B) {
	for _, units := range []int{2, 8} {
		b.Run(fmt.Sprintf("units=%d", units), func(b *testing.B) {
			defer SetThreads(SetThreads(2))
			f := func(lo, hi int) {}
			each(b, 1, func() { Parallel(units, 1, f) })
		})
	}
}

func BenchmarkBCEWithLogits(b *testing.B) {
	z, grad := numbers(1, 128), make([]float32, 128)
	each(b, len(z), func() { BCEWithLogits(grad, z, 1) })
}

// BenchmarkInference is the dense generator for one image.
func BenchmarkInference(b *testing.B) {
	z, w1, h, w2, y := numbers(1, 100), numbers(2, 100*128), make([]float32, 128), numbers(3, 128*784), make([]float32, 784)
	bias := numbers(4, 784)
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			defer SetThreads(SetThreads(threads))
			each(b, 1, func() {
				Dense(h, z, w1, bias, 1, 128, 100, Activation{Func: LeakyReLU, Alpha: 0.01})
				Dense(y, h, w2, bias, 1, 784, 128, Activation{Func: Tanh})
			})
		})
	}
}
