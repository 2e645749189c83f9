package kernel

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/petrify-ml/petrify/internal/race"
)

// pairs are images that windows couple: of one pixel, of panels to spare and
// not quite filled, in groups, with every number unequal.
var pairs = []struct {
	n            int
	small, large Image
	win          Window
}{
	{3, Image{5, 1, 1}, Image{4, 1, 1}, Window{}},
	{0, Image{2, 3, 3}, Image{2, 3, 3}, Window{}},
	{1, Image{1, 2, 3}, Image{1, 4, 7}, Window{Kernel: [2]int{2, 3}, Stride: [2]int{2, 2}}},
	{2, Image{6, 4, 5}, Image{9, 7, 10}, Window{Kernel: [2]int{3, 2}, Stride: [2]int{2, 2}, Pads: [4]int{1, 0, 1, 1}, Groups: 3}},
	{5, Image{66, 7, 7}, Image{40, 14, 14}, Window{Kernel: [2]int{4, 4}, Stride: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}}},
	{3, Image{16, 14, 14}, Image{1, 28, 28}, Window{Kernel: [2]int{4, 4}, Stride: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}}},
	{2, Image{7, 5, 4}, Image{70, 6, 11}, Window{Kernel: [2]int{3, 3}, Stride: [2]int{1, 3}, Dilation: [2]int{2, 1}, Pads: [4]int{2, 0, 1, 1}}},
	{2, Image{3, 20, 21}, Image{2, 1, 2}, Window{Kernel: [2]int{3, 25}, Pads: [4]int{11, 22, 10, 21}}},
	{1, Image{2, 3, 3}, Image{2, 8, 9}, Window{Kernel: [2]int{1, 2}, Stride: [2]int{3, 3}}}, // phases without taps
	{1, Image{32, 3, 5}, Image{64, 9, 14}, Window{Kernel: [2]int{1, 2}, Stride: [2]int{3, 3}}},
	{2, Image{62, 5, 4}, Image{86, 5, 4}, Window{Kernel: [2]int{3, 5}, Pads: [4]int{1, 2, 1, 2}, Groups: 2}},
	{3, Image{34, 7, 6}, Image{20, 13, 11}, Window{Kernel: [2]int{3, 4}, Stride: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 2}}},
	{2, Image{32, 3, 20}, Image{16, 9, 41}, Window{Kernel: [2]int{3, 2}, Stride: [2]int{4, 2}, Pads: [4]int{1, 0, 1, 0}, Groups: 2}},
	{2, Image{33, 4, 5}, Image{3, 11, 14}, Window{Kernel: [2]int{2, 3}, Stride: [2]int{3, 3}, Dilation: [2]int{2, 1}, Pads: [4]int{0, 1, 1, 0}}},
	{3, Image{2, 25, 33}, Image{150, 25, 65}, Window{Stride: [2]int{1, 2}}}, // more than is taken apart at once
	{1, Image{16, 7, 7}, Image{90, 7, 7}, Window{Kernel: [2]int{3, 3}, Pads: [4]int{1, 1, 1, 1}}},
}

// convolve computes both directions of pair i and the gradient of its weights,
// from the same numbers in every type.
func convolve[T Float](t *testing.T, i int) (down, up, weights []T) {
	p := pairs[i]
	c, err := NewConvolution[T](p.n, p.small, p.large, p.win)
	if err != nil {
		t.Fatalf("pair %d: %v", i, err)
	}
	win := p.win.filled()
	small, large := cast[T](numbers(1, p.n*p.small.Channels*p.small.pixels())), cast[T](numbers(2, p.n*p.large.Channels*p.large.pixels()))
	w := cast[T](numbers(3, p.small.Channels*p.large.Channels/win.Groups*win.Kernel[0]*win.Kernel[1]))
	down, up, weights = make([]T, len(small)), make([]T, len(large)), make([]T, len(w))
	act := Activation{Func: LeakyReLU, Alpha: 0.25}
	c.Down(down, large, w, cast[T](numbers(4, p.small.Channels)), act)
	c.Up(up, small, w, cast[T](numbers(5, p.large.Channels)), act)
	c.Weights(weights, small, large)
	return down, up, weights
}

