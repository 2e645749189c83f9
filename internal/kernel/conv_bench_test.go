package kernel

import (
	"fmt"
	"testing"
)

// dcganLayers are the convolutions of DCGAN on 28x28 images.
var dcganLayers = []struct {
	name         string
	small, large Image
}{
	{"G1", Image{256, 7, 7}, Image{128, 14, 14}},
	{"G2", Image{128, 14, 14}, Image{1, 28, 28}},
	{"D1", Image{64, 14, 14}, Image{1, 28, 28}},
	{"D2", Image{128, 7, 7}, Image{64, 14, 14}},
}

// BenchmarkConvolution reports rates as BenchmarkGemm does, of every direction
// of every layer, at batch 64, and at batch 1 where a generator has need of it.
func BenchmarkConvolution(b *testing.B) {
	win := Window{Kernel: [2]int{4, 4}, Stride: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}}
	for _, threads := range []int{1, 2} {
		for _, n := range []int{64, 1} {
			for _, l := range dcganLayers {
				c, err := NewConvolution[float32](n, l.small, l.large, win)
				if err != nil {
					b.Fatal(err)
				}
				small, large := numbers(1, n*l.small.Channels*l.small.pixels()), numbers(2, n*l.large.Channels*l.large.pixels())
				w := numbers(3, l.small.Channels*l.large.Channels*16)
				flop := 2 * float64(n*l.small.Channels*l.small.pixels()*l.large.Channels*16)
				for _, pass := range []struct {
					name string
					f    func()
				}{
					{"down", func() { c.Down(small, large, w, nil, Activation{}) }},
					{"up", func() { c.Up(large, small, w, nil, Activation{}) }},
					{"weights", func() { c.Weights(w, small, large) }},
				} {
					if n == 1 && pass.name != "up" {
						continue
					}
					b.Run(fmt.Sprintf("threads=%d/batch=%d/%s/%s", threads, n, l.name, pass.name), func(b *testing.B) {
						defer SetThreads(SetThreads(threads))
						if n == 1 {
							c.Keep()
						}
						share(b, threads, flop, pass.f)
					})
				}
			}
		}
	}
}

// BenchmarkBatchNorm is the normalisation of DCGAN's layers at batch 64.
func BenchmarkBatchNorm(b *testing.B) {
	const n, channels, pixels = 64, 128, 14 * 14
	x, y, d := numbers(1, n*channels*pixels), make([]float32, n*channels*pixels), make([]float32, n*channels*pixels)
	gamma, beta, mean, variance := numbers(2, channels), numbers(3, channels), make([]float32, channels), make([]float32, channels)
	norm := NewBatchNorm[float32](channels, pixels, 1e-5)
	act := Activation{Func: LeakyReLU, Alpha: 0.2}
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d/train", threads), func(b *testing.B) {
			defer SetThreads(SetThreads(threads))
			each(b, len(x), func() { norm.Train(y, x, gamma, beta, mean, variance, 0.9, act) })
		})
		b.Run(fmt.Sprintf("threads=%d/gradient", threads), func(b *testing.B) {
			defer SetThreads(SetThreads(threads))
			each(b, len(x), func() { norm.Grad(d, gamma, beta, x, y, x, gamma, true, act) })
		})
	}
}