func cast[T Float](x []float32) []T {
	y := make([]T, len(x))
	for i, v := range x {
		y[i] = T(v)
	}
	return y
}

func TestConvolutionInFloat32IsThatInFloat64(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		for i, p := range pairs {
			win := p.win.filled()
			taps := win.Kernel[0] * win.Kernel[1]
			d32, u32, w32 := convolve[float32](t, i)
			d64, u64, w64 := convolve[float64](t, i)
			// All factors are below 1: the bound of a sum of k terms is gamma(k) k.
			for _, c := range []struct {
				name  string
				got   []float32
				want  []float64
				terms int
			}{
				{"down", d32, d64, p.large.Channels/win.Groups*taps + 2},
				{"up", u32, u64, p.small.Channels/win.Groups*taps + 2},
				{"weights", w32, w64, p.n * p.small.pixels()},
			} {
				limit := gamma(c.terms) * float64(c.terms)
				for j, want := range c.want {
					if !(math.Abs(float64(c.got[j])-want) <= limit) {
						t.Fatalf("pair %d, %s: element %d of %d is %v, want %v within %.2g", i, c.name, j, len(c.want), c.got[j], want, limit)
					}
				}
			}
		}
	})
}

// What the bound leaves open, an integer does not: with small integers every sum
// is exact.
func TestConvolutionOfIntegersIsExact(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		const n = 2
		small, large := Image{31, 5, 6}, Image{3, 9, 13}
		win := Window{Kernel: [2]int{3, 4}, Stride: [2]int{2, 2}, Pads: [4]int{1, 0, 1, 1}}
		fast, err := NewConvolution[float32](n, small, large, win)
		if err != nil {
			t.Fatal(err)
		}
		slow, err := NewConvolution[float64](n, small, large, win)
		if err != nil {
			t.Fatal(err)
		}
		whole := func(seed uint64, n int) []float32 {
			x := numbers(seed, n)
			for i := range x {
				x[i] = float32(math.Round(float64(8 * x[i])))
			}
			return x
		}
		s, l, w := whole(1, n*31*30), whole(2, n*3*9*13), whole(3, 31*3*12)
		got, want := make([]float32, len(l)), make([]float64, len(l))
		fast.Up(got, s, w, nil, Activation{})
		slow.Up(want, cast[float64](s), cast[float64](w), nil, Activation{})
		mustMatch(t, "up", got, cast32(want))
		got, want = make([]float32, len(s)), make([]float64, len(s))
		fast.Down(got, l, w, nil, Activation{})
		slow.Down(want, cast[float64](l), cast[float64](w), nil, Activation{})
		mustMatch(t, "down", got, cast32(want))
		got, want = make([]float32, len(w)), make([]float64, len(w))
		fast.Weights(got, s, l)
		slow.Weights(want, cast[float64](s), cast[float64](l))
		mustMatch(t, "weights", got, cast32(want))
	})
}

func cast32(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

func TestConvolutionDoesNotDependOnThreadsAndAllocatesNothing(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		defer SetThreads(SetThreads(1))
		for i, p := range pairs {
			SetThreads(1)
			down, up, weights := convolve[float32](t, i)
			for _, threads := range []int{2, 3, 5} {
				SetThreads(threads)
				d, u, w := convolve[float32](t, i)
				name := fmt.Sprint("pair ", i, " with ", threads, " threads: ")
				mustMatch(t, name+"down", d, down)
				mustMatch(t, name+"up", u, up)
				mustMatch(t, name+"weights", w, weights)
			}
			c, _ := NewConvolution[float32](p.n, p.small, p.large, p.win)
			small, large, w := make([]float32, len(down)), make([]float32, len(up)), make([]float32, len(weights))
			SetThreads(2)
			if allocs := race.AllocsPerRun(20, func() {
				c.Down(small, large, w, nil, Activation{})
				c.Up(large, small, w, nil, Activation{})
				c.Weights(w, small, large)
			}); allocs != 0 {
				t.Errorf("pair %d: %v allocations", i, allocs)
			}
		}
	})
}

func TestConvolutionCarriesNaNWhereItsWindowsReach(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		small, large := Image{3, 4, 5}, Image{2, 4, 5}
		c, err := NewConvolution[float32](1, small, large, Window{Kernel: [2]int{3, 3}, Pads: [4]int{1, 1, 1, 1}})
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
			x, w := numbers(1, 40), numbers(2, 3*2*9)
			x[20+1*5+3] = bad // row 1, column 3 of the second channel
			y := make([]float32, 60)
			c.Down(y, x, w, nil, Activation{})
			for i, v := range y {
				row, col := i/5%4, i%5
				reached := row <= 2 && col >= 2
				if finite := !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0); finite == reached {
					t.Fatalf("%v at row 1, column 3: row %d, column %d is %v", bad, row, col, v)
				}
			}
		}
	})
}

func TestKeptWeightsAreReadOnce(t *testing.T) {
	onPaths(t, func(t *testing.T) {
		p := pairs[4]
		c, err := NewConvolution[float32](p.n, p.small, p.large, p.win)
		if err != nil {
			t.Fatal(err)
		}
		c.Keep()
		small, w := numbers(1, p.n*p.small.Channels*p.small.pixels()), numbers(2, p.small.Channels*p.large.Channels*16)
		first, second := make([]float32, p.n*p.large.Channels*p.large.pixels()), make([]float32, p.n*p.large.Channels*p.large.pixels())
		c.Up(first, small, w, nil, Activation{})
		clear(w)
		c.Up(second, small, w, nil, Activation{})
		mustMatch(t, "second run", second, first)
	})
}

func TestImpossibleWindowsAreErrors(t *testing.T) {
	output := func(h, w int, win Window) error { _, _, err := win.Output(h, w); return err }
	transposed := func(h, w int, win Window) error { _, _, err := win.TransposedOutput(h, w); return err }
	plan := func(n int, small, large Image, win Window) error {
		_, err := NewConvolution[float32](n, small, large, win)
		return err
	}
	for _, c := range []struct {
		claim string
		err   error
		want  string
	}{
		{"window larger than image", output(3, 3, Window{Kernel: [2]int{2, 3}, Dilation: [2]int{1, 2}}), "smaller than the window of 2x5"},
		{"negative stride", output(3, 3, Window{Stride: [2]int{-1, 1}}), "stride -1 over the height"},
		{"negative padding", output(3, 3, Window{Pads: [4]int{0, 0, 0, -2}}), "padding after -2 over the width"},
		{"a number that overflows", output(3, 3, Window{Kernel: [2]int{math.MaxInt, 1}}), "over the height"},
		{"no image", output(0, 3, Window{Pads: [4]int{5, 5, 5, 5}}), "smaller than"},
		{"negative groups", output(3, 3, Window{Groups: -1}), "-1 groups"},
		{"output padding of a whole stride", transposed(3, 3, Window{OutputPad: [2]int{0, 1}}), "output padding [0 1]"},
		{"nothing left", transposed(1, 3, Window{Pads: [4]int{1, 0, 0, 0}}), "leaves nothing"},
		{"groups that do not divide", plan(1, Image{4, 1, 1}, Image{3, 1, 1}, Window{Groups: 2}), "2 groups do not divide 3 channels"},
		{"images that do not fit", plan(1, Image{1, 3, 3}, Image{1, 3, 2}, Window{}), "do not belong together"},
		{"a batch that is too large", plan(1<<31-1, Image{1, 2, 2}, Image{1, 2, 2}, Window{}), "more than"},
		{"a negative batch", plan(-1, Image{1, 2, 2}, Image{1, 2, 2}, Window{}), "batch of -1"},
		{"weights that are too large", plan(1, Image{1 << 20, 1, 1}, Image{1 << 20, 1, 1}, Window{}), "weights"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q", c.claim, c.err, c.want)
		}
	}
}
